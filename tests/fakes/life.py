"""One process of a role, that can be killed at any point at which it makes a difference."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from fakes.loopback import Killed, Loopback

from cloudnet_sdn.store.engine import Store

_LOOKS = frozenset(
    {"describe", "get", "get_many", "list", "offer", "status", "substrate", "validate"}
)
"""What only looks: being killed at it is the same as being killed at what is next to it."""


class Life:
    """Where a process can end, and whether it has.

    A *point* is where a writing transaction of its store begins or has just been committed, and
    where a call that changes something at a shell or a peer begins or has just been answered.
    What is committed stays, and what the others were told stays told.

    Attributes:
        points: those met since `count`, by name.
        over: whether it has ended.
    """

    def __init__(self) -> None:
        self.points: list[str] = []
        self.over = False
        self._counts = False
        self._last = 0
        self._lock = threading.Lock()

    def count(self, last: int = 0) -> None:
        """Count from now on, and end at the `last`-th point."""
        with self._lock:
            self.points, self._counts, self._last = [], True, last

    def spare(self) -> None:
        """Count no longer: a point that wasn't met in time is no place to end at any more."""
        with self._lock:
            self._counts = False

    def end(self) -> None:
        """End here, whatever its threads are at."""
        self.over = True

    def alive(self) -> None:
        """Nothing happens any more once it has ended (Killed)."""
        if self.over:
            raise Killed

    def point(self, name: str) -> None:
        """Meet a point. Raises Killed."""
        with self._lock:
            self.alive()
            if not self._counts:
                return
            self.points.append(name)
            if len(self.points) != self._last:
                return
            self.over = True
        raise Killed

    def watch(self, store: Store) -> None:
        """Its transactions end with it."""
        write, read = store.write, store.read

        @contextlib.contextmanager
        def writing() -> Iterator[sa.Connection]:
            self.point("write")
            with write() as conn:
                yield conn
                self.alive()
            self.point("written")

        @contextlib.contextmanager
        def reading() -> Iterator[sa.Connection]:
            self.alive()
            with read() as conn:
                yield conn

        store.write, store.read = writing, reading  # type: ignore[method-assign]


class Line:
    """How a process reaches a peer, for as long as it lives."""

    def __init__(self, life: Life, peer: Loopback) -> None:
        self._life = life
        self._peer = peer

    def call(self, method: str, *args: Any, timeout_s: float | None = None) -> Any:
        looks = method.partition(".")[2] in _LOOKS
        meet = self._looked if looks else self._life.point
        meet(method)
        try:
            return self._peer.call(method, *args, timeout_s=timeout_s)
        finally:
            meet(f"{method} answered")

    def _looked(self, _: str) -> None:
        self._life.alive()
