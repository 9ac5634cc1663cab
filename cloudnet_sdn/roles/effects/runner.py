"""The embedding component (paper, section 4.2): brings tasks about, and keeps at it.

Every effect goes through `TaskWork.bring_about`: it reads what is wanted, does the next step by the
task's plugin, writes down what came of it, and looks again. Here tasks are dispatched to the lanes
of their shells, and waited for.
"""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloudnet_sdn.model.settings import Timing
from cloudnet_sdn.model.states import TaskState, Wanted
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import (
    Clock,
    CloudnetId,
    OfferId,
    Plan,
    PlannedTask,
    Refused,
    Transient,
    Withdrawing,
)
from cloudnet_sdn.roles.effects.batches import Batches
from cloudnet_sdn.roles.effects.lanes import Job, Lanes
from cloudnet_sdn.roles.effects.steps import next_step, refusals
from cloudnet_sdn.roles.effects.work import FIRST_PAUSE_S, TaskWork
from cloudnet_sdn.store import offers, tasks
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.tasks import Entry
from mip.problem.statement import Code, Reason
from rdl.graph import Element

log = logging.getLogger(__name__)

_TRIES = 2
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


Coming = concurrent.futures.Future[Entry | None]
"""A task that is being worked on, to be how it stands then."""


class Effects:
    """Carries out plans through the plugins."""

    def __init__(self, store: Store, registry: Registry, clock: Clock, timing: Timing) -> None:
        self._store = store
        self._registry = registry
        self._timing = timing
        self._batches = Batches(registry)
        self._work = TaskWork(store, registry, self._batches, clock, timing)
        self._lanes: Lanes[Entry | None] = Lanes(
            width=_WIDTH, name="effect", together=self._work.ask_together
        )
        # Of their own: a large CloudNet that is given back would take up all the threads.
        self._removals: Lanes[Entry | None] = Lanes(
            width=_WIDTH, name="removal", threads=_REMOVALS, together=self._work.ask_together
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
            self._work.sending(left)
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
            time.sleep(FIRST_PAUSE_S / 2)

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
            lambda: self._work.bring_about(task, yields=yields),
            lambda: self._work.turn_back(task),
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
        return self._work.bring_about(task)[0]

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
