"""One task: claimed, taken a step further by its plugin, and written down; again and again.

It may be called for a task at any time, from any thread and after any crash.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence

import sqlalchemy as sa

from cloudnet_sdn.model.power import Power, power_of
from cloudnet_sdn.model.reasons import as_json
from cloudnet_sdn.model.settings import Timing
from cloudnet_sdn.model.states import CloudnetState, OfferState, TaskState, Wanted
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import Changing, Clock, Json, NodePlugin, Plugin, Refused, Transient
from cloudnet_sdn.roles.effects.batches import Batches
from cloudnet_sdn.roles.effects.steps import Step, next_step
from cloudnet_sdn.store import cloudnets, generations, offers, substrate, tasks, workers
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.tasks import Entry
from cloudnet_sdn.store.turns import unawaited
from cloudnet_sdn.wire.faults import TimedOut
from mip.problem.statement import Reason

log = logging.getLogger(__name__)

_STEPS = 20
FIRST_PAUSE_S = 0.5


class Overtaken(Exception):
    """Another process has taken the task over: what came of it here isn't written down."""


class TaskWork:
    """Brings tasks about, each as far as it can be now."""

    def __init__(
        self, store: Store, registry: Registry, batches: Batches, clock: Clock, timing: Timing
    ) -> None:
        self._store = store
        self._registry = registry
        self._batches = batches
        self._clock = clock
        self._timing = timing

    def bring_about(self, task: int, *, yields: bool = False) -> tuple[Entry | None, bool]:
        """Do what there is to do about a task, until it is done or has to wait.

        Answers how it stands, and whether its shell took too long to answer. What `yields` isn't
        waited for by anybody.
        """
        with unawaited() if yields else contextlib.nullcontext():
            try:
                entry, ours = self._claimed(task)
                return self._worked_out(task, entry) if ours else (entry, False)
            finally:
                self._batches.drop(task)

    def _worked_out(self, task: int, entry: Entry | None) -> tuple[Entry | None, bool]:
        """As `bring_about`, of a task that is this process's until then."""
        try:
            return self._worked_on(entry)
        except Overtaken:
            log.warning("task=%s: another process has taken it over", task)
            return None, False
        finally:
            self._unclaim(task)

    def ask_together(self, step: Step, several: Sequence[int]) -> None:
        """Ask a shell for a step of several tasks, each of which is brought about right after."""
        claimed = [self._claimed(task) for task in several]
        entries = [e for e, ours in claimed if ours and e and self._batches.joins(e) is step]
        if not entries or (step is Step.REMOVE and self._is_gone(entries[0].task.target)):
            return
        if step is Step.MAKE:
            self.sending(entries)
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

    def turn_back(self, task: int) -> Entry | None:
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
        self.sending([entry])
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
    def sending(self, entries: Iterable[Entry]) -> None:
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
        pause = min(self._timing.retry_longest_s, FIRST_PAUSE_S * 2**entry.attempts)
        log.info(
            "later key=%s target=%s pause_s=%.1f: %s", entry.key, entry.task.target, pause, text
        )
        return self._clock.now() + dt.timedelta(seconds=pause)
