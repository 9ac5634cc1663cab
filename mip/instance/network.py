"""The substrate as the solver sees it: vertices that hold or forward, edges that VLinks cross.

A substrate link between two nodes is an edge; a link with more ends, or joined to another link,
is a vertex that forwards. A direct connection of two nodes is an edge without a link.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mip.instance.features import forwards, number
from mip.problem.amounts import Exact, exact
from rdl.graph import Element, Graph


@dataclass(frozen=True, slots=True)
class Edge:
    """Two vertices joined, through the substrate link `link` or directly."""

    u: int
    v: int
    link: str | None

    def other(self, vertex: int) -> int:
        """The end that isn't `vertex`."""
        return self.v if vertex == self.u else self.u


@dataclass(frozen=True)
class Network:
    """The usable part of a substrate.

    Attributes:
        substrate: the graph it came from.
        ids: the element of each vertex.
        forwards: whether a VLink may pass through each vertex.
        edges: all edges; parallel links stay apart, direct connections are kept once.
    """

    substrate: Graph
    ids: tuple[str, ...]
    forwards: tuple[bool, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """Element id to vertex."""
        return {e: v for v, e in enumerate(self.ids)}

    @cached_property
    def incident(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For each vertex its (edge, neighbour) pairs, in edge order."""
        out: list[list[tuple[int, int]]] = [[] for _ in self.ids]
        for number_, edge in enumerate(self.edges):
            out[edge.u].append((number_, edge.v))
            out[edge.v].append((number_, edge.u))
        return tuple(tuple(pairs) for pairs in out)

    @cached_property
    def nodes(self) -> tuple[tuple[int, Element], ...]:
        """The vertices that are nodes, with their elements."""
        found = ((v, self.substrate.elements[e]) for v, e in enumerate(self.ids))
        return tuple((v, e) for v, e in found if e.is_node)

    @cached_property
    def link_vertices(self) -> frozenset[int]:
        """The vertices that are links: those with more than two ends, or joined to links."""
        return frozenset(range(len(self.ids))) - {v for v, _ in self.nodes}

    @cached_property
    def fitting(self) -> dict[Any, frozenset[str]]:
        """The links that fit VLinks met before, by what was asked of them; see `Carriers`."""
        return {}

    def element(self, vertex: int) -> Element:
        """The substrate element of a vertex."""
        return self.substrate.elements[self.ids[vertex]]

    def latency(self, element_id: str) -> Exact:
        """What an element adds to a path, in seconds; nothing said counts 0."""
        if element_id not in self._lags:
            features = self.substrate.elements[element_id].features
            self._lags[element_id] = exact(number(features, "latency"))
        return self._lags[element_id]

    @cached_property
    def _lags(self) -> dict[str, Exact]:
        """What elements met before add to a path."""
        return {}


def build_network(substrate: Graph, unavailable: Iterable[str], kept: Iterable[str]) -> Network:
    """The network without stubs and without what is unavailable.

    Args:
        substrate: the whole UL graph.
        unavailable: elements that may carry nothing new.
        kept: hosts that stay in as ends of paths even if unavailable; they forward nothing then.
    """
    gone = frozenset(unavailable)
    ends_only = gone & frozenset(kept)
    there = {
        e.id: e
        for e in substrate.elements.values()
        if not e.is_stub and (e.id not in gone or e.id in ends_only)
    }
    near = {e.id: substrate.neighbours(e.id) for e in there.values() if e.is_link}
    nodes = {e.id for e in substrate.elements.values() if e.is_node}
    plain = {  # those that join two different nodes
        link
        for link, ends in near.items()
        if len(ends) == 2 and ends[0] != ends[1] and nodes.issuperset(ends)
    }
    ids = tuple(e for e in there if e not in plain)
    index = {e: v for v, e in enumerate(ids)}
    edges = [
        Edge(index[a], index[b], link)
        for link, (a, b) in ((e, near[e]) for e in there if e in plain)
        if a in index and b in index
    ]
    direct: dict[tuple[int, int], None] = {}
    for a, b in substrate.connections:
        u, v = index.get(a.partition(".")[0]), index.get(b.partition(".")[0])
        if u is not None and v is not None and u != v:
            direct.setdefault((min(u, v), max(u, v)))
    edges.extend(Edge(u, v, None) for u, v in direct)
    passing = tuple(forwards(there[e]) and e not in ends_only for e in ids)
    return Network(substrate, ids, passing, tuple(edges))
