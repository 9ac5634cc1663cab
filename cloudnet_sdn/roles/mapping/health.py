"""Who doesn't answer."""

from __future__ import annotations


class Health:
    """Which shells don't answer; what they serve may carry nothing new."""

    def __init__(self) -> None:
        self._away: set[tuple[str, str]] = set()

    def away(self, plugin: str, target: str) -> bool:
        """Note that it doesn't answer; whether that is news."""
        news = (plugin, target) not in self._away
        self._away.add((plugin, target))
        return news

    def back(self, plugin: str, target: str) -> bool:
        """Note that it answers; whether that is news."""
        news = (plugin, target) in self._away
        self._away.discard((plugin, target))
        return news

    def all_away(self) -> frozenset[tuple[str, str]]:
        """Who was away when last asked, as (plugin, target)."""
        return frozenset(self._away)
