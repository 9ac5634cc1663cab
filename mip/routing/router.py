"""Paths for a given placement, within what links have left: all of them or proof that none fit.

A depth-first search over VLinks, widest first, each over its paths by cost up to the slack that is
left; where a VLink finds none, the search jumps back to the last VLink that stands in its way.
VLinks that were hard to route go first in the next search.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mip.bounds.metric import Field, Metric
from mip.draft import Route, path_route
from mip.instance.capacity import Key
from mip.instance.instance import Instance, VLink
from mip.problem.amounts import Exact

_SLACK = 1e-9


_ANY = float(np.finfo(float).max)
"""Above any distance where there is a way."""


class UnsureError(Exception):
    """The search was too long to tell."""


@dataclass(frozen=True)
class Path:
    """A path of one VLink: its vertices and edges in order, and its cost."""

    vertices: tuple[int, ...]
    edges: tuple[int, ...]
    cost: float


Needs = tuple[tuple[Key, Exact], ...]


@dataclass
class _Way:
    """What the search needs to know of one VLink between two given vertices."""

    index: int
    vlink: VLink
    start: int
    end: int
    field: Field
    factor: float
    steps: list[float]
    rest: list[float]
    least: float


@dataclass
class _Conflict:
    """Why VLinks have no paths: those routed before that stand in the way, and where."""

    vlinks: set[int]
    keys: set[Key]


class Router:
    """Routes placements of one instance; VLinks must have two ends and no protection."""

    def __init__(self, instance: Instance, metric: Metric) -> None:
        self._instance = instance
        self._metric = metric
        self._edge_keys: dict[tuple[int, int], Needs] = {}
        self._vertex_keys: dict[int, dict[int, Needs]] = {}
        self._left: dict[Key, Exact] = {}
        self._users: dict[Key, set[int]] = defaultdict(set)
        self._paths: dict[int, Path] = {}
        self._detours: dict[int, float] = {}
        self._ways: list[_Way] = []
        self._failed: dict[int, int] = defaultdict(int)
        self._steps = 0

    def route(
        self,
        places: Mapping[int, int],
        slack: float,
        steps: int,
        only: Sequence[int] | None = None,
    ) -> tuple[dict[int, Route], float] | None:
        """Routes that cost at most `slack` more than the shortest, and their cost; None if none.

        Args:
            places: point to vertex.
            slack: in units of the objective.
            steps: how many path steps may be tried.
            only: the VLinks to route; None for all.

        Raises:
            UnsureError: not settled within `steps`.
        """
        if not self.fits(places, slack, steps, only):
            return None
        routes = {}
        for index in self._of(only):
            vlink, path = self._instance.vlinks[index], self._paths.get(index)
            if path is None:
                at = places[vlink.points[0]] if vlink.points else 0
                routes[index] = path_route(self._instance, vlink, [at], [])
            else:
                vertices, edges = list(path.vertices), list(path.edges)
                routes[index] = path_route(self._instance, vlink, vertices, edges)
        return routes, sum(p.cost for p in self._paths.values())

    def fits(
        self,
        places: Mapping[int, int],
        slack: float,
        steps: int,
        only: Sequence[int] | None = None,
    ) -> bool:
        """Whether the VLinks (`only` those) between the points in `places` fit within `slack`.

        Raises:
            UnsureError: not settled within `steps`.
        """
        self._left.clear()
        self._users.clear()
        self._paths.clear()
        self._detours.clear()
        self._steps = steps
        self._ways = self._prepare(places, only)
        if not all(self._stays(i, places) for i in self._of(only)):
            return False
        if any(not np.isfinite(w.least) for w in self._ways):
            return False
        return self._search(0, slack) is None

    def arcs(self, places: Sequence[int], slack: float) -> dict[int, frozenset[tuple[int, int]]]:
        """Per VLink the arcs that paths at most `slack` above the shortest can cross.

        Returns:
            VLink to (edge, 0 from its u to its v or 1 back); VLinks within one vertex left out.

        Model: (R7).
        """
        out: dict[int, frozenset[tuple[int, int]]] = {}
        for way in self._prepare(dict(enumerate(places))):
            if not way.factor or not np.isfinite(way.least):
                continue
            ahead = self._metric.rest(way.index, way.end)
            behind = self._metric.rest(way.index, way.start)
            top = way.least + slack / way.factor + _SLACK
            found = set()
            for e in way.vlink.edges:
                edge = self._instance.network.edges[e]
                for arc, u, v in (((e, 0), edge.u, edge.v), ((e, 1), edge.v, edge.u)):
                    before = self._away(way.field, u, way.start, behind)
                    after = self._away(way.field, v, way.end, ahead)
                    if before + float(way.field.steps[e]) + after <= top:
                        found.add(arc)
            out[way.index] = frozenset(found)
        return out

    def _away(self, field: Field, vertex: int, end: int, rest: Sequence[float]) -> float:
        """The distance between a vertex on a path and that path's end."""
        if vertex == end:
            return 0.0
        return rest[field.rows[vertex]] if vertex in field.rows else np.inf

    def _prepare(self, places: Mapping[int, int], only: Sequence[int] | None = None) -> list[_Way]:
        ways = []
        for index in self._of(only):
            vlink = self._instance.vlinks[index]
            if len(vlink.points) != 2:
                continue
            start, end = (places.get(p) for p in vlink.points)
            if start is not None and end is not None and start != end:
                field, factor = self._metric.field(index)
                rest = self._metric.rest(index, end)
                least = self._metric.from_vertex(index, start, rest, end)
                steps = self._metric.step_list(field)
                ways.append(_Way(index, vlink, start, end, field, factor, steps, rest, least))
        failed = self._failed  # what was hard to route before goes first
        return sorted(ways, key=lambda w: (-failed[w.index], -w.vlink.bandwidth, -w.least, w.index))

    def _of(self, only: Sequence[int] | None) -> Sequence[int]:
        return range(len(self._instance.vlinks)) if only is None else only

    def _stays(self, index: int, places: Mapping[int, int]) -> bool:
        """Whether a VLink within one vertex, which fixed ends list, is in time and has room there.

        What it needs is taken.
        """
        vlink = self._instance.vlinks[index]
        at = {places.get(p) for p in vlink.points}
        if len(vlink.points) != 2 or len(at) > 1 or None in at:
            return True
        on = path_route(self._instance, vlink, [v for v in at if v is not None], []).on
        for element in on:
            for key, amount in self._instance.keys_of(element, vlink):
                self._left[key] = self._room(key) - amount
                if self._left[key] < 0:
                    return False
        lag = sum(self._instance.network.latency(e) for e in on)
        return vlink.latency_max is None or lag <= vlink.latency_max

    def _search(self, depth: int, slack: float) -> _Conflict | None:
        """None once all from `depth` on are routed; else what is in the way."""
        if depth == len(self._ways):
            return None
        way = self._ways[depth]
        blocked: set[Key] = set()
        reasons: set[int] = set()
        keys: set[Key] = set()
        vain: list[tuple[dict[Key, Exact], float]] = []
        for path in self._options(way, slack, blocked):
            needs = self._needs(way, path)
            detour = path.cost - way.least * way.factor
            if any(_no_better(needs, detour, *other) for other in vain):
                continue
            over = [k for k, a in needs.items() if self._room(k) < a]
            if over:
                blocked.update(over)
                continue
            self._take(way, path, needs)
            failed = self._search(depth + 1, slack - detour)
            if failed is None:
                return None
            self._give_back(way, needs)
            if way.index not in failed.vlinks:
                return failed
            reasons |= failed.vlinks
            keys |= failed.keys
            vain.append(({k: a for k, a in needs.items() if k in failed.keys}, detour))
        self._failed[way.index] += 1
        for key in blocked:
            reasons |= self._users[key]
        reasons |= {i for i, d in self._detours.items() if d > _SLACK}
        return _Conflict(reasons - {way.index}, keys | blocked)

    def _room(self, key: Key) -> Exact:
        left = self._left.get(key)
        if left is None:
            left = self._left[key] = self._instance.free(key)
        return left

    def _needs(self, way: _Way, path: Path) -> dict[Key, Exact]:
        needs: dict[Key, Exact] = {}
        for e in path.edges:
            for key, amount in self._of_edge(way, e):
                needs[key] = needs.get(key, 0) + amount
        limited = self._limited(way)
        if limited.keys() & set(path.vertices):
            route = path_route(self._instance, way.vlink, list(path.vertices), list(path.edges))
            for v in path.vertices:
                if v in limited and self._instance.network.ids[v] in route.on:
                    for key, amount in limited[v]:
                        needs[key] = needs.get(key, 0) + amount
        return needs

    def _take(self, way: _Way, path: Path, needs: dict[Key, Exact]) -> None:
        for key, amount in needs.items():
            self._left[key] = self._room(key) - amount
            self._users[key].add(way.index)
        self._paths[way.index] = path
        self._detours[way.index] = path.cost - way.least * way.factor

    def _give_back(self, way: _Way, needs: dict[Key, Exact]) -> None:
        for key, amount in needs.items():
            self._left[key] += amount
            self._users[key].discard(way.index)
        del self._paths[way.index]
        del self._detours[way.index]

    def _of_edge(self, way: _Way, e: int) -> Needs:
        found = self._edge_keys.get((way.index, e))
        if found is None:
            link = self._instance.network.edges[e].link
            found = () if link is None else self._instance.keys_of(link, way.vlink)
            self._edge_keys[way.index, e] = found
        return found

    def _limited(self, way: _Way) -> dict[int, Needs]:
        """The vertices that limit what passes through them, and what the VLink takes there."""
        found = self._vertex_keys.get(way.index)
        if found is None:
            ids = self._instance.network.ids
            every = ((v, self._instance.keys_of(ids[v], way.vlink)) for v in self._limiting)
            found = self._vertex_keys[way.index] = {v: keys for v, keys in every if keys}
        return found

    @cached_property
    def _limiting(self) -> tuple[int, ...]:
        """The vertices that limit anything that VLinks take."""
        network = self._instance.network
        taken = {r for v in self._instance.vlinks for r in v.demand}
        elements = enumerate(network.substrate.elements[e] for e in network.ids)
        return tuple(v for v, e in elements if e.is_link or not taken.isdisjoint(e.resources))

    def _options(self, way: _Way, slack: float, blocked: set[Key]) -> Iterator[Path]:
        """Simple paths of a VLink within `slack`, over edges with room, cheaper ones first.

        Keys that keep an edge out are added to `blocked`.
        """
        allowed = way.least + (slack + _SLACK) / way.factor if way.factor else np.inf
        levels = [way.least, allowed] if way.factor else [_ANY]
        seen: set[tuple[int, ...]] = set()
        for top in dict.fromkeys(levels):
            for vertices, edges, cost in self._walks(way, top + _SLACK, blocked):
                if edges not in seen:
                    seen.add(edges)
                    yield Path(vertices, edges, cost * way.factor)

    def _walks(
        self, way: _Way, top: float, blocked: set[Key]
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], float]]:
        incident = self._instance.network.incident
        rows, steps, rest = way.field.rows, way.steps, way.rest
        lag_top = way.vlink.latency_max
        stack: list[tuple[tuple[int, ...], tuple[int, ...], float]] = [((way.start,), (), 0.0)]
        while stack:
            vertices, edges, cost = stack.pop()
            at = vertices[-1]
            self._steps -= 1
            if self._steps < 0 or self._metric.clock.over():
                raise UnsureError
            if at == way.end:
                if lag_top is None or self._lag(way, vertices, edges) <= lag_top:
                    yield vertices, edges, cost
                continue
            nexts = []
            for e, near in incident[at]:
                if near == way.end:
                    further = 0.0
                elif near in rows:
                    further = rest[rows[near]]
                else:
                    continue
                total = cost + steps[e]
                if total + further > top or near in vertices or self._full(way, e, blocked):
                    continue
                nexts.append((total + further, (*vertices, near), (*edges, e), total))
            nexts.sort(key=lambda n: -n[0])
            stack.extend((v, ed, c) for _, v, ed, c in nexts)

    def _full(self, way: _Way, e: int, blocked: set[Key]) -> bool:
        """Whether an edge has no room for a VLink; what it lacks is added to `blocked`."""
        full = False
        for key, amount in self._of_edge(way, e):
            if self._room(key) < amount:
                blocked.add(key)
                full = True
        return full

    def _lag(self, way: _Way, vertices: tuple[int, ...], edges: tuple[int, ...]) -> Exact:
        route = path_route(self._instance, way.vlink, list(vertices), list(edges))
        return sum(self._instance.network.latency(e) for e in route.on)


def _no_better(
    needs: Mapping[Key, Exact], detour: float, taken: Mapping[Key, Exact], other: float
) -> bool:
    """Whether a path takes as much where it mattered as one that failed, and is no shorter."""
    return detour >= other - _SLACK and all(needs.get(k, 0) >= a for k, a in taken.items())
