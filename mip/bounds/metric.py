"""What a VLink costs at least between any two hosts: its shortest path if it were alone.

The sum over all VLinks is a lower bound on the cost of a placement, and on most requests a tight
one; placements are searched by it and routed afterwards. All pairs at once, in numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from mip.clock import NEVER, Clock
from mip.instance.instance import Instance, VLink
from mip.objectives import Weights
from rdl.graph import Element

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

_ROUND = 1e-9
_WORD = 64
_BYTE = 255


@dataclass(frozen=True)
class Field:
    """Shortest distances through one part of the network.

    Attributes:
        rows: vertex to its row, for the vertices that may be passed through.
        columns: row to its column, for the rows where paths begin and end.
        away: distances between rows and columns, infinite where there is no way.
        steps: cost of each edge by number, infinite where the edge may not be used.
    """

    rows: dict[int, int]
    columns: dict[int, int]
    away: Floats
    steps: Floats


class Metric:
    """Distances for the VLinks of one instance, VLinks alike sharing their tables.

    Whatever it is asked ends with an `OutOfTimeError` once the `clock` has run out.

    Model: (B1).
    """

    def __init__(self, instance: Instance, weights: Weights, clock: Clock = NEVER) -> None:
        self.clock = clock
        self._instance = instance
        self._weights = weights
        self._fields: dict[tuple[Any, ...], Field] = {}
        self._of: dict[int, tuple[Field, float]] = {}
        self._rests: dict[tuple[int, int], list[float]] = {}
        self._step_lists: dict[int, list[float]] = {}

    def field(self, index: int) -> tuple[Field, float]:
        """The distances of a VLink, and the factor to multiply them with."""
        if index not in self._of:
            self.clock.check()
            vlink = self._instance.vlinks[index]
            wanted = self._instance.problem.request.elements[vlink.id]
            cost = partial(self._weights.carry, wanted)
            steps = self._steps(vlink, cost, level=self._weights.level)
            finite = steps[np.isfinite(steps)]
            factor = float(finite.max(initial=0.0))
            if factor > 0:
                steps = np.round(steps / factor, 12)
            key = ("cost", steps.tobytes(), vlink.vertices)
            if key not in self._fields:
                self._fields[key] = self._solve(vlink, steps)
            self._of[index] = (self._fields[key], factor)
        return self._of[index]

    def latency(self, index: int) -> Field:
        """Least latencies, in seconds; what switches add is left out."""
        vlink = self._instance.vlinks[index]
        network = self._instance.network
        key = ("latency", vlink.edges, vlink.vertices)
        if key not in self._fields:
            steps = self._steps(vlink, lambda link: float(network.latency(link.id)), level=False)
            self._fields[key] = self._solve(vlink, steps)
        return self._fields[key]

    def table(self, index: int, a: int, b: int) -> Floats:
        """Least cost of a VLink between each candidate of point `a` and each of point `b`.

        0 on one vertex, infinite where no path exists or none meets the latency bound.
        """
        self.clock.check()
        vlink = self._instance.vlinks[index]
        starts = self._instance.points[a].candidates
        ends = self._instance.points[b].candidates
        field, factor = self.field(index)
        with np.errstate(invalid="ignore"):  # no path (infinite) times a factor of 0: see below
            table = self._between(field, starts, ends) * factor
        table[np.isnan(table)] = np.inf
        if vlink.latency_max is not None:
            slow = self._between(self.latency(index), starts, ends)
            table[slow > float(vlink.latency_max) * (1 + _ROUND) + _ROUND**2] = np.inf
        alike = np.asarray(starts)[:, None] == np.asarray(ends)[None, :]
        table[alike] = 0.0
        return table

    def rest(self, index: int, end: int) -> list[float]:
        """For each row of the VLink's field, the distance to the vertex `end`, without factor."""
        field, _ = self.field(index)
        key = (id(field), end)
        if key not in self._rests:
            self.clock.check()
            rows, costs = self._doors(field, (end,))
            best = np.full(len(field.rows), np.inf)
            for row, cost in zip(rows[0], costs[0], strict=True):
                if field.rows:
                    np.minimum(best, field.away[:, field.columns.get(row, 0)] + cost, out=best)
            self._rests[key] = best.tolist()
        return self._rests[key]

    def step_list(self, field: Field) -> list[float]:
        """The steps of a field of this metric as plain numbers, which are sooner read."""
        if id(field) not in self._step_lists:
            self._step_lists[id(field)] = field.steps.tolist()
        return self._step_lists[id(field)]

    def from_vertex(self, index: int, start: int, rest: Sequence[float], end: int) -> float:
        """The distance from a vertex to another, given the `rest` of the latter."""
        field, _ = self.field(index)
        if start in field.rows:
            return float(rest[field.rows[start]])
        ways = []
        for e, near in self._instance.network.incident[start]:
            if near == end:
                ways.append(float(field.steps[e]))
            elif near in field.rows:
                ways.append(float(field.steps[e]) + rest[field.rows[near]])
        return min(ways, default=np.inf)

    def _steps(self, vlink: VLink, cost: Callable[[Element], float], *, level: bool) -> Floats:
        network = self._instance.network
        steps = np.full(len(network.edges), np.inf)
        links = self._links
        edges = list(vlink.edges)
        if level:
            some = next((link for e in edges if (link := links[e]) is not None), None)
            steps[edges] = 0.0 if some is None else np.where(self._linked[edges], cost(some), 0.0)
        else:
            steps[edges] = [
                0.0 if link is None else cost(link) for link in (links[e] for e in edges)
            ]
        for e in vlink.edges if network.link_vertices else ():
            for v in network.link_vertices & {network.edges[e].u, network.edges[e].v}:
                steps[e] += cost(network.element(v)) / 2  # passed on two of its edges
        return steps

    @cached_property
    def _links(self) -> tuple[Element | None, ...]:
        """The link of each edge."""
        network = self._instance.network
        elements = network.substrate.elements
        return tuple(None if e.link is None else elements[e.link] for e in network.edges)

    @cached_property
    def _linked(self) -> Bools:
        """Whether each edge has a link."""
        return np.asarray([link is not None for link in self._links], dtype=bool)

    @cached_property
    def _joined(self) -> tuple[Ints, Ints]:
        """The two vertices of each edge."""
        edges = self._instance.network.edges
        return np.asarray([e.u for e in edges], int), np.asarray([e.v for e in edges], int)

    def _solve(self, vlink: VLink, steps: Floats) -> Field:
        network = self._instance.network
        passing = sorted(vlink.vertices)
        rows = {v: r for r, v in enumerate(passing)}
        doors = {rows[v] for v in self._ends if v in rows} | {
            rows[u]
            for v in self._ends
            if v not in rows
            for _, u in network.incident[v]
            if u in rows
        }
        columns = {row: k for k, row in enumerate(sorted(doors))}
        row_of = np.full(len(network.ids), -1)
        row_of[passing] = np.arange(len(passing))
        edges = np.asarray(vlink.edges, int)
        u, v = row_of[self._joined[0][edges]], row_of[self._joined[1][edges]]
        inside = (u >= 0) & (v >= 0)
        arcs = np.concatenate([u[inside], v[inside]]), np.concatenate([v[inside], u[inside]])
        cost = np.tile(steps[edges][inside], 2)
        away = _distances(len(rows), arcs, cost, list(columns), self.clock)
        return Field(rows, columns, away, steps)

    @cached_property
    def _ends(self) -> frozenset[int]:
        """Where VLinks may end."""
        points = self._instance.points
        return frozenset(v for p in points for v in p.candidates)

    def _between(self, field: Field, starts: Sequence[int], ends: Sequence[int]) -> Floats:
        first, first_cost = self._doors(field, starts)
        last, last_cost = self._doors(field, ends)
        best = np.full((len(starts), len(ends)), np.inf)
        if not field.rows:
            return self._direct(field, starts, ends, best)
        columns = np.zeros(len(field.rows), dtype=np.int64)
        columns[list(field.columns)] = list(field.columns.values())
        for i in range(first.shape[1]):
            for j in range(last.shape[1]):
                self.clock.check()
                way = field.away[first[:, i][:, None], columns[last[:, j]][None, :]]
                np.minimum(best, way + first_cost[:, i][:, None] + last_cost[:, j], out=best)
        return self._direct(field, starts, ends, best)

    def _doors(self, field: Field, vertices: Sequence[int]) -> tuple[Ints, Floats]:
        """For each vertex the rows where its paths enter the field, and what that costs."""
        network = self._instance.network
        doors: list[list[tuple[int, float]]] = []
        for v in vertices:
            if v in field.rows:
                doors.append([(field.rows[v], 0.0)])
                continue
            best: dict[int, float] = {}
            for e, near in network.incident[v]:
                row = field.rows.get(near)
                if row is not None and np.isfinite(field.steps[e]):
                    best[row] = min(best.get(row, np.inf), float(field.steps[e]))
            doors.append(sorted(best.items()))
        width = max((len(d) for d in doors), default=0) or 1
        rows = np.zeros((len(vertices), width), dtype=np.int64)
        costs = np.full((len(vertices), width), np.inf)
        for k, found in enumerate(doors):
            for j, (row, cost) in enumerate(found):
                rows[k, j] = row
                costs[k, j] = cost
        return rows, costs

    def _direct(
        self,
        field: Field,
        starts: Sequence[int],
        ends: Sequence[int],
        best: Floats,
    ) -> Floats:
        """Hosts joined to each other without anything between."""
        network = self._instance.network
        at = {v: k for k, v in enumerate(ends)}
        for k, v in enumerate(starts):
            if v in field.rows:
                continue
            for e, near in network.incident[v]:
                if near in at and near not in field.rows:
                    best[k, at[near]] = min(best[k, at[near]], field.steps[e])
        return best


