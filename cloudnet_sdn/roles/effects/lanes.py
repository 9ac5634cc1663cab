"""A lane per shell: whoever is slow holds up its own work and nobody else's.

A lane has a few threads at a time. Once a call in it has been slow and in vain, the shell is taken
to hang: what waits in its lane is turned back at once instead of each waiting in its turn, and one
try at a time is made from then on, until one succeeds.

What waits in a lane and joins is taken by one thread, so that a shell can be asked for all of it
with one call. A few such calls are under way at a time: the more there are, the less joins.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

_SLOW_S = 1.0
"""A call that took longer and came to nothing is a sign that its shell hangs."""
_ABREAST = 4
"""Of a lane's threads, those that are at what joins."""
_TOGETHER = 100
"""Jobs that are taken at a time."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """Something to do in a lane.

    Attributes:
        run: does it; answers the result, and whether it was in vain for the shell being away.
        turn_back: the result where it isn't tried, as the shell hangs.
        joins: others in the lane that join alike may be asked for together, None: none.
        subject: what it is about, for whoever asks for several.
    """

    run: Callable[[], tuple[T, bool]]
    turn_back: Callable[[], T]
    joins: Hashable = None
    subject: Any = None


_Waiting = tuple[Job[T], Future[T]]


@dataclass
class _Lane(Generic[T]):
    waiting: deque[_Waiting[T]] = field(default_factory=deque)
    joining: dict[Hashable, deque[_Waiting[T]]] = field(default_factory=dict)
    running: int = 0
    joined: int = 0
    hangs: bool = False

    def add(self, job: Job[T], future: Future[T]) -> None:
        """Have a job wait."""
        joins = job.joins
        line = self.waiting if joins is None else self.joining.setdefault(joins, deque())
        line.append((job, future))

    def next(self) -> list[_Waiting[T]]:
        """The jobs that a thread takes next: one, or several that join."""
        if not self.joining or self.joined >= _ABREAST:
            return [self.waiting.popleft()] if self.waiting else []
        joins = next(iter(self.joining))
        line = self.joining.pop(joins)
        taken = [line.popleft() for _ in range(min(len(line), 1 if self.hangs else _TOGETHER))]
        if line:
            self.joining[joins] = line  # last in turn
        return taken

    def clear(self) -> list[_Waiting[T]]:
        """Have none wait any more; answers those that did."""
        left = [*self.waiting, *(w for line in self.joining.values() for w in line)]
        self.waiting.clear()
        self.joining.clear()
        return left


class Lanes(Generic[T]):
    """Threads, shared out between lanes."""

    def __init__(
        self,
        *,
        width: int,
        name: str,
        threads: int = 256,
        together: Callable[[Any, Sequence[Any]], None] = lambda _joins, _subjects: None,
    ) -> None:
        """Put together.

        Args:
            width: how many jobs of a lane may run at a time.
            name: of the threads.
            threads: at most, of all lanes.
            together: asks for what joins, by how it does and the subjects, before each is run.
        """
        self._width = width
        self._together = together
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lanes: dict[Hashable, _Lane[T]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Take nothing more on; what runs ends by itself, what waits is cancelled."""
        with self._lock:
            self._closed = True
            left = [future for lane in self._lanes.values() for _, future in lane.clear()]
        self._pool.shutdown(wait=False)  # jobs that no thread has yet are cancelled by `_run`
        for future in left:
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
                lane.add(job, future)
                self._fill(key, lane)
                return future
        # Outside the lock: whoever waits for the future may come back at once.
        _turned_back(job).tell(future)
        return future

    def _fill(self, key: Hashable, lane: _Lane[T]) -> None:
        width = 1 if lane.hangs else self._width
        while lane.running < width and (taken := lane.next()):
            lane.running += 1
            lane.joined += taken[0][0].joins is not None
            self._pool.submit(self._run, key, taken)

    def _run(self, key: Hashable, taken: Sequence[_Waiting[T]]) -> None:
        if self._closed:
            for _, future in taken:
                _cancel(future)
            return
        begun = time.monotonic()
        if len(taken) > 1:
            self._ask(taken)
        ends: list[_End[T]] = []
        hangs = False
        for job, _ in taken:
            ends.append(_turned_back(job) if hangs else _run(job))
            hangs = hangs or (ends[-1].vain and time.monotonic() - begun > _SLOW_S)
        back = self._left(key, hangs=hangs, joined=taken[0][0].joins is not None)
        for (_, future), end in zip(taken, ends, strict=True):
            end.tell(future)
        for other, waiting in back:
            _turned_back(other).tell(waiting)

    def _ask(self, taken: Sequence[_Waiting[T]]) -> None:
        """Ask for all at once; what goes wrong with it shows again as each is run."""
        try:
            self._together(taken[0][0].joins, [job.subject for job, _ in taken])
        except BaseException:
            log.exception("asking for %s at once broke down: each is asked for alone", len(taken))

    def _left(self, key: Hashable, *, hangs: bool, joined: bool) -> list[_Waiting[T]]:
        """A thread has left a lane; those that are to be turned back."""
        with self._lock:
            lane = self._lanes[key]
            lane.running -= 1
            lane.joined -= joined
            lane.hangs = hangs
            back = lane.clear() if hangs else []
            self._fill(key, lane)
            if not lane.running and not lane.hangs:
                del self._lanes[key]
        return back


@dataclass(frozen=True)
class _End(Generic[T]):
    """What a job came to: a result, or an error; and whether it was in vain."""

    results: tuple[T, ...] = ()
    error: BaseException | None = None
    vain: bool = False

    def tell(self, future: Future[T]) -> None:
        """Whoever waits for it."""
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.results[0])


def _run(job: Job[T]) -> _End[T]:
    try:
        result, vain = job.run()
    except BaseException as exc:
        return _End(error=exc)
    return _End((result,), vain=vain)


def _turned_back(job: Job[T]) -> _End[T]:
    try:
        return _End((job.turn_back(),))
    except BaseException as exc:
        return _End(error=exc)


def _cancel(future: Future[T]) -> None:
    if future.cancel():
        future.set_running_or_notify_cancel()  # else those who wait for it are not told
