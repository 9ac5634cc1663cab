# ruff: noqa: E501 - RDL texts are easier to read unbroken
"""What a role shows upward: sums and unions, nothing of its inside."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from rdl_strategies import POOLS, graphs

from rdl.federation.aggregate import aggregate, end_points
from rdl.graph import Amount, Element, Graph, Interface, Layer, Range
from rdl.language.dump import dump
from rdl.language.load import load_graph

BERLIN = load_graph("""
rdl: 1
graph: berlin-inside
layer: underlay
nodes:
  sn1: {type: /node/host/server/kvm, cpu: 8, memory: 16GiB, storage: {amount: 1TB, pool: san}, arch: x86_64, price.cpu: 0.1, currency: EUR}
  sn2: {type: /node/host/server/xen, cpu: 8, memory: 16GiB, storage: {amount: 1TB, pool: san}, arch: [aarch64, x86_64], price.cpu: 0.2, currency: EUR}
  sw1: {type: /node/switch/openflow, vlans: 4000}
  term: {type: /node/terminals, terminals: 12}
  tbr1: {type: /node/bridge/tunnel, interfaces: [tbr1.up, {id: tbr1.t1, features: {peer: munich, vlan: {min: 2000, max: 2999}, latency: 8ms}, resources: {bandwidth: 1Gbps}}, {id: tbr1.t2, features: {peer: paris, vlan: {min: 2000, max: 2999}}}]}
links:
  a: {type: /link/ethernet, ends: [sn1, sw1], bandwidth: 1Gbps}
  b: {type: /link/ethernet, ends: [sn2, sw1], bandwidth: 1Gbps}
  c: {type: /link/ethernet, ends: [tbr1.up, sw1], bandwidth: 1Gbps}
""")


def test_sums_unions_and_end_points():
    """Free resources with pools counted once, united features, the range granted."""
    used = {("sn1", "cpu"): 3, ("sn2", "storage"): 4e11, ("tbr1.t1", "bandwidth"): 5e7}
    grants = {"tbr1.t1": Range(2000, 2099)}
    shown = aggregate(BERLIN, name="berlin", used=used, grants=grants)
    assert (
        dump(shown)
        == """\
rdl: 1
graph: berlin
layer: underlay
elements:
  - id: berlin
    type: /node/host/pip
    resources: {cpu: 13, memory: 34359738368, storage: 600000000000, terminals: 12}
    features:
      virtualization: [kvm, xen]
      arch: [x86_64, aarch64]
      price.cpu: 0.2
      types: [/node/host/server/kvm, /node/host/server/xen, /node/terminals]
      currency: EUR
    interfaces:
      - {id: berlin.t1, features: {peer: munich, vlan: {min: 2000, max: 2099}, latency: 0.008}, resources: {bandwidth: 950000000}}
"""
    )


def test_what_is_drained_or_down_is_left_out():
    """Its resources, features and end points."""
    shown = aggregate(BERLIN, name="berlin", unavailable=frozenset({"sn1", "tbr1"}))
    element = shown.elements["berlin"]
    assert element.amount("cpu") == 8
    assert element.amount("storage") == 10**12
    assert element.features["virtualization"] == ("xen",)
    assert element.interfaces == ()


def test_without_grants_the_end_points_show_the_substrates_range():
    """All of them."""
    element = aggregate(BERLIN, name="berlin").elements["berlin"]
    assert [i.id for i in element.interfaces] == ["berlin.t1", "berlin.t2"]
    assert end_points(BERLIN, "berlin") == {"berlin.t1": "tbr1.t1", "berlin.t2": "tbr1.t2"}


def test_a_broker_shows_what_it_leaves_unpaired():
    """Providers summed; end points on its transit links stay its own; equal names stay apart."""
    substrate = load_graph("""
rdl: 1
graph: broker
layer: underlay
nodes:
  berlin: {type: /node/host/pip, cpu: 8, types: [/node/host/server/kvm], interfaces: [{id: berlin.t1, features: {peer: munich}}, {id: berlin.out, features: {peer: paris}}]}
  munich: {type: /node/host/pip, cpu: 4, types: [/node/host/server/xen], interfaces: [{id: munich.t9, features: {peer: berlin}}, {id: munich.out, features: {peer: oslo}}]}
links:
  t1: {type: /link/transit/openvpn, ends: [berlin.t1, munich.t9]}
""")
    shown = aggregate(substrate, name="broker").elements["broker"]
    assert shown.amount("cpu") == 12
    assert shown.features["types"] == ("/node/host/server/kvm", "/node/host/server/xen")
    assert "provider" not in shown.features
    assert len(shown.interfaces) == 2
    assert all(re.fullmatch(r"broker\.out-[0-9a-f]{8}", i.id) for i in shown.interfaces)
    assert sorted(end_points(substrate, "broker").values()) == ["berlin.out", "munich.out"]
    without = replace(
        substrate,
        elements={k: v for k, v in substrate.elements.items() if k != "munich"},
        connections=(),
    )
    assert "broker.out" in end_points(without, "broker")


def test_end_points_that_share_an_uplink_share_a_pool_of_another_name():
    """So that the caller cannot count the uplink twice, nor learn what it is called."""
    pool = Amount(1000, "secret-uplink")
    joined = tuple(Interface(f"t.{n}", {"peer": "m"}, {"bandwidth": pool}) for n in ("a", "b"))
    graph = Graph(
        "g", Layer.UNDERLAY, {"t": Element("t", "/node/bridge/tunnel", interfaces=joined)}
    )
    shown = aggregate(graph, name="p", used={("t.a", "bandwidth"): 300}).elements["p"]
    assert [i.resources["bandwidth"] for i in shown.interfaces] == [Amount(700, "p1")] * 2


@given(graphs(layer=Layer.UNDERLAY), st.data())
@settings(max_examples=60)
def test_never_more_than_the_sum_and_no_inner_name(graph, data):
    """For any substrate: what is shown is at most what is there, and names nothing inside."""
    named = {f"inner-{i}": e for i, e in enumerate(graph.elements.values())}
    secret = {e.id: i for i, e in named.items()}
    elements = {secret[e.id]: _renamed(e, secret) for e in graph.elements.values()}
    connections = tuple((_moved(a, secret), _moved(b, secret)) for a, b in graph.connections)
    hidden = replace(graph, elements=elements, connections=connections)
    used = {
        (i, resource): data.draw(st.integers(0, 10))
        for i, e in elements.items()
        for resource in e.resources
    }
    shown = aggregate(hidden, name="top", used=used)
    assert "inner-" not in dump(shown)
    for resource, amount in shown.elements["top"].resources.items():
        holders = [e for e in hidden.nodes() if resource in e.resources]
        alone = sum(
            e.resources[resource].amount for e in holders if e.resources[resource].pool is None
        )
        pools = {e.resources[resource].pool for e in holders} - {None}
        total = alone + sum(POOLS[resource, pool] for pool in pools)
        assert amount.amount <= total * (1 + 1e-9)
    assert load_graph(dump(shown)) == shown


def _moved(interface: str, secret):
    return secret[interface.partition(".")[0]] + "." + interface.partition(".")[2]


def _renamed(element: Element, secret) -> Element:
    joined = tuple(replace(i, id=_moved(i.id, secret)) for i in element.interfaces)
    return replace(element, id=secret[element.id], interfaces=joined)
