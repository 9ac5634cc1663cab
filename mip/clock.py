"""Time limits: whatever may take long asks the clock, at every round of its loops."""

from __future__ import annotations

import time
from collections.abc import Callable


class OutOfTimeError(Exception):
    """The time for a part of the work is over; what had been found before still holds."""


class Clock:
    """What is left of a time limit.

    Args:
        seconds: from now on; None for no limit.
        now: tells the time in seconds.
    """

    def __init__(self, seconds: float | None, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._end = None if seconds is None else now() + seconds

    def left(self) -> float | None:
        """Seconds, never below 0.01; None without a limit."""
        return None if self._end is None else max(0.01, self._end - self._now())

    def within(self, seconds: float) -> Clock:
        """One that runs out in `seconds`, or with this one."""
        left = self.left()
        return Clock(seconds if left is None else min(left, seconds), self._now)

    def part(self, share: float, most: float | None = None) -> Clock:
        """One with a share of what is left; with `most` seconds at most, or where all is left."""
        left = self.left()
        if left is not None:
            most = left * share if most is None else min(most, left * share)
        return Clock(most, self._now)

    def over(self) -> bool:
        """Whether it has run out."""
        return self._end is not None and self._now() >= self._end

    def check(self) -> None:
        """Go on while there is time.

        Raises:
            OutOfTimeError: it has run out.
        """
        if self._end is not None and self._now() >= self._end:
            raise OutOfTimeError


NEVER = Clock(None)
"""The clock of who has no limit."""
