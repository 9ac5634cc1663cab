"""Who doesn't answer."""

from __future__ import annotations

import datetime as dt

from cloudnet_sdn.ports import Clock


class Health:
    """Which shells don't answer, and since when; what they serve may carry nothing new."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._away: dict[tuple[str, str], dt.datetime] = {}
        self._hangs: set[tuple[str, str]] = set()

    def away(self, plugin: str, target: str, *, hangs: bool = False) -> bool:
        """Note that it doesn't answer, or not in time (`hangs`); whether that is news."""
        (self._hangs.add if hangs else self._hangs.discard)((plugin, target))
        news = (plugin, target) not in self._away
        if news:
            self._away[plugin, target] = self._clock.now()
        return news

    def back(self, plugin: str, target: str) -> bool:
        """Note that it answers; whether that is news."""
        self._hangs.discard((plugin, target))
        return self._away.pop((plugin, target), None) is not None

    def all_away(self) -> frozenset[tuple[str, str]]:
        """Who was away when last asked, as (plugin, target)."""
        return frozenset(self._away)

    def hangs(self, plugin: str, target: str) -> bool:
        """Whether it took too long when last asked, so that nobody should wait for it."""
        return (plugin, target) in self._hangs

    def away_since(self, when: dt.datetime) -> frozenset[tuple[str, str]]:
        """Who has been away since then or longer."""
        return frozenset(who for who, since in dict(self._away).items() if since <= when)
