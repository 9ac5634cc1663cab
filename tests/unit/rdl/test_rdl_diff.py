"""Differences are values: applied to the one graph they give the other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from rdl_strategies import graphs, mappings

from rdl.compare.diff import DiffError, apply, apply_mapping, diff, diff_mappings
from rdl.compare.report import text, to_data
from rdl.language.fmt import fmt
from rdl.language.load import load_graph, load_mapping

OLD = load_graph("""
rdl: 1
graph: shop
nodes: {web: {cpu: 2, arch: x86_64}, db: {memory: 8GiB}, log: {}}
links: {l: {ends: [web, db], bandwidth: 5Mbps}}
constraints: [{same: arch, of: [web, db]}]
""")
NEW = load_graph("""
rdl: 1
graph: shop
nodes: {web: {cpu: 4}, db: {memory: 8GiB}, cache: {cpu: 1}}
links: {l: {ends: [web, cache], bandwidth: 8Mbps}}
constraints: [{apart: [web, db]}]
""")


@given(graphs(), graphs())
@settings(max_examples=50)
def test_applied_to_a_it_gives_b(a, b):
    """For any two graphs, whatever they share."""
    delta = diff(a, b)
    assert apply(a, delta) == b
    assert bool(delta) == (a != b)
    json.dumps(to_data(delta))
    assert bool(text(delta)) == (a != b)


@given(graphs())
@settings(max_examples=40)
def test_a_graph_does_not_differ_from_itself(graph):
    """Nor from one with an element more, but by that element."""
    assert not diff(graph, graph)
    if not graph.elements:
        return
    identifier, element = next(iter(graph.elements.items()))
    other = replace(element, chosen={}, features={**element.features, "new.feature": 1})
    changed = replace(graph, elements={**graph.elements, identifier: other})
    assert [c.after for c in diff(graph, changed).changed] == [other]


@given(mappings(), mappings())
@settings(max_examples=40)
def test_mappings_too(a, b):
    """For any two mappings."""
    delta = diff_mappings(a, b)
    assert apply_mapping(a, delta) == b
    assert bool(delta) == (a != b) == bool(text(delta))
    json.dumps(to_data(delta))


def test_it_reads_well():
    """A line for each: added, removed, changed, rewired."""
    assert text(diff(OLD, NEW)) == """\
- node log (/node/host/generic)
+ node cache (/node/host/generic) {cpu: 1}
~ web: cpu: 2 -> 4
~ web: arch: x86_64 -> none
~ db: interface db.l: plain -> none
~ l: bandwidth: 5Mbps -> 8Mbps
~ l: rewired: web, db -> web, cache
~ db: rewired: l -> nothing
- constraint {same: arch, of: [web, db]}
+ constraint {apart: [web, db]}
""".replace("~ l: rewired: web, db -> web, cache\n~ db: rewired: l -> nothing\n",
            "~ db: rewired: l -> nothing\n~ l: rewired: web, db -> web, cache\n")  # fmt: skip


def test_moves_of_a_mapping():
    """What moved, from where to where."""
    head = "rdl: 1\ngraph: g\nlayer: mapping\nunderlay: u\n"
    a = load_mapping(head + "mapping: {web: {on: [h1]}, l: {on: [x]}}")
    b = load_mapping(head + "mapping: {web: {on: [h2]}, m: {on: [x]}}")
    assert (
        text(diff_mappings(a, b)) == '~ web: moved: h1 -> h2\n- l: {"on": [x]}\n+ m: {"on": [x]}\n'
    )


def test_a_delta_of_another_graph():
    """Refused."""
    with pytest.raises(DiffError):
        apply(NEW, diff(OLD, NEW))
    head = "rdl: 1\ngraph: g\nlayer: mapping\nunderlay: u\n"
    a, b = (load_mapping(head + f"mapping: {{web: {{on: [{h}]}}}}") for h in ("h1", "h2"))
    with pytest.raises(DiffError):
        apply_mapping(b, diff_mappings(a, b))


@given(graphs())
@settings(max_examples=40)
def test_formatting_is_canonical_and_again_the_same(graph):
    """Comments at the head stay."""
    from rdl.language.dump import dump

    head = "# yaml-language-server: $schema=x.json\n# mine\n"
    formatted = fmt(head + dump(graph))
    assert formatted == head + dump(graph)
    assert fmt(formatted.encode()) == formatted
