"""What callers share: nobody gets more of it than he leaves to others.

The rule is that of shared buffers in switches (Choudhury and Hahne, "Dynamic queue length
thresholds", 1998): a caller may hold no more than what stays free. One caller alone gets half, two
a third each, n callers one part in n + 1 each, and a newcomer always finds something.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable


class Shares:
    """An amount that callers take from and give back to. Threads may share it."""

    def __init__(self, total: int) -> None:
        """Prepare.

        Args:
            total: how much there is; 1 at least.
        """
        self._total = total
        self._used = 0
        self._held: dict[Hashable, int] = {}
        self._changed = threading.Condition()

    @property
    def used(self) -> int:
        """How much is taken."""
        return self._used

    def take(
        self, who: Hashable, amount: int = 1, *, within_s: float = 0.0, most: int | None = None
    ) -> bool:
        """Take some, waiting at most `within_s` seconds for it; whether it was to be had.

        Who holds nothing gets what is free. Who holds something gets more as long as he then holds
        no more than what stays free, nor more than `most`.
        """
        limit = self._total if most is None else most
        with self._changed:
            had = self._changed.wait_for(lambda: self._fits(who, amount, limit), within_s)
            if had:
                self._add(who, amount)
            return had

    def force(self, who: Hashable, amount: int = 1) -> None:
        """Take some though it may not be there: nobody else gets any before it is made up for."""
        with self._changed:
            self._add(who, amount)

    def give(self, who: Hashable, amount: int = 1) -> None:
        """Give back what was taken."""
        with self._changed:
            self._used -= amount
            self._held[who] -= amount
            if not self._held[who]:
                del self._held[who]
            self._changed.notify_all()

    def _fits(self, who: Hashable, amount: int, most: int) -> bool:
        left = self._total - self._used - amount
        held = self._held.get(who, 0)
        return left >= 0 and held + amount <= most and (not held or held + amount <= left)

    def _add(self, who: Hashable, amount: int) -> None:
        self._used += amount
        self._held[who] = self._held.get(who, 0) + amount
