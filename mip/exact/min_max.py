"""Objectives that are the highest utilisation: by halving the range in which it can be.

Whether the peak can stay at a share t is asked of the substrate with t of every capacity, by the
search over placements. The peak takes only values on a grid that the demands give, so the search
ends exactly; the last mapping found is also the cheapest with that peak.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from mip.draft import Draft, draft_use, is_element, value_of
from mip.exact.host_count import nodes_alone
from mip.exact.placements import PlacedSearch, placeable
from mip.exact.program import Found, Search, solve_plain
from mip.exact.regional import is_large, regional
from mip.exact.strategy import finish, on_leavable, part_of, quick, surrogate
from mip.instance.capacity import Use, key_of
from mip.instance.instance import Instance, Kind, scaled_down
from mip.objectives import Weights
from mip.problem.amounts import Exact, scale_of
from mip.solvers.linear import Ending
from mip.solvers.registry import prompt_solver

_SHARE = 0.6
"""The part of the time for this way; the rest is for the whole program."""

_MOMENT_S = 0.2
_LARGE_S = 1.0
_NODES_SHARE, _NODES_S = 0.2, 2.0
_TOLERANCE = Fraction(1, 10**5)
_ALIKE = Fraction(1, 10**9)
"""Peaks this close to each other, as a share, are the same: no double tells more apart."""

_PROBE_S = 1.0
_PROBE_SHARE = 0.1
_UNLIMITED_S = 60.0
_TIE_SHARE = 0.3
_TIE_S = 4.0
"""For the cheapest among equals: a part of what is left, and seconds at most."""


def only_peak(weights: Weights) -> bool:
    """Whether an objective is the peak alone."""
    return weights.peak > 0 and weights == Weights(peak=weights.peak)


def solve_peak(instance: Instance, weights: Weights, search: Search) -> Found:
    """The lowest peak, and among those mappings a cheap one, the cheapest if time allows."""
    cost = surrogate(instance)
    wide = is_large(instance) and regional(instance, cost)
    backed = any(v.protection != "none" for v in instance.vlinks)
    if backed or not (wide or placeable(instance, cost)):
        return _lowered(instance, weights, search)
    stepping = _Stepping(instance, cost, part_of(search, _SHARE))
    low = max(floor_of(instance), _floor_of_nodes(instance, search))
    best = None if search.clock.over() else stepping.at(low)
    if best is not None:
        return _cheapest(stepping, best, low, weights, search)
    proven = None if stepping.unsure else low
    best = stepping.at(Fraction(1))
    if best is None:
        if not stepping.unsure:
            return Found(Ending.INFEASIBLE)
        return finish(instance, weights, search, Found(Ending.UNKNOWN, None, float(low)))
    while True:
        best, proven = _halved(stepping, best, low if proven is None else max(low, proven), proven)
        high = peak_of(instance, best)
        if search.clock.over():
            bound = float(low if proven is None else max(low, proven)) * weights.peak
            return Found(Ending.FEASIBLE, best, bound)
        if proven is not None and level_above(instance, proven) >= high:
            return _cheapest(stepping, best, high, weights, search)
        below = level_below(instance, high)
        draft = stepping.at(below, patient=True)
        if draft is not None:
            best = draft
        elif stepping.unsure:
            bound = float(low if proven is None else max(low, proven)) * weights.peak
            return finish(instance, weights, search, Found(Ending.FEASIBLE, best, bound))
        else:
            proven = below


def _lowered(instance: Instance, weights: Weights, search: Search) -> Found:
    """By the whole program; then, as its tolerance may hide a lower peak, by asking for one.

    Model: (R9).
    """
    first = solve_plain(instance, weights, part_of(search, _SHARE))
    if first.draft is None:
        if first.ending is Ending.UNKNOWN:
            return Found(Ending.UNKNOWN, None, float(floor_of(instance)) * weights.peak)
        return first
    cost = surrogate(instance)
    stepping = _Stepping(instance, cost, search, placed=False)
    best, low = first.draft, floor_of(instance)
    while (high := peak_of(instance, best)) > low:
        lower = stepping.at(high * (1 - _ALIKE), patient=True)
        if lower is None:
            break
        best = lower
        middle = (low + peak_of(instance, best)) / 2
        lower = stepping.at(middle)
        if lower is not None:
            best = lower
        elif not stepping.unsure:
            low = middle
    if stepping.unsure and high > low:
        return Found(Ending.FEASIBLE, best, float(low) * weights.peak)
    tight = scaled_down(instance, high)
    found = solve_plain(tight, cost, _moment(search))
    cheaper = [d for d in (found.draft, best) if d is not None]
    draft = min(cheaper, key=lambda d: value_of(tight, cost, d))
    return Found(Ending.OPTIMAL, draft, float(high) * weights.peak, cheapest=True)


def _moment(search: Search) -> Search:
    """For the cheapest among equals."""
    return replace(search, clock=search.clock.part(_TIE_SHARE, _TIE_S))


def _halved(
    stepping: _Stepping, best: Draft, low: Fraction, proven: Fraction | None
) -> tuple[Draft, Fraction | None]:
    """Halve the range between `low` and the peak of `best`.

    What isn't answered soon counts as impossible for the while; the second value is the highest
    share that is proven to be.
    """
    instance = stepping.instance
    while not stepping.search.clock.over():
        high = peak_of(instance, best)
        step = level_above(instance, low)
        if step >= high:
            break
        middle = level_above(instance, (low + high) / 2)
        share = middle if middle < high else step
        draft = stepping.at(share)
        if draft is not None:
            best = draft
            continue
        low = share
        if not stepping.unsure:
            proven = share
    return best, proven


def _floor_of_nodes(instance: Instance, search: Search) -> Fraction:
    """The lowest peak that the VNodes alone allow, as a level; 0 where it isn't known soon."""
    alone = nodes_alone(instance)
    moment = search.clock.part(_NODES_SHARE, _NODES_S)
    quick = replace(search, solver=prompt_solver(), clock=moment, progress=None, gap=0.0)
    found = solve_plain(alone, Weights(peak=1.0), quick)
    if found.draft is None or found.ending is not Ending.OPTIMAL:
        return Fraction(0)
    peak = peak_of(alone, found.draft)
    apart = peak - level_below(alone, peak) > _TOLERANCE  # else the solver may have mixed them up
    return peak if apart else Fraction(0)


