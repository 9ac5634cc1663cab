# ruff: noqa: E501 - RDL texts are easier to read unbroken
"""Splitting a request between providers, and getting it back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdl_requests import splits

from rdl.federation.merge import merge
from rdl.federation.partition import (
    Crossing,
    End,
    PartitionError,
    Plan,
    crossing,
    divide,
    partition,
)
from rdl.graph import Constraint, ConstraintKind, Interface, Range
from rdl.language.dump import dump
from rdl.language.load import load_graph

SHOP = load_graph("""
rdl: 1
graph: shop
nodes:
  web: {cpu: 2, memory: 2GiB, arch: [x86_64, aarch64]}
  db: {cpu: 4, memory: 8GiB, provider: munich}
links:
  web-db: {ends: [web, db], bandwidth: 50Mbps, latency: {max: 10ms}, addresses: [10.0.0.1/24, 10.0.0.2/24]}
constraints:
  - {same: arch, of: [web, db]}
""")
T1 = Crossing("t1", 2001, End("berlin", "berlin.t1"), End("munich", "munich.t9"))
PLAN = Plan(
    placement={"web": "berlin", "db": "munich"},
    crossings={"web-db": (T1,)},
    latency={"web-db": divide(0.01, ("berlin", "munich"), 0.004)},
)


def test_a_part_is_as_the_contract_shows_it():
    """The local segment, the transit stub with end point and tag, the neighbour; word for word."""
    assert (
        dump(partition(SHOP, PLAN)["berlin"])
        == """\
rdl: 1
graph: shop
layer: overlay
elements:
  - id: web
    type: /node/host/generic
    resources: {cpu: 2, memory: 2147483648}
    features: {arch: [x86_64, aarch64]}
    interfaces: [{id: web.web-db, features: {address: 10.0.0.1/24}}]
  - id: web-db
    type: /link/generic
    resources: {bandwidth: 50000000}
    features: {latency: {max: 0.003}}
    interfaces: [web-db.0, web-db.1]
  - id: _t1-web-db
    type: /link/transit
    resources: {bandwidth: 50000000}
    features: {vlan: 2001, endpoint: berlin.t1}
    interfaces: [_t1-web-db.0, _t1-web-db.1]
  - id: _munich
    type: /node/host/pip
    interfaces: [_munich.0]
connections:
  - [web.web-db, web-db.0]
  - [web-db.1, _t1-web-db.0]
  - [_t1-web-db.1, _munich.0]
constraints:
  - {id: c0, same: arch, of: [web], elsewhere: 1}
"""
    )


@given(splits())
@settings(max_examples=80)
def test_partition_then_merge_gives_the_graph_back(split):
    """Whatever the request, however it is split."""
    overlay, plan = split
    assert merge(overlay, partition(overlay, plan)) == overlay


@given(splits())
@settings(max_examples=40)
def test_every_part_is_a_document(split):
    """Parts load, hold each VNode once, and their stubs name the end point of their own provider."""
    overlay, plan = split
    parts = partition(overlay, plan, name="cn-1")
    seen = []
    for provider, part in parts.items():
        assert load_graph(dump(part)) == part
        assert part.name == "cn-1"
        seen += [n.id for n in part.nodes() if not n.is_stub]
        for stub in (e for e in part.links() if e.is_stub):
            assert str(stub.features["endpoint"]).startswith(provider + ".")
    assert sorted(seen) == sorted(n.id for n in overlay.nodes())


@given(splits())
@settings(max_examples=40)
def test_shares_of_a_bound_never_exceed_it(split):
    """The segments' bounds of one VLink sum up to no more than its own."""
    overlay, plan = split
    parts = partition(overlay, plan)
    for link in overlay.links():
        bound = link.features.get("latency")
        pieces = [p.elements[link.id] for p in parts.values() if link.id in p.elements]
        if isinstance(bound, Range) and bound.max is not None and len(pieces) > 1:
            total = sum(p.features["latency"].max for p in pieces)
            assert total <= bound.max * (1 + 1e-9)


