"""Local search over placements: move one point at a time to where the sum of the tables is least.

Started from any placement that keeps capacities and rules, each step keeps them; kicks of two
points lead out of local optima. Sums are lower bounds on the cost of the placement, as elsewhere.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mip.bounds.metric import Floats
from mip.bounds.placing import Placing
from mip.clock import NEVER, Clock
from mip.instance.capacity import Key
from mip.problem.amounts import Exact

_KICKED = 2
_ATTEMPTS = 20
_PAIRS = 20
"""Moves of two joined points that are looked at, for each VLink."""


@dataclass
class LocalSearch:
    """Descents over one placement problem.

    Attributes:
        placing: the tables.
        rng: for kicks.
        clock: once it has run out, all ends with an `OutOfTimeError`.
    """

    placing: Placing
    rng: random.Random
    clock: Clock = NEVER
    _near: dict[int, list[tuple[int, Floats]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._near = defaultdict(list)
        for (a, b), table in self.placing.pairs.items():
            self._near[a].append((b, table.T))
            self._near[b].append((a, table))
        for (a, b), ban in self.placing.bans.items():
            cost = np.where(ban, np.inf, 0.0)
            self._near[a].append((b, cost.T))
            self._near[b].append((a, cost))

    def value(self, at: Sequence[int]) -> float:
        """The sum of the tables at a placement given by candidate numbers."""
        total = self.placing.constant
        total += sum(float(c[k]) for c, k in zip(self.placing.single, at, strict=True))
        return total + sum(float(t[at[a], at[b]]) for (a, b), t in self.placing.pairs.items())

    def descend(self, at: Sequence[int]) -> list[int]:
        """Better and better placements until no single move helps."""
        now = list(at)
        used = self._used(now)
        better = True
        while better:
            better = False
            for point in range(len(now)):
                self.clock.check()
                costs = self._costs(point, now)
                here = float(costs[now[point]])
                for k in np.argsort(costs, kind="stable"):
                    if costs[k] >= here - 1e-9:
                        break
                    if self._move(point, now, int(k), used):
                        better = True
                        break
        return now

    def kicked(self, at: Sequence[int], times: int) -> Iterator[list[int]]:
        """Local optima around `at`, the best so far being kicked each time."""
        best, value = list(at), self.value(at)
        for _ in range(times):
            start = list(best)
            used = self._used(start)
            for point in self.rng.sample(range(len(start)), min(_KICKED, len(start))):
                self._shake(point, start, used)
            found = self.descend(start)
            if self.value(found) < value - 1e-9:
                best, value = found, self.value(found)
                yield best

    def near(self, at: Sequence[int], below: float) -> list[list[int]]:
        """Allowed placements one or two moves from `at` with sums less than `below`, least first.

        Two points are moved together only if a VLink joins them.
        """
        total = self.value(at)
        found: list[tuple[float, list[int]]] = []
        for point in range(len(at)):
            costs = self._costs(point, at)
            costs += total - costs[at[point]]
            found += [(float(costs[k]), _moved(at, {point: k})) for k in _least(costs, below)]
        for a, b in self.placing.pairs:
            self.clock.check()
            joint = self._joint(a, b, at)
            joint += total - joint[at[a], at[b]]
            for k in _least(joint, below)[:_PAIRS]:
                i, j = np.unravel_index(k, joint.shape)
                found.append((float(joint[i, j]), _moved(at, {a: int(i), b: int(j)})))
        free = self.placing.instance.free
        found.sort(key=lambda f: f[0])
        return [
            there
            for _, there in found
            if there != at and all(a <= free(k) for k, a in self._used(there).items())
        ]

    def _joint(self, a: int, b: int, at: Sequence[int]) -> Floats:
        """What any two candidates of two joined points would cost, all others staying."""
        shape = (len(self.placing.candidates[a]), len(self.placing.candidates[b]))
        between = sum((rows.T for other, rows in self._near[a] if other == b), np.zeros(shape))
        return between + self._costs(a, at, but=b)[:, None] + self._costs(b, at, but=a)

    def _shake(self, point: int, now: list[int], used: dict[Key, Exact]) -> None:
        """Anywhere that is allowed."""
        good = np.flatnonzero(np.isfinite(self._costs(point, now)))
        for _ in range(_ATTEMPTS if good.size else 0):
            if self._move(point, now, int(good[self.rng.randrange(good.size)]), used):
                return

    def _costs(self, point: int, now: Sequence[int], but: int | None = None) -> Floats:
        """What each candidate of a point would cost, what it has with the point `but` left out."""
        costs = self.placing.single[point].copy()
        for other, rows in self._near[point]:
            if other != but:
                costs += rows[now[other]]
        return costs

    def _used(self, at: Sequence[int]) -> dict[Key, Exact]:
        used: dict[Key, Exact] = defaultdict(int)
        for point, k in enumerate(at):
            for key, amount in self.placing.rooms[point][k]:
                used[key] += amount
        return used

    def _move(self, point: int, now: list[int], to: int, used: dict[Key, Exact]) -> bool:
        """Move a point if there is room for it."""
        for key, amount in self.placing.rooms[point][now[point]]:
            used[key] -= amount
        needs = self.placing.rooms[point][to]
        free = self.placing.instance.free
        fits = all(used[key] + amount <= free(key) for key, amount in needs)
        now[point] = to if fits else now[point]
        for key, amount in self.placing.rooms[point][now[point]]:
            used[key] += amount
        return fits


def _moved(at: Sequence[int], moves: Mapping[int, int]) -> list[int]:
    return [moves.get(point, k) for point, k in enumerate(at)]


def _least(costs: Floats, below: float) -> list[int]:
    """The flat indexes of what is less than `below`, least first."""
    order = np.argsort(costs, axis=None, kind="stable")
    return [int(k) for k in order[: np.count_nonzero(costs < below)]]
