"""The graph as networkx sees it."""

from __future__ import annotations

from hypothesis import given, settings
from rdl_strategies import graphs

from rdl.language.load import load_graph

GRAPH = load_graph(
    "rdl: 1\ngraph: g\nnodes: {a: {cpu: 2, arch: amd64}, b: {}, c: {}}\n"
    "links: {l: {ends: [a, b], bandwidth: 5Mbps}, m: {ends: [a, b]}, lan: {ends: [a, b, c]}}"
)


def test_links_of_two_ends_are_edges():
    """Parallel ones too; a link of three ends is a vertex."""
    net = GRAPH.to_networkx()
    assert sorted(net) == ["a", "b", "c", "lan"]
    assert sorted(net["a"]["b"]) == ["l", "m"]
    assert sorted(net["lan"]) == ["a", "b", "c"]


def test_nodes_and_links_keep_what_they_have():
    """Type, amounts in base units, features."""
    net = GRAPH.to_networkx()
    assert net.nodes["a"]["resources"] == {"cpu": 2}
    assert net.nodes["a"]["features"] == {"arch": "amd64"}
    assert net.edges["a", "b", "l"]["resources"] == {"bandwidth": 5_000_000}
    for name in ("a", "lan"):
        assert net.nodes[name]["type"] == GRAPH.elements[name].type
    assert net.edges["a", "b", "m"]["type"] == GRAPH.elements["m"].type


@given(graphs())
@settings(max_examples=30)
def test_every_element_is_a_vertex_or_an_edge_and_neighbours_stay_neighbours(graph):
    """Nothing is lost on the way, and nothing is there twice."""
    net = graph.to_networkx()
    keys = [key for *_, key in net.edges(keys=True) if "." not in key]
    assert sorted([*net, *keys]) == sorted(graph.elements)
    for element in net:
        through = sum(1 for _ in graph.ends(element))
        assert net.degree(element) == through
