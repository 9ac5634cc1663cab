"""Routes of any kind for a placement, one VLink after the other: paths, pairs of them, and trees.

Soon found, and often as cheap as any; that none is found proves nothing. A protected VLink gets its
cheapest path and then a backup that keeps clear of it, else two disjoint paths at once. A tree
grows from its first end to whichever end is nearest. Where a VLink finds no route, all are routed
again with that one first.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from mip.bounds.metric import Metric
from mip.draft import Draft, Route, path_route, tree_route
from mip.instance.capacity import Key, hit_by
from mip.instance.instance import Instance, VLink
from mip.latencies import pair_latencies
from mip.problem.amounts import Exact
from mip.routing.disjoint import Steps, disjoint_pair
from mip.routing.room import Room

_ORDERS = 4
"""How many orders of the VLinks are tried."""

_BLENDS = (0.0, 0.5, 1.0)
"""How much latency counts beside cost, where it is bounded: the cheapest in time is taken."""

_HOP = 1e-6
"""What an edge costs besides, in the greatest cost of one: of paths as cheap the shorter."""

_NOWHERE = Route((), frozenset())

Blocked = Callable[[str], bool]
"""Whether an element of the substrate can't be used."""


@dataclass(frozen=True)
class _Job:
    """One VLink between given vertices."""

    index: int
    vlink: VLink
    ends: tuple[int, ...]

    @property
    def blends(self) -> Sequence[float]:
        """See `_BLENDS`."""
        return _BLENDS[:1] if self.vlink.latency_max is None else _BLENDS


