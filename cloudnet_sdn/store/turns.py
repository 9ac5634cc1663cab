"""Who may write next, where one may at a time: who is waited for before who isn't.

A CloudNet that is given back is many small transactions that nobody waits for. Without an order
each write of a request would stand in line behind some of them by chance.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

_SHARE = 4
"""Every so many turns one is of those whom nobody waits for, if there are any."""

_thread = threading.local()


@contextlib.contextmanager
def unawaited() -> Iterator[None]:
    """Nobody waits for what this thread does meanwhile."""
    before = getattr(_thread, "unawaited", False)
    _thread.unawaited = True
    try:
        yield
    finally:
        _thread.unawaited = before


class Turns:
    """A lock that is handed over in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._given = 0
        self._awaited: deque[threading.Lock] = deque()
        self._others: deque[threading.Lock] = deque()

    @property
    def waiting(self) -> int:
        """How many are in line."""
        with self._lock:
            return len(self._awaited) + len(self._others)

    def __enter__(self) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            line = self._others if getattr(_thread, "unawaited", False) else self._awaited
            line.append(mine)
        mine.acquire()  # until it is handed over

    def __exit__(self, *_: object) -> None:
        with self._lock:
            after = self._next()
            if after is None:
                self._taken = False
        if after is not None:
            after.release()

    def _next(self) -> threading.Lock | None:
        self._given += 1
        if self._others and (not self._awaited or self._given % _SHARE == 0):
            return self._others.popleft()
        return self._awaited.popleft() if self._awaited else None
