"""Requests of other shapes: multi-point, placed by constraint, nested, many at once."""

from __future__ import annotations

import concurrent.futures

import pytest
from fakes import world
from fakes.loopback import Loopback
from fakes.shells import Fabric
from fakes.world import (
    BROKER,
    PART,
    SPLIT,
    TIMING,
    FakeClock,
    Federation,
    Machine,
    provider,
    request,
    settle,
)

from cloudnet_sdn.model.settings import parse
from cloudnet_sdn.store import tags
from cloudnet_sdn.wire.faults import TooLarge
from cloudnet_sdn.wire.identity import Caller, Kind
from rdl.language.load import load_graph

LAN = """\
rdl: 1
graph: lan
nodes:
  a: {cpu: 1}
  b: {cpu: 1}
  c: {cpu: 1}
links:
  lan: {ends: [a, b, c], bandwidth: 5Mbps}
constraints:
  - {apart: [a, b]}
"""


def test_a_multi_point_vlink_joins_all_its_ends(pip):
    offer = request(pip, LAN)
    assert offer["state"] == "held", offer["reasons"]
    fabric = Fabric([pip.site])
    assert fabric.reached(("a", "lan")) == {("b", "lan"), ("c", "lan")}


def test_a_multi_point_vlink_joins_all_its_ends_across_providers(federation):
    graph = LAN.replace("a: {cpu: 1}", "a: {cpu: 1, site: berlin}").replace(
        "c: {cpu: 1}", "c: {cpu: 1, site: munich}"
    )
    offer = request(federation.vnp, graph)
    assert offer["state"] == "held", offer["reasons"]
    assert federation.fabric().reached(("a", "lan")) == {("b", "lan"), ("c", "lan")}


@pytest.mark.parametrize(
    "where", ["{on: [munich], of: [a, b, c]}", "{together: [a, b, c], by: provider}"]
)
def test_a_broker_places_by_provider(federation, where):
    graph = LAN.replace("{apart: [a, b]}", where)
    offer = request(federation.vnp, graph)
    assert offer["state"] == "held", offer["reasons"]
    sites = [
        p.site for p in federation.pips.values() if any(a.vnodes for a in p.site.agents.values())
    ]
    assert len(sites) == 1
    if "munich" in where:
        assert sites == [federation.munich.site]


def test_a_host_is_no_place_for_tenants_to_name(pip):
    named = LAN.replace("{apart: [a, b]}", "{on: [sn1], of: [a]}")
    missing = LAN.replace("{apart: [a, b]}", "{on: [nowhere], of: [a]}").replace("lan", "lan2", 1)
    first, second = request(pip, named), request(pip, missing, "r2")
    assert first["state"] == second["state"] == "refused"
    assert [r["code"] for r in first["reasons"]] == ["unknown-target"]
    assert [r["text"].replace("sn1", "X") for r in first["reasons"]] == [
        r["text"].replace("nowhere", "X") for r in second["reasons"]
    ]


@pytest.mark.parametrize(
    ("where", "state"),
    [("{on: [berlin], of: [a]}", "held"), ("{not_on: [berlin], of: [a]}", "refused")],
)
def test_a_provider_is_a_place_that_its_callers_may_name(pip, where, state):
    offer = request(pip, LAN.replace("{apart: [a, b]}", where))
    assert offer["state"] == state, offer["reasons"]
    assert {r["code"] for r in offer["reasons"]} <= {"constraint"}
    constraints = load_graph(offer["graph"]).constraints
    assert [c.targets for c in constraints] == [("berlin",)]


