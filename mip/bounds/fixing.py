"""Hosts from which a VNode's VLinks can't all get away, and are therefore no candidates.

VLinks whose other end can't be on the same host must each leave it, and the switch it hangs on,
over links with room for all of them at once: a small packing problem for each candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mip.clock import NEVER, Clock
from mip.instance.capacity import Key, key_of, limits
from mip.instance.instance import Instance
from mip.problem.amounts import Exact

_STEPS = 500

Bans = dict[tuple[int, int], np.ndarray[Any, np.dtype[np.bool_]]]
Limits = tuple[tuple[str, Key, Exact], ...]
"""What an edge limits: the resource, where it comes from, and how much of it is left."""


@dataclass
class Departures:
    """Judges candidates of one instance, given which points can't share a vertex.

    Model: (R3).
    """

    instance: Instance
    bans: Bans
    clock: Clock = NEVER
    _limits: dict[int, Limits] = field(default_factory=dict)
    _allowed: list[frozenset[int]] = field(default_factory=list)
    _left: int = 0

    def __post_init__(self) -> None:
        self._allowed = [frozenset(v.edges) for v in self.instance.vlinks]

    def possible(self, point: int) -> list[bool]:
        """For each candidate of `point`, whether its VLinks can get away from it.

        Raises:
            OutOfTimeError: the clock has run out.
        """
        links = [
            index
            for index, vlink in enumerate(self.instance.vlinks)
            if len(vlink.points) == 2 and point in vlink.points
        ]
        return [
            self._away(point, k, v, links)
            for k, v in enumerate(self.instance.points[point].candidates)
        ]

    def _away(self, point: int, k: int, vertex: int, links: Sequence[int]) -> bool:
        self.clock.check()
        network = self.instance.network
        must = [i for i in links if not self._may_share(point, k, self._other(i, point))]
        doors = [e for e, _ in network.incident[vertex]]
        if not self._pack(must, doors, frozenset((vertex,))):
            return False
        beyond = {near for _, near in network.incident[vertex]}
        if len(beyond) != 1:
            return True
        (switch,) = beyond
        must = [i for i in must if switch not in self._places[self._other(i, point)]]
        doors = [e for e, near in network.incident[switch] if near != vertex]
        return self._pack(must, doors, frozenset((vertex, switch)))

    def _other(self, link: int, point: int) -> int:
        a, b = self.instance.vlinks[link].points
        return b if a == point else a

    def _may_share(self, point: int, k: int, other: int) -> bool:
        """Whether `other` may be where candidate `k` of `point` is."""
        vertex = self.instance.points[point].candidates[k]
        j = self._places[other].get(vertex)
        if j is None:
            return False
        ban = self.bans.get((min(point, other), max(point, other)))
        if ban is None:
            return True
        return not (ban[k, j] if point < other else ban[j, k])

    def _pack(self, links: Sequence[int], doors: Sequence[int], inside: frozenset[int]) -> bool:
        """Whether `links` fit over the edges `doors` all at once."""
        if not links or any(self._takes_all(links, e, inside) for e in doors):
            return True
        widest_first = sorted(links, key=lambda i: -self.instance.vlinks[i].bandwidth)
        ways = [(e, self._of(e), self._beyond(e, inside)) for e in doors]
        options = [
            [
                limits
                for e, limits, far in ways
                if e in self._allowed[index] and self._leads_on(index, far)
            ]
            for index in widest_first
        ]
        self._left = _STEPS
        demands = [self.instance.vlinks[i].demand for i in widest_first]
        return self._fill(demands, options, 0, {})

    def _takes_all(self, links: Sequence[int], e: int, inside: frozenset[int]) -> bool:
        """Whether one edge has room for all: the usual case, told soon."""
        far = self._beyond(e, inside)
        if not all(e in self._allowed[i] and self._leads_on(i, far) for i in links):
            return False
        demands = [self.instance.vlinks[i].demand for i in links]
        totals: dict[Key, Exact] = {}
        for resource, key, free in self._of(e):
            totals[key] = totals.get(key, 0) + sum(d.get(resource, 0) for d in demands)
            if totals[key] > free:
                return False
        return True

    def _beyond(self, e: int, inside: frozenset[int]) -> int:
        edge = self.instance.network.edges[e]
        return edge.v if edge.u in inside else edge.u

    def _leads_on(self, index: int, far: int) -> bool:
        vlink = self.instance.vlinks[index]
        return far in vlink.vertices or any(far in self._places[p] for p in vlink.points)

    def _of(self, e: int) -> Limits:
        """What crossing an edge is limited by."""
        if e not in self._limits:
            self._limits[e] = tuple(self._found(self.instance.network.edges[e].link))
        return self._limits[e]

    def _found(self, link: str | None) -> Iterator[tuple[str, Key, Exact]]:
        if link is None:
            return
        element = self.instance.network.substrate.elements[link]
        for resource in self._resources:
            key = key_of(element, resource)
            if limits(element, resource):
                yield resource, key, self.instance.free(key)

    @cached_property
    def _places(self) -> tuple[dict[int, int], ...]:
        """For each point, its candidates and their numbers."""
        return tuple({v: k for k, v in enumerate(p.candidates)} for p in self.instance.points)

    @cached_property
    def _resources(self) -> tuple[str, ...]:
        """All that VLinks take."""
        return tuple(sorted({r for v in self.instance.vlinks for r in v.demand}))

    def _fill(
        self,
        demands: Sequence[Mapping[str, Exact]],
        options: Sequence[Sequence[Limits]],
        at: int,
        used: Mapping[Key, Exact],
    ) -> bool:
        if at == len(options):
            return True
        self._left -= 1
        if self._left < 0:
            return True
        demand = demands[at]
        for some in options[at]:
            if all(used.get(k, 0) + demand.get(r, 0) <= free for r, k, free in some):
                more = dict(used)
                for resource, key, _ in some:
                    more[key] = more.get(key, 0) + demand.get(resource, 0)
                if self._fill(demands, options, at + 1, more):
                    return True
        return False