def test_a_provider_in_between_gets_a_segment_between_two_transits():
    """It hosts no VNode and carries the VLink on."""
    t2 = Crossing("t2", 2002, End("munich", "munich.t2"), End("paris", "paris.t1"))
    plan = Plan(
        {"web": "berlin", "db": "paris"},
        {"web-db": (T1, t2)},
        {"web-db": dict.fromkeys(("berlin", "munich", "paris"), 0.002)},
    )
    part = partition(SHOP, plan)["munich"]
    assert list(part.elements) == ["web-db", "_t1-web-db", "_t2-web-db", "_berlin", "_paris"]
    assert part.neighbours("web-db") == ("_t1-web-db", "_t2-web-db")
    assert load_graph(dump(part)) == part


def test_a_tree_has_a_stub_for_each_branch():
    """A multi-point VLink over three providers: the middle one joins two transits and its VNode."""
    lan = load_graph(
        "rdl: 1\ngraph: g\nnodes: {a: {}, b: {}, c: {}}\nlinks: {lan: {ends: [a, b, c], bandwidth: 5Mbps}}"
    )
    ends = {"a": "berlin", "b": "munich", "c": "paris"}
    t2 = Crossing("t2", 2002, End("munich", "munich.t2"), End("paris", "paris.t1"))
    parts = partition(lan, Plan(ends, {"lan": (T1, t2)}))
    assert sorted(parts["munich"].neighbours("lan")) == ["_t1-lan", "_t2-lan", "b"]
    assert parts["paris"].neighbours("lan") == ("_t2-lan", "c")
    assert merge(lan, parts) == lan


def test_stubs_of_a_request_that_is_itself_partial_are_passed_on():
    """A VNP under a VNP: the stub goes to the provider where its end point lies."""
    incoming = partition(SHOP, PLAN)["berlin"]  # now a VNP called berlin splits its part
    inner = Crossing("i1", 3001, End("mitte", "mitte.x"), End("wedding", "wedding.x"))
    plan = Plan(
        {"web": "mitte"},
        {"web-db": (inner,)},
        {"web-db": {"mitte": 0.001, "wedding": 0.002}},
        stubs={"_t1-web-db": End("wedding", "wedding.out")},
    )
    parts = partition(incoming, plan)
    out = parts["wedding"]
    assert out.elements["_t1-web-db"].features == {"vlan": 2001, "endpoint": "wedding.out"}
    assert sorted(out.neighbours("web-db")) == ["_i1-web-db", "_t1-web-db"]
    assert out.neighbours("_t1-web-db") == ("web-db", "_munich")
    assert parts["mitte"].constraints == (
        Constraint(ConstraintKind.SAME, ("web",), feature="arch", id="c0", elsewhere=1),
    )
    assert all(load_graph(dump(part)) == part for part in parts.values())
    assert merge(incoming, parts) == incoming


@given(splits(), st.data())
@settings(max_examples=40)
def test_parts_split_again_come_back(split, data):
    """Brokers under brokers: every part is a request like any other, stubs and all."""
    overlay, plan = split
    parts = partition(overlay, plan)
    again = {}
    for provider, part in parts.items():
        below = (f"{provider}-east", f"{provider}-west")
        below_plan = resplit(part, below, data)
        inner = partition(part, below_plan)
        assert all(load_graph(dump(piece)) == piece for piece in inner.values())
        again[provider] = merge(part, inner) if inner else part
    assert again == parts
    assert merge(overlay, again) == overlay


def resplit(part, below, data):
    """A plan that splits a partial graph over two providers, its stubs wherever they fall."""
    sides = st.sampled_from(below)
    placement = {n.id: data.draw(sides) for n in part.nodes() if not n.is_stub}
    stubs = {e.id: End(side := data.draw(sides), f"{side}.x") for e in part.links() if e.is_stub}
    where = {**placement, **{i: end.provider for i, end in stubs.items()}}
    crossings, latency = {}, {}
    for link in part.links():
        homes = {where[n] for n in part.neighbours(link.id) if n in where}
        if link.is_stub or len(homes) < 2:
            continue
        ends = [End(side, f"{side}.y") for side in below]
        crossings[link.id] = (Crossing("inner", 3000, *ends),)
        bound = link.features.get("latency")
        if isinstance(bound, Range) and bound.max is not None:
            latency[link.id] = divide(bound.max, below)
    return Plan(placement, crossings, latency, stubs)


