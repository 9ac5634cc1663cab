"""What it costs at least to part the points among racks and hosts.

VNodes on one host cost nothing to join, those in one rack two access links, all others at least
the way between two racks. The cheapest parting for which single hosts and racks have room is found
by dynamic programming over subsets: a lower bound that sees capacities, where the metric bound sees
distances. A rack is a switch with the hosts that hang on it alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from mip.bounds.metric import Floats, Ints, Metric
from mip.instance.capacity import Key, key_of, limits
from mip.instance.instance import Instance, Kind
from mip.objectives import Weights

POINTS = 12
"""Larger requests have too many subsets."""

_CELLS = 4 * 10**6
"""Subsets times racks (or hosts) in one table."""

_ROUND = 1e-9

Bools = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Parting:
    """A cheapest parting of the points.

    Attributes:
        bound: a lower bound on any mapping; infinite if there is none.
        parts: the sets of points that share a rack in it.
        homes: for each of them the racks with room for it, cheapest first.
    """

    bound: float
    parts: tuple[tuple[int, ...], ...] = ()
    homes: tuple[tuple[int, ...], ...] = ()


def racks_of(instance: Instance) -> dict[int, list[int]]:
    """Switch to the candidates that hang on it alone; other candidates by themselves."""
    network = instance.network
    out: dict[int, list[int]] = defaultdict(list)
    for v in sorted({v for p in instance.points for v in p.candidates}):
        alone = len(network.incident[v]) == 1 and not network.forwards[v]
        out[network.incident[v][0][1] if alone else v].append(v)
    return dict(out)


def cheapest_parting(instance: Instance, weights: Weights, metric: Metric) -> Parting | None:
    """The cheapest parting; None where the objective or the size doesn't allow for it.

    Model: (B3).
    """
    plain = (
        weights.level
        and weights.additive
        and 0 < len(instance.points) <= POINTS
        and all(p.kind is not Kind.JUNCTION for p in instance.points)
        and all(v.protection == "none" for v in instance.vlinks)
    )
    racks = racks_of(instance)
    if not plain or len(racks) << len(instance.points) > _CELLS:
        return None
    return _Parting(instance, weights, metric, racks).cheapest()


@dataclass(frozen=True)
class _Parting:
    """The tables of one instance; a subset of points is a number, bit i for point i."""

    instance: Instance
    weights: Weights
    metric: Metric
    racks: dict[int, list[int]]

    def cheapest(self) -> Parting:
        everything = (1 << self._n) - 1
        near, far = self._near, self._far
        in_rack = self._in_rack(near)
        joined, first = self._parted(in_rack.min(axis=0), far)
        bound = float(joined[everything])
        if not np.isfinite(bound):
            return Parting(float("inf"))
        parts: list[int] = []
        left = everything
        while left:
            parts.append(int(first[left]))
            left &= ~int(first[left])
        names = np.asarray(list(self.racks))
        homes = []
        for part in parts:
            costs = in_rack[:, part]
            order = np.argsort(costs, kind="stable")
            homes.append(tuple(int(s) for s in names[order[np.isfinite(costs[order])]]))
        members = tuple(tuple(i for i in range(self._n) if p >> i & 1) for p in parts)
        return Parting(bound + self.weights.constant, members, tuple(homes))

    @property
    def _n(self) -> int:
        return len(self.instance.points)

    # --- subsets ------------------------------------------------------------------------------

    def _summed(self, values: Sequence[float]) -> Floats:
        """For each subset the sum over its points."""
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate([sums, sums + value])
        return sums

    def _pair_sums(self, values: Sequence[float]) -> tuple[Floats, Floats]:
        """For each subset the sum over VLinks with both ends in it, and with one end in it."""
        subsets = np.arange(1 << self._n)
        both, one = np.zeros(len(subsets)), np.zeros(len(subsets))
        for vlink, value in zip(self.instance.vlinks, values, strict=True):
            if len(vlink.points) == 2:
                a, b = (subsets >> p & 1 for p in vlink.points)
                both += value * (a & b)
                one += value * (a ^ b)
        return both, one

    @cached_property
    def _inside(self) -> Floats:
        """What VLinks within each subset cost for each link crossed."""
        return self._pair_sums([self.metric.field(i)[1] for i in range(len(self.instance.vlinks))])[
            0
        ]

    @cached_property
    def _leaving(self) -> Floats:
        """The bandwidth of VLinks that leave each subset."""
        return self._pair_sums([float(v.bandwidth) for v in self.instance.vlinks])[1]

    def _parted(self, costs: Floats, height: float) -> tuple[Floats, Ints]:
        """The cheapest way to part each subset, VLinks between parts crossing `height` links.

        Args:
            costs: of each subset as one part.
            height: links that VLinks between two parts cross.

        Returns:
            The costs, and for each subset the part with its lowest point.
        """
        gain = costs - height * self._inside
        best = np.full(len(costs), np.inf)
        best[0] = 0.0
        first = np.zeros(len(costs), dtype=np.int64)
        for subset in range(1, len(costs)):
            lowest = subset & -subset
            parts = np.asarray([lowest])
            rest = subset ^ lowest
            while rest:
                bit = rest & -rest
                parts = np.concatenate([parts, parts | bit])
                rest ^= bit
            sums = gain[parts] + best[subset ^ parts]
            k = int(sums.argmin())
            best[subset], first[subset] = sums[k], parts[k]
        return best + height * self._inside, first

    # --- hosts --------------------------------------------------------------------------------

    @cached_property
    def _hosts(self) -> list[int]:
        return [h for hosts in self.racks.values() for h in hosts]

    @cached_property
    def _alone(self) -> Floats:
        """What each point costs on each host (rows as `_hosts`), infinite where it can't be."""
        request, network = self.instance.problem.request, self.instance.network
        row = {h: k for k, h in enumerate(self._hosts)}
        out = np.full((len(self._hosts), self._n), np.inf)
        for i, point in enumerate(self.instance.points):
            at = [row[v] for v in point.candidates]
            if point.kind is Kind.VNODE:
                vnode = request.elements[point.id]
                elements = (network.element(v) for v in point.candidates)
                out[at, i] = [self.weights.place(vnode, e) for e in elements]
            else:
                out[at, i] = 0.0
        return out

    @cached_property
    def _doors(self) -> Floats:
        """The bandwidth that may leave each host; infinite where one passes things on."""
        network = self.instance.network
        return np.asarray(
            [
                np.inf
                if network.forwards[h]
                else sum(self._room(e) for e, _ in network.incident[h])
                for h in self._hosts
            ]
        )

    def _room(self, edge: int) -> float:
        """The bandwidth left on an edge."""
        link = self.instance.network.edges[edge].link
        if link is None:
            return float("inf")
        element = self.instance.network.substrate.elements[link]
        if not limits(element, "bandwidth"):
            return float("inf")
        return float(self.instance.free(key_of(element, "bandwidth")))

    @cached_property
    def _resources(self) -> list[str]:
        return sorted({r for p in self.instance.points for r in p.demand})

    @cached_property
    def _demands(self) -> dict[str, Floats]:
        """For each resource what each subset takes, a little less for rounding."""
        points = self.instance.points
        return {
            r: self._summed([float(p.demand.get(r, 0)) for p in points]) * (1 - _ROUND)
            for r in self._resources
        }

    @cached_property
    def _apart(self) -> Bools:
        """For each subset whether two of its points must not share a host."""
        subsets = np.arange(1 << self._n)
        out = np.zeros(len(subsets), dtype=bool)
        for some in self.instance.rules.apart:
            for a, b in combinations(some, 2):
                out |= (subsets >> a & subsets >> b & 1).astype(bool)
        return out

    def _on_host(self) -> Floats:
        """What each subset costs on the cheapest host that has room for exactly it."""
        network = self.instance.network
        free = [
            [float(self.instance.free(key_of(network.element(h), r))) for r in self._resources]
            for h in self._hosts
        ]
        rows = np.unique(
            np.column_stack([np.asarray(free).reshape(len(free), -1), self._doors, self._alone]),
            axis=0,
        )
        width = len(self._resources)
        out = np.full(1 << self._n, np.inf)
        for row in rows:
            costs = self._summed(row[width + 1 :].tolist())
            for k, r in enumerate(self._resources):
                costs[self._demands[r] > row[k]] = np.inf
            costs[self._leaving * (1 - _ROUND) > row[width]] = np.inf
            np.minimum(out, costs, out=out)
        out[self._apart & ~self._provider_like] = np.inf
        return out

    @cached_property
    def _provider_like(self) -> bool:
        """Whether some candidate passes things on: rules on hosts don't bind there."""
        return any(self.instance.network.forwards[h] for h in self._hosts)

    # --- racks --------------------------------------------------------------------------------

    @cached_property
    def _near(self) -> float:
        """Links between two hosts of a rack, at least."""
        return 2 * self._access

    @cached_property
    def _access(self) -> float:
        """Links between a host and its switch, at least: 1 or, joined directly, 0."""
        network = self.instance.network
        whole = self._pendant and all(
            network.edges[network.incident[h][0][0]].link is not None for h in self._hosts
        )
        return 1.0 if whole else 0.0

    @cached_property
    def _pendant(self) -> bool:
        """Whether all that points may be on hangs on switches; nothing is known of others' ways."""
        forwards = self.instance.network.forwards
        return all(forwards[s] and s not in hosts for s, hosts in self.racks.items())

    @cached_property
    def _far(self) -> float:
        """Links between hosts of two racks, at least."""
        if not self._pendant:
            return 0.0
        found = float("inf")
        seen: set[int] = set()
        for index in range(len(self.instance.vlinks)):
            field, _ = self.metric.field(index)
            if id(field) in seen:
                continue
            seen.add(id(field))
            switches = [s for s in self.racks if s in field.rows]  # the others reach nothing
            rows = [field.rows[s] for s in switches]
            columns = [field.columns[r] for r in rows]
            away = field.away[np.ix_(rows, columns)].copy()
            np.fill_diagonal(away, np.inf)
            found = min(found, float(away.min(initial=np.inf)))
        return self._near + (found if np.isfinite(found) else 0.0)

    def _in_rack(self, near: float) -> Floats:
        """What each subset costs in each rack, infinite where the rack surely has no room."""
        if self._apart_all:
            out = self._matched() + near * self._inside
        else:
            on_host = self._on_host()
            shared, _ = self._parted(on_host, near)
            out = np.tile(shared, (len(self.racks), 1))
        for k, (switch, hosts) in enumerate(self.racks.items()):
            out[k, ~self._roomy(switch, hosts)] = np.inf
        return out

    @cached_property
    def _apart_all(self) -> bool:
        """Whether no two points may share a host."""
        pairs = np.asarray([1 << a | 1 << b for a, b in combinations(range(self._n), 2)], int)
        return not self._provider_like and bool(self._apart[pairs].all())

    def _matched(self) -> Floats:
        """What each subset costs in each rack with every point on a host of its own."""
        sizes = [len(hosts) for hosts in self.racks.values()]
        out = np.full((len(sizes), 1 << self._n), np.inf)
        out[:, 0] = 0.0
        starts = np.cumsum([0, *sizes[:-1]])
        leaving = self._leaving[1 << np.arange(self._n)] * (1 - _ROUND)
        alone = np.where(self._doors[:, None] < leaving, np.inf, self._alone)
        for k in range(max(sizes)):
            some = np.flatnonzero(np.asarray(sizes) > k)
            costs = alone[starts[some] + k]
            before = out[some]
            after = before.copy()
            shape = (len(some), -1, 2)
            for i in range(self._n):
                split = (*shape, 1 << i)
                old, new = before.reshape(split), after.reshape(split)
                np.minimum(new[:, :, 1], old[:, :, 0] + costs[:, i, None, None], out=new[:, :, 1])
            out[some] = after
        return out

    def _roomy(self, switch: int, hosts: Sequence[int]) -> Bools:
        """For each subset whether a rack's sums are enough for it."""
        network = self.instance.network
        good = np.ones(1 << self._n, dtype=bool)
        for r in self._resources:
            keys: set[Key] = {key_of(network.element(h), r) for h in hosts}
            good &= self._demands[r] <= float(sum(self.instance.free(k) for k in keys))
        inside = set(hosts)
        if hosts != [switch]:
            up = sum(self._room(e) for e, near in network.incident[switch] if near not in inside)
            good &= self._leaving * (1 - _ROUND) <= up
        able = {
            p for p in range(self._n) if not inside.isdisjoint(self.instance.points[p].candidates)
        }
        missing = sum(1 << p for p in range(self._n) if p not in able)
        good &= (np.arange(1 << self._n) & missing) == 0
        return good
