"""The graph as networkx sees it."""

from __future__ import annotations

from hypothesis import given, settings
from rdl_strategies import graphs

from rdl.language.load import load_graph
from rdl.views import bipartite, simple

GRAPH = load_graph(
    "rdl: 1\ngraph: g\nnodes: {a: {}, b: {}, c: {}}\n"
    "links: {l: {ends: [a, b]}, m: {ends: [a, b]}, lan: {ends: [a, b, c]}}"
)


def test_links_of_two_ends_are_edges():
    """Parallel ones too; a link of three ends stays a vertex."""
    view = simple(GRAPH)
    assert sorted(view) == ["a", "b", "c", "lan"]
    assert sorted(view["a"]["b"]) == ["l", "m"]
    assert sorted(view["lan"]) == ["a", "b", "c"]
    assert view["a"]["b"]["l"]["element"] is GRAPH.elements["l"]


@given(graphs())
@settings(max_examples=30)
def test_bipartite_shows_every_element_and_connection(graph):
    """One vertex each, one edge for each connection of two elements."""
    view = bipartite(graph)
    assert set(view) == set(graph.elements)
    joined = {frozenset((a.partition(".")[0], b.partition(".")[0])) for a, b in graph.connections}
    assert {frozenset(edge) for edge in view.edges} == joined
