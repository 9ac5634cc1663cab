"""Which links a VLink takes where the caller left that open: shortest with free capacity."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import pairwise

import networkx as nx

from ryu_apps.spec import Dpid
from ryu_apps.topology import Link, Topology

Free = Callable[[Link], float]
"""What a link has left, bit/s; infinite where its capacity isn't known."""


def tree(
    topology: Topology,
    terminals: Sequence[Dpid],
    demand: float,
    free: Free,
    within: Collection[Dpid] | None = None,
) -> list[Link] | None:
    """Links that join all `terminals`, or None where there are none.

    Two terminals get a shortest path, more a tree grown by the nearest terminal at a time
    (Takahashi and Matsuyama 1980). Among parallel links the one with most left is taken.

    Args:
        topology: the network.
        terminals: the switches to join.
        demand: bit/s every link must have left.
        free: what a link has left.
        within: the only switches that may be used; None: all.
    """
    graph: nx.Graph[Dpid] = nx.Graph()
    graph.add_nodes_from(terminals)
    for link in usable(topology, demand, free):
        ends = (link.a.dpid, link.b.dpid)
        if within is None or set(ends) <= set(within):
            rival = graph.get_edge_data(*ends)
            if rival is None or free(link) > free(rival["link"]):
                graph.add_edge(*ends, link=link)
    return _grow(graph, terminals)


def chain(topology: Topology, via: Sequence[Dpid], demand: float, free: Free) -> list[Link] | None:
    """The best link between each two neighbours of `via`, or None where one is missing."""
    found = []
    for a, b in pairwise(via):
        joined = tree(topology, (a, b), demand, free, within=(a, b))
        if joined is None:
            return None
        found += joined
    return found


def usable(topology: Topology, demand: float, free: Free) -> Iterable[Link]:
    """The links that are up and have that much left."""
    return (link for link in topology.links if link.up and free(link) >= demand)


def _grow(graph: nx.Graph[Dpid], terminals: Sequence[Dpid]) -> list[Link] | None:
    joined, found = {terminals[0]}, []
    waiting = sorted(set(terminals) - joined)
    while waiting:
        paths = nx.multi_source_dijkstra_path(graph, joined)
        reachable = [dpid for dpid in waiting if dpid in paths]
        if not reachable:
            return None
        path = min((paths[dpid] for dpid in reachable), key=lambda path: (len(path), path))
        found += [graph.edges[a, b]["link"] for a, b in pairwise(path)]
        joined |= set(path)
        waiting = [dpid for dpid in waiting if dpid not in joined]
    return found
