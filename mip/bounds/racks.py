"""What sets of points cost on one host and in one rack, and which have no room there.

A rack is a switch with the hosts that hang on it alone. All is told from below: capacities of
hosts and sums over racks are seen, paths are not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from mip.bounds.metric import Floats, Ints, Metric
from mip.bounds.subsets import Subsets
from mip.instance.capacity import Key, key_of, limits
from mip.instance.instance import Instance, Kind
from mip.objectives import Weights

_ROUND = 1e-9

_CHUNK = 256
"""Hosts whose costs are told at once."""

Bools = np.ndarray[Any, np.dtype[np.bool_]]


def racks_of(instance: Instance) -> dict[int, list[int]]:
    """Switch to the candidates that hang on it alone; other candidates by themselves."""
    network = instance.network
    out: dict[int, list[int]] = defaultdict(list)
    for v in sorted({v for p in instance.points for v in p.candidates}):
        alone = len(network.incident[v]) == 1 and not network.forwards[v]
        out[network.incident[v][0][1] if alone else v].append(v)
    return dict(out)


@dataclass(frozen=True)
class Racks:
    """The racks of one instance, and what each subset of its points costs in them.

    Attributes:
        instance: whose.
        weights: a sum, the same for each link.
        metric: of both.
        members: switch to its hosts.
    """

    instance: Instance
    weights: Weights
    metric: Metric
    members: dict[int, list[int]]

    @cached_property
    def subsets(self) -> Subsets:
        """Of the points."""
        return Subsets(len(self.instance.points))

    @cached_property
    def hosts(self) -> list[int]:
        """Of all racks in turn."""
        return [h for hosts in self.members.values() for h in hosts]

    @cached_property
    def rows(self) -> list[range]:
        """For each rack the numbers of its hosts in `hosts`."""
        ends = np.cumsum([0, *(len(hosts) for hosts in self.members.values())]).tolist()
        return [range(a, b) for a, b in pairwise(ends)]

    # --- VLinks ---------------------------------------------------------------------------------

    @cached_property
    def inside(self) -> Floats:
        """What VLinks within each subset cost for each link crossed."""
        return self._pair_sums([self.metric.field(i)[1] for i in range(len(self.instance.vlinks))])[
            0
        ]

    @cached_property
    def _leaving(self) -> Floats:
        """The bandwidth of VLinks that leave each subset, a little less for rounding."""
        leaving = self._pair_sums([float(v.bandwidth) for v in self.instance.vlinks])[1]
        return leaving * (1 - _ROUND)

    def _pair_sums(self, values: Sequence[float]) -> tuple[Floats, Floats]:
        """For each subset the sum over VLinks with both ends in it, and with one end in it."""
        subsets = self.subsets.numbers
        both, one = np.zeros(len(subsets)), np.zeros(len(subsets))
        for vlink, value in zip(self.instance.vlinks, values, strict=True):
            if len(vlink.points) == 2:
                a, b = (subsets >> p & 1 for p in vlink.points)
                both += value * (a & b)
                one += value * (a ^ b)
        return both, one

    @cached_property
    def near(self) -> float:
        """Links between two hosts of a rack, at least."""
        return 2 * self._access

    @cached_property
    def _access(self) -> float:
        """Links between a host and its switch, at least: 1 or, joined directly, 0."""
        network = self.instance.network
        whole = self._pendant and all(
            network.edges[network.incident[h][0][0]].link is not None for h in self.hosts
        )
        return 1.0 if whole else 0.0

    @cached_property
    def _pendant(self) -> bool:
        """Whether all that points may be on hangs on switches; nothing is known of others' ways."""
        forwards = self.instance.network.forwards
        return all(forwards[s] and s not in hosts for s, hosts in self.members.items())

    @cached_property
    def far(self) -> float:
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
            switches = [s for s in self.members if s in field.rows]  # the others reach nothing
            rows = [field.rows[s] for s in switches]
            columns = [field.columns[r] for r in rows]
            away = field.away[np.ix_(rows, columns)].copy()
            np.fill_diagonal(away, np.inf)
            found = min(found, float(away.min(initial=np.inf)))
        return self.near + (found if np.isfinite(found) else 0.0)

    def away_from(self, rack: int) -> Floats:
        """Links between a rack's switch and those of all racks, as far as the first VLink goes."""
        out = np.zeros(len(self.members))
        if self._pendant and self.instance.vlinks:
            field, _ = self.metric.field(0)
            rows = np.asarray([field.rows.get(s, -1) for s in self.members])
            column = field.columns.get(int(rows[rack]))
            if column is not None:
                out = np.where(rows < 0, np.inf, field.away[rows, column])
        return out

    # --- hosts --------------------------------------------------------------------------------

    @cached_property
    def _alone(self) -> Floats:
        """What each point costs on each host, infinite where it can't be."""
        request, network = self.instance.problem.request, self.instance.network
        row = {h: k for k, h in enumerate(self.hosts)}
        out = np.full((len(self.hosts), len(self.instance.points)), np.inf)
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
                for h in self.hosts
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
            r: self.subsets.summed(np.asarray([float(p.demand.get(r, 0)) for p in points]))
            * (1 - _ROUND)
            for r in self._resources
        }

    @cached_property
    def _apart(self) -> Bools:
        """For each subset whether two of its points must not share a host."""
        subsets = self.subsets.numbers
        out = np.zeros(len(subsets), dtype=bool)
        for some in self.instance.rules.apart:
            for a, b in combinations(some, 2):
                out |= (subsets >> a & subsets >> b & 1).astype(bool)
        return out

    @cached_property
    def _provider_like(self) -> bool:
        """Whether some candidate passes things on: rules on hosts don't bind there."""
        return any(self.instance.network.forwards[h] for h in self.hosts)

    @cached_property
    def _kinds(self) -> tuple[Floats, Ints]:
        """What tells hosts apart, as rows (what is free, the door, prices); each host's row."""
        network = self.instance.network
        free = [
            [float(self.instance.free(key_of(network.element(h), r))) for r in self._resources]
            for h in self.hosts
        ]
        table = np.column_stack([np.asarray(free).reshape(len(free), -1), self._doors, self._alone])
        kinds, of = np.unique(table, axis=0, return_inverse=True)
        return kinds, of.reshape(-1)

    def on_hosts(self, rack: int) -> Floats:
        """What each subset costs on each host of a rack, infinite where that has no room for it."""
        kinds, of = self._kinds
        return self._costs(kinds[of[list(self.rows[rack])]])

    def _costs(self, kinds: Floats) -> Floats:
        width = len(self._resources)
        costs = self.subsets.summed(kinds[:, width + 1 :])
        for k, r in enumerate(self._resources):
            costs[self._demands[r] > kinds[:, k, None]] = np.inf
        costs[self._leaving > kinds[:, width, None]] = np.inf
        if not self._provider_like:
            costs[:, self._apart] = np.inf
        return costs

    @cached_property
    def _surveyed(self) -> tuple[Floats, Ints]:
        """What subsets cost on the cheapest host with room for them; how many each kind takes."""
        kinds, _ = self._kinds
        cheapest = np.full(len(self.subsets.numbers), np.inf)
        taken = np.zeros(len(kinds), dtype=np.int64)
        for start in range(0, len(kinds), _CHUNK):
            costs = self._costs(kinds[start : start + _CHUNK])
            np.minimum(cheapest, costs.min(axis=0), out=cheapest)
            taken[start : start + _CHUNK] = np.isfinite(costs).sum(axis=1)
        return cheapest, taken

    @cached_property
    def promise(self) -> Ints:
        """For each rack how many subsets its hosts have room for, all told: where to look first."""
        taken = self._surveyed[1][self._kinds[1]]
        return np.asarray([int(taken[list(rows)].sum()) for rows in self.rows])

    # --- racks --------------------------------------------------------------------------------

    def costs(self) -> Floats:
        """What each subset costs in each rack at least, infinite where that surely has no room."""
        if self.apart_all:
            out = self._matched() + self.near * self.inside
        else:
            shared, _ = self.subsets.parted(self._surveyed[0] - self.near * self.inside)
            out = np.tile(shared + self.near * self.inside, (len(self.members), 1))
        for k, (switch, hosts) in enumerate(self.members.items()):
            out[k, ~self._roomy(k, switch, hosts)] = np.inf
        return out

    @cached_property
    def apart_all(self) -> bool:
        """Whether no two points may share a host."""
        pairs = [1 << a | 1 << b for a, b in combinations(range(self.subsets.count), 2)]
        return not self._provider_like and bool(self._apart[np.asarray(pairs, int)].all())

    def _matched(self) -> Floats:
        """What each subset costs in each rack with every point on a host of its own."""
        sizes = [len(hosts) for hosts in self.members.values()]
        points = self.subsets.count
        out = np.full((len(sizes), 1 << points), np.inf)
        out[:, 0] = 0.0
        starts = np.cumsum([0, *sizes[:-1]])
        leaving = self._leaving[1 << np.arange(points)]
        alone = np.where(self._doors[:, None] < leaving, np.inf, self._alone)
        for k in range(max(sizes)):
            some = np.flatnonzero(np.asarray(sizes) > k)
            costs = alone[starts[some] + k]
            before = out[some]
            after = before.copy()
            shape = (len(some), -1, 2)
            for i in range(points):
                split = (*shape, 1 << i)
                old, new = before.reshape(split), after.reshape(split)
                np.minimum(new[:, :, 1], old[:, :, 0] + costs[:, i, None, None], out=new[:, :, 1])
            out[some] = after
        return out

    def _roomy(self, rack: int, switch: int, hosts: Sequence[int]) -> Bools:
        """For each subset whether a rack's sums are enough for it."""
        network = self.instance.network
        good = np.ones(len(self.subsets.numbers), dtype=bool)
        for r in self._resources:
            keys: set[Key] = {key_of(network.element(h), r) for h in hosts}
            good &= self._demands[r] <= float(sum(self.instance.free(k) for k in keys))
        inside = set(hosts)
        if hosts != [switch]:
            up = sum(self._room(e) for e, near in network.incident[switch] if near not in inside)
            good &= self._leaving <= up
        able = np.isfinite(self._alone[list(self.rows[rack])].min(axis=0))
        missing = int((~able) @ (1 << np.arange(self.subsets.count)))
        good &= (self.subsets.numbers & missing) == 0
        return good
