"""Placements in depth-first order, cut off by bounds: every one that could still be the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mip.bounds.bucket_elimination import Buckets, Table, ban_costs
from mip.bounds.metric import Floats
from mip.bounds.placing import Placing
from mip.instance.capacity import Key
from mip.instance.instance import Kind
from mip.problem.amounts import Exact

Leaf = Callable[[tuple[int, ...], float], float | None]
"""Told a complete placement (vertices) and its bound; answers the new value to beat, if any."""


Viable = Callable[[dict[int, int], float], bool]
"""Told a part of a placement (point to vertex) and what is left below the top; whether its paths
may still fit."""


@dataclass(frozen=True)
class Fresh:
    """At most `count` hosts that are not among the vertices `busy` may be taken into use."""

    count: int
    busy: frozenset[int]


@dataclass
class Tally:
    """How much a search has done."""

    nodes: int = 0
    leaves: int = 0


class OutOfBudgetError(Exception):
    """The search was ended before it was through."""


class Branching:
    """Depth-first search over `placing` with the bounds of `buckets`."""

    def __init__(self, placing: Placing, buckets: Buckets, fresh: Fresh | None = None) -> None:
        self._placing = placing
        self._buckets = buckets
        self._order = [b.point for b in buckets.order]
        self._bans = self._ban_rows()
        self._never = self._never_rows()
        self.tally = Tally()
        self._at: list[int] = [-1] * len(placing.candidates)
        self._used: dict[Key, Exact] = {}
        self._top = np.inf
        self._leaf: Leaf = lambda _places, _value: None
        self._stop: Callable[[], bool] = lambda: False
        self._viable: Viable | None = None
        self._fresh = fresh
        self._opened: dict[int, int] = {}
        self._points = placing.instance.points

    def check_parts(self, viable: Viable | None) -> None:
        """From now on ask `viable` about every part of a placement; None stops it."""
        self._viable = viable

    def run(self, top: float, leaf: Leaf, stop: Callable[[], bool]) -> None:
        """Show `leaf` every placement whose bound is below `top`, cheapest children first.

        Args:
            top: only bounds below it count; `leaf` may lower it.
            leaf: called for each complete placement.
            stop: asked at each step whether to give up.

        Raises:
            OutOfBudgetError: `stop` said so.
        """
        self._top, self._leaf, self._stop = top, leaf, stop
        self._at = [-1] * len(self._order)
        self._used, self._opened = {}, {}  # an earlier run that was stopped left its own behind
        if self._buckets.bound < top:
            self._descend(0, self._buckets.bound)

    def _ban_rows(self) -> list[list[tuple[int, Floats]]]:
        """For each depth, (earlier point, bans as costs: its candidates by this point's)."""
        rows: list[list[tuple[int, Floats]]] = []
        for depth, point in enumerate(self._order):
            found = []
            for earlier in self._order[:depth]:
                a, b = min(point, earlier), max(point, earlier)
                ban = self._placing.bans.get((a, b))
                if ban is not None:
                    found.append((earlier, ban_costs(ban if earlier == a else ban.T)))
            rows.append(found)
        return rows

    def _never_rows(self) -> list[list[tuple[list[tuple[int, int]], int]]]:
        """For each depth what is decided there of what must not all be: others', own candidate.

        Pairs are among the bans.
        """
        numbers = [{v: k for k, v in enumerate(c)} for c in self._placing.candidates]
        rows: list[list[tuple[list[tuple[int, int]], int]]] = [[] for _ in self._order]
        depths = {point: depth for depth, point in enumerate(self._order)}
        for some, v in self._placing.instance.rules.never:
            if len(some) > 2 and all(v in numbers[p] for p in some):
                last = max(some, key=lambda p: depths[p])
                others = [(p, numbers[p][v]) for p in some if p != last]
                rows[depths[last]].append((others, numbers[last][v]))
        return rows

    def _descend(self, depth: int, bound: float) -> None:
        self.tally.nodes += 1
        if self._stop():
            raise OutOfBudgetError
        if depth == len(self._order):
            self._finish(bound)
            return
        costs = self._costs(depth, bound)
        point = self._order[depth]
        good = np.flatnonzero(costs < self._top)
        for k in good[np.argsort(costs[good], kind="stable")]:
            if costs[k] >= self._top:
                break
            taken = self._take(point, int(k))
            if taken is None:
                continue
            self._at[point] = int(k)
            self._open(point, int(k), 1)
            if self._may_lead_on(depth, float(costs[k])):
                self._descend(depth + 1, float(costs[k]))
            self._open(point, int(k), -1)
            self._give_back(taken)
        self._at[point] = -1

    def _may_lead_on(self, depth: int, bound: float) -> bool:
        if self._viable is None or depth == 0 or depth == len(self._order) - 1:
            return True
        part = {p: self._placing.candidates[p][self._at[p]] for p in self._order[: depth + 1]}
        return self._viable(part, self._top - bound)

    def _costs(self, depth: int, bound: float) -> Floats:
        """The bound after each choice for the point at `depth`."""
        bucket = self._buckets.order[depth]
        base = bound - sum(self._cell(t) for t in bucket.left)
        costs = np.full(len(self._placing.candidates[bucket.point]), base)
        for table in bucket.inside:
            costs += table.cells[tuple(self._at[p] for p in table.scope[:-1])]
        for earlier, rows in self._bans[depth]:
            costs += rows[self._at[earlier]]
        for others, own in self._never[depth]:
            if all(self._at[p] == k for p, k in others):
                costs[own] = np.inf
        if self._fresh is not None and len(self._opened) >= self._fresh.count:
            costs[self._closed(bucket.point)] = np.inf
        return costs

    def _closed(self, point: int) -> list[int]:
        """The candidates that are neither in use nor opened; none for what is no VNode."""
        if self._fresh is None or self._points[point].kind is not Kind.VNODE:
            return []
        return [
            k
            for k, v in enumerate(self._placing.candidates[point])
            if v not in self._fresh.busy and v not in self._opened
        ]

    def _open(self, point: int, candidate: int, change: int) -> None:
        """Count a VNode on its host, if new hosts are counted; `change` is 1 or -1."""
        if self._fresh is None or self._points[point].kind is not Kind.VNODE:
            return
        vertex = self._placing.candidates[point][candidate]
        if vertex not in self._fresh.busy:
            left = self._opened.get(vertex, 0) + change
            if left:
                self._opened[vertex] = left
            else:
                del self._opened[vertex]

    def _cell(self, table: Table) -> float:
        return float(table.cells[tuple(self._at[p] for p in table.scope)])

    def _take(self, point: int, candidate: int) -> list[tuple[Key, Exact]] | None:
        """Use up what the point needs there; None if it isn't left."""
        needs = self._placing.rooms[point][candidate]
        for key, amount in needs:
            if self._used.get(key, 0) + amount > self._placing.instance.free(key):
                return None
        for key, amount in needs:
            self._used[key] = self._used.get(key, 0) + amount
        return list(needs)

    def _give_back(self, taken: list[tuple[Key, Exact]]) -> None:
        for key, amount in taken:
            self._used[key] -= amount

    def _finish(self, bound: float) -> None:
        self.tally.leaves += 1
        places = tuple(
            self._placing.candidates[p][self._at[p]] for p in range(len(self._placing.candidates))
        )
        better = self._leaf(places, bound)
        if better is not None:
            self._top = min(self._top, better)
