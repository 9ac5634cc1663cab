"""The graph as networkx sees it, for algorithms and for drawing.

networkx is imported when a view is asked for, so that reading and checking stay quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdl.graph import Graph

if TYPE_CHECKING:
    import networkx as nx


def bipartite(graph: Graph) -> nx.Graph[str]:
    """Every element a vertex, links too; an edge for each connection.

    Vertices carry `element`; edges `interfaces`, the connected pair.
    """
    import networkx as nx

    view: nx.Graph[str] = nx.Graph()
    for element in graph.elements.values():
        view.add_node(element.id, element=element)
    for a, b in graph.connections:
        view.add_edge(a.partition(".")[0], b.partition(".")[0], interfaces=(a, b))
    return view


def simple(graph: Graph) -> nx.MultiGraph[str]:
    """Nodes as vertices, links of two ends as edges keyed by their id.

    A link of more than two ends, or one that joins another link, stays a vertex. Vertices carry
    `element`; edges too where they stand for a link.
    """
    import networkx as nx

    view: nx.MultiGraph[str] = nx.MultiGraph()
    for node in graph.nodes():
        view.add_node(node.id, element=node)
    for link in graph.links():
        near = graph.neighbours(link.id)
        if len(near) == 2 and all(graph.elements[n].is_node for n in near):
            view.add_edge(*near, key=link.id, element=link)
        else:
            view.add_node(link.id, element=link)
    for a, b in graph.connections:
        one, other = a.partition(".")[0], b.partition(".")[0]
        joint = one if graph.elements[one].is_link else other
        if joint in view and not view.has_edge(one, other):
            view.add_edge(one, other)
    return view
