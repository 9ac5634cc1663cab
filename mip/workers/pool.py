"""Workers kept warm: a solve begins at once instead of with the start of a process.

A worker does one job after another. It is replaced once it has done many or has grown, and whenever
it had to be killed: by a cancel, past a time limit, over the bound on memory, or where it died.
Memory is bounded by watching what is resident, the solver's process included: what is merely
reserved (`RLIMIT_AS`) says little of a process with numpy and threads, and a solver that is denied
an allocation may abort or come out with anything.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Protocol

from mip.errors import MappingError, NoTurnError, OutOfMemoryError, SendingError, SolverError
from mip.problem.statement import Options, Problem, Result, Status
from mip.solvers.linear import Progress
from mip.verify.verifier import verify
from mip.workers.handle import NotBegunError, Worker
from mip.workers.messages import Answer, Job
from mip.workers.process import Hired, Solving, later, mapping_job

log = logging.getLogger(__name__)

_MIB = 1 << 20
_LOOK_S = 5.0
"""How often idle workers are looked at."""
_PAUSE_S = 1.0
"""Between two starts of workers that don't even get ready."""


@dataclass(frozen=True)
class Bounds:
    """What a pool may use.

    Attributes:
        workers: solves at a time; others wait their turn.
        spare: further workers kept warm, for whoever comes after one that was killed.
        jobs: after so many a worker is replaced.
        grown: bytes resident after a job, above which a worker is replaced.
        memory: bytes resident during a job, above which it is killed.
    """

    workers: int
    spare: int = 1
    jobs: int = 500
    grown: int = 256 * _MIB
    memory: int = 2048 * _MIB


def usual_workers() -> int:
    """As many as there are cores, but two: a long solve shan't keep all others waiting."""
    return max(2, os.cpu_count() or 1)


