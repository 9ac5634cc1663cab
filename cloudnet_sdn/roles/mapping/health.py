"""Who doesn't answer, and what doesn't carry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from cloudnet_sdn.ports import Clock

BROKEN = frozenset({"failed", "degraded", "unknown"})
"""The states of elements that aren't well."""


class Health:
    """Which shells don't answer, and since when; what they serve may carry nothing new.

    Besides, what is seen not to be well, and since when without a break: substrate elements that
    are down, and tasks whose things providers see broken.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._away: dict[tuple[str, str], dt.datetime] = {}
        self._hangs: set[tuple[str, str]] = set()
        self._down: dict[str, dict[str, dt.datetime]] = {}
        self._ailing: dict[tuple[str, str], dict[int, dt.datetime]] = {}

    def away(self, plugin: str, target: str, *, hangs: bool = False) -> bool:
        """Note that it doesn't answer, or not in time (`hangs`); whether that is news."""
        (self._hangs.add if hangs else self._hangs.discard)((plugin, target))
        # Nobody sees them now: their time begins anew.
        self._down.pop(plugin, None)
        self._ailing.pop((plugin, target), None)
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

    def saw_down(self, plugin: str, elements: Collection[str]) -> None:
        """Note all that a plugin's shell sees to be down now; what isn't among them carries."""
        now, before = self._clock.now(), self._down.get(plugin, {})
        self._down[plugin] = {e: before.get(e, now) for e in elements}

    def down_since(self, when: dt.datetime) -> frozenset[str]:
        """What has been down since then or longer, at every look."""
        every = [seen.items() for seen in list(self._down.values())]
        return frozenset(e for seen in every for e, since in seen if since <= when)

    def saw_ailing(self, plugin: str, target: str, tasks: Collection[int]) -> None:
        """Note all tasks of a provider whose things it sees broken now; the others are well."""
        now, before = self._clock.now(), self._ailing.get((plugin, target), {})
        self._ailing[plugin, target] = {t: before.get(t, now) for t in tasks}

    def ailing_since(self, when: dt.datetime) -> frozenset[int]:
        """The tasks whose things have been broken since then or longer, at every look."""
        every = [seen.items() for seen in list(self._ailing.values())]
        return frozenset(t for seen in every for t, since in seen if since <= when)
