"""The exact method for sums over VNodes and VLinks: best placements first, routed one by one.

A placement's bound counts every VLink's shortest path as if it were alone. Placements are searched
depth-first under bounds from bucket elimination; each that could beat the best is routed within
what links have left, exactly. What remains below the best after that is nothing.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mip.bounds.bucket_elimination import CELLS, eliminate
from mip.bounds.metric import Floats, Metric
from mip.bounds.placing import Placing, build_placing
from mip.clock import OutOfTimeError
from mip.draft import Draft, Route, chosen_values, value_of
from mip.exact.branching import Branching, Fresh, Leaf, OutOfBudgetError
from mip.exact.nearby import plain
from mip.exact.program import Found, Search, solve_plain
from mip.formulation.arc_flow import Scope
from mip.formulation.columns import Arc
from mip.heuristic.local_search import LocalSearch
from mip.instance.capacity import Key, key_of
from mip.instance.instance import Instance, Kind
from mip.objectives import Weights
from mip.problem.amounts import Exact
from mip.routing.greedy import GreedyRouter
from mip.routing.router import Router, UnsureError
from mip.solvers.linear import Ending
from mip.solvers.registry import prompt_solver

_RISE = 0.02
"""How far above the bound the first search looks, as a share of it; then ever further."""

_USUAL = 0.1
"""The same for bounds near 0, as a share of what placements at random cost."""

_FAILURES = 10
"""Placements without paths after which parts of placements are routed too."""

_ROUNDING = 1e-9

_ALIKE = 1e-7
_ALIKE_LEAST = 1e-8
"""Where values have no common step: values that differ by less, as a share and at least, count as
the same. It is well above the router's tolerance: a top closer to the best lets the router find the
same paths again, which would pass for a proof that there are no cheaper ones."""

_SOON_S = 0.1
_SOON_SHARE = 3.0
_GOOD = 0.05
_DIVE_S = 0.15
_DIVE_STEPS = 300
_DETOUR = 0.3
_KICKS = 12
_POLISH_S = 0.15
"""A first mapping: seconds of search, at least and as a share of what the tables took; how far
above the bound it is good enough to stop; then seconds of diving; path steps for a part; detours as
a share of the bound; kicks; seconds for bettering it."""

_GREEDY_DIVE_S = 1.5
"""Seconds of diving where routes are pairs or trees."""

_PART_STEPS = 3_000
"""Path steps for a part of a placement."""

_CELLS_OF_PAIRS = 2 * 10**8
_POINTS = 200
"""Larger problems than that are left to the whole program."""

_PROGRAMS = 200
"""Placements whose paths need a program of their own before one program takes over."""

_STEPS = 50_000
_HURRIED_STEPS = 3_000
"""Path steps for one placement before the whole program decides on its paths."""


def _usual(table: Floats) -> float:
    finite = table[np.isfinite(table)]
    return float(finite.mean()) if finite.size else 0.0


def placeable(instance: Instance, weights: Weights) -> bool:
    """Whether the method applies: a sum as objective, no cost of passing a switch or provider."""
    if not weights.additive or any(v.latency_min for v in instance.vlinks):
        return False
    sizes = [len(p.candidates) for p in instance.points]
    if sum(sizes) ** 2 > _CELLS_OF_PAIRS or len(sizes) > _POINTS:
        return False
    request, network = instance.problem.request, instance.network
    return weights.level or not any(
        weights.carry(request.elements[vlink.id], network.element(v))
        for vlink in instance.vlinks
        for v in vlink.vertices - network.link_vertices
    )


@dataclass
class Trace:
    """What a search by placements did: for benchmarks and for the guard."""

    leaves: int = 0
    failed: int = 0
    programs: int = 0
    parts: int = 0
    nodes: int = 0


@dataclass
class PlacedSearch:
    """One search by placements.

    Attributes:
        instance: what to map.
        weights: an additive objective.
        search: how to solve what is left to the whole program, and when to stop.
        hurry: be content with a good mapping.
        fresh: how many hosts may be newly taken into use, and which count.
        best: the best mapping so far; one that is known may be given.
        value: its value.
        bound: what is proven; what is known may be given.
        cells: of one table of bounds at most.
    """

    instance: Instance
    weights: Weights
    search: Search
    hurry: bool = False
    fresh: Fresh | None = None
    best: Draft | None = None
    value: float = float("inf")
    bound: float = float("-inf")
    cells: int = CELLS
    trace: Trace = field(default_factory=Trace)
    _ceiling: float = float("inf")
    _until: float = float("inf")
    _patience: float = 0.0
    _proven: bool = False
    _doubt: bool = False
    _greedy: GreedyRouter | None = None

    def run(self) -> Found | None:
        """Search until nothing better is left or the time is over; None if it isn't the way."""
        began = time.monotonic()
        clock = self.search.clock
        metric = Metric(self.instance, self.weights, clock)
        self._greedy = GreedyRouter(self.instance, metric) if self._by_hand else None
        try:
            if self._straight(Router(self.instance, metric)):
                return Found(Ending.OPTIMAL, self.best, self.value)
            placing = build_placing(self.instance, self.weights, metric)
            buckets = eliminate(placing, self.cells, clock)
        except (OutOfTimeError, OutOfBudgetError):
            return self._stopped()
        self.bound = max(self.bound, buckets.bound)
        router = Router(self.instance, metric)
        branching = Branching(placing, buckets, self.fresh)

        def leaf(places: tuple[int, ...], bound: float) -> float | None:
            better = self._leaf(placing, router, places, bound)
            if better is not None and self.hurry and self._good:
                self._until = min(self._until, time.monotonic() + self._patience)
            if self.trace.failed == _FAILURES:
                branching.check_parts(viable)
            return better

        def viable(part: dict[int, int], slack: float) -> bool:
            self.trace.parts += 1
            try:
                return router.fits(part, slack, _PART_STEPS)
            except UnsureError:
                return True

        try:
            if not self._any(branching):
                return Found(Ending.INFEASIBLE)
            seconds = time.monotonic() - began
            if self.hurry and not self._soon(placing, branching, leaf, seconds):
                self._dive(placing, Branching(placing, buckets, self.fresh), router)
            if self.hurry and self.best is not None and not (self._proven or self._good):
                self._polish(placing, router)
            if not self.hurry or self.best is None:
                self._deepen(placing, branching, leaf)
                self._proven = True
        except (OutOfTimeError, OutOfBudgetError):
            if self.best is None and not clock.over():
                return None
            return self._stopped()
        finally:
            self.trace.nodes = branching.tally.nodes
        if not self._proven or self._doubt:
            return Found(Ending.FEASIBLE, self.best, min(self.bound, self.value))
        bound = min(self.value, max(self.bound, self._best_top(placing)))
        return Found(Ending.OPTIMAL, self.best, bound if self.search.gap else self.value)

    def _stopped(self) -> Found:
        """What was found and proved until the time was over."""
        ending = Ending.UNKNOWN if self.best is None else Ending.FEASIBLE
        return Found(ending, self.best, self.bound if np.isfinite(self.bound) else None)

    def _straight(self, router: Router) -> bool:
        """Whether all points are fixed and their VLinks' shortest paths have room: the optimum."""
        instance = self.instance
        if not self._plain or any(len(p.candidates) != 1 for p in instance.points):
            return False
        places = tuple(p.candidates[0] for p in instance.points)
        if not instance.rules.spread(dict(enumerate(places)), instance.network):
            return False
        taken: dict[Key, Exact] = defaultdict(int)
        for point, place in zip(instance.points, places, strict=True):
            host = instance.network.element(place)
            for resource, amount in point.demand.items():
                taken[key_of(host, resource)] += amount
        if any(a > instance.free(k) for k, a in taken.items()):
            return False
        draft, _ = self._routed(router, places, 0.0)
        if draft is None:
            return False
        self.best, self.value = draft, value_of(instance, self.weights, draft)
        return True

    def _any(self, branching: Branching) -> bool:
        """Whether there is a placement at all, paths aside.

        Raises:
            OutOfBudgetError: out of time.
        """
        found = False

        def leaf(_places: tuple[int, ...], _bound: float) -> float | None:
            nonlocal found
            found = True
            return float("-inf")

        branching.run(float("inf"), leaf, self.search.clock.over)
        return found

    def _deepen(self, placing: Placing, branching: Branching, leaf: Leaf) -> None:
        """Search below a ceiling that rises: little slack for paths, few placements to route.

        Raises:
            OutOfBudgetError: out of time, or nothing found far above the bound.

        Model: (R5).
        """
        usual = sum(_usual(t) for t in (*placing.single, *placing.pairs.values()))
        base = max(abs(self.bound), _USUAL * usual, placing.step)
        rise = _RISE
        floor = self.bound
        end = floor + 2 * max(base, usual)
        while floor <= end:
            ceiling = floor + base * rise if base else float("inf")
            self._ceiling = min(ceiling, self._best_top(placing))
            branching.run(self._ceiling, leaf, self._over)
            if self.best is not None and self._ceiling >= self._best_top(placing):
                return
            floor = self._ceiling
            self.bound = self.bound if self._doubt else floor
            rise *= 2
        raise OutOfBudgetError

    def _soon(self, placing: Placing, branching: Branching, leaf: Leaf, seconds: float) -> bool:
        """Whether the search finds something in a time like the `seconds` that the tables took."""
        left = self.search.clock.left()
        most = float("inf") if left is None else left / 2  # a dive has to come, too
        self._until = time.monotonic() + min(most, max(_SOON_S, _SOON_SHARE * seconds))
        self._patience = seconds / 2
        with contextlib.suppress(OutOfBudgetError):
            self._deepen(placing, branching, leaf)
            self._proven = True
        self._until = float("inf")
        return self.best is not None

    def _dive(self, placing: Placing, branching: Branching, router: Router) -> None:
        """A first mapping: down the bounds to a placement that has paths, then local search."""
        self._until = time.monotonic() + (_DIVE_S if self._greedy is None else _GREEDY_DIVE_S)
        greedy = self._greedy
        routed: list[tuple[int, ...]] = []

        def leaf(places: tuple[int, ...], bound: float) -> float | None:
            if self._try(placing, router, places, bound):
                routed.append(places)
                return float("-inf")
            return None

        def viable(part: dict[int, int], slack: float) -> bool:
            del slack
            try:
                if greedy is not None:
                    return greedy.fits(part)
                return router.fits(part, self._detour(), _DIVE_STEPS)
            except UnsureError:
                return True

        branching.check_parts(viable)
        with contextlib.suppress(OutOfBudgetError):
            branching.run(float("inf"), leaf, self._over)
        local = self._local(placing)
        for places in routed if self.fresh is None else ():
            at = [c.index(v) for c, v in zip(placing.candidates, places, strict=True)]
            first = local.descend(at)
            for found in (first, *local.kicked(first, _KICKS)):
                vertices = tuple(c[k] for c, k in zip(placing.candidates, found, strict=True))
                self._try(placing, router, vertices, local.value(found))
        self._until = float("inf")

    def _local(self, placing: Placing) -> LocalSearch:
        rng = random.Random(self.search.seed)  # noqa: S311 (no secret)
        return LocalSearch(placing, rng, self.search.clock)

    def _polish(self, placing: Placing, router: Router) -> None:
        """From the best mapping to better ones nearby, most promising first."""
        self._until = time.monotonic() + _POLISH_S
        local = self._local(placing)
        numbers = [{v: k for k, v in enumerate(c)} for c in placing.candidates]
        tried: set[tuple[int, ...]] = set()
        better = True
        while better and self.best is not None:
            better = False
            at = [n[v] for n, v in zip(numbers, self.best.places, strict=True)]
            for there in local.near(at, self._best_top(placing)):
                if self._over():
                    break
                if tuple(there) in tried or local.value(there) >= self._best_top(placing):
                    continue
                tried.add(tuple(there))
                places = tuple(c[k] for c, k in zip(placing.candidates, there, strict=True))
                if self._allowed(places) and self._try(placing, router, places, local.value(there)):
                    better = True
                    break
        self._until = float("inf")

    def _allowed(self, places: tuple[int, ...]) -> bool:
        """Whether no more hosts than may be are newly taken into use."""
        if self.fresh is None:
            return True
        kinds = self.instance.points
        used = {v for v, p in zip(places, kinds, strict=True) if p.kind is Kind.VNODE}
        return len(used - self.fresh.busy) <= self.fresh.count

    @cached_property
    def _plain(self) -> bool:
        """Whether paths can be found one by one: no trees, backups, rules on links."""
        return plain(self.instance) and not self._ruled

    @cached_property
    def _by_hand(self) -> bool:
        """Whether there are trees or backups, for which routes are soon found all the same."""
        return not plain(self.instance) and not self._ruled

    @cached_property
    def _ruled(self) -> bool:
        """Whether rules bind features of VLinks."""
        ruled = {m for rule in self.instance.rules.values for m in rule.members}
        return any(v.id in ruled for v in self.instance.vlinks)

    @property
    def _good(self) -> bool:
        """Whether what was found is close to what is proven."""
        return self.value <= self.bound + _GOOD * abs(self.bound)

    def _detour(self) -> float:
        """How much longer than the shortest the paths of a first mapping may be, in all."""
        return _DETOUR * max(abs(self.bound), 1.0)

    def _try(self, placing: Placing, router: Router, places: tuple[int, ...], bound: float) -> bool:
        """Route a placement if it could be better than the best; whether it was."""
        self._ceiling = bound + self._detour()
        return self._better(placing, router, places, bound)

    def _over(self) -> bool:
        return self.search.clock.over() or time.monotonic() >= self._until

    def _best_top(self, placing: Placing) -> float:
        """Bounds from here on can't lead to anything better."""
        if self.best is None:
            return float("inf")
        alike = max(_ALIKE_LEAST, _ALIKE * abs(self.value))
        step = placing.step - 1e-6 if placing.step else alike
        return self.value - max(step, self.search.gap * abs(self.value))

    def _top(self, placing: Placing) -> float:
        return min(self._ceiling, self._best_top(placing))

    def _leaf(
        self, placing: Placing, router: Router, places: tuple[int, ...], bound: float
    ) -> float | None:
        self.trace.leaves += 1
        if not self._better(placing, router, places, bound):
            self.trace.failed += 1
            return None
        if self.search.progress is not None:
            self.search.progress(self.value, self.bound)
        return self._top(placing)

    def _better(
        self, placing: Placing, router: Router, places: tuple[int, ...], bound: float
    ) -> bool:
        """Take the cheapest paths of a placement if they beat the best; whether they do.

        The router's paths within a slack are not the cheapest: ask again with less until there
        are none.
        """
        found = False
        if self.instance.rules.turned_down(places):  # local search knows of pairs alone
            return False
        if self._greedy is not None:
            found = self._better_by_hand(self._greedy, places)
            least = found and self.value <= bound + _ROUNDING * max(1.0, abs(bound))
            self._doubt = self._doubt or (self.hurry and not least)
            if self.hurry or least:
                return found
        while (slack := self._top(placing) - bound) > -_ROUNDING:
            draft, cheapest = self._routed(router, places, max(slack, 0.0))
            value = None if draft is None else value_of(self.instance, self.weights, draft)
            if value is None or value >= self.value:
                return found
            self.best, self.value, found = draft, value, True
            if cheapest:
                return found
        return found

    def _better_by_hand(self, greedy: GreedyRouter, places: tuple[int, ...]) -> bool:
        """Take the routes soon found for a placement if they beat the best; whether they do."""
        draft = greedy.route(places)
        if draft is None or chosen_values(self.instance, draft) is None:
            return False
        value = value_of(self.instance, self.weights, draft)
        if value >= self.value:
            return False
        self.best, self.value = draft, value
        return True

    def _routed(
        self, router: Router, places: tuple[int, ...], slack: float
    ) -> tuple[Draft | None, bool]:
        """Paths at most `slack` above the shortest, and whether they are the cheapest."""
        if not self._plain:
            return self._by_program(places, {}), True
        try:
            steps = _HURRIED_STEPS if self.hurry else _STEPS
            found = router.route(dict(enumerate(places)), slack, steps)
        except UnsureError:
            if self.hurry:
                self._doubt = True
                return None, False
            return self._by_program(places, router.arcs(places, slack)), True
        if found is None:
            return None, False
        order: tuple[Route, ...] = tuple(found[0][i] for i in range(len(self.instance.vlinks)))
        draft = Draft(places, order, {})
        return (draft if chosen_values(self.instance, draft) is not None else None), False

    def _by_program(
        self, places: tuple[int, ...], arcs: Mapping[int, frozenset[Arc]]
    ) -> Draft | None:
        """Routes for one placement from the whole program, its hosts fixed and its arcs few."""
        self.trace.programs += 1
        if self.trace.programs > _PROGRAMS:
            raise OutOfBudgetError
        scope = Scope(hosts={i: frozenset((v,)) for i, v in enumerate(places)}, arcs=arcs)
        quiet = Search(prompt_solver(), self.search.clock, 0.0, self.search.seed)
        found = solve_plain(self.instance, self.weights, quiet, scope=scope)
        if found.draft is None and found.ending is not Ending.INFEASIBLE:
            raise OutOfBudgetError
        return found.draft
