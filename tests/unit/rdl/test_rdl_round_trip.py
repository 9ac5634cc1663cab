# ruff: noqa: E501 - RDL texts are easier to read unbroken
"""What is written reads back the same, in either spelling, and other tools read it alike."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rdl_strategies import features, graphs, mappings, resources

from rdl.graph import Amount, Element, Graph, Interface, Layer
from rdl.language.dump import dump, feature_data, inline, to_data
from rdl.language.load import load

SHOP = """
rdl: 1
graph: shop
nodes:
  web: {cpu: 2, memory: 2GiB, arch: [x86_64, aarch64]}
  db:  {type: /node/host/server, cpu: 4, memory: 8GiB, site: {not: [berlin]}}
links:
  web-db: {ends: [web, db], bandwidth: 50Mbps, latency: {max: 10ms}, addresses: [10.0.0.1/24, 10.0.0.2/24]}
constraints:
  - {same: arch, of: [web, db]}
"""
CANONICAL = """\
rdl: 1
graph: shop
layer: overlay
elements:
  - id: web
    type: /node/host/generic
    resources: {cpu: 2, memory: 2147483648}
    features: {arch: [x86_64, aarch64]}
    interfaces: [{id: web.web-db, features: {address: 10.0.0.1/24}}]
  - id: db
    type: /node/host/server
    resources: {cpu: 4, memory: 8589934592}
    features: {site: {not: [berlin]}}
    interfaces: [{id: db.web-db, features: {address: 10.0.0.2/24}}]
  - id: web-db
    type: /link/generic
    resources: {bandwidth: 50000000}
    features: {latency: {max: 0.01}}
    interfaces: [web-db.0, web-db.1]
connections:
  - [web.web-db, web-db.0]
  - [db.web-db, web-db.1]
constraints:
  - {same: arch, of: [web, db]}
"""


def test_the_contracts_shorthand_is_written_as_its_canonical_form():
    """The example of the contract, both spellings, word for word."""
    assert dump(load(SHOP)) == CANONICAL
    assert load(CANONICAL) == load(SHOP)


@given(graphs())
def test_load_of_dump_gives_the_graph_back(graph):
    """For any graph."""
    assert load(dump(graph)) == graph


@given(mappings())
def test_load_of_dump_gives_the_mapping_back(mapping):
    """For any mapping."""
    assert load(dump(mapping)) == mapping


@given(graphs())
@settings(max_examples=40)
def test_dump_is_the_same_again(graph):
    """Canonical text is a fixed point."""
    assert dump(load(dump(graph))) == dump(graph)


@given(graphs())
@settings(max_examples=50)
def test_any_yaml_reader_reads_the_same_values(graph):
    """Nothing that we write is taken for a date, an octal or a boolean elsewhere."""
    assert yaml.safe_load(dump(graph)) == to_data(graph)


@st.composite
def both_spellings(draw):
    """One graph as a value and as shorthand text."""
    nodes = draw(st.lists(st.sampled_from("abcdefg"), min_size=2, unique=True))
    elements = {}
    lines = ["rdl: 1", "graph: g", "nodes:"]
    for node in nodes:
        element = Element(
            node, "/node/host/generic", draw(resources()), draw(features(Layer.OVERLAY))
        )
        elements[node] = element
        lines.append(f"  {node}: {inline(_shorthand(draw, element))}")
    lines.append("links:")
    connections = []
    for number in range(draw(st.integers(1, 3))):
        link = f"l{number}"
        ends = draw(st.lists(st.sampled_from(nodes), min_size=2, max_size=4, unique=True))
        addressed = draw(st.booleans())
        element = Element(link, "/link/generic", draw(resources()), draw(features(Layer.OVERLAY)))
        body = {"ends": ends, **_shorthand(draw, element)}
        addresses = [f"10.{number}.0.{i + 1}/24" for i in range(len(ends))]
        if addressed:
            body["addresses"] = addresses
        for i, end in enumerate(ends):
            found = {"address": addresses[i]} if addressed else {}
            joined = (*elements[end].interfaces, Interface(f"{end}.{link}", found))
            elements[end] = _with(elements[end], joined)
            connections.append((f"{end}.{link}", f"{link}.{i}"))
        own = tuple(Interface(f"{link}.{i}") for i in range(len(ends)))
        elements[link] = _with(element, own)
        lines.append(f"  {link}: {inline(body)}")
    graph = Graph("g", Layer.OVERLAY, elements, tuple(connections))
    return graph, "\n".join(lines) + "\n"


def _with(element, interfaces):
    return Element(element.id, element.type, element.resources, element.features, interfaces)


def _shorthand(draw, element):
    """The element's properties, some guessed by name, some under their section."""
    out = {"resources": {}, "features": {}}
    for name, amount in element.resources.items():
        plain = amount.amount if amount.pool is None else vars_of(amount)
        guessable = name in ("cpu", "memory", "bandwidth") and draw(st.booleans())
        (out if guessable else out["resources"])[name] = plain
    for name, value in element.features.items():
        guessable = name in ("arch", "image", "latency", "x") and draw(st.booleans())
        (out if guessable else out["features"])[name] = feature_data(value)
    return {k: v for k, v in out.items() if v != {}}


def vars_of(amount: Amount):
    return {"amount": amount.amount, "pool": amount.pool}


@given(both_spellings())
def test_shorthand_and_canonical_load_equal(pair):
    """One graph, two spellings."""
    graph, text = pair
    assert load(text) == graph
    assert load(dump(load(text))) == graph


def test_spellings_may_be_mixed():
    """Elements of the canonical spelling, joined by a link of the shorthand."""
    mixed = """
rdl: 1
graph: g
elements:
  - {id: a, interfaces: [a.eth0]}
  - {id: s, type: /link/generic, interfaces: [s.0, s.1]}
nodes:
  b: {interfaces: [b.eth0]}
  c:
links:
  l: {ends: [a, b.eth0, c]}
connections:
  - [a.eth0, s.0]
  - [s.1, b.other]
""".replace("[b.eth0]", "[b.eth0, b.other]")
    graph = load(mixed)
    assert graph.neighbours("l") == ("a", "b", "c")
    assert graph.neighbours("s") == ("a", "b")
    assert [i.id for i in graph.elements["a"].interfaces] == ["a.eth0", "a.l"]


def test_scalars_that_other_readers_mangle_stay_strings():
    """`NO`, octals, MAC addresses, dates: the strings they look like."""
    words = ["NO", "010", "0000000000000012", "12:34:56:12:34:56", "2024-01-01", "1.10.0", "=", "1:30",
             "yes", "~", "True", "1_000", "1e3", "0x1F", ".nan", ".inf", "+1", "5.", ".5"]  # fmt: skip
    lines = "".join(f"    f{i}: {word}\n" for i, word in enumerate(words))
    graph = load(f"rdl: 1\ngraph: g\nnodes:\n  a:\n{lines}")
    assert list(graph.elements["a"].features.values()) == words


def test_numbers_words_and_null_are_what_they_look_like():
    """The only scalars that are no strings."""
    text = (
        "rdl: 1\ngraph: g\nnodes: {a: {b1: true, b2: false, n: null, i: -7, z: 0, f: 1.50, s: '1'}}"
    )
    values = load(text).elements["a"].features
    assert list(values.values()) == [True, False, None, -7, 0, 1.5, "1"]
    assert [type(v) for v in values.values()] == [bool, bool, type(None), int, int, float, str]
