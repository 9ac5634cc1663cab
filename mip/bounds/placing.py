"""Where to put the points, as a problem by itself: costs of points and of pairs of points.

Each table holds, over candidates, a lower bound on what the objective pays there, and infinity
where a rule, a capacity or a missing path forbids it. A mapping costs at least the sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from mip.bounds.fixing import Departures
from mip.bounds.metric import Floats, Metric
from mip.clock import NEVER, Clock
from mip.instance.capacity import Key, key_of
from mip.instance.features import is_pip
from mip.instance.instance import Instance, Kind
from mip.objectives import Weights
from mip.problem.amounts import Exact, exact, scale_of

Pair = tuple[int, int]


@dataclass(frozen=True)
class Placing:
    """The placement problem of one instance under one objective.

    Attributes:
        instance: where it comes from.
        candidates: for each point its vertices.
        single: for each point the cost of each candidate.
        pairs: for points (a, b), a < b, that VLinks join: the cost over both candidates.
        bans: for any points (a, b), a < b: where the two together are not allowed.
        constant: of the objective.
        step: values of mappings differ by multiples of this; 0 if unknown.
    """

    instance: Instance
    candidates: tuple[tuple[int, ...], ...]
    single: tuple[Floats, ...]
    pairs: dict[Pair, Floats]
    bans: dict[Pair, np.ndarray[Any, np.dtype[np.bool_]]]
    constant: float
    step: float

    @cached_property
    def rooms(self) -> tuple[tuple[tuple[tuple[Key, Exact], ...], ...], ...]:
        """For each point and candidate what it takes from which capacity."""
        network = self.instance.network
        return tuple(
            tuple(
                tuple((key_of(network.element(v), r), a) for r, a in point.demand.items())
                for v in self.candidates[i]
            )
            for i, point in enumerate(self.instance.points)
        )


def build_placing(instance: Instance, weights: Weights, metric: Metric) -> Placing:
    """The tables of `instance`.

    Raises:
        OutOfTimeError: the metric's clock has run out.

    Model: (B1).
    """
    request, network = instance.problem.request, instance.network
    candidates = tuple(p.candidates for p in instance.points)
    single = []
    for point in instance.points:
        if point.kind is Kind.VNODE:
            vnode = request.elements[point.id]
            prices = [weights.place(vnode, network.element(v)) for v in point.candidates]
        else:
            prices = [0.0] * len(point.candidates)
        single.append(np.asarray(prices, dtype=float))
    step = _step(instance, metric, single, weights.constant)
    pairs: dict[Pair, Floats] = {}
    for index, vlink in enumerate(instance.vlinks):
        ends = sorted(vlink.points)
        share = _most_pairs(instance, len(ends))
        for a, b in combinations(ends, 2):
            table = metric.table(index, a, b) / share
            pairs[a, b] = pairs[a, b] + table if (a, b) in pairs else table
    bans = bans_of(instance, metric.clock)
    departures = Departures(instance, bans, metric.clock)
    for index, costs in enumerate(single):
        costs[~np.asarray(departures.possible(index), dtype=bool)] = np.inf
    return Placing(
        instance,
        candidates,
        tuple(single),
        pairs,
        bans,
        weights.constant,
        step,
    )


def _most_pairs(instance: Instance, ends: int) -> int:
    """How many pairs of the ends of one tree cross the same element of it at most.

    A link of two ends parts them in two; through one of many ends all pairs may lead.
    """
    if instance.network.link_vertices:
        return max(1, ends * (ends - 1) // 2)
    return max(1, ends**2 // 4)


def _step(instance: Instance, metric: Metric, single: list[Floats], constant: float) -> float:
    """The greatest number of which every possible term is a multiple.

    Model: (R6).
    """
    terms = {float(c) for costs in single for c in np.unique(costs)} | {constant}
    for index in range(len(instance.vlinks)):
        found, factor = metric.field(index)
        steps = np.unique(found.steps[np.isfinite(found.steps)])
        terms |= {float(s) * factor for s in steps}
    whole = {exact(round(t, 9)) for t in terms}
    if not any(whole):
        return 1.0
    step = Fraction(1) / scale_of(whole)
    return float(step) if step > Fraction(1, 10**4) else 0.0


def leavable(instance: Instance, clock: Clock = NEVER) -> dict[int, frozenset[int]]:
    """For each point the candidates that its VLinks can get away from.

    Raises:
        OutOfTimeError: the clock has run out.
    """
    departures = Departures(instance, bans_of(instance, clock), clock)
    return {
        i: frozenset(
            v for v, good in zip(p.candidates, departures.possible(i), strict=True) if good
        )
        for i, p in enumerate(instance.points)
    }


def bans_of(
    instance: Instance, clock: Clock = NEVER
) -> dict[Pair, np.ndarray[Any, np.dtype[np.bool_]]]:
    """For any two points where the two together are not allowed; pairs without bans left out.

    Raises:
        OutOfTimeError: the clock has run out.

    Model: (R4).
    """
    return {pair: ban for pair, ban in _bans(instance, clock) if ban.any()}


def _bans(
    instance: Instance, clock: Clock
) -> Iterator[tuple[Pair, np.ndarray[Any, np.dtype[np.bool_]]]]:
    rules = instance.rules
    apart = {frozenset(p) for some in rules.apart for p in combinations(some, 2)}
    together = {frozenset(p) for some in rules.together for p in combinations(some, 2)}
    network = instance.network
    machines = [
        np.asarray([not is_pip(network.element(v)) for v in p.candidates], dtype=bool)
        for p in instance.points
    ]
    for a, b in combinations(range(len(instance.points)), 2):
        clock.check()
        first = np.asarray(instance.points[a].candidates, dtype=np.int64)
        second = np.asarray(instance.points[b].candidates, dtype=np.int64)
        alike = first[:, None] == second[None, :]
        ban = np.zeros(alike.shape, dtype=bool)
        pair = frozenset((a, b))
        if pair in together:
            ban |= ~alike
        if pair in apart:
            ban |= alike & machines[a][:, None]
        for some, v in rules.never:
            if pair == frozenset(some):
                ban |= alike & (first == v)[:, None]
        for i, j in zip(*np.nonzero(alike & ~ban), strict=True):
            if not _both_fit(instance, a, b, int(first[i])):
                ban[i, j] = True
        _ban_values(instance, a, b, ban, clock)
        yield (a, b), ban


def _both_fit(instance: Instance, a: int, b: int, vertex: int) -> bool:
    host = instance.network.element(vertex)
    one, other = instance.points[a].demand, instance.points[b].demand
    return all(
        one[r] + other[r] <= instance.free(key_of(host, r)) for r in one.keys() & other.keys()
    )


def _ban_values(
    instance: Instance, a: int, b: int, ban: np.ndarray[Any, np.dtype[np.bool_]], clock: Clock
) -> None:
    """Hosts with no common value under `same`, or with only one and the same under `different`."""
    network = instance.network
    one, other = instance.points[a], instance.points[b]
    for rule in instance.rules.values:
        if one.id not in rule.members or other.id not in rule.members:
            continue
        first = instance.rules.allowed[one.id, rule.feature]
        second = instance.rules.allowed[other.id, rule.feature]
        for i, u in enumerate(one.candidates):
            clock.check()
            for j, v in enumerate(other.candidates):
                x = first.get(network.ids[u], frozenset())
                y = second.get(network.ids[v], frozenset())
                good = bool(x & y) if rule.same else bool(x and y and len(x | y) > 1)
                ban[i, j] |= not good
