"""A lane per shell: whoever is slow holds up its own work and nobody else's.

A lane has a few threads at a time. Once a call in it has been slow and in vain, the shell is taken
to hang: what waits in its lane is turned back at once instead of each waiting in its turn, and one
try at a time is made from then on, until one succeeds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")

_SLOW_S = 1.0
"""A call that took longer and came to nothing is a sign that its shell hangs."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """Something to do in a lane.

    Attributes:
        run: does it; answers the result, and whether it was in vain for the shell being away.
        turn_back: the result where it isn't tried, as the shell hangs.
    """

    run: Callable[[], tuple[T, bool]]
    turn_back: Callable[[], T]


@dataclass
class _Lane(Generic[T]):
    waiting: deque[tuple[Job[T], Future[T]]] = field(default_factory=deque)
    running: int = 0
    hangs: bool = False


class Lanes(Generic[T]):
    """Threads, shared out between lanes."""

    def __init__(self, *, width: int, name: str, threads: int = 256) -> None:
        """Put together.

        Args:
            width: how many jobs of a lane may run at a time.
            name: of the threads.
            threads: at most, of all lanes.
        """
        self._width = width
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lanes: dict[Hashable, _Lane[T]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Take nothing more on; what waits is cancelled, what runs ends by itself."""
        with self._lock:
            self._closed = True
            waiting = [future for lane in self._lanes.values() for _, future in lane.waiting]
            for lane in self._lanes.values():
                lane.waiting.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for future in waiting:
            _cancel(future)

    def hangs(self, key: Hashable) -> bool:
        """Whether the shell of a lane was slow and in vain when it was last tried."""
        with self._lock:
            lane = self._lanes.get(key)
            return lane is not None and lane.hangs

    def submit(self, key: Hashable, job: Job[T]) -> Future[T]:
        """Have a job done in a lane.

        Raises:
            CancelledError: it has been closed.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise CancelledError
            lane = self._lanes.setdefault(key, _Lane())
            if not (lane.hangs and lane.running):
                lane.waiting.append((job, future))
                self._fill(key, lane)
                return future
        # Outside the lock: whoever waits for the future may come back at once.
        _finish(future, job.turn_back)
        return future

    def _fill(self, key: Hashable, lane: _Lane[T]) -> None:
        width = 1 if lane.hangs else self._width
        while lane.waiting and lane.running < width:
            job, future = lane.waiting.popleft()
            lane.running += 1
            run = self._pool.submit(self._run, key, job, future)
            run.add_done_callback(partial(_cancelled_with, future))

    def _run(self, key: Hashable, job: Job[T], future: Future[T]) -> None:
        begun = time.monotonic()
        results: list[T] = []
        error: BaseException | None = None
        vain = False
        try:
            result, vain = job.run()
            results.append(result)
        except BaseException as exc:
            error = exc
        back = self._left(key, hangs=vain and time.monotonic() - begun > _SLOW_S)
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(results[0])
        for other, waiting in back:
            _finish(waiting, other.turn_back)

    def _left(self, key: Hashable, *, hangs: bool) -> list[tuple[Job[T], Future[T]]]:
        """A job has left its lane; those that are to be turned back."""
        with self._lock:
            lane = self._lanes[key]
            lane.running -= 1
            lane.hangs = hangs
            back = list(lane.waiting) if hangs else []
            if hangs:
                lane.waiting.clear()
            else:
                self._fill(key, lane)
            if not lane.running and not lane.waiting and not lane.hangs:
                del self._lanes[key]
        return back


def _cancel(future: Future[T]) -> None:
    """Nobody waits for it any more: who does so by `concurrent.futures.wait` has to be told."""
    if future.cancel():
        future.set_running_or_notify_cancel()


def _cancelled_with(future: Future[T], run: Future[None]) -> None:
    if run.cancelled():
        _cancel(future)


def _finish(future: Future[T], answer: Callable[[], T]) -> None:
    try:
        future.set_result(answer())
    except BaseException as exc:
        future.set_exception(exc)
