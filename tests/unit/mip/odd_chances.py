"""Seeded chances for odd instances: how likely what is, and amounts as people write them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

UNITS = {"micro": 1e-6, "tenth": 0.1, "one": 1, "lakh": 10**5, "mega": 10**6}
MOST_PIECES = 4
"""Above this many of a unit an amount is a capacity, which is huge where the scale is."""


@dataclass
class Chances:
    """A source of chance for one instance.

    Attributes:
        rng: seeded.
        share: how likely each thing is, 0 to 1.
        pools: the amount of each pool that has one already.
    """

    rng: random.Random
    share: dict[str, float]
    pools: dict[str, float] = field(default_factory=dict)

    def has(self, what: str) -> bool:
        return self.rng.random() < self.share[what]

    def some(self, chance: float) -> bool:
        return self.rng.random() < chance

    def one(self, among: list[Any]) -> Any:
        return self.rng.choice(among)

    def few(self, among: list[Any], count: int) -> list[Any]:
        return self.rng.sample(among, min(count, len(among)))

    def scale(self, usual: list[str]) -> str:
        """In what an instance's amounts are counted."""
        if self.has("odd"):
            return self.one(["micro", "tenth", "huge", "mixed", "one"])
        return self.one(usual)

    def amount(self, scale: str, low: int, high: int) -> float:
        """Between `low` and `high` of a unit, exactly as it is written."""
        count = self.rng.randint(low, high)
        if scale == "mixed":
            scale = self.one([*UNITS, "huge"])
        if scale == "huge":
            big = self.rng.randint(0, 3) * 10**12
            return big + count if high > MOST_PIECES else self.one([count, big + count])
        value = round(count * UNITS[scale], 6)
        return int(value) if value == int(value) else value

    def pooled(self, amount: float, name: str) -> Any:
        """The amount, or a share of a pool; a pool has one amount."""
        if not self.has("pools"):
            return amount
        pool = name + self.rng.choice("AB")
        return {"amount": self.pools.setdefault(pool, amount), "pool": pool}
