"""Large substrates: the exact search among the hosts of a few racks, a bound over all of them.

A mapping among some of the candidates is a mapping; the bound comes from the cheapest parting
(`mip.bounds.partition`), which also tells places that cost no more, if they have paths, and which
racks are worth a look. What reaches the bound is proven optimal without a table over all hosts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from mip.bounds.metric import Metric
from mip.bounds.partition import Parting, cheapest_parting
from mip.bounds.racks import racks_of
from mip.clock import OutOfTimeError
from mip.draft import Draft, value_of
from mip.exact.nearby import first_size, mapped_nearby, plain
from mip.exact.placements import PlacedSearch, placeable
from mip.exact.program import Found, Search
from mip.instance.instance import Instance, Kind, Point
from mip.objectives import Weights
from mip.solvers.linear import Ending

LARGE = 2_500
"""Candidates of all points together from which an instance is large."""

BROAD = 900
"""And from which regions come first, where hosts share switches."""

_PARTING_SHARE, _PARTING_S = 0.5, 5.0
_TRY_S = 0.15
_FAILURES = 3
_DETOUR = 1.2
"""The part of the time for the cheapest parting, and seconds at most, and for a try at its places;
how many of these may cost more than it says; and how many times as much shows that it doesn't know
what is far."""

_HOSTS = 60
_GROWTH = 2
_MOST = 240
_REGION_S = 1.5
_REGION_SHARE, _PROGRAM_SHARE = 0.5, 0.8
_ROUNDS = 8
_CELLS = 10**5
"""Hosts of a region at first, how much further ones grow and up to where; seconds for each at most,
and of what is left the share, without and with programs; regions tried at each size; cells of one
table of bounds there."""


def is_large(instance: Instance) -> bool:
    """Whether tables over all candidates are to be avoided."""
    return sum(len(p.candidates) for p in instance.points) > LARGE


def is_broad(instance: Instance) -> bool:
    """Whether there are many candidates, two a switch at least: then regions tell soon."""
    if sum(len(p.candidates) for p in instance.points) <= BROAD:
        return False
    racks = racks_of(instance)
    return sum(len(hosts) for hosts in racks.values()) >= 2 * len(racks)


def regional(instance: Instance, weights: Weights) -> bool:
    """Whether searches of regions apply: as those of placements, save for the size."""
    few = tuple(replace(p, candidates=p.candidates[:1]) for p in instance.points)
    return placeable(replace(instance, points=few), weights)


@dataclass
class RegionalSearch:
    """Searches of one large instance among ever more hosts.

    Attributes:
        instance: what to map.
        weights: an additive objective.
        search: when to stop, and whom to tell.
        good: how far above the bound a mapping may be, relatively, for the search to end.
        best: the best mapping so far, its `value`, and the `bound` on all.
    """

    instance: Instance
    weights: Weights
    search: Search
    good: float = 0.0
    best: Draft | None = None
    value: float = float("inf")
    bound: float = float("-inf")
    _tried: set[tuple[int, ...]] = field(default_factory=set)

    def run(self) -> Found:
        """The best mapping of all regions looked at; optimal where it meets the bound."""
        with contextlib.suppress(OutOfTimeError):
            if not self._possible():
                return Found(Ending.INFEASIBLE)
        return self._found()

    def _possible(self) -> bool:
        """Look at regions until the time is over; whether a mapping isn't ruled out by the bound.

        Raises:
            OutOfTimeError: the time was over in between.
        """
        metric = Metric(self.instance, self.weights, self.search.clock)
        parting = self._parted(metric)
        if parting is not None and not np.isfinite(parting.bound):
            return False
        size = _HOSTS if plain(self.instance) else first_size(self.instance)
        while size <= _MOST and not self._ended():
            for region in self._regions(parting, metric, size):
                self._look(region)
                if self._ended():
                    break
            size *= _GROWTH
        return True

    def _parted(self, metric: Metric) -> Parting | None:
        """The cheapest parting, after a try at some of the places where it is."""
        last, failed = None, 0
        over = self.search.clock.part(_PARTING_SHARE, _PARTING_S).over
        for last in cheapest_parting(self.instance, self.weights, metric, over):
            self.bound = max(self.bound, last.bound)
            if last.places is not None and failed < _FAILURES:
                pairs = zip(self.instance.points, last.places, strict=True)
                only = tuple(replace(p, candidates=(v,)) for p, v in pairs)
                value = self._among(only, most=_TRY_S)
                far = last.cost * _DETOUR < value < float("inf")
                failed += _FAILURES if far else value > last.cost + 1e-9 * max(1.0, last.cost)
            if self._ended() or (last.settled and failed >= _FAILURES):
                break
        return last

    def better(self, search: Search) -> Found:
        """The best mapping near the one found, searched without haste among its racks and more."""
        self.search = search
        with contextlib.suppress(OutOfTimeError):
            self._look_near()
        return self._found()

    def _look_near(self) -> None:
        metric = Metric(self.instance, self.weights, self.search.clock)
        racks = racks_of(self.instance)
        home = {v: s for s, hosts in racks.items() for v in hosts}
        used = [] if self.best is None else [home[v] for v in self.best.places if v in home]
        for turn in range(_ROUNDS):
            if self._ended():
                break
            near = self._around(racks, metric, _HOSTS * _GROWTH, turn)
            self._look(list(dict.fromkeys([*used, *near])), hurry=False)

    def _found(self) -> Found:
        if self.best is not None and self.value <= self.bound + 1e-9 * max(1.0, abs(self.bound)):
            return Found(Ending.OPTIMAL, self.best, self.value)
        bound = self.bound if np.isfinite(self.bound) else None
        return Found(Ending.UNKNOWN if self.best is None else Ending.FEASIBLE, self.best, bound)

    def _ended(self) -> bool:
        gap = max(self.search.gap, self.good, 1e-9)
        if self.best is not None and self.value - self.bound <= gap * max(1.0, abs(self.value)):
            return True
        return self.search.clock.over()

    def _regions(self, parting: Parting | None, metric: Metric, size: int) -> Iterator[list[int]]:
        """Sets of racks with about `size` hosts: homes of the cheapest parting, then neighbours."""
        racks = racks_of(self.instance)
        for turn in range(_ROUNDS):
            if parting is not None:
                yield self._homes(parting, racks, size, turn)
            yield self._around(racks, metric, size, turn)

    def _homes(
        self, parting: Parting, racks: dict[int, list[int]], size: int, turn: int
    ) -> list[int]:
        """The next racks with room for each part."""
        chosen: list[int] = []
        share = max(1, size // max(1, len(parting.parts)))
        for homes in parting.homes:
            left = share
            for k in range(len(homes)):
                rack = homes[(turn * max(1, len(homes) // _ROUNDS) + k) % len(homes)]
                if left <= 0:
                    break
                if rack not in chosen:
                    chosen.append(rack)
                    left -= len(racks[rack])
        return chosen

    def _around(
        self, racks: dict[int, list[int]], metric: Metric, size: int, turn: int
    ) -> list[int]:
        """The racks nearest to one in which many points have candidates."""
        if not self.instance.vlinks:
            return list(racks)
        able = self._able(racks)
        names = list(racks)
        ranked = sorted(names, key=lambda s: -able[s])
        centre = ranked[turn * max(1, len(names) // (4 * _ROUNDS)) % len(names)]
        widest = max(
            range(len(self.instance.vlinks)), key=lambda i: self.instance.vlinks[i].bandwidth
        )
        if len(self.instance.vlinks[widest].points) != 2:
            return names[:size]
        rest = metric.rest(widest, racks[centre][0])
        rows = metric.field(widest)[0].rows
        far = {s: rest[rows[s]] if s in rows else float("inf") for s in names}
        far[centre] = -1.0
        chosen: list[int] = []
        for s in sorted(names, key=lambda s: (far[s], -able[s])):
            if sum(len(racks[c]) for c in chosen) >= size:
                break
            chosen.append(s)
        return chosen

    def _able(self, racks: dict[int, list[int]]) -> dict[int, int]:
        """For each rack how many pairs of a point and one of its candidates it has."""
        counted = np.zeros(len(self.instance.network.ids), dtype=np.int64)
        for point in self.instance.points:
            counted[list(point.candidates)] += 1
        return {s: int(counted[hosts].sum()) for s, hosts in racks.items()}

    def _look(self, region: list[int], *, hurry: bool = True) -> None:
        """Search among the hosts of a region, for a moment."""
        key = (hurry, *sorted(region))
        if key in self._tried:
            return
        self._tried.add(key)
        racks = racks_of(self.instance)
        inside = {h for s in region for h in racks[s]}
        points = tuple(
            replace(p, candidates=tuple(v for v in p.candidates if v in inside))
            if p.kind is Kind.VNODE
            else p
            for p in self.instance.points
        )
        self._among(points, hurry=hurry)

    def _among(
        self, points: tuple[Point, ...], *, hurry: bool = True, most: float = _REGION_S
    ) -> float:
        """Search with fewer candidates, for a moment; the value of what it finds, or infinity."""
        small = replace(self.instance, points=points)
        if any(not p.candidates for p in points) or not placeable(small, self.weights):
            return float("inf")
        straight = plain(small)
        share = _REGION_SHARE if straight else _PROGRAM_SHARE
        quiet = replace(self.search, clock=self.search.clock.part(share, most), progress=None)
        if straight:
            near = PlacedSearch(small, self.weights, quiet, hurry=hurry, cells=_CELLS)
            if not hurry and self.best is not None:
                near.best, near.value, near.bound = self.best, self.value, self.bound
            near.run()
            found = near.best
        else:
            found = self._soon(small, quiet) if self.best is None else None
        if not straight and found is None:
            wish = Weights() if self.best is None else self.weights
            found = mapped_nearby(small, wish, quiet)
        if found is None:
            return float("inf")
        value = value_of(self.instance, self.weights, found)
        if value < self.value:
            self.best, self.value = found, value
            if self.search.progress is not None:
                self.search.progress(value, self.bound if np.isfinite(self.bound) else None)
        return value

    def _soon(self, small: Instance, search: Search) -> Draft | None:
        """A mapping of an instance with trees or backups, if one is found without a program."""
        near = PlacedSearch(small, self.weights, search, hurry=True, cells=_CELLS)
        near.run()
        return near.best
