"""Two paths between the same ends that share nothing they mustn't, cheapest together.

Two units of flow of least cost, found by two shortest paths of which the second may give back what
the first took (Suurballe; Bhandari). A single path and then another one that keeps clear of it miss
pairs where the shortest path lies across all others.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping

from mip.clock import NEVER, Clock
from mip.formulation.reading import walk
from mip.instance.network import Network

Steps = tuple[list[int], list[int]]
"""The vertices and edges of a path, in order."""

_Node = tuple[int, bool]
"""A vertex where paths arrive (False) or leave (True): what passes a vertex crosses it."""

_SLACK = 1e-9


def disjoint_pair(
    network: Network,
    ends: tuple[int, int],
    step: Callable[[int, int], float],
    passing: Mapping[int, int],
    clock: Clock = NEVER,
) -> tuple[Steps, Steps] | None:
    """Two paths between two different vertices, that with fewer edges first; None if none.

    No link is on both paths; a direct connection may be.

    Args:
        network: where.
        ends: the two vertices.
        step: the cost of crossing an edge to a vertex, infinite where that is not allowed.
        passing: the vertices that paths may pass through, and how many of the two may.
        clock: once it has run out, this ends with an `OutOfTimeError`.
    """
    flow = _Flow(network, ends, step, passing, clock)
    if not (flow.grow() and flow.grow()):
        return None
    first, second = sorted(flow.paths(), key=lambda p: len(p[1]))
    return first, second


class _Flow:
    """Whole units of flow from the first end to the second, each of least cost."""

    def __init__(
        self,
        network: Network,
        ends: tuple[int, int],
        step: Callable[[int, int], float],
        passing: Mapping[int, int],
        clock: Clock,
    ) -> None:
        self._network = network
        self._start, self._end = ends
        self._step = step
        self._passing = passing
        self._clock = clock
        self._crossed: dict[tuple[int, int], int] = defaultdict(int)  # edge, the vertex it leads to
        self._passed: dict[int, int] = defaultdict(int)

    def grow(self) -> bool:
        """One unit more; whether there is a way for it."""
        source, sink = (self._start, True), (self._end, False)
        away: dict[_Node, float] = {source: 0.0}
        came: dict[_Node, tuple[_Node, int | None]] = {}
        queue = deque([source])
        while queue:
            self._clock.check()
            node = queue.popleft()
            for other, e, cost in self._nexts(node):
                total = away[node] + cost
                if total < away.get(other, float("inf")) - _SLACK:
                    away[other], came[other] = total, (node, e)
                    if other != sink:
                        queue.append(other)
        if sink not in came:
            return False
        node = sink
        while node != source:
            before, e = came[node]
            self._move(before, node, e)
            node = before
        return True

    def _nexts(self, node: _Node) -> list[tuple[_Node, int | None, float]]:
        """Where a unit can go on from a node: through which edge, and what that costs."""
        v, leaves = node
        if not leaves:
            return self._from_arrival(v)
        found: list[tuple[_Node, int | None, float]] = []
        if self._passed[v]:
            found.append(((v, False), None, 0.0))
        for e, near in self._network.incident[v]:
            if near != self._end and (near not in self._passing or near == self._start):
                continue
            most = 1 if self._network.edges[e].link is not None else 2
            cost = self._step(e, near)
            if self._crossed[e, near] < most and cost < float("inf"):
                found.append(((near, False), e, cost))
        return found

    def _from_arrival(self, v: int) -> list[tuple[_Node, int | None, float]]:
        found: list[tuple[_Node, int | None, float]] = []
        if self._passed[v] < self._passing[v]:
            found.append(((v, True), None, 0.0))
        for e, near in self._network.incident[v]:
            if self._crossed[e, v]:
                found.append(((near, True), e, -self._step(e, v)))
        return found

    def _move(self, node: _Node, other: _Node, e: int | None) -> None:
        """Note a step of the unit, or that it gives an earlier one back."""
        if e is None:
            self._passed[node[0]] += 1 if other[1] else -1
        elif node[1]:
            self._crossed[e, other[0]] += 1
        else:
            self._crossed[e, node[0]] -= 1

    def paths(self) -> list[Steps]:
        """The two units as paths; what goes around in circles is left out."""
        edges = self._network.edges
        for e, v in list(self._crossed):
            back = (e, edges[e].other(v))
            both = min(self._crossed[e, v], self._crossed[back])
            self._crossed[e, v] -= both
            self._crossed[back] -= both
        out: list[Steps] = []
        for _ in range(2):
            arcs: dict[int, list[tuple[int, int]]] = defaultdict(list)
            for (e, v), units in self._crossed.items():
                if units > 0:
                    arcs[edges[e].other(v)].append((e, v))
            vertices, used = walk(arcs, self._start, self._end)
            for e, v in zip(used, vertices[1:], strict=True):
                self._crossed[e, v] -= 1
            out.append((vertices, used))
        return out