@dataclass
class GreedyRouter:
    """Routes placements of one instance without least latencies and rules on VLinks.

    Attributes:
        instance: what is mapped.
        metric: distances, and the clock that ends all with an `OutOfTimeError`.
    """

    instance: Instance
    metric: Metric
    _room: Room = field(init=False)
    _keys: dict[tuple[int, str], tuple[tuple[Key, Exact], ...]] = field(default_factory=dict)
    _failed: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    _hopeless: set[tuple[int, tuple[int, ...]]] = field(default_factory=set)
    _places: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._room = Room(self.instance)

    def route(self, places: Sequence[int]) -> Draft | None:
        """A mapping with the points at `places`; None if none is found."""
        routes = self._all(dict(enumerate(places)))
        if routes is None:
            return None
        working = tuple(routes[i][0] for i in range(len(self.instance.vlinks)))
        backup = {i: r[1] for i, r in routes.items() if r[1] is not None}
        return Draft(tuple(places), working, backup)

    def fits(self, part: Mapping[int, int]) -> bool:
        """Whether routes are found for the VLinks whose points are all in `part`."""
        return self._all(part) is not None

    def _all(self, places: Mapping[int, int]) -> dict[int, tuple[Route, Route | None]] | None:
        """For each VLink between `places` its route and, if protected, its backup."""
        self._places = places
        jobs = self._jobs(places)
        if any((j.index, j.ends) in self._hopeless for j in jobs):
            return None
        for _ in range(_ORDERS):
            routes, lost = self._in_order(jobs)
            if lost is None:
                return routes
            self._failed[lost.index] += 1
            if lost is jobs[0]:
                self._hopeless.add((lost.index, lost.ends))
                return None
            jobs.remove(lost)
            jobs.insert(0, lost)
        return None

    def _jobs(self, places: Mapping[int, int]) -> list[_Job]:
        """What is hard to route first: what failed before, pairs and trees, what is wide."""
        jobs = [
            _Job(i, v, tuple(places[p] for p in v.points))
            for i, v in enumerate(self.instance.vlinks)
            if all(p in places for p in v.points)
        ]
        failed = self._failed
        return sorted(
            jobs,
            key=lambda j: (
                -failed[j.index],
                j.vlink.protection == "none" and len(j.ends) <= 2,
                -j.vlink.bandwidth,
                j.index,
            ),
        )

    def _in_order(
        self, jobs: Sequence[_Job]
    ) -> tuple[dict[int, tuple[Route, Route | None]], _Job | None]:
        """Routes for the VLinks one by one, and the first that found none."""
        self._room.clear(self._places)
        routes: dict[int, tuple[Route, Route | None]] = {}
        for job in jobs:
            self.metric.clock.check()
            found = self._one(job)
            if found is None:
                return routes, job
            routes[job.index] = found
        return routes, None

    def _one(self, job: _Job) -> tuple[Route, Route | None] | None:
        """A route and, if the VLink is protected, a backup; both are taken."""
        whole = job.vlink.protection != "none"
        if len(job.ends) < 2:
            return _NOWHERE, _NOWHERE if whole else None
        for working in self._routes(job, partial(self._full, job)):
            if not self._take(job, working, None):
                continue
            if not whole:
                return working, None
            backup = self._backup(job, working)
            if backup is not None:
                return working, backup
            self._give_back(job, working)
        return self._pair(job) if whole and len(set(job.ends)) == 2 else None

    def _backup(self, job: _Job, working: Route) -> Route | None:
        """A route that shares with `working` nothing it mustn't; it is taken."""
        hit = self._hit(job, working)
        for backup in self._routes(job, lambda e: e in hit or self._full(job, e, hit)):
            if self._take(job, backup, hit):
                return backup
        return None

    def _pair(self, job: _Job) -> tuple[Route, Route] | None:
        """Disjoint paths found together, with room for both ways round or at least for one."""
        if len(job.ends) != 2:
            return None
        for hit in (None, frozenset[str]()):
            for blend in job.blends:
                pair = self._disjoint(job, blend, partial(self._full, job, hit=hit))
                if pair is None:
                    break
                routes = [path_route(self.instance, job.vlink, *steps) for steps in pair]
                if not all(self._in_time(job, r) for r in routes):
                    continue
                routes.sort(key=lambda r: self._cost(job, r))
                for working, backup in (routes, routes[::-1]):
                    if self._both(job, working, backup):
                        return working, backup
        return None

    def _both(self, job: _Job, working: Route, backup: Route) -> bool:
        """Take a route and its backup; whether there was room."""
        if not self._take(job, working, None):
            return False
        if self._take(job, backup, self._hit(job, working)):
            return True
        self._give_back(job, working)
        return False

    def _hit(self, job: _Job, working: Route) -> frozenset[str]:
        """What a backup of `working` may not use, and against whose failure it is."""
        return hit_by(self.instance.network.substrate, list(working.inner), job.vlink.protection)

    # --- room -----------------------------------------------------------------------------------

    def _needs(self, job: _Job, element: str) -> tuple[tuple[Key, Exact], ...]:
        key = (job.index, element)
        if key not in self._keys:
            self._keys[key] = self.instance.keys_of(element, job.vlink)
        return self._keys[key]

    def _full(self, job: _Job, element: str, hit: Collection[str] | None = None) -> bool:
        """Whether there is no room for a route, or for a backup against the failure of `hit`."""
        for key, amount in self._needs(job, element):
            shared = hit is not None and key[1] == "bandwidth"
            left = self._room.beside(key, hit or ()) if shared else self._room.free(key)
            if left < amount:
                return True
        return False

    def _take(self, job: _Job, route: Route, hit: Collection[str] | None) -> bool:
        """Take a route, or a backup against the failure of `hit`; whether there was room."""
        fixed, shared = self._amounts(job, route, backup=hit is not None)
        return self._room.take(fixed, shared, hit or ())

    def _give_back(self, job: _Job, route: Route) -> None:
        self._room.give_back(self._amounts(job, route, backup=False)[0])

    def _amounts(
        self, job: _Job, route: Route, *, backup: bool
    ) -> tuple[dict[Key, Exact], dict[Key, Exact]]:
        """What a route takes always, and what only while something fails."""
        fixed: dict[Key, Exact] = defaultdict(int)
        shared: dict[Key, Exact] = defaultdict(int)
        for element in route.on:
            for key, amount in self._needs(job, element):
                (shared if backup and key[1] == "bandwidth" else fixed)[key] += amount
        return fixed, shared

    def _in_time(self, job: _Job, route: Route) -> bool:
        most = job.vlink.latency_max
        if most is None:
            return True
        return all(t <= most for t in pair_latencies(self.instance, job.vlink, self._places, route))

    # --- ways -----------------------------------------------------------------------------------

    def _routes(self, job: _Job, blocked: Blocked) -> Iterator[Route]:
        """Routes that are in time, one for each blend."""
        for blend in job.blends:
            route = (
                self._tree(job, blend, blocked)
                if len(job.ends) > 2
                else self._path(job, blend, blocked)
            )
            if route is None:
                return
            if self._in_time(job, route):
                yield route

    def _path(self, job: _Job, blend: float, blocked: Blocked) -> Route | None:
        start, end = job.ends
        rest = self.metric.rest(job.index, end)
        rows = self.metric.field(job.index)[0].rows
        step = self._step(job, blend, blocked, {end})

        def ahead(v: int) -> float:
            return 0.0 if v == end else (1 - blend) * rest[rows[v]]

        found = self._search(job, {start}, {end}, step, ahead)
        return None if found is None else path_route(self.instance, job.vlink, *found)

    def _tree(self, job: _Job, blend: float, blocked: Blocked) -> Route | None:
        """Grown to the nearest end again and again; a host passes nothing on."""
        start, left = job.ends[0], set(job.ends[1:]) - {job.ends[0]}
        inside = {start}
        edges: list[int] = []
        step = self._step(job, blend, blocked, set(job.ends))
        while left:
            doors = {v for v in inside if v in job.vlink.vertices} if edges else inside
            found = self._search(job, doors, left, step, lambda _: 0.0)
            if found is None:
                return None
            inside.update(found[0])
            edges += found[1]
            left -= inside
        if self._closed(inside, edges):
            return None
        return tree_route(self.instance, job.vlink, edges, job.ends)

    def _closed(self, inside: Collection[int], edges: Collection[int]) -> bool:
        """Whether what joins two elements of a tree directly closes a loop."""
        network = self.instance.network
        return any(
            network.edges[e].link is None and near in inside and e not in edges
            for v in inside
            for e, near in network.incident[v]
        )

    def _disjoint(self, job: _Job, blend: float, blocked: Blocked) -> tuple[Steps, Steps] | None:
        network = self.instance.network
        start, end = job.ends
        step = self._step(job, blend, blocked, {end})
        node = job.vlink.protection == "node"
        joined = network.link_vertices
        passing = {v: 1 if node or v in joined else 2 for v in job.vlink.vertices}
        return disjoint_pair(network, (start, end), step, passing, self.metric.clock)

    def _step(
        self, job: _Job, blend: float, blocked: Blocked, ends: Collection[int]
    ) -> Callable[[int, int], float]:
        """What it costs to cross an edge to a vertex; infinite where that isn't possible."""
        network = self.instance.network
        found = self.metric.field(job.index)[0]
        steps = self.metric.step_list(found)
        lag = network.latency
        unit = float(job.vlink.latency_max or 0) or 1.0
        known: dict[str, bool] = {}

        def closed(element: str) -> bool:
            if element not in known:
                known[element] = blocked(element)
            return known[element]

        def step(e: int, v: int) -> float:
            if steps[e] == float("inf"):
                return steps[e]
            link, element = network.edges[e].link, network.ids[v]
            if (link is not None and closed(link)) or (v not in ends and closed(element)):
                return float("inf")
            cost = (1 - blend) * steps[e] + _HOP
            if blend:
                slow = lag(element) + (0 if link is None else lag(link))
                cost += blend * float(slow) / unit
            return cost

        return step

    def _search(
        self,
        job: _Job,
        starts: Collection[int],
        ends: Collection[int],
        step: Callable[[int, int], float],
        ahead: Callable[[int], float],
    ) -> Steps | None:
        """The cheapest way from `starts` to one of `ends`; what is left is at least `ahead`."""
        incident, inside = self.instance.network.incident, job.vlink.vertices
        away = dict.fromkeys(starts, 0.0)
        came: dict[int, tuple[int, int]] = {}
        heap = [(0.0, 0.0, v) for v in sorted(starts)]
        done: set[int] = set()
        while heap:
            _, _, at = heapq.heappop(heap)
            if at in ends:
                return _way(came, at)
            if at in done:
                continue
            done.add(at)
            for e, near in incident[at]:
                if near in done or (near not in ends and near not in inside):
                    continue
                total = away[at] + step(e, near)
                if total < away.get(near, float("inf")):
                    away[near], came[near] = total, (e, at)
                    heapq.heappush(heap, (total + ahead(near), -total, near))
        return None

    def _cost(self, job: _Job, route: Route) -> float:
        steps = self.metric.step_list(self.metric.field(job.index)[0])
        return sum(steps[e] for e in route.edges)


def _way(came: Mapping[int, tuple[int, int]], end: int) -> Steps:
    """The vertices and edges that led to `end`."""
    vertices, edges = [end], []
    while vertices[-1] in came:
        e, before = came[vertices[-1]]
        edges.append(e)
        vertices.append(before)
    return vertices[::-1], edges[::-1]
