"""Which substrate elements can carry a VLink by themselves: type, features and what is free."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from mip.instance.capacity import Stock, key_of, limits, protection_of
from mip.instance.network import Network
from mip.problem.amounts import Exact
from rdl.compare.match import PATH_FEATURES, element_fits
from rdl.graph import Element


class Carriers:
    """Answers for all VLinks of a request; VLinks alike share the work.

    Model: (R2).
    """

    def __init__(self, network: Network, stock: Stock) -> None:
        self._network = network
        self._stock = stock
        elements = network.substrate.elements
        self._links = {e.link: elements[e.link] for e in network.edges if e.link is not None}
        self._inside = {v: elements[e] for v, e in enumerate(network.ids) if network.forwards[v]}
        self._room: dict[tuple[str, bool], tuple[list[Exact], list[str]]] = {}
        self._enough: dict[tuple[frozenset[str], str, Exact, bool], frozenset[str]] = {}
        self._edges: dict[frozenset[str], tuple[int, ...]] = {}
        self._crossed = [e.link for e in network.edges]
        self._vertices: dict[frozenset[str], frozenset[int]] = {}
        self._switches = frozenset(e.id for e in self._inside.values() if not e.is_link)

    def edges(self, vlink: Element, demand: Mapping[str, Exact]) -> tuple[int, ...]:
        """The edges that `vlink` may cross."""
        links = self._narrowed(vlink, demand, self._fits(vlink))
        if links not in self._edges:
            free = {None, *links}  # a direct connection has no link
            self._edges[links] = tuple(k for k, e in enumerate(self._crossed) if e in free)
        return self._edges[links]

    def vertices(self, vlink: Element, demand: Mapping[str, Exact]) -> frozenset[int]:
        """The vertices that `vlink` may pass through."""
        joined = frozenset(
            e.id
            for e in (self._inside[v] for v in self._network.link_vertices if v in self._inside)
            if not element_fits(vlink, e)
        )
        left = self._narrowed(vlink, demand, self._switches | joined)
        if left not in self._vertices:
            self._vertices[left] = frozenset(self._network.index[e] for e in left)
        return self._vertices[left]

    def forwarding(self, vertices: Iterable[int]) -> frozenset[int]:
        """Those of `vertices` that pass VLinks on, whatever room they have."""
        return frozenset(v for v in vertices if v in self._inside) - self._network.link_vertices

    def _fits(self, vlink: Element) -> frozenset[str]:
        key = (vlink.type, *((n, v) for n, v in vlink.features.items() if n not in PATH_FEATURES))
        fitting = self._network.fitting
        if key not in fitting:
            fitting[key] = frozenset(
                name for name, link in self._links.items() if not element_fits(vlink, link)
            )
        return fitting[key]

    def _narrowed(
        self, vlink: Element, demand: Mapping[str, Exact], among: frozenset[str]
    ) -> frozenset[str]:
        """Those of `among` that have enough of all that `vlink` takes."""
        plain = protection_of(vlink) == "none"  # another's backup may share room with this one's
        for resource, amount in sorted(demand.items(), key=lambda d: d[1]):  # shared ones first
            key = (among, resource, amount, plain)
            if key not in self._enough:
                rooms, owners = self._of(resource, plain=plain)
                self._enough[key] = among.difference(owners[: bisect_left(rooms, amount)])
            among = self._enough[key]
        return among

    def _of(self, resource: str, *, plain: bool) -> tuple[list[Exact], list[str]]:
        """What is free of `resource` at each element that limits it, least first; the elements."""
        if (resource, plain) not in self._room:
            free = self._stock.free if plain else self._stock.room
            elements = (*self._links.values(), *self._inside.values())
            found = sorted(
                (free(key_of(e, resource)), e.id) for e in elements if limits(e, resource)
            )
            self._room[resource, plain] = [room for room, _ in found], [e for _, e in found]
        return self._room[resource, plain]
