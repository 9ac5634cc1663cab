"""Solving in a process of its own: a server is never blocked, and a solve can be cancelled."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any, Protocol

from mip.errors import MappingError, NoTurnError, SolverError
from mip.problem.statement import Options, Problem, Result, Status
from mip.solvers.linear import Progress
from mip.workers.handle import NotBegunError, Worker
from mip.workers.messages import Answer, Job, packed

GRACE_S = 10.0
"""How long after its time limit a solve is ended that minds none."""

_TRIES = 3
"""How many workers may be dead already when they get a job."""


class Hired(Protocol):
    """Who does one job: a process of this machine (`handle.Worker`), or a place elsewhere."""

    def do(self, job: bytes, progress: Progress | None = None, memory: int = 0) -> Answer:
        """Have the packed job done. Raises SendingError, SolverError; NotBegunError: try again."""

    def kill(self) -> None:
        """End it at once; `do` comes back."""


class Staff(Protocol):
    """Where solves get their workers from."""

    def hire(self, solving: Solving) -> Hired | None:
        """A worker, once it is this one's turn; None if it is cancelled before that.

        Raises:
            NoTurnError: its time was over before.
        """

    def have(self, worker: Hired, job: bytes, progress: Progress | None) -> Answer:
        """Have the packed job done. Raises SendingError, SolverError."""

    def leave(self, worker: Hired, answer: Answer | None) -> None:
        """Take it back, with what it answered; None where it was killed or died."""

    def wake(self) -> None:
        """Somebody who waits for a worker has been cancelled."""


class Alone:
    """A worker for each."""

    def hire(self, _solving: Solving) -> Worker:
        """A new one."""
        return Worker()

    def have(self, worker: Hired, job: bytes, progress: Progress | None) -> Answer:
        """Have the job done."""
        return worker.do(job, progress)

    def leave(self, worker: Hired, _answer: Answer | None) -> None:
        """End it."""
        if isinstance(worker, Worker):
            worker.end()

    def wake(self) -> None:
        """Nobody waits."""


class Solving:
    """A solve under way in another process; like a future.

    Args:
        job: what is to be done; or what makes it, given the seconds that it waited for a worker.
        progress: told what the worker tells.
        staff: where the worker comes from; a new one by default.

    Raises:
        SendingError: the job holds what can't be pickled.
    """

    def __init__(
        self,
        job: Job | Callable[[float], Job],
        progress: Progress | None = None,
        staff: Staff | None = None,
    ) -> None:
        self._began = time.monotonic()
        self._done = threading.Event()
        self._cancelled = False
        self._answer: Answer | None = None
        self._callbacks: list[Callable[[Solving], None]] = []
        self._lock = threading.Lock()
        self._job = packed(job) if isinstance(job, Job) else job
        self._progress = progress
        self._staff = staff or Alone()
        self._process = self._staff.hire(self) if staff is None else None
        threading.Thread(target=self._run, name="solving", daemon=True).start()

    @property
    def age(self) -> float:
        """Seconds since it was asked for."""
        return time.monotonic() - self._began

    def cancel(self) -> bool:
        """End it now, the solver included; False if it had ended already."""
        with self._lock:
            if self._done.is_set():
                return False
            self._cancelled = True
            if self._process is not None:
                self._process.kill()
        self._staff.wake()
        self._done.wait()
        return True

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelled

    def done(self) -> bool:
        """Whether it has ended, one way or another."""
        return self._done.is_set()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for what came out.

        Raises:
            TimeoutError: not within `timeout` seconds; the solve goes on.
            CancelledError: it was cancelled.
            NoTurnError: no worker was free in time.
            MappingError: as `mip.mapping.map_request`.
            SendingError: the worker couldn't read the job, or its error can't be read here.
            SolverError: the worker died.
            OutOfMemoryError: it took too much memory.
        """
        if not self._done.wait(timeout):
            raise TimeoutError
        if self._cancelled:
            raise CancelledError
        if self._answer is None:
            raise SolverError("the solver's process ended without an answer")
        if self._answer.kind == "error":
            raise self._answer.value
        return self._answer.value

    def add_done_callback(self, callback: Callable[[Solving], None]) -> None:
        """Call `callback` once it has ended, in another thread; at once if it has."""
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    def _run(self) -> None:
        try:
            self._answer = self._tried()
        except MappingError as exc:
            self._answer = Answer("error", exc)
        finally:
            with self._lock:
                self._done.set()
                waiting, self._callbacks = self._callbacks, []
            for callback in waiting:
                callback(self)

    def _tried(self) -> Answer | None:
        for _ in range(_TRIES - 1):
            with contextlib.suppress(NotBegunError):
                return self._worked()
        return self._worked()

    def _worked(self) -> Answer | None:
        worker = self._process or (None if self._cancelled else self._staff.hire(self))
        if worker is None:
            return None
        answer: Answer | None = None
        try:
            with self._lock:
                self._process = worker
                if self._cancelled:
                    return None
            job = self._job if isinstance(self._job, bytes) else packed(self._job(self.age))
            answer = self._staff.have(worker, job, self._progress)
            return answer
        finally:
            with self._lock:
                self._process = None  # from here on it is nobody's to kill but its staff's
                fine = answer is not None and not self._cancelled
            self._staff.leave(worker, answer if fine else None)


def start_mapping(
    problem: Problem, options: Options | None = None, progress: Progress | None = None
) -> Solving:
    """`mip.mapping.map_request` in a process of its own; `result()` gives its `Result`."""
    return Solving(mapping_job(problem, options or Options()), progress)


def mapping_job(problem: Problem, options: Options) -> Job:
    """What is asked of a worker for `map_request`."""
    return Job("mip.mapping:map_request", (problem, options))


def limit_of(job: Job) -> float | None:
    """The time limit of a job, in seconds: what its `Options` say, if it has any."""
    return next((a.time_limit for a in job.arguments if isinstance(a, Options)), None)


def later(job: Job, waited: float) -> Job:
    """The job with `waited` seconds less to do it in."""

    def left(argument: Any) -> Any:
        if not isinstance(argument, Options) or argument.time_limit is None:
            return argument
        return replace(argument, time_limit=max(0.0, argument.time_limit - waited))

    return Job(job.function, tuple(left(a) for a in job.arguments))


def map_in_process(
    problem: Problem, options: Options | None = None, *, grace: float = GRACE_S
) -> Result:
    """As `map_request`, waiting, with the solving in a process of its own.

    Args:
        problem: as for `map_request`.
        options: as for `map_request`; with a time limit the process is ended some time after it,
            whatever it is doing, and the result is a `timeout`.
        grace: how long after, in seconds.

    Raises:
        MappingError: as `map_request`.
    """
    options = options or Options()
    return awaited(start_mapping(problem, options), options, grace)


def awaited(solving: Solving, options: Options, grace: float = GRACE_S) -> Result:
    """What a mapping comes to; one that overstays by `grace` seconds is ended: a `timeout`.

    Raises:
        CancelledError: it was cancelled.
        MappingError: as `map_request`.
    """
    limit = options.time_limit
    try:
        result = solving.result(None if limit is None else max(0.0, limit + grace - solving.age))
    except (TimeoutError, NoTurnError):
        return Result(Status.TIMEOUT, options.objective_name)
    finally:
        solving.cancel()
    if not isinstance(result, Result):
        raise MappingError("the worker answered something else than a result")
    return result