@pytest.mark.parametrize(
    ("where", "codes"),
    [
        ("{on: [vnp], of: [a]}", []),
        ("{not_on: [vnp], of: [a]}", ["constraint"]),
        ("{not_on: [munich], of: [a]}", []),
        ("{on: [tr], of: [a]}", ["unknown-target"]),
        ("{not_on: [tr], of: [a]}", ["unknown-target"]),
        ("{on: [nowhere], of: [a]}", ["unknown-target"]),
        ("{on: [b-sn1], of: [a]}", ["unknown-target"]),
    ],
)
def test_a_brokers_places_are_itself_and_its_providers(federation, where, codes):
    offer = request(federation.vnp, LAN.replace("{apart: [a, b]}", where))
    assert sorted({r["code"] for r in offer["reasons"]}) == codes
    assert offer["state"] == ("refused" if codes else "held")


@pytest.mark.parametrize("kind", ["/node/bridge/tunnel", "/node/switch/openflow", "/node/switch"])
def test_a_vnode_stands_on_nothing_but_a_host(pip, kind):
    offer = request(pip, LAN.replace("a: {cpu: 1}", f"a: {{type: {kind}}}"))
    assert offer["state"] == "refused"
    assert [(r["element"], r["code"]) for r in offer["reasons"]] == [("a", "type")]


def test_a_vnode_of_any_type_goes_to_a_host(pip):
    offer = request(pip, LAN.replace("a: {cpu: 1}", "a: {type: /node/generic}"))
    assert offer["state"] == "held", offer["reasons"]
    assert sum(len(agent.vnodes) for agent in pip.site.agents.values()) == 3


def test_a_document_that_is_too_large_is_413(pip):
    with pytest.raises(TooLarge):
        request(pip, LAN + "#" * (16 * 2**20))


def test_a_part_ends_at_the_transit_end_point_with_the_told_tag(pip):
    offer = request(pip, PART, caller=BROKER)
    assert offer["state"] == "held", offer["reasons"]
    assert list(pip.site.agents["tbr"].admitted.values()) == [("t1", 2001)]
    assert ("tunnel", "t1", 2001) in Fabric([pip.site])._root


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("vlan: 2001", "vlan: 2077"), "policy"),
        (("berlin.t1", "berlin.t9"), "unknown-target"),
    ],
)
def test_an_end_point_takes_what_is_granted_alone(pip, change, code):
    offer = request(pip, PART.replace(*change), caller=BROKER)
    assert [r["code"] for r in offer["reasons"]] == [code]


def test_a_stranger_may_not_end_at_anothers_end_point(pip):
    offer = request(pip, PART)
    assert [r["code"] for r in offer["reasons"]] == ["unknown-target"]


def test_a_told_tag_in_use_is_vlan_taken(pip):
    assert request(pip, PART, caller=BROKER)["state"] == "held"
    offer = request(pip, PART.replace("graph: part", "graph: other"), "r2", caller=BROKER)
    assert [(r["element"], r["code"]) for r in offer["reasons"]] == [("web-db", "vlan-taken")]


def test_brokers_stand_where_providers_stand(tmp_path, clock):
    """Three levels: a service provider over the broker over its providers."""
    below = Federation(tmp_path, clock)
    wire = Loopback(below.vnp.role.service, Caller(Kind.ROLE, "sp"))
    table = {
        "kind": "vnp",
        "name": "sp",
        "api": {"listen": "127.0.0.1:0"},
        "store": {"url": world.databases.url(tmp_path, "sp")},
        "pip": [{"name": "vnp", "url": "http://vnp/RPC2"}],
        "timing": TIMING,
    }
    top = Machine(parse(table, tmp_path), clock, {"http://vnp/RPC2": wire})
    graph = LAN.replace("a: {cpu: 1}", "a: {cpu: 1, site: berlin}").replace(
        "c: {cpu: 1}", "c: {cpu: 1, site: munich}"
    )
    offer = request(top, graph)
    assert offer["state"] == "held", offer["reasons"]
    assert below.fabric().reached(("a", "lan")) == {("b", "lan"), ("c", "lan")}
    assert top.call("negotiation.confirm", offer["offer"])["state"] == "confirmed"
    top.call("provisioning.start", "lan", ["a"])
    settle((top, below.vnp, below.berlin, below.munich))
    assert top.call("provisioning.status", "lan")["a"] == "running"
    assert load_graph(offer["graph"]).elements["a"].chosen["arch"] == "pip:berlin"
    top.call("negotiation.release", "lan")
    settle((top, below.vnp, below.berlin, below.munich))
    assert below.empty()
    top.stop()
    below.stop()


