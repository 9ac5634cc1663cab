"""Places for calls: how many run at a time, and who of them only waits.

A method that waits for something to happen (an offer to be settled, an event to come) does so
within `waiting`. Meanwhile it has no place among the calls that run, and is counted apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from cloudnet_sdn.wire.faults import Busy
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.shares import Shares

_mine: ContextVar[tuple[Places, Caller] | None] = ContextVar("place", default=None)


class Places:
    """Places of one server, of which each caller gets a share (`shares.Shares`)."""

    def __init__(self, running: int, waiting: int, *, patience_s: float) -> None:
        """Prepare.

        Args:
            running: calls that run at a time.
            waiting: calls that wait at a time, besides.
            patience_s: how long a call stands in line for a place.
        """
        self.running = Shares(running)
        self.waiting = Shares(waiting)
        self._patience_s = patience_s

    @contextmanager
    def taken(self, caller: Caller) -> Iterator[None]:
        """A place for a call of the caller's.

        Raises:
            Busy: the caller has its share of them, or all are taken.
        """
        if not self.running.take(caller, within_s=self._patience_s):
            raise Busy("too many calls at a time", self._patience_s)
        token = _mine.set((self, caller))
        try:
            yield
        finally:
            _mine.reset(token)
            self.running.give(caller)


@contextmanager
def waiting() -> Iterator[bool]:
    """Leave the place of the call that runs here while it waits; whether it may wait at all.

    It may not where its caller has too many that wait already: it then answers with how things
    stand, and the caller asks again. Its place is its own again afterwards, at once: what is left
    to do is to answer. Calls that no server counts may always wait.
    """
    mine = _mine.get()
    if mine is None:
        yield True
        return
    places, caller = mine
    if not places.waiting.take(caller):
        yield False
        return
    places.running.give(caller)
    try:
        yield True
    finally:
        places.running.force(caller)
        places.waiting.give(caller)
