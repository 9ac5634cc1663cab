"""What it costs at least to part the points among racks and hosts, and who does it for that.

VNodes on one host cost nothing to join, those in one rack two access links, all others at least
the way between two racks. The cheapest parting for which single hosts and racks have room is found
by dynamic programming over subsets: a lower bound that sees capacities, where the metric bound sees
distances. At first a rack's hosts are told by the best of all hosts; the racks that a cheapest
parting uses are then told by their very hosts, each of them once, until none of those is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mip.bounds.metric import Floats, Metric
from mip.bounds.racks import Bools, Racks, racks_of
from mip.instance.instance import Instance, Kind
from mip.objectives import Weights

POINTS = 12
"""Larger requests have too many subsets."""

_CELLS = 4 * 10**6
"""Subsets times racks (or hosts) in one table."""

_BATCH = 32
"""Racks that are looked at before the next parting, at most."""

_ROUND = 1e-9


@dataclass(frozen=True)
class Parting:
    """A cheapest parting of the points.

    Attributes:
        bound: a lower bound on any mapping; infinite if there is none.
        parts: the sets of points that share a rack in it.
        homes: for each of them the racks with room for it, cheapest first.
        places: for each point a vertex, which is worth routing: it costs the bound, or as much as
            is known now, where all racks are equally far and VLinks find shortest paths. None if
            nothing new is known.
        cost: what mappings at these places cost then.
        settled: whether the bound is the last one.
    """

    bound: float
    parts: tuple[tuple[int, ...], ...] = ()
    homes: tuple[tuple[int, ...], ...] = ()
    places: tuple[int, ...] | None = None
    cost: float = float("inf")
    settled: bool = False


def cheapest_parting(
    instance: Instance,
    weights: Weights,
    metric: Metric,
    over: Callable[[], bool] = lambda: False,
) -> Iterator[Parting]:
    """Partings with ever better bounds, then ever other places at the last one.

    None at all where the objective or the size doesn't allow for it; ends once `over` says so.

    Model: (B3).
    """
    plain = (
        weights.level
        and weights.additive
        and 0 < len(instance.points) <= POINTS
        and all(p.kind is not Kind.JUNCTION for p in instance.points)
        and all(v.protection == "none" for v in instance.vlinks)
    )
    members = racks_of(instance)
    if not plain or len(members) << len(instance.points) > _CELLS:
        return
    yield from _Partition(Racks(instance, weights, metric, members)).partings(over)


class _Partition:
    """What each rack is known to cost for each subset of points; ever better known."""

    def __init__(self, racks: Racks) -> None:
        self._racks = racks
        self._costs = racks.costs()
        self._known = np.full(len(racks.members), racks.apart_all)
        for k, rows in enumerate(racks.rows):
            if len(rows) == 1 and not self._known[k]:
                np.maximum(self._costs[k], racks.on_hosts(k)[0], out=self._costs[k])
                self._known[k] = True

    def partings(self, over: Callable[[], bool]) -> Iterator[Parting]:
        """See `cheapest_parting`."""
        used = np.zeros(len(self._known), dtype=bool)
        lowest, told = float("-inf"), float("inf")
        batch = 1
        while True:
            value, parts, chosen = self._joined(~used)
            if not used.any():
                lowest = value
            if not np.isfinite(value):
                if not used.any():
                    yield Parting(value, settled=True)
                return
            loose = [k for k in chosen if not self._known[k]]
            places, cost = None, value
            if not loose:
                places = self._places(parts, chosen)
                used[chosen] = True
            elif not used.any():
                places, told = self._so_far(told)
                cost = told
            found = self._parting(lowest, parts, places, cost)
            yield replace(found, settled=bool(used.any()))
            if over():
                return
            for k in self._next(parts, loose, batch):
                if over():
                    return
                self._tell(k)
            batch = min(2 * batch, _BATCH)

    def _parting(
        self, bound: float, parts: Sequence[int], places: tuple[int, ...] | None, cost: float
    ) -> Parting:
        names = np.asarray(list(self._racks.members))
        homes = []
        for part in parts:
            costs = self._costs[:, part]
            order = np.argsort(costs, kind="stable")
            homes.append(tuple(int(s) for s in names[order[np.isfinite(costs[order])]]))
        members = tuple(self._racks.subsets.members(p) for p in parts)
        more = self._racks.weights.constant
        return Parting(bound + more, members, tuple(homes), places, cost + more)

    # --- among racks ----------------------------------------------------------------------------

    def _joined(self, allowed: Bools) -> tuple[float, list[int], list[int]]:
        """The cheapest parting among some racks: what it costs, its parts, a rack for each.

        First as if racks could be taken twice, which is sooner told.
        """
        if not allowed.any():
            return float("inf"), [], []
        subsets, ways = self._racks.subsets, self._racks.far * self._racks.inside
        best, first = subsets.parted(self._costs[allowed].min(axis=0) - ways)
        value = float(best[-1] + ways[-1])
        if not np.isfinite(value):
            return value, [], []
        parts: list[int] = []
        left = len(best) - 1
        while left:
            parts.append(int(first[left]))
            left &= ~int(first[left])
        chosen = self._chosen(parts, allowed)
        if len(chosen) == len(parts):
            paid = float(self._costs[chosen, parts].sum() + ways[-1] - ways[parts].sum())
            if paid <= value + _ROUND * max(1.0, abs(value)):
                return value, parts, chosen
        return self._each_once(np.flatnonzero(allowed).tolist())

    def _each_once(self, racks: Sequence[int]) -> tuple[float, list[int], list[int]]:
        """The same with no rack taken twice."""
        subsets, ways = self._racks.subsets, self._racks.far * self._racks.inside
        tables = [subsets.nothing]
        for k in racks:
            tables.append(subsets.packed(tables[-1], self._costs[k] - ways))
        value = float(tables[-1][-1] + ways[-1])
        given = subsets.given(tables, self._costs[racks] - ways) if np.isfinite(value) else []
        pairs = [(part, k) for part, k in zip(given, racks, strict=False) if part]
        return value, [part for part, _ in pairs], [k for _, k in pairs]

    def _chosen(self, parts: Sequence[int], allowed: Bools) -> list[int]:
        """For each part a cheapest rack, none twice; fewer if none is left.

        Of equals those that are known, then those near to racks chosen before.
        """
        chosen: list[int] = []
        free = allowed.copy()
        away = np.zeros(len(free))
        for part in parts:
            costs = np.where(free, self._costs[:, part], np.inf)
            least = float(costs.min())
            if not np.isfinite(least):
                break
            good = costs <= least + _ROUND * max(1.0, abs(least))
            order = np.lexsort((-self._racks.promise[good], away[good], ~self._known[good]))
            k = int(np.flatnonzero(good)[order[0]])
            chosen.append(k)
            free[k] = False
            away += self._racks.away_from(k)
        return chosen

    def _so_far(self, told: float) -> tuple[tuple[int, ...] | None, float]:
        """Places in racks that are known, if they cost less than `told`; and what they cost."""
        value, parts, chosen = self._joined(self._known)
        if not value < told - _ROUND * max(1.0, abs(value)):
            return None, told
        return self._places(parts, chosen), value

    def _next(self, parts: Sequence[int], loose: list[int], batch: int) -> list[int]:
        """The racks to look at next: those that are needed, and the next best for their parts."""
        if not loose:
            return []
        out = dict.fromkeys(loose)
        open_ = np.flatnonzero(~self._known)
        for part in parts:
            order = np.lexsort((-self._racks.promise[open_], self._costs[open_, part]))
            out |= dict.fromkeys(open_[order[:batch]].tolist())
        return list(out)

    # --- in one rack ----------------------------------------------------------------------------

    def _tell(self, rack: int) -> None:
        """Learn what each subset costs on the very hosts of a rack, each of them once.

        Model: (B4).
        """
        *_, last = self._packed(rack)
        exact = last + self._racks.near * self._racks.inside
        np.maximum(self._costs[rack], exact, out=self._costs[rack])
        self._known[rack] = True

    def _packed(self, rack: int) -> list[Floats]:
        """For each subset the cheapest way with none, one, two … of a rack's hosts."""
        out = [self._racks.subsets.nothing]
        for gains in self._gains(rack):
            out.append(self._racks.subsets.packed(out[-1], gains))
        return out

    def _gains(self, rack: int) -> Floats:
        """What each subset adds on each host, ways to the rest of the rack left out."""
        return self._racks.on_hosts(rack) - self._racks.near * self._racks.inside

    def _places(self, parts: Sequence[int], chosen: Sequence[int]) -> tuple[int, ...] | None:
        """The hosts of a cheapest way to put each part into the rack chosen for it."""
        subsets = self._racks.subsets
        out = [-1] * subsets.count
        for part, rack in zip(parts, chosen, strict=True):
            given = subsets.given(self._packed(rack), self._gains(rack), part)
            for row, taken in zip(self._racks.rows[rack], given, strict=True):
                for i in subsets.members(taken):
                    out[i] = self._racks.hosts[row]
        return None if -1 in out else tuple(out)