def broker(folder, name, clock, peers, *, transits=(), grants=()) -> Machine:
    """A broker over machines that are there already."""
    me = Caller(Kind.ROLE, name)
    table = {
        "kind": "vnp",
        "name": name,
        "api": {"listen": "127.0.0.1:0"},
        "store": {"url": world.databases.url(folder, name)},
        "pip": [{"name": n, "url": f"http://{n}/RPC2"} for n in peers],
        "transit": list(transits),
        "grant": list(grants),
        "timing": TIMING,
    }
    wires = {f"http://{n}/RPC2": Loopback(m.role.service, me) for n, m in peers.items()}
    return Machine(parse(table, folder), clock, wires)


def test_a_transit_leads_through_a_broker_to_its_providers_end_point(tmp_path, clock):
    """`sp` joins `mid.t1`, which is Berlin's, to Munich's own."""

    def grant(caller: str, last: int) -> dict[str, object]:
        span = {"min": 2000, "max": last}
        return {"caller": f"cloudnet:role:{caller}", "endpoint": "t1", "vlan": span}

    berlin = provider(
        tmp_path, "berlin", "munich", "b", clock, settings={"grant": [grant("mid", 2049)]}
    )
    munich = provider(
        tmp_path, "munich", "berlin", "a", clock, settings={"grant": [grant("sp", 2049)]}
    )
    mid = broker(tmp_path, "mid", clock, {"berlin": berlin}, grants=[grant("sp", 2009)])
    transit = {"id": "tr", "ends": ["mid.t1", "munich.t1"]}
    top = broker(tmp_path, "sp", clock, {"mid": mid, "munich": munich}, transits=[transit])
    machines = (top, mid, berlin, munich)
    offer = request(top, SPLIT)
    assert offer["state"] == "held", offer["reasons"]
    fabric = Fabric([berlin.site, munich.site])
    assert fabric.reached(("app", "app-db")) == {("db", "app-db")}
    assert fabric.reached(("web", "web-db")) == {("db", "web-db")}
    tags_used = {tag for _, tag in berlin.site.agents["tbr"].admitted.values()}
    assert tags_used <= set(range(2000, 2010))
    assert top.call("negotiation.confirm", offer["offer"])["state"] == "confirmed"
    top.call("negotiation.release", "shop")
    settle(machines)
    assert berlin.site.empty()
    assert munich.site.empty()
    for machine in machines:
        machine.stop()


def test_of_many_at_once_no_more_are_held_than_fit(pip):
    """Sixteen cores, three per request, and nobody waits for anybody."""
    nodes = "nodes:\n  a: {{cpu: 2}}\n  b: {{cpu: 1}}\n"
    graph = f"rdl: 1\ngraph: g{{n}}\n{nodes}links:\n  l: {{{{ends: [a, b]}}}}\n"

    def ask(n: int) -> str:
        state: str = request(pip, graph.format(n=n), f"r{n}")["state"]
        return state

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        states = list(pool.map(ask, range(10)))
    assert states.count("held") == 5
    assert states.count("refused") == 5
    for agent in pip.site.agents.values():
        assert sum(v.spec.cpu for v in agent.vnodes.values()) <= 8
    with pip.role.store.read() as conn:
        assert sum(len(t) for t in tags.taken(conn).values()) >= 5


def test_the_clock_of_a_hold_is_the_roles(tmp_path):
    clock = FakeClock()
    made = Federation(tmp_path, clock)
    offer = request(made.vnp, LAN, hold_s=30)
    assert offer["expires_in"] == pytest.approx(30)
    clock.advance(10)
    assert made.vnp.call("negotiation.offer", offer["offer"])["expires_in"] == pytest.approx(20)
    made.stop()