def _cheapest(
    stepping: _Stepping, best: Draft, share: Exact, weights: Weights, search: Search
) -> Found:
    """Prefer the cheapest mapping with the peak `share`, as far as the time lets."""
    tight = scaled_down(stepping.instance, share)
    placed = PlacedSearch(tight, stepping.cost, _moment(search))
    found = placed.run()
    draft = best
    if found is not None and found.draft is not None:
        draft = min((best, found.draft), key=lambda d: value_of(tight, stepping.cost, d))
    return Found(Ending.OPTIMAL, draft, float(share) * weights.peak, cheapest=True)


@dataclass
class _Stepping:
    """Asks whether a peak can be kept; `unsure` once an answer took too long.

    Unless `placed`, the search over placements isn't the way.
    """

    instance: Instance
    cost: Weights
    search: Search
    placed: bool = True
    unsure: bool = False

    def at(self, share: Exact, *, patient: bool = False) -> Draft | None:
        """A mapping with a peak of at most `share`, None if there is none or it isn't known.

        Placements are tried for a moment; then the whole program is asked for any mapping, on the
        hosts that VLinks can leave.
        """
        self.unsure = self.search.clock.over()
        if self.unsure:
            return None
        tight = scaled_down(self.instance, share)
        if any(not p.candidates for p in tight.points):
            return None
        left = self.search.clock.left() or _UNLIMITED_S
        found: Found | None = None
        if is_large(tight):
            moment = replace(self.search, clock=self.search.clock.within(_LARGE_S), progress=None)
            found = quick(tight, self.cost, moment)
        elif self.placed:
            moment = replace(self.search, clock=self.search.clock.within(_MOMENT_S))
            found = PlacedSearch(tight, self.cost, moment, hurry=True).run()
        if found is None or (found.draft is None and found.ending is not Ending.INFEASIBLE):
            most = left if patient else max(_PROBE_S, left * _PROBE_SHARE)
            prober = replace(self.search, clock=self.search.clock.within(most), progress=None)
            found = on_leavable(tight, Weights(), prober)
        if found.draft is None and found.ending is not Ending.INFEASIBLE:
            self.unsure = True
        return found.draft


def _shares(instance: Instance, use: Use) -> Iterable[Fraction]:
    return (
        Fraction(use.peak(key)) / Fraction(capacity)
        for key, capacity in instance.capacity.items()
        if capacity and is_element(key)
    )


def peak_of(instance: Instance, draft: Draft) -> Fraction:
    """The peak of a mapping, exactly."""
    return max(_shares(instance, draft_use(instance, draft)), default=Fraction(0))


def floor_of(instance: Instance) -> Fraction:
    """A peak that no mapping can go below: what is used already, and each VNode's best host."""
    floor = max(_shares(instance, instance.use), default=Fraction(0))
    for point in instance.points:
        if point.kind is Kind.VNODE and point.candidates:
            alone = min(_alone(instance, point.demand, v) for v in point.candidates)
            floor = max(floor, alone)
    return floor


def _alone(instance: Instance, demand: Mapping[str, Exact], vertex: int) -> Fraction:
    host = instance.network.element(vertex)
    keys = {r: key_of(host, r) for r in demand}
    return max(
        (
            Fraction(instance.use.peak(keys[r]) + amount) / Fraction(instance.capacity[keys[r]])
            for r, amount in demand.items()
            if instance.capacity.get(keys[r])
        ),
        default=Fraction(0),
    )


def level_above(instance: Instance, share: Exact) -> Fraction:
    """The lowest value above `share` that the peak could take.

    Each capacity's use grows by multiples of the greatest number that divides all demands.

    Model: (R9).
    """
    best = Fraction(2)
    grids: dict[str, Fraction] = {}
    for key, capacity in instance.capacity.items():
        if not capacity or not is_element(key):
            continue
        if key[1] not in grids:
            grids[key[1]] = _grid(instance, key[1])
        room = Fraction(share) * Fraction(capacity) - instance.use.peak(key)
        if grids[key[1]] and room >= 0:
            steps = math.floor(room / grids[key[1]]) + 1
            level = (instance.use.peak(key) + steps * grids[key[1]]) / Fraction(capacity)
            best = min(best, level)
    return best


def level_below(instance: Instance, share: Exact) -> Fraction:
    """The highest value below `share` that the peak could take."""
    best = Fraction(0)
    for key, capacity in instance.capacity.items():
        if capacity and is_element(key):
            grid = _grid(instance, key[1])
            used = Fraction(instance.use.peak(key))
            room = Fraction(share) * Fraction(capacity) - used
            if grid and room > 0:
                best = max(best, (used + (math.ceil(room / grid) - 1) * grid) / Fraction(capacity))
    return best


def _grid(instance: Instance, resource: str) -> Fraction:
    demands = [p.demand[resource] for p in instance.points if resource in p.demand]
    demands += [v.demand[resource] for v in instance.vlinks if resource in v.demand]
    return 1 / scale_of(demands) if any(demands) else Fraction(0)