def _distances(
    n: int, arcs: tuple[Ints, Ints], cost: Floats, doors: Sequence[int], clock: Clock
) -> Floats:
    """Distances of `n` vertices to `doors`, all at once; each round looks one step further.

    By levels where all steps cost the same.
    """
    if n == 0 or not doors:
        return np.full((n, max(1, len(doors))), np.inf)
    order = np.argsort(arcs[0], kind="stable")
    tails, heads = arcs[0][order], arcs[1][order]
    place = np.arange(len(tails)) - np.searchsorted(tails, tails)  # among those of the same tail
    width = int(place.max(initial=0)) + 1
    to = np.tile(np.arange(n)[:, None], (1, width))
    to[tails, place] = heads
    start = np.zeros((n, len(doors)), dtype=bool)
    start[list(doors), np.arange(len(doors))] = True
    finite = cost[np.isfinite(cost)]
    if finite.size == cost.size and finite.size and finite.min() == finite.max() > 0:
        return _levels(to, start, clock) * float(finite[0])
    steps = np.full((n, width), np.inf)
    steps[tails, place] = cost[order]
    return _rounds(to, steps, start, clock)


def _levels(to: Ints, start: Bools, clock: Clock) -> Floats:
    """Numbers of steps, from sets of reached doors as packed bits, in words.

    A door that is reached in round k of r is counted r - k times.
    """
    n, doors = start.shape
    wide = np.zeros((n, -(-doors // _WORD) * _WORD), dtype=bool)
    wide[:, :doors] = start
    seen = np.packbits(wide, axis=1).view(np.uint64)
    heads = np.ascontiguousarray(to.T)
    counted = np.zeros(wide.shape)
    some = np.zeros(wide.shape, dtype=np.uint8)  # bytes are sooner added
    rounds = 0
    while True:
        clock.check()
        reached = seen.copy()
        for column in heads:
            reached |= seen.take(column, axis=0)
        bits = np.unpackbits(seen.view(np.uint8)).reshape(wide.shape)
        if np.array_equal(reached, seen):
            away = np.where(bits, rounds - counted - some, np.inf)
            return np.ascontiguousarray(away[:, :doors])
        some += bits
        rounds += 1
        seen = reached
        if rounds % _BYTE == 0:
            counted += some
            some[:] = 0


def _rounds(to: Ints, cost: Floats, start: Bools, clock: Clock) -> Floats:
    away = np.where(start, 0.0, np.inf)
    while True:
        clock.check()
        better = away.copy()
        for k in range(to.shape[1]):
            np.minimum(better, away[to[:, k]] + cost[:, k][:, None], out=better)
        if np.array_equal(better, away):
            return away
        away = better
