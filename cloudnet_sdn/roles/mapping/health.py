"""Who doesn't answer, and what doesn't carry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from cloudnet_sdn.ports import Clock


class Health:
    """Which shells don't answer, and since when; what they serve may carry nothing new.

    Besides, the substrate elements that shells see to be down, and since when without a break.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._away: dict[tuple[str, str], dt.datetime] = {}
        self._down: dict[str, dict[str, dt.datetime]] = {}

    def away(self, plugin: str, target: str) -> bool:
        """Note that it doesn't answer; whether that is news."""
        self._down.pop(plugin, None)  # nobody sees them: their time begins anew
        news = (plugin, target) not in self._away
        if news:
            self._away[plugin, target] = self._clock.now()
        return news

    def back(self, plugin: str, target: str) -> bool:
        """Note that it answers; whether that is news."""
        return self._away.pop((plugin, target), None) is not None

    def all_away(self) -> frozenset[tuple[str, str]]:
        """Who was away when last asked, as (plugin, target)."""
        return frozenset(self._away)

    def away_since(self, when: dt.datetime) -> frozenset[tuple[str, str]]:
        """Who has been away since then or longer."""
        return frozenset(who for who, since in dict(self._away).items() if since <= when)

    def saw_down(self, plugin: str, elements: Collection[str]) -> None:
        """Note all that a plugin's shell sees to be down now; what isn't among them carries."""
        now, before = self._clock.now(), self._down.get(plugin, {})
        self._down[plugin] = {e: before.get(e, now) for e in elements}

    def down_since(self, when: dt.datetime) -> frozenset[str]:
        """What has been down since then or longer, at every look."""
        every = [seen.items() for seen in list(self._down.values())]
        return frozenset(e for seen in every for e, since in seen if since <= when)
