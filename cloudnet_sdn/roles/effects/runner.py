"""The embedding component (paper, section 4.2): brings tasks about, and keeps at it.

Every effect goes through `bring_about`: it reads what is wanted, does the next step by the task's
plugin, writes down what came of it, and looks again. It may be called for a task at any time, from
any thread and after any crash.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime as dt
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.model.power import Power, power_of
from cloudnet_sdn.model.reasons import as_json
from cloudnet_sdn.model.settings import Timing
from cloudnet_sdn.model.states import CloudnetState, OfferState, TaskState, Wanted
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import (
    Changing,
    Clock,
    CloudnetId,
    Json,
    NodePlugin,
    OfferId,
    Plan,
    PlannedTask,
    Plugin,
    Refused,
    Transient,
    Withdrawing,
)
from cloudnet_sdn.roles.effects.batches import Batches
from cloudnet_sdn.roles.effects.lanes import Job, Lanes
from cloudnet_sdn.roles.effects.steps import Step, next_step
from cloudnet_sdn.store import cloudnets, generations, offers, substrate, tasks, workers
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.tasks import Entry
from cloudnet_sdn.store.turns import unawaited
from cloudnet_sdn.wire.faults import TimedOut
from mip.problem.statement import Code, Reason
from rdl.graph import Element

log = logging.getLogger(__name__)

_STEPS = 20
_TRIES = 2
_FIRST_PAUSE_S = 0.5
_WIDTH = 16
"""Tasks of one shell or provider that are worked on at a time."""
_REMOVALS = 64
"""Tasks that are removed at a time while nobody waits for it."""


@dataclass(frozen=True)
class Outcome:
    """What came of a round.

    Attributes:
        entries: its tasks as they stand.
        reasons: why it can't be, where something was refused.
        away: the targets that couldn't be reached in time.
    """

    entries: tuple[Entry, ...]
    reasons: tuple[Reason, ...] = ()
    away: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether everything is there."""
        return not self.reasons and not self.away


class Overtaken(Exception):
    """Another process has taken the task over: what came of it here isn't written down."""


Coming = concurrent.futures.Future[Entry | None]
"""A task that is being worked on, to be how it stands then."""