def test_merge_brings_back_what_providers_chose():
    """Values, provenance and interfaces of the answers; the bound as it was."""
    parts = partition(SHOP, PLAN)
    web = parts["berlin"].elements["web"]
    settled = replace(
        web,
        features={**web.features, "arch": "aarch64"},
        chosen={"arch": "pip:berlin"},
        interfaces=(Interface("web.web-db", {"mac": "02:00:00:00:00:01"}),),
    )
    answer = replace(parts["berlin"], elements={**parts["berlin"].elements, "web": settled})
    whole = merge(SHOP, {**parts, "berlin": answer})
    assert whole.elements["web"] == settled
    assert whole.elements["web-db"] == SHOP.elements["web-db"]
    assert whole.elements["db"].features["provider"] == "munich"


def test_constraints_say_to_each_provider_what_concerns_it():
    """Whole ones as they are, cut ones with id and `elsewhere`, settled ones not at all."""
    graph = load_graph("""
rdl: 1
graph: g
nodes: {a: {}, b: {}, c: {}, d: {}}
constraints:
  - {same: arch, of: [a, b]}
  - {id: far, different: site, of: [a, b, c]}
  - {apart: [a, c]}
  - {apart: [a, b, c]}
  - {together: [a, b]}
  - {apart: [a, c], by: provider}
  - {on: [berlin, /node/host/server/xen], of: [a, c]}
  - {not_on: [munich], of: [a, c]}
  - {not_on: [/node/host/server/xen], of: [a, d]}
""")
    parts = partition(graph, Plan({"a": "berlin", "b": "berlin", "c": "munich", "d": "munich"}))
    kind = ConstraintKind
    assert parts["berlin"].constraints == (
        Constraint(kind.SAME, ("a", "b"), feature="arch"),
        Constraint(kind.DIFFERENT, ("a", "b"), feature="site", id="far", elsewhere=1),
        Constraint(kind.APART, ("a", "b"), id="c3", elsewhere=1),
        Constraint(kind.TOGETHER, ("a", "b")),
        Constraint(kind.NOT_ON, ("a",), targets=("/node/host/server/xen",)),
    )
    assert parts["munich"].constraints == (
        Constraint(kind.DIFFERENT, ("c",), feature="site", id="far", elsewhere=2),
        Constraint(kind.ON, ("c",), targets=("/node/host/server/xen",)),
        Constraint(kind.NOT_ON, ("d",), targets=("/node/host/server/xen",)),
    )


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan({"web": "berlin"}), "db is placed at no provider"),
        (Plan(PLAN.placement, {}, PLAN.latency), "don't reach munich"),
        (Plan(PLAN.placement, PLAN.crossings), "has no share for berlin"),
    ],
)
def test_a_plan_that_does_not_hold_together(plan, words):
    """Told, not guessed."""
    with pytest.raises(PartitionError, match=words):
        partition(SHOP, plan)


def test_parts_that_miss_an_element():
    """Merge does not invent."""
    parts = partition(SHOP, PLAN)
    with pytest.raises(PartitionError, match="db is in no part"):
        merge(SHOP, {"berlin": parts["berlin"]})


def test_bounds_the_transits_exceed():
    """Nothing is left to divide."""
    with pytest.raises(PartitionError, match="at most"):
        divide(0.01, ("berlin",), 0.02)


def test_a_crossing_from_a_brokers_substrate():
    """The end points at both sides, as the providers show them."""
    substrate = load_graph("""
rdl: 1
graph: broker
layer: underlay
nodes:
  berlin: {type: /node/host/pip, interfaces: [berlin.t1]}
  munich: {type: /node/host/pip, interfaces: [munich.t9]}
links:
  t1: {type: /link/transit/openvpn, ends: [berlin.t1, munich.t9]}
""")
    assert crossing(substrate, "t1", 2001) == T1


def test_long_ids_give_valid_stubs():
    """An id never grows beyond 63 characters, and stubs of different VLinks stay different."""
    long = "x" * 62
    text = "rdl: 1\ngraph: g\nnodes: {a: {}, b: {}}\nlinks:\n"
    text += "".join(f"  {long}{i}: {{ends: [a, b]}}\n" for i in "12")
    graph = load_graph(text)
    plan = Plan({"a": "berlin", "b": "munich"}, {f"{long}{i}": (T1,) for i in "12"})
    parts = partition(graph, plan)
    assert len([e for e in parts["berlin"].links() if e.is_stub]) == 2
    assert all(load_graph(dump(part)) == part for part in parts.values())
