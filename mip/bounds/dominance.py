"""Hosts and racks that some optimum does without: those alike, and those that others dominate.

A host that hangs on one switch by one link is told by what it has for *this* request: which VNodes
it takes and at what price, how much is free there and on its link, rounded down to what VNodes and
VLinks can use up. See docs/embedding.md for why the optimum stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from mip.bounds.metric import Floats, Ints
from mip.instance.capacity import Key, key_of, limits
from mip.instance.instance import Instance, Kind
from mip.objectives import Weights
from mip.problem.amounts import Exact
from rdl.graph import Element

_SUMS = 2_000
"""Sums of demands that are told apart; where there are more, amounts are only cut off."""

_ROWS = 1_500
"""Kinds of hosts up to which racks are compared."""

_BROAD = 64
"""Hosts on one switch up to which all pairs are compared at once."""


def undominated(instance: Instance, weights: Weights) -> Instance:
    """`instance` with fewer candidates, of which an optimum (if any mapping) is still made."""
    if not _applies(instance, weights):
        return instance
    racks = _Racks(instance, weights)
    kept = racks.kept()
    if kept is None:
        return instance
    points = tuple(
        replace(p, candidates=tuple(v for v in p.candidates if kept[v])) for p in instance.points
    )
    return replace(instance, points=points)


def _applies(instance: Instance, weights: Weights) -> bool:
    kinds = {p.kind for p in instance.points}
    return (
        weights.additive
        and Kind.JUNCTION not in kinds
        and not instance.problem.nogoods  # they tell one host from another that is alike
        and all(v.protection == "none" and v.latency_min is None for v in instance.vlinks)
    )


@dataclass(frozen=True)
class _Racks:
    """The pendant hosts of an instance by the switch they hang on, and what each has."""

    instance: Instance
    weights: Weights

    def kept(self) -> Floats | None:
        """For each vertex whether it stays a candidate; None where nothing goes."""
        broad = any(len(hosts) >= self._count for hosts in self._groups.values())
        if not broad and not self._any_alike:
            return None
        stays = np.ones(len(self.instance.network.ids), dtype=bool)
        left: dict[int, list[int]] = {}
        for switch, hosts in self._groups.items():
            left[switch] = [hosts[k] for k in self._undominated(hosts)]
            stays[hosts] = False
            stays[left[switch]] = True
        for switch in self._spared(left):
            stays[left[switch]] = False
        return stays

    @cached_property
    def _any_alike(self) -> bool:
        """Whether more than n racks have the same neighbours: the least that some be alike."""
        incident = self.instance.network.incident
        counted: dict[frozenset[int], int] = defaultdict(int)
        for switch, hosts in self._groups.items():
            counted[frozenset(near for _, near in incident[switch]) - frozenset(hosts)] += 1
        return max(counted.values(), default=0) > self._count

    @cached_property
    def _count(self) -> int:
        """How many hosts a mapping uses at most."""
        return sum(p.kind is Kind.VNODE for p in self.instance.points)

    @cached_property
    def _groups(self) -> dict[int, list[int]]:
        """Switch to the candidates that hang on it by one edge and pass nothing on."""
        network = self.instance.network
        fixed = {v for p in self.instance.points if p.kind is not Kind.VNODE for v in p.candidates}
        out: dict[int, list[int]] = defaultdict(list)
        for v in sorted({v for p in self.instance.points for v in p.candidates} - fixed):
            if len(network.incident[v]) == 1 and not network.forwards[v]:
                ((_, near),) = network.incident[v]
                out[near].append(v)
        return dict(out)

    @cached_property
    def _rows(self) -> tuple[dict[int, int], Floats, Ints]:
        """Host to its row; what each has, more being better; and what must be equal, as numbers."""
        hosts = [h for group in self._groups.values() for h in group]
        columns = [*self._membership(hosts), *self._prices(hosts), *self._amounts(hosts)]
        edges = [self.instance.network.incident[h][0][0] for h in hosts]
        columns += self._link_columns(edges)
        table = np.array(columns, dtype=float).T if columns else np.zeros((len(hosts), 0))
        varied = table[:, (table != table[:1]).any(axis=0)] if hosts else table
        numbers: dict[Hashable, int] = {}
        links = self._signs(edges)
        same = [
            numbers.setdefault((sign, link), len(numbers))
            for sign, link in zip(self._host_signs(hosts), links, strict=True)
        ]
        return {h: k for k, h in enumerate(hosts)}, varied, np.asarray(same, dtype=np.int64)

    # --- what hosts and links have ----------------------------------------------------------

    def _membership(self, hosts: Sequence[int]) -> list[list[bool]]:
        """For each VNode which hosts are its candidates."""
        sets = {p.candidates: frozenset(p.candidates) for p in self.instance.points}
        return [[h in some for h in hosts] for some in sets.values()]

    def _prices(self, hosts: Sequence[int]) -> list[list[float]]:
        """For each VNode what hosts cost, less being better."""
        elements = self.instance.problem.request.elements
        network = self.instance.network
        plain = {h for h in hosts if not network.element(h).features}
        out = []
        for point in self.instance.points:
            if point.kind is Kind.VNODE:
                vnode, known = elements[point.id], None
                row = []
                for h in hosts:
                    if h in plain and known is not None:
                        row.append(known)
                        continue
                    row.append(-self.weights.place(vnode, network.element(h)))
                    known = row[-1] if h in plain and self.weights.level else known
                out.append(row)
        return out

    def _amounts(self, hosts: Sequence[int]) -> list[list[float]]:
        """For each resource of VNodes what is free, as far as VNodes can use it."""
        network = self.instance.network
        demands: dict[str, list[Exact]] = defaultdict(list)
        for point in self.instance.points:
            for resource, amount in point.demand.items():
                demands[resource].append(amount)
        out = []
        for resource, asked in demands.items():
            floor = _Floor(asked, single=self._all_apart)
            keys = [key_of(network.element(h), resource) for h in hosts]
            out.append([floor.of(self._private(h, k)) for h, k in zip(hosts, keys, strict=True)])
        return out

    def _private(self, _host: int, key: Key) -> Exact:
        """What is free at a key of its own; of pools (told by their sign) nothing is said here."""
        return 0 if key[0].startswith("pool ") else self.instance.free(key)

    def _link_columns(self, edges: Sequence[int]) -> list[list[float]]:
        """What the links of hosts have: room, VLinks that may cross, speed, cheapness."""
        return [
            *([floor.of(a) for a in amounts] for floor, amounts in self._link_room(edges)),
            *self._crossing(edges),
        ]

    def _link_room(self, edges: Sequence[int]) -> list[tuple[_Floor, list[Exact]]]:
        elements = self.instance.network.substrate.elements
        demands: dict[str, list[tuple[Exact, tuple[int, ...]]]] = defaultdict(list)
        for vlink in self.instance.vlinks:
            for resource, amount in vlink.demand.items():
                demands[resource].append((amount, vlink.points))
        out = []
        for resource, asked in demands.items():
            if self._all_apart:
                points = range(len(self.instance.points))
                sums = [sum(a for a, ends in asked if p in ends) for p in points]
                floor = _Floor(sums, single=True)
            else:
                floor = _Floor([a for a, _ in asked], single=False)
            amounts: list[Exact] = []
            for e in edges:
                link = self._link(e)
                if link is None or not limits(elements[link], resource):
                    amounts.append(floor.top)
                else:
                    amounts.append(self._private(e, key_of(elements[link], resource)))
            out.append((floor, amounts))
        return out

    def _crossing(self, edges: Sequence[int]) -> list[list[float]]:
        """For each VLink whether it may cross, how soon, and how cheaply."""
        out: list[list[float]] = []
        for some in {v.edges for v in self.instance.vlinks}:
            inside = frozenset(some)
            out.append([float(e in inside) for e in edges])
        network = self.instance.network
        links = [self._link(e) for e in edges]
        if any(v.bounded for v in self.instance.vlinks):
            out.append([0.0 if k is None else -float(network.latency(k)) for k in links])
        if not self.weights.level:
            elements = network.substrate.elements
            for vlink in self.instance.vlinks:
                wanted = self.instance.problem.request.elements[vlink.id]
                carry = self.weights.carry
                out.append([0.0 if k is None else -carry(wanted, elements[k]) for k in links])
        return out

    def _link(self, edge: int) -> str | None:
        return self.instance.network.edges[edge].link

    @cached_property
    def _all_apart(self) -> bool:
        """Whether no two VNodes may share a host."""
        pairs = {frozenset(p) for some in self.instance.rules.apart for p in combinations(some, 2)}
        vnodes = [i for i, p in enumerate(self.instance.points) if p.kind is Kind.VNODE]
        return all(frozenset(p) in pairs for p in combinations(vnodes, 2))

    # --- what must be equal -------------------------------------------------------------------

    def _host_signs(self, hosts: Sequence[int]) -> list[Hashable]:
        """Pools that are short, and values of features that constraints bind."""
        network = self.instance.network
        resources = {r for p in self.instance.points for r in p.demand}
        total = {r: sum(p.demand.get(r, 0) for p in self.instance.points) for r in resources}
        return [self._sign(network.element(h), total) for h in hosts]

    def _signs(self, edges: Sequence[int]) -> list[Hashable]:
        elements = self.instance.network.substrate.elements
        links = (self._link(e) for e in edges)
        return [None if k is None else self._sign(elements[k], self._totals) for k in links]

    @cached_property
    def _totals(self) -> Mapping[str, Exact]:
        """Resource to what all VLinks take of it."""
        resources = {r for v in self.instance.vlinks for r in v.demand}
        return {r: sum(v.demand.get(r, 0) for v in self.instance.vlinks) for r in resources}

    def _sign(self, element: Element, total: Mapping[str, Exact]) -> Hashable:
        pools = []
        for resource, held in element.resources.items():
            if held.pool is not None and resource in total:
                key = key_of(element, resource)
                pools.append((key, None) if self.instance.free(key) < total[resource] else resource)
        bound = tuple(where.get(element.id) for where in self.instance.rules.allowed.values())
        return (tuple(pools), bound) if pools or bound else None

    # --- comparing ----------------------------------------------------------------------------

    def _undominated(self, hosts: Sequence[int]) -> list[int]:
        """The numbers of those hosts of one switch that fewer than n others dominate.

        Model: (R10).
        """
        index, table, same = self._rows
        at = np.asarray([index[h] for h in hosts])
        rows, signs = table[at], same[at]
        if len(hosts) <= self._count:
            return list(range(len(hosts)))
        if len(hosts) <= _BROAD:
            ahead = _dominates(rows, rows) & (signs[:, None] == signs)
            order = np.arange(len(hosts))
            ahead &= ~ahead.T | (order[:, None] < order)
            return [int(k) for k in np.flatnonzero(ahead.sum(axis=0) < self._count)]
        left: list[int] = []
        for k in np.argsort(-rows.sum(axis=1), kind="stable"):
            some = np.asarray(left, dtype=np.int64)
            ahead = (rows[some] >= rows[k]).all(axis=1) & (signs[some] == signs[k])
            if int(ahead.sum()) < self._count:
                left.append(int(k))
        return sorted(left)

    # --- racks --------------------------------------------------------------------------------

    def _spared(self, left: Mapping[int, Sequence[int]]) -> list[int]:
        """The switches whose hosts an optimum does without.

        Model: (R12).
        """
        index, table, same = self._rows
        racks = [s for s in left if self._plain(s)]
        if len(racks) < 2:
            return []
        kinds, of = np.unique(np.column_stack([same, table]), axis=0, return_inverse=True)
        of = of.reshape(-1)
        held = {s: sorted(int(of[index[h]]) for h in left[s]) for s in racks}
        doors = {s: self._doors(s, index) for s in racks}
        gone = self._alike(racks, held, doors)
        if len(kinds) > _ROWS:
            return sorted(gone)
        ahead = _dominates(kinds[:, 1:], kinds[:, 1:]) & (kinds[:, :1] == kinds[:, 0])
        wide = [s for s in racks if s not in gone and doors[s].unlimited]
        number = np.zeros((len(wide), len(kinds)))
        for k, s in enumerate(wide):
            np.add.at(number[k], held[s], 1.0)
        better = number @ ahead  # how many hosts of each wide rack dominate each kind
        for s in racks:
            if s in gone:
                continue
            enough = (better[:, held[s]] >= self._count).all(axis=1)
            if any(
                doors[wide[k]].leads_where(doors[s]) and self._before(wide[k], s, gone)
                for k in np.flatnonzero(enough)
            ):
                gone.add(s)
        return sorted(gone)

    def _before(self, a: int, b: int, gone: Iterable[int]) -> bool:
        return a != b and a not in gone

    def _plain(self, switch: int) -> bool:
        """Whether a switch is nothing but that: no candidate, no fixed end, no pool or rule."""
        network = self.instance.network
        if switch in self._ends or not network.forwards[switch]:
            return False
        if not network.element(switch).is_node:
            return False
        ids = [network.ids[switch]]
        ids += [k for e, _ in network.incident[switch] if (k := self._link(e)) is not None]
        elements = network.substrate.elements
        return all(
            held.pool is None or r not in self._totals
            for i in ids
            for r, held in elements[i].resources.items()
        )

    @cached_property
    def _ends(self) -> frozenset[int]:
        return frozenset(v for p in self.instance.points for v in p.candidates)

    def _doors(self, switch: int, hosts: Mapping[int, int]) -> _Doors:
        """How a rack is joined to the rest."""
        network = self.instance.network
        out: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for e, near in network.incident[switch]:
            if near not in hosts:
                out[near].append(self._door(e))
        own = network.element(switch)
        able = tuple(switch in some for some in self._passing)
        room = tuple(
            min(self.instance.free(key_of(own, r)), total) if limits(own, r) else total
            for r, total in self._totals.items()
        )
        lag = network.latency(own.id) if self._timed else 0
        joined = {near: tuple(sorted(found)) for near, found in out.items()}
        unlimited = (
            room == tuple(self._totals.values())
            and all(able)
            and all(len(d) == 1 and d[0][0] == 1 for d in joined.values())
        )
        return _Doors(joined, (able, room, lag), unlimited)

    @cached_property
    def _timed(self) -> bool:
        return any(v.bounded for v in self.instance.vlinks)

    @cached_property
    def _passing(self) -> tuple[frozenset[int], ...]:
        return tuple({id(v.vertices): v.vertices for v in self.instance.vlinks}.values())

    @cached_property
    def _crossed(self) -> tuple[frozenset[int], ...]:
        return tuple(frozenset(some) for some in {v.edges for v in self.instance.vlinks})

    def _door(self, e: int) -> tuple[Any, ...]:
        """One edge: whether it limits nothing, its cost and latency, its room and who may cross."""
        network = self.instance.network
        link = self._link(e)
        able = tuple(e in some for some in self._crossed)
        if link is None:
            return (int(all(able)), (), 0, (), able, None)
        element = network.substrate.elements[link]
        room = tuple(
            min(self.instance.free(key_of(element, r)), total) if limits(element, r) else total
            for r, total in self._totals.items()
        )
        cost: tuple[float, ...] = ()
        if not self.weights.level:
            wanted = self.instance.problem.request.elements
            cost = tuple(self.weights.carry(wanted[v.id], element) for v in self.instance.vlinks)
        free = int(all(able) and room == tuple(self._totals.values()))
        lag = network.latency(link) if self._timed else 0
        sign = repr(self._sign(element, self._totals))
        return (free, cost, lag, room, able, sign)

    def _alike(
        self,
        racks: Sequence[int],
        held: Mapping[int, Sequence[int]],
        doors: Mapping[int, _Doors],
    ) -> set[int]:
        """Racks of which there are n alike before.

        Model: (R11).
        """
        seen: dict[Hashable, int] = defaultdict(int)
        gone = set()
        for s in racks:
            key = (tuple(held[s]), frozenset(doors[s].joined.items()), doors[s].own)
            seen[key] += 1
            if seen[key] > self._count:
                gone.add(s)
        return gone


@dataclass(frozen=True)
class _Doors:
    """The edges of a rack's switch to other switches, and what the switch itself is like.

    Attributes:
        joined: neighbour to the edges there.
        own: of the switch: who may pass, its room, its latency.
        unlimited: one edge to each neighbour, and room everywhere for all VLinks at once.
    """

    joined: Mapping[int, tuple[tuple[Any, ...], ...]]
    own: tuple[Any, ...]
    unlimited: bool

    def leads_where(self, other: _Doors) -> bool:
        """Whether an unlimited rack is joined to all that `other` is, as fast and cheaply."""
        if self.own[2] > other.own[2]:
            return False
        for near, edges in other.joined.items():
            mine = self.joined.get(near)
            if mine is None:
                return False
            for edge in edges:
                cheap = all(a <= b for a, b in zip(mine[0][1], edge[1], strict=True))
                if not cheap or mine[0][2] > edge[2] or mine[0][5] != edge[5]:
                    return False
        return True


class _Floor:
    """Rounds amounts down to what demands can use up."""

    def __init__(self, demands: Iterable[Exact], *, single: bool) -> None:
        asked = [d for d in demands if d]
        self.top: Exact = max(asked, default=0) if single else sum(asked)
        sums: set[Exact] = {0, *asked} if single else {0}
        for amount in () if single else asked:
            sums |= {s + amount for s in sums}
            if len(sums) > _SUMS:
                break
        exact = len(sums) <= _SUMS
        self._sums = np.asarray(sorted(float(s) for s in sums)) if exact else None
        self._known: dict[Exact, float] = {}

    def of(self, amount: Exact) -> float:
        """The largest usable amount that is not more; floats only compare what is alike."""
        if amount not in self._known:
            cut = float(min(amount, self.top))
            if self._sums is not None:
                cut = float(self._sums[np.searchsorted(self._sums, cut, side="right") - 1])
            self._known[amount] = cut
        return self._known[amount]


def _dominates(a: Floats, b: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows of `a` are at least as good as which of `b` in every column."""
    out = np.ones((len(a), len(b)), dtype=bool)
    for column in range(a.shape[1]):
        out &= a[:, column][:, None] >= b[:, column]
    return out
