"""Hosts from which a VNode's VLinks can't all get away, and are therefore no candidates.

VLinks whose other end can't be on the same host must each leave it, and the switch it hangs on,
over links with room for all of them at once: a small packing problem for each candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mip.amounts import Exact
from mip.capacity import Key
from mip.instance import Instance

_STEPS = 500

Bans = dict[tuple[int, int], np.ndarray[Any, np.dtype[np.bool_]]]
Needs = tuple[tuple[Key, Exact], ...]


@dataclass
class Departures:
    """Judges candidates of one instance, given which points can't share a vertex."""

    instance: Instance
    bans: Bans
    _needs: dict[tuple[int, int], Needs] = field(default_factory=dict)
    _allowed: list[frozenset[int]] = field(default_factory=list)

    _left: int = 0

    def __post_init__(self) -> None:
        self._allowed = [frozenset(v.edges) for v in self.instance.vlinks]

    def possible(self, point: int) -> list[bool]:
        """For each candidate of `point`, whether its VLinks can get away from it."""
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
        network = self.instance.network
        must = [i for i in links if not self._may_share(point, k, self._other(i, point))]
        doors = [e for e, _ in network.incident[vertex]]
        if not self._pack(must, doors, frozenset((vertex,))):
            return False
        beyond = {near for _, near in network.incident[vertex]}
        if len(beyond) != 1:
            return True
        (switch,) = beyond
        must = [
            i for i in must if switch not in self.instance.points[self._other(i, point)].candidates
        ]
        doors = [e for e, near in network.incident[switch] if near != vertex]
        return self._pack(must, doors, frozenset((vertex, switch)))

    def _other(self, link: int, point: int) -> int:
        a, b = self.instance.vlinks[link].points
        return b if a == point else a

    def _may_share(self, point: int, k: int, other: int) -> bool:
        """Whether `other` may be where candidate `k` of `point` is."""
        vertex = self.instance.points[point].candidates[k]
        candidates = self.instance.points[other].candidates
        if vertex not in candidates:
            return False
        ban = self.bans.get((min(point, other), max(point, other)))
        if ban is None:
            return True
        j = candidates.index(vertex)
        return not (ban[k, j] if point < other else ban[j, k])

    def _pack(self, links: Sequence[int], doors: Sequence[int], inside: frozenset[int]) -> bool:
        """Whether `links` fit over the edges `doors` all at once."""
        options = []
        for index in sorted(links, key=lambda i: -self.instance.vlinks[i].bandwidth):
            usable = [e for e in doors if e in self._allowed[index]]
            usable = [e for e in usable if self._leads_on(index, e, inside)]
            options.append([self._of(index, e) for e in usable])
        self._left = _STEPS
        return self._fill(options, 0, {})

    def _leads_on(self, index: int, e: int, inside: frozenset[int]) -> bool:
        edge = self.instance.network.edges[e]
        far = edge.v if edge.u in inside else edge.u
        vlink = self.instance.vlinks[index]
        return far in vlink.vertices or any(
            far in self.instance.points[p].candidates for p in vlink.points
        )

    def _of(self, index: int, e: int) -> Needs:
        if (index, e) not in self._needs:
            link = self.instance.network.edges[e].link
            vlink = self.instance.vlinks[index]
            self._needs[index, e] = () if link is None else self.instance.keys_of(link, vlink)
        return self._needs[index, e]

    def _fill(self, options: Sequence[Sequence[Needs]], at: int, used: dict[Key, Exact]) -> bool:
        if at == len(options):
            return True
        self._left -= 1
        if self._left < 0:
            return True
        for needs in options[at]:
            if all(used.get(k, 0) + a <= self.instance.free(k) for k, a in needs):
                more = dict(used)
                for key, amount in needs:
                    more[key] = more.get(key, 0) + amount
                if self._fill(options, at + 1, more):
                    return True
        return False