class Effects:
    """Carries out plans through the plugins."""

    def __init__(self, store: Store, registry: Registry, clock: Clock, timing: Timing) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._timing = timing
        self._batches = Batches(registry)
        self._lanes: Lanes[Entry | None] = Lanes(
            width=_WIDTH, name="effect", together=self._ask_together
        )
        # Of their own: a large CloudNet that is given back would take up all the threads.
        self._removals: Lanes[Entry | None] = Lanes(
            width=_WIDTH, name="removal", threads=_REMOVALS, together=self._ask_together
        )
        self._pool = concurrent.futures.ThreadPoolExecutor(8, thread_name_prefix="withdrawal")
        self._running: dict[int, Coming] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Take nothing more on; what runs ends by itself."""
        self._lanes.close()
        self._removals.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- planning

    def plan(self, plan: Plan) -> list[PlannedTask]:
        """The tasks of all plugins whose substrate the mapping uses. Pure.

        Raises:
            Refused: something can't be brought about.
        """
        shares: dict[str, list[Element]] = {}
        used = {on for p in plan.mapping.mapping.values() for on in (*p.on, *p.backup)}
        used |= {interface.partition(".")[0] for interface in plan.anchors.values()}
        for identifier in sorted(used):
            element = plan.substrate.elements[identifier]
            name = self._registry.name_for(element.type)
            if name is not None:
                shares.setdefault(name, []).append(element)
            elif element.is_node:
                log.error("no plugin for type=%s element=%s", element.type, identifier)
                text = "a part of the substrate can't be driven"
                raise Refused([Reason(plan.overlay.name, Code.TYPE, text)])
        planned: list[PlannedTask] = []
        for name, elements in shares.items():
            share = Plan(
                cloudnet=plan.cloudnet,
                substrate=plan.substrate,
                overlay=plan.overlay,
                mapping=plan.mapping,
                anchors=plan.anchors,
                elements=tuple(elements),
                options=plan.options,
                key=plan.key,
            )
            planned += self._registry.get(name).plan(share)
        return planned

    # -- effects

    def make_all(self, offer: OfferId) -> Outcome:
        """Bring about the round that an offer is in, all at once (paper, section 5.5).

        Shells that are away are tried again for a while. The first refusal ends the waiting.
        """
        deadline = time.monotonic() + self._timing.hold_try_s
        while True:
            entries = self._round(offer)
            left = [e for e in entries if e.state is TaskState.PLANNED]
            if not left or any(e.state is TaskState.FAILED for e in entries):
                return _outcome(entries)
            self._sending(left)
            pending = {self.dispatch(e) for e in left}
            refused = False
            while pending and not refused:
                done, pending = concurrent.futures.wait(
                    pending, return_when=concurrent.futures.FIRST_COMPLETED
                )
                refused = any(_came_to(f, TaskState.FAILED) for f in done)
            if pending:
                # Others may have a say: give them a moment, so that all reasons are told.
                concurrent.futures.wait(pending, timeout=1.0)
            entries = self._round(offer)
            waiting = [e for e in entries if e.state is TaskState.PLANNED]
            if pending or not waiting:
                return _outcome(entries)
            # Whoever it took long must be asked again all the same: its answer may just be lost.
            if time.monotonic() > deadline and all(e.attempts >= _TRIES for e in waiting):
                return _outcome(entries)
            time.sleep(_FIRST_PAUSE_S / 2)

    def run_all(self, cloudnet: CloudnetId, *, wait_s: float) -> bool:
        """Work on all of a CloudNet's open tasks for at most `wait_s`; whether none is left."""
        deadline, pause = time.monotonic() + wait_s, 0.05
        while True:
            with self._store.read() as conn:
                entries = [e for e in tasks.of_cloudnet(conn, cloudnet) if next_step(e)]
            if not entries:
                return True
            self._withdraw(entries)
            futures = [self.dispatch(e, awaited=True) for e in entries]
            left = deadline - time.monotonic()
            concurrent.futures.wait(futures, timeout=max(0.0, left))
            if all(map(_is_settled, futures)):
                continue
            if time.monotonic() >= deadline:
                return False
            time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(2.0, 2 * pause)

    def wait_for(self, cloudnet: CloudnetId, seconds: float) -> None:
        """Wait until nobody works on a CloudNet's tasks, or for `seconds`."""
        with self._store.read() as conn:
            entries = tasks.of_cloudnet(conn, cloudnet)
        with self._lock:
            running = [self._running[e.id] for e in entries if e.id in self._running]
        concurrent.futures.wait(running, timeout=seconds)

    def kick(self, cloudnet: CloudnetId) -> None:
        """Work on all of a CloudNet's open tasks, without waiting for the next tick."""
        with self._store.read() as conn:
            entries = tasks.of_cloudnet(conn, cloudnet)
        self._withdraw(entries)
        for entry in entries:
            if next_step(entry):
                self.dispatch(entry)

    def _withdraw(self, entries: Iterable[Entry]) -> None:
        """Have nobody wait for what is being made and isn't wanted any more."""
        for entry in entries:
            plugin = self._registry.get(entry.task.plugin)
            vain = entry.wanted is Wanted.ABSENT and entry.state is TaskState.PLANNED
            if vain and entry.id in self._running and isinstance(plugin, Withdrawing):
                self._pool.submit(self._withdrawn, plugin, entry)

    @staticmethod
    def _withdrawn(plugin: Withdrawing, entry: Entry) -> None:
        try:
            plugin.withdraw(entry.task)
        except (Transient, Refused) as exc:
            log.info("not withdrawn key=%s target=%s: %s", entry.key, entry.task.target, exc)

    def dispatch(self, entry: Entry, *, awaited: bool = False) -> Coming:
        """Work on a task in its shell's lane; the one that is at it already, if any.

        What is to be removed and isn't `awaited` gives way to all else.
        """
        task = entry.id
        yields = entry.wanted is Wanted.ABSENT and not awaited
        lanes = self._removals if yields else self._lanes
        job: Job[Entry | None] = Job(
            lambda: self._brought_about(task, yields=yields),
            lambda: self._turned_back(task),
            joins=self._batches.joins(entry),
            subject=task,
        )
        with self._lock:
            running = self._running.get(task)
            if running is not None and not running.done():
                return running
            future = lanes.submit((entry.task.plugin, entry.task.target), job)
            self._running[task] = future
        # Outside the lock: a future that is done already calls back at once, on this thread.
        future.add_done_callback(lambda _: self._forget(task, future))
        return future

    def _forget(self, task: int, future: Coming) -> None:
        with self._lock:
            if self._running.get(task) is future:
                del self._running[task]

    def bring_about(self, task: int) -> Entry | None:
        """Do what there is to do about a task, until it is done or has to wait; how it stands."""
        return self._brought_about(task)[0]

    def _brought_about(self, task: int, *, yields: bool = False) -> tuple[Entry | None, bool]:
        """As `bring_about`; and whether its shell took too long to answer."""
        with unawaited() if yields else contextlib.nullcontext():
            try:
                entry, ours = self._claimed(task)
                return self._worked_out(task, entry) if ours else (entry, False)
            finally:
                self._batches.drop(task)

    def _worked_out(self, task: int, entry: Entry | None) -> tuple[Entry | None, bool]:
        """As `_brought_about`, of a task that is this process's until then."""
        try:
            return self._worked_on(entry)
        except Overtaken:
            log.warning("task=%s: another process has taken it over", task)
            return None, False
        finally:
            self._unclaim(task)

    def _ask_together(self, step: Step, several: Sequence[int]) -> None:
        """Ask a shell for a step of several tasks, each of which is brought about right after."""
        claimed = [self._claimed(task) for task in several]
        entries = [e for e, ours in claimed if ours and e and self._batches.joins(e) is step]
        if not entries or (step is Step.REMOVE and self._is_gone(entries[0].task.target)):
            return
        if step is Step.MAKE:
            self._sending(entries)
        self._batches.ask(step, entries)

    def _is_gone(self, target: str) -> bool:
        with self._store.read() as conn:
            return substrate.is_gone(conn, target)

    @repeatable
    def _claimed(self, task: int) -> tuple[Entry | None, bool]:
        """A task as it stands, and whether this process may work on it now."""
        if not self._store.shared:
            with self._store.read() as conn:
                return tasks.get(conn, task), True
        with self._store.write() as conn:
            ours = workers.claim(conn, task, self._store.worker, self._clock.now())
            return tasks.get(conn, task), ours

    @repeatable
    def _unclaim(self, task: int) -> None:
        if self._store.shared:
            with self._store.write() as conn:
                workers.unclaim(conn, task, self._store.worker)

    @contextlib.contextmanager
    def _writing(self, entry: Entry) -> Iterator[sa.Connection]:
        """A transaction about a task that is still this process's.

        Raises:
            Overtaken: it isn't any more.
        """
        with self._store.write() as conn:
            if self._store.shared:
                # Whoever locks a task and its CloudNet locks the CloudNet first.
                cloudnets.lock(conn, entry.task.cloudnet)
                if not workers.claimed(conn, entry.id, self._store.worker):
                    raise Overtaken
            yield conn

    def _worked_on(self, entry: Entry | None) -> tuple[Entry | None, bool]:
        for _ in range(_STEPS):
            step = None if entry is None else next_step(entry)
            if entry is None or step is None:
                self._rest(entry)
                return entry, False
            entry, waits, hangs = self._stepped(entry, step)
            if waits:
                return entry, hangs
        return entry, False

    def _turned_back(self, task: int) -> Entry | None:
        """A task whose shell hangs has to wait, as if it had been tried."""
        self._batches.drop(task)
        entry, ours = self._claimed(task)
        try:
            if ours and entry is not None and next_step(entry) is not None:
                self._postpone(entry, f"{entry.task.target} takes too long to answer")
        finally:
            self._unclaim(task)
        return entry

    @repeatable
    def _rest(self, entry: Entry | None) -> None:
        """Look no more at a task that has come to what was wanted."""
        if entry is not None and entry.open:
            with self._writing(entry) as conn:
                tasks.rest(conn, entry.id)

    def _stepped(self, entry: Entry, step: Step) -> tuple[Entry | None, bool, bool]:
        """Take a step; the task as it stands then, whether it has to wait, and for a hung shell."""
        hangs = False
        try:
            return self._do(entry, step), False, False
        except Overtaken:
            raise
        except Refused as exc:
            if step is not Step.REMOVE and step is not Step.POWER:
                if not self._stands(entry):
                    return self._failed(entry, exc.reasons), False, False
                self._not_yet(entry, exc.reasons)
                return entry, True, False
            text = str(exc)
        except Transient as exc:
            text = str(exc)
            hangs = isinstance(exc.__cause__, TimedOut)
        except Exception:
            log.exception("broke down task=%s step=%s key=%s", entry.id, step, entry.key)
            text = "internal error"
        self._postpone(entry, text)
        return entry, True, hangs

    def _do(self, entry: Entry, step: Step) -> Entry | None:
        """Take a step, and write down what came of it; answers the task as it stands then."""
        if step is Step.POWER:
            return self._power(entry)
        plugin = self._registry.get(entry.task.plugin)
        old = None if entry.succeeds is None else self._stood(entry.succeeds)
        if step is Step.REMOVE:
            return self._removed(entry, plugin, old)
        self._sending([entry])
        if old is not None and isinstance(plugin, Changing):
            if step is Step.CONFIRM:
                self._applying(entry)
                answer = {**plugin.apply(entry.task), tasks.APPLIED: True}
            else:
                answer = plugin.stage(entry.task, old.task)
        else:
            confirms = step is Step.CONFIRM
            answer = (
                plugin.confirm(entry.task) if confirms else self._batches.make(plugin, entry.task)
            )
        state = TaskState.CONFIRMED if step is Step.CONFIRM else TaskState.PRESENT
        log.info("done step=%s key=%s target=%s", step, entry.key, entry.task.target)
        again = step is Step.MAKE and self._stands(entry)
        return self._came_to(entry, state, answer, again=again)

    @repeatable
    def _sending(self, entries: Iterable[Entry]) -> None:
        """Note whom is going to be asked: of what was never asked for nothing has to be removed."""
        unsent = [e for e in entries if not e.sent]
        if unsent:
            with self._store.write() as conn:
                tasks.sending(conn, unsent)

    @repeatable
    def _came_to(
        self, entry: Entry, state: TaskState, answer: Json, *, again: bool
    ) -> Entry | None:
        with self._writing(entry) as conn:
            if again:
                self._tell(conn, entry, "restored", "it is there again")
            return tasks.outcome(conn, entry, state, answer=answer)

    @repeatable
    def _applying(self, entry: Entry) -> None:
        """Note that what stands is changed from now on, so that it is changed back if need be."""
        answer = {**entry.task.answer, tasks.APPLIED: True}
        with self._writing(entry) as conn:
            tasks.outcome(conn, entry, entry.state, answer=answer)

    def _stood(self, task: int) -> Entry | None:
        """The task whose thing another one changes in place, while it is to stay."""
        with self._store.read() as conn:
            entry = tasks.get(conn, task)
        return None if entry is None or entry.wanted is Wanted.ABSENT else entry

    def _removed(self, entry: Entry, plugin: Plugin, old: Entry | None) -> Entry | None:
        """Leave nothing of a task; what it was to change in place is as it was."""
        answer: Json | None = None
        gone = self._is_gone(entry.task.target)
        if not entry.sent:
            log.info("never asked for key=%s target=%s", entry.key, entry.task.target)
        elif gone:
            log.info("gone with its shell key=%s target=%s", entry.key, entry.task.target)
        elif old is not None and isinstance(plugin, Changing):
            answer = plugin.revert(entry.task, old.task)
            self._hold_again(entry, plugin)
        else:
            self._batches.remove(plugin, entry.task)
        log.info("done step=%s key=%s target=%s", Step.REMOVE, entry.key, entry.task.target)
        return self._gone(entry, old, answer)

    def _hold_again(self, entry: Entry, plugin: Changing) -> None:
        """What a change took the place of is held again, now that the change is taken back."""
        with self._store.read() as conn:
            others = tasks.rivals(conn, entry)
        for other in others:
            spec = plugin.restaged(other.task)
            if spec is not None:
                log.info("held again key=%s target=%s", other.key, other.task.target)
                self._plan_again(other, spec)

    @repeatable
    def _plan_again(self, entry: Entry, spec: Json) -> None:
        with self._store.write() as conn:
            tasks.plan_again(conn, entry, spec, self._clock.now())

    @repeatable
    def _gone(self, entry: Entry, old: Entry | None, answer: Json | None) -> Entry | None:
        now = self._clock.now()
        with self._writing(entry) as conn:
            cloudnets.lock(conn, entry.task.cloudnet)
            if old is not None and answer is not None:
                tasks.outcome(conn, old, old.state, answer=answer)
            after = tasks.outcome(conn, entry, TaskState.ABSENT)
            cloudnet = entry.task.cloudnet
            nothing_left = generations.tidy(conn, cloudnet)
            if nothing_left and cloudnets.step(conn, cloudnet, CloudnetState.RELEASED):
                cloudnets.record(conn, cloudnet, now, "released", "nothing of it is left")
        return after

    def _power(self, entry: Entry) -> Entry | None:
        plugin = self._registry.get(entry.task.plugin)
        if not isinstance(plugin, NodePlugin):
            raise Transient(f"{entry.task.plugin} runs no VNodes")
        reached = dict(entry.powered)
        for power in (Power.STOPPED, Power.RUNNING, Power.CYCLE):
            wishes = {
                v: wish
                for v, wish in entry.power.items()
                if power_of(wish) is power and reached.get(v) != wish
            }
            if not wishes:
                continue
            if power is Power.STOPPED:
                plugin.stop(entry.task, list(wishes))
            elif power is Power.RUNNING:
                plugin.start(entry.task, list(wishes))
            else:
                plugin.powercycle(entry.task, wishes)
            reached.update(wishes)
        return self._powered(entry, reached)

    @repeatable
    def _powered(self, entry: Entry, reached: Mapping[str, str]) -> Entry | None:
        with self._writing(entry) as conn:
            return tasks.powered(conn, entry, reached)

    @repeatable
    def _failed(self, entry: Entry, reasons: Iterable[Reason]) -> Entry | None:
        problem: Json = {"reasons": [as_json(r) for r in reasons]}
        with self._writing(entry) as conn:
            return tasks.outcome(conn, entry, TaskState.FAILED, problem=problem)

    def _stands(self, entry: Entry) -> bool:
        """Whether a task is of what has been confirmed: it is made good, whatever it takes."""
        if entry.wanted is not Wanted.CONFIRMED:
            return False
        with self._store.read() as conn:
            offer = offers.get(conn, entry.offer)
        return offer is not None and offer.state is OfferState.CONFIRMED

    @repeatable
    def _not_yet(self, entry: Entry, reasons: Sequence[Reason]) -> None:
        """What was lost is turned down when it is to be made again: another time it may not be."""
        text = "; ".join(dict.fromkeys(r.text for r in reasons))
        due = self._next_try(entry, text)
        with self._writing(entry) as conn:
            if not entry.attempts:
                told = f"it couldn't be made again, which is tried on: {text}"
                self._tell(conn, entry, "refused", told)
            tasks.postpone(conn, entry, due, text, [as_json(r) for r in reasons])

    def _tell(self, conn: sa.Connection, entry: Entry, event: str, text: str) -> None:
        """Append to the history of a task's elements."""
        lines = [(e, event, text) for e in entry.task.elements]
        cloudnets.record_of(conn, entry.task.cloudnet, self._clock.now(), lines)

    @repeatable
    def _postpone(self, entry: Entry, text: str) -> None:
        due = self._next_try(entry, text)
        with self._writing(entry) as conn:
            tasks.postpone(conn, entry, due, text)

    def _next_try(self, entry: Entry, text: str) -> dt.datetime:
        pause = min(self._timing.retry_longest_s, _FIRST_PAUSE_S * 2**entry.attempts)
        log.info(
            "later key=%s target=%s pause_s=%.1f: %s", entry.key, entry.task.target, pause, text
        )
        return self._clock.now() + dt.timedelta(seconds=pause)

    # -- looking

    def _round(self, offer: OfferId) -> list[Entry]:
        """What the round that an offer is in consists of, what it keeps included."""
        with self._store.read() as conn:
            found = offers.get(conn, offer)
            entries = [] if found is None else tasks.of_offer(conn, found)
        if found is None:
            return []
        kept = frozenset(found.kept_tasks)
        return [e for e in entries if e.round == found.round or e.id in kept]


def _outcome(entries: Sequence[Entry]) -> Outcome:
    """What came of a round's tasks, as they stand."""
    reasons = [r for e in entries for r in refusals(e)]
    waiting = [e for e in entries if e.state is TaskState.PLANNED]
    away = frozenset(e.task.target for e in waiting if not reasons)
    return Outcome(tuple(entries), tuple(reasons), away)


def _ended(coming: Coming) -> Entry | None:
    """How a task stood when nobody worked on it any more; None where that isn't known."""
    if not coming.done() or coming.cancelled() or coming.exception() is not None:
        return None
    return coming.result()


def _came_to(coming: Coming, state: TaskState) -> bool:
    entry = _ended(coming)
    return entry is not None and entry.state is state


def _is_settled(coming: Coming) -> bool:
    entry = _ended(coming)
    return entry is not None and next_step(entry) is None


def refusals(entry: Entry) -> Sequence[Reason]:
    """Why a task failed."""
    return said(entry) if entry.state is TaskState.FAILED else ()


def said(entry: Entry) -> Sequence[Reason]:
    """Why a task was turned down when it was last tried, if it was."""
    listed = entry.problem.get("reasons", [])
    return [Reason(r["element"], Code(r["code"]), r["text"]) for r in listed]