def usual_memory(workers: int) -> int:
    """Bytes for each of `workers`, so that all together leave some of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (workers + 1)


class Elsewhere(Protocol):
    """Another place where jobs are done."""

    def worker(self) -> Hired | None:
        """A place for one job; None while it is away."""


class Pool:
    """Warm workers, and who waits for one, in order; to be closed by whoever made it.

    Args:
        bounds: what it may use.
        elsewhere: where else jobs are done; they are done here while that is away, and once again
            where it comes to nothing there. It is others' to close, after the pool.
    """

    def __init__(self, bounds: Bounds, elsewhere: Elsewhere | None = None) -> None:
        self._bounds = bounds
        self._elsewhere = elsewhere
        self._changed = threading.Condition()
        self._idle: deque[Worker] = deque()
        self._busy: set[Worker] = set()
        self._waiting: deque[Solving] = deque()
        self._open: set[Solving] = set()
        self._closed = False
        self._keeper = threading.Thread(target=self._keep, name="solvers", daemon=True)
        self._keeper.start()

    def map(
        self, problem: Problem, options: Options | None = None, progress: Progress | None = None
    ) -> Solving:
        """`mip.mapping.map_request` in a worker; waiting for one counts against the time limit.

        Raises:
            CancelledError: the pool has been closed.
        """
        options = options or Options()

        def job(waited: float) -> Job:
            return later(mapping_job(problem, options), waited)

        def holds(answer: object) -> bool:
            if not isinstance(answer, Result):
                return False
            mapped = answer.status in (Status.OPTIMAL, Status.FEASIBLE)
            return not (mapped and verify(problem, answer))

        return self.submit(job, progress, limit=options.time_limit, holds=holds)

    def submit(
        self,
        job: Job | Callable[[float], Job],
        progress: Progress | None = None,
        *,
        limit: float | None = None,
        holds: Callable[[object], bool] = lambda _: True,
    ) -> Solving:
        """Have a job done, elsewhere if there is such a place, else here in its turn.

        Args:
            job: what is to be done; or what makes it, given the seconds that it waited.
            progress: told what the worker tells.
            limit: how many seconds it may wait for a worker; its result is a `NoTurnError` then.
            holds: whether what came from elsewhere can be right; if not, it is done here.

        Raises:
            CancelledError: the pool has been closed.
            SendingError: a job that is given as such holds what can't be pickled.
        """
        with self._changed:
            if self._closed:
                raise CancelledError
            solving = Solving(job, progress, _Turn(self, limit, holds))
            self._open.add(solving)
        solving.add_done_callback(self._forget)
        return solving

    def pids(self) -> frozenset[int]:
        """Of all workers there are, for those who watch over the machine."""
        with self._changed:
            return frozenset(w.pid for w in (*self._idle, *self._busy))

    def close(self) -> None:
        """Cancel what runs and what waits, and end all workers; may be repeated."""
        with self._changed:
            self._closed = True
            left = list(self._open)
            self._changed.notify_all()
        for solving in left:
            solving.cancel()
        self._keeper.join()
        while self._idle:
            self._idle.popleft().end()

    def _forget(self, solving: Solving) -> None:
        with self._changed:
            self._open.discard(solving)

    # -- turns

    def elsewhere(self) -> Hired | None:
        """A place to do one job at that isn't here, if there is one now."""
        return None if self._elsewhere is None else self._elsewhere.worker()

    def hire(self, solving: Solving, limit: float | None) -> Worker | None:
        """See `Staff.hire`."""
        left = None if limit is None else limit - solving.age
        with self._changed:
            self._waiting.append(solving)
            self._changed.notify_all()  # the keeper looks whether those idle are still there
            try:
                self._changed.wait_for(lambda: self._is_next(solving), left)
                if solving.cancelled():
                    return None
                if not self._is_next(solving):
                    raise NoTurnError(f"no solver was free within {limit:g} s")
                worker = self._pick()
                self._busy.add(worker)
                return worker
            finally:
                self._waiting.remove(solving)
                self._changed.notify_all()

    def _is_next(self, solving: Solving) -> bool:
        if solving.cancelled():
            return True
        free = len(self._busy) < self._bounds.workers and any(w.alive() for w in self._idle)
        return free and self._waiting[0] is solving

    def _pick(self) -> Worker:
        """One that is warm, if any is; else one that soon will be."""
        alive = [w for w in self._idle if w.alive()]
        worker = next((w for w in alive if w.warm()), alive[0])
        self._idle.remove(worker)
        return worker

    def have(self, worker: Worker, job: bytes, progress: Progress | None) -> Answer:
        """See `Staff.have`."""
        return worker.do(job, progress, self._bounds.memory)

    def leave(self, worker: Worker, answer: Answer | None) -> None:
        """See `Staff.leave`."""
        fit = answer is not None and self._fit(worker, answer)
        with self._changed:
            self._busy.discard(worker)
            fit = fit and not self._closed
            if fit:
                self._idle.appendleft(worker)
            self._changed.notify_all()
        if not fit:
            log.debug("replaced worker=%s jobs=%s", worker.pid, worker.jobs)
            worker.end()

    def _fit(self, worker: Worker, answer: Answer) -> bool:
        few = worker.jobs < self._bounds.jobs
        return few and not _is_broken(answer) and worker.resident() <= self._bounds.grown

    def wake(self) -> None:
        """See `Staff.wake`."""
        with self._changed:
            self._changed.notify_all()

    # -- keeping

    def _keep(self) -> None:
        """Have as many workers as there should be, started in this thread."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._is_short(), _LOOK_S)
                if self._closed:
                    return
                dead = [w for w in self._idle if not w.alive()]
                for worker in dead:
                    self._idle.remove(worker)
                short = self._is_short()
            stillborn = [w for w in dead if not w.warm()]
            for worker in dead:
                log.warning("died worker=%s jobs=%s", worker.pid, worker.jobs)
                worker.end()
            if stillborn:
                time.sleep(_PAUSE_S)
            if short:
                self._start_one()

    def _is_short(self) -> bool:
        there = len(self._busy) + sum(worker.alive() for worker in self._idle)
        return there < self._bounds.workers + self._bounds.spare

    def _start_one(self) -> None:
        try:
            worker = Worker()
        except OSError:
            log.exception("no worker could be started")
            time.sleep(_PAUSE_S)
            return
        with self._changed:
            # Closed meanwhile or not: `close` waits for this thread before it ends those idle.
            self._idle.append(worker)
            self._changed.notify_all()


@dataclass
class _Turn:
    """A job's way to a worker: one elsewhere at first, then a place in the pool's queue.

    Attributes:
        pool: the pool.
        limit: how long it may wait there, in seconds.
        holds: whether what came from elsewhere can be right.
        away: whether it was elsewhere.
    """

    pool: Pool
    limit: float | None
    holds: Callable[[object], bool]
    away: bool = False

    def hire(self, solving: Solving) -> Hired | None:
        found = None if self.away else self.pool.elsewhere()
        self.away = True
        return found or self.pool.hire(solving, self.limit)

    def have(self, worker: Hired, job: bytes, progress: Progress | None) -> Answer:
        if isinstance(worker, Worker):
            return self.pool.have(worker, job, progress)
        answer = worker.do(job, progress)
        why = ""
        if _is_broken(answer) and not isinstance(answer.value, OutOfMemoryError):
            why = f"{type(answer.value).__name__}: {answer.value}"
        elif answer.kind == "value" and not self.holds(answer.value):
            why = "it is no mapping of the request"
        if why:
            log.warning("an answer from elsewhere isn't taken: %s", why)
            raise NotBegunError(why)
        return answer

    def leave(self, worker: Hired, answer: Answer | None) -> None:
        if isinstance(worker, Worker):
            self.pool.leave(worker, answer)

    def wake(self) -> None:
        self.pool.wake()


def _is_broken(answer: Answer) -> bool:
    """Whether a worker answered with an error that says more of itself than of the job."""
    broken = isinstance(answer.value, SendingError | SolverError)
    return answer.kind == "error" and (broken or not isinstance(answer.value, MappingError))
