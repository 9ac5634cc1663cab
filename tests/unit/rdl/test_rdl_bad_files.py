# ruff: noqa: E501, ISC004 - RDL texts are easier to read unbroken
"""Each rule broken once: the error has its line, its column, its place and a hint."""

from __future__ import annotations

import pytest
from rdl_bad_files import BAD, Bad

from rdl.errors import MAX_PROBLEMS, DocumentError
from rdl.language.load import load, load_graph, load_mapping


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_broken_rule_is_told_with_its_place(bad: Bad):
    """Exactly the errors expected, at the marks."""
    with pytest.raises(DocumentError) as caught:
        load(bad.clean, source="x.yaml")
    problems = caught.value.problems
    assert [(p.line, p.column) for p in problems] == bad.places, str(caught.value)
    for problem, (where, words) in zip(problems, bad.errors, strict=True):
        assert problem.where.startswith(where)
        assert words in problem.text


def test_names_of_bad_files_are_unique():
    """So that each shows in the report."""
    assert len({bad.name for bad in BAD}) == len(BAD)


def test_all_errors_of_a_file_in_one_run():
    """Many rules broken at once: each is told, in the order of the text."""
    text = """\
rdl: 2
graph: shop
nodez: {}
nodes:
  web: {cpu: no, memry: 2GiB}
  db: {type: host, memory: 8Gb}
links:
  web-db: {ends: [web, web], bandwidth: 50MB}
constraints:
  - {same: arch, of: [web, dbx]}
"""
    with pytest.raises(DocumentError) as caught:
        load(text, source="shop.yaml")
    told = [str(p) for p in caught.value.problems]
    assert [line.split(": ")[0] for line in told] == [
        "shop.yaml:1:6", "shop.yaml:3:1", "shop.yaml:5:14", "shop.yaml:5:18", "shop.yaml:6:14",
        "shop.yaml:6:28", "shop.yaml:8:24", "shop.yaml:8:41", "shop.yaml:10:28",
    ]  # fmt: skip
    assert told[2] == "shop.yaml:5:14: nodes.web.cpu: 'no': not a plain decimal number"


def test_beyond_a_hundred_errors_only_their_number():
    """The first hundred, then how many more."""
    text = "rdl: 1\ngraph: g\nnodes:\n" + "".join(f"  n{i}: {{cpu: no}}\n" for i in range(250))
    with pytest.raises(DocumentError) as caught:
        load(text)
    assert len(caught.value.problems) == MAX_PROBLEMS
    assert caught.value.more == 150
    assert str(caught.value).endswith("... and 150 more")


def test_a_text_from_elsewhere_cannot_forge_lines():
    """Values in messages are quoted and escaped."""
    with pytest.raises(DocumentError) as caught:
        load('rdl: 1\ngraph: g\nnodes: {"a\\nx.yaml:1:1: forged": {cpu: "no\\nforged"}}')
    assert all("\n" not in str(p) for p in caught.value.problems)


def test_the_wrong_kind_of_document():
    """`load_graph` takes no mapping, `load_mapping` no overlay."""
    mapping = "rdl: 1\ngraph: g\nlayer: mapping\nunderlay: u\nmapping: {}\n"
    with pytest.raises(DocumentError, match="this is a mapping"):
        load_graph(mapping)
    with pytest.raises(DocumentError, match="this is an overlay"):
        load_mapping("rdl: 1\ngraph: g\n")
    assert load_mapping(mapping).underlay == "u"


@pytest.mark.parametrize(
    "text",
    [
        "nodes: {a: {gpu: 1, size: big}}",
        "nodes: {a: {features: {memry: 1}}}",
        "nodes: {a: {resources: {gpus: 2}, my.own-thing: [1, x]}}",
        "elements:\n- {id: _t, type: /link/transit, interfaces: [_t.0, _t.1], features: {vlan: 7}}\n"
        "- {id: _m, type: /node/host/pip, interfaces: [_m.0]}\n"
        "- {id: l, type: /link/generic, interfaces: [l.0, l.1]}\n"
        "- {id: a, interfaces: [a.l]}\n"
        "connections: [[a.l, l.0], [l.1, _t.0], [_t.1, _m.0]]",
        "nodes: {a: {}}\nconstraints: [{same: arch, of: [a], elsewhere: 2}]",
        "nodes: {a: {}, b: {}}\nconstraints: [{id: k, on: [h1, /node/host/server], of: [a]}, "
        "{apart: [a, b], by: site}]",
        "layer: underlay\nnodes: {b: {type: /node/host/pip, types: [/node/host/server/kvm], "
        "interfaces: [{id: b.t1, features: {peer: m, vlan: {min: 2, max: 4094}, latency: 8ms}}]}}",
    ],
)
def test_what_the_contract_allows_is_taken(text: str):
    """No error where there is none."""
    load(f"rdl: 1\ngraph: g\n{text}\n")


def test_one_error_hides_no_other_and_is_not_told_twice():
    """What is wrong with one element is no reason to be silent on, or to blame, another."""
    text = """\
rdl: 1
graph: g
elements:
  - {type: /node/host/generic}
  - {id: a, interfaces: [a.0]}
  - {id: l, type: /link/generic, interfaces: [l.0, l.1]}
nodes: {x.y: {cpu: no}, z: 5}
links: {m: 3, k: {ends: [a, q]}}
connections: [[a.0, l.0], [bx.0, l.1]]
constraints: [{apart: [a, nope]}, {apart: [a, z]}]
"""
    with pytest.raises(DocumentError) as caught:
        load(text)
    assert [(p.line, p.where) for p in caught.value.problems] == [
        (4, "elements[0]"),
        (7, "nodes.x.y"),
        (7, "nodes.x.y.cpu"),
        (7, "nodes.z"),
        (8, "links.m"),
        (8, "links.k.ends[1]"),
        (9, "connections[1]"),
        (10, "constraints[0].apart[1]"),
    ]
