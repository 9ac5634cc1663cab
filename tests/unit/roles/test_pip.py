"""One provider: requests held, confirmed, run, released; and what is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from fakes.shells import Fabric
from fakes.world import OPERATOR, OTHER, PAIR, TENANT, request

from cloudnet_sdn.roles.reserving.addresses import mac
from cloudnet_sdn.wire.faults import BadRequest, Conflict, Forbidden, Gone, NotFound
from rdl.language.load import load_graph


def test_a_request_is_embedded_provisionally_and_held(pip):
    offer = request(pip, PAIR)
    assert offer["state"] == "held"
    assert offer["reasons"] == []
    assert pip.site.vnode("web").state == "stopped"
    assert len(pip.site.controller.vlinks) == 1
    assert Fabric([pip.site]).reached(("web", "web-db")) == {("db", "web-db")}
    assert 0 < offer["expires_in"] <= 120
    assert offer["price"] == pytest.approx(0.4)
    assert offer["currency"] == "EUR"
    completed = load_graph(offer["graph"])
    assert completed.elements["web"].features["arch"] == "x86_64"
    assert completed.elements["web"].chosen["arch"] == "pip:berlin"


def test_confirmed_it_runs_on_demand_and_is_released_without_residue(pip):
    offer = request(pip, PAIR)
    confirmed = pip.call("negotiation.confirm", offer["offer"])
    assert confirmed["state"] == "confirmed"
    assert pip.call("negotiation.confirm", offer["offer"])["state"] == "confirmed"
    cloudnet = offer["cloudnet"]
    assert pip.call("negotiation.status", cloudnet)["state"] == "ready"
    assert pip.call("provisioning.start", "pair", [])["cloudnet"] == cloudnet
    pip.settle()
    assert pip.call("provisioning.status", cloudnet) == {"web": "running", "db": "running"}
    status = pip.call("negotiation.status", cloudnet)
    assert status["state"] == "running"
    assert {e: s["state"] for e, s in status["elements"].items()} == {
        "web": "running", "db": "running", "web-db": "up",
    }  # fmt: skip
    pip.call("provisioning.stop", cloudnet, ["db"])
    pip.settle()
    assert pip.call("provisioning.status", cloudnet)["db"] == "stopped"
    assert pip.call("negotiation.release", cloudnet)["state"] in ("releasing", "released")
    pip.settle()
    assert pip.site.empty()
    assert pip.call("negotiation.status", cloudnet)["state"] == "released"
    assert pip.call("negotiation.list") == []
    events = [e["event"] for e in pip.call("negotiation.history", cloudnet)]
    assert events[0] == "requested"
    assert events[-1] == "released"


def test_the_same_request_is_answered_by_the_same_offer(pip):
    first = request(pip, PAIR)
    again = request(pip, PAIR)
    assert again["offer"] == first["offer"]
    shorthand = PAIR.replace("cpu: 2, memory: 1GiB", "memory: 1024MiB, cpu: 2")
    assert request(pip, shorthand)["offer"] == first["offer"]
    with pytest.raises(Conflict):
        request(pip, PAIR.replace("10Mbps", "20Mbps"))


def test_a_name_is_given_once_per_owner(pip):
    request(pip, PAIR)
    with pytest.raises(Conflict, match="pair"):
        request(pip, PAIR, "r2")
    assert request(pip, PAIR, "r2", caller=OTHER)["state"] == "held"
    offer = request(pip, PAIR, "r1")
    pip.call("negotiation.cancel", offer["offer"])
    assert request(pip, PAIR, "r3")["state"] == "held"


def test_an_invalid_graph_is_refused_with_every_error(pip):
    with pytest.raises(BadRequest) as caught:
        request(pip, "rdl: 1\ngraph: x\nnodes:\n  a: {cpu: no}\n  b: {memory: 3lb}\n")
    assert "graph:4:" in str(caught.value)
    assert "graph:5:" in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"hold": 3},
        {"hold_s": 601},
        {"hold_s": True},
        {"wait_s": 61},
        {"until": "tomorrow"},
        {"until": "2001-01-01T00:00:00Z"},
        {"start": 1},
        {"replaces": 3},
    ],
)
def test_unknown_or_wrong_options_are_refused(pip, options):
    with pytest.raises(BadRequest, match="options"):
        request(pip, PAIR, **options)
    assert pip.call("negotiation.list") == []


def test_a_hold_lapses(pip, clock):
    offer = request(pip, PAIR, hold_s=5)
    clock.advance(4)
    pip.settle(quiet=True)
    assert pip.call("negotiation.offer", offer["offer"])["state"] == "held"
    clock.advance(2)
    with pytest.raises(Gone):
        pip.call("negotiation.confirm", offer["offer"])
    pip.settle()
    assert pip.site.empty()
    found = pip.call("negotiation.offer", offer["offer"])
    assert found["state"] == "expired"
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "released"
    with pytest.raises(Gone):
        pip.call("negotiation.confirm", offer["offer"])


def test_a_hold_lapses_unattended(pip, clock):
    request(pip, PAIR, hold_s=5)
    clock.advance(6)
    pip.settle()
    assert pip.site.empty()


def test_a_lease_ends_unless_it_is_renewed(pip, clock):
    offer = request(pip, PAIR, until="2030-01-01T01:00:00Z")
    pip.call("negotiation.confirm", offer["offer"])
    renewed = pip.call("negotiation.renew", "pair", "2030-01-01T02:00:00Z")
    assert renewed["expires"].startswith("2030-01-01T02:00:00")
    clock.advance(3600 + 60)
    pip.settle()
    assert not pip.site.empty()
    clock.advance(3600)
    pip.settle()
    assert pip.site.empty()
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "released"


def test_cancelled_nothing_is_left_and_cancelling_may_be_repeated(pip):
    offer = request(pip, PAIR)
    for _ in range(2):
        assert pip.call("negotiation.cancel", offer["offer"])["state"] == "cancelled"
    assert pip.site.empty()
    with pytest.raises(Conflict):
        pip.call("negotiation.confirm", offer["offer"])


def test_a_release_during_a_hold_ends_it(pip):
    offer = request(pip, PAIR)
    pip.call("negotiation.release", "pair")
    pip.settle()
    assert pip.site.empty()
    assert pip.call("negotiation.offer", offer["offer"])["state"] == "cancelled"


def test_too_much_is_refused_in_figures_of_what_is_shown(pip):
    offer = request(pip, PAIR.replace("cpu: 2", "cpu: 20"))
    assert offer["state"] == "refused"
    assert {r["code"] for r in offer["reasons"]} == {"capacity"}
    told = str(offer["reasons"])
    assert "40 wanted, 16 free" in told
    for inner in ("sn1", "sn2", "sw1", "sw2", "tbr"):
        assert inner not in told
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "failed"
    assert request(pip, PAIR, "r2")["state"] == "held"


def test_room_in_sum_but_not_in_one_place_is_told_without_figures(pip):
    offer = request(pip, PAIR.replace("db: {cpu: 2", "db: {cpu: 10"))
    assert [r["code"] for r in offer["reasons"]] == ["fragmented"]
    assert not any(c.isdigit() for c in offer["reasons"][0]["text"])


def test_what_is_held_is_not_given_twice(pip):
    big = PAIR.replace("cpu: 2", "cpu: 6")
    assert request(pip, big)["state"] == "held"
    assert request(pip, big, "r2", caller=OTHER)["state"] == "refused"
    shown = load_graph(pip.call("negotiation.substrate")).elements["berlin"]
    assert shown.amount("cpu") == 4


def test_the_substrate_is_shown_in_sums_alone(pip):
    text = pip.call("negotiation.substrate")
    graph = load_graph(text)
    assert list(graph.elements) == ["berlin"]
    assert graph.elements["berlin"].amount("cpu") == 16
    assert graph.elements["berlin"].interfaces == ()  # nothing is granted to tenants
    for inner in ("sn1", "sw1", "tbr", "bandwidth"):
        assert inner not in text


def test_what_is_not_the_callers_does_not_exist(pip):
    offer = request(pip, PAIR)
    for method, argument in (
        ("negotiation.offer", offer["offer"]),
        ("negotiation.confirm", offer["offer"]),
        ("negotiation.cancel", offer["offer"]),
        ("negotiation.status", offer["cloudnet"]),
        ("negotiation.release", offer["cloudnet"]),
        ("negotiation.history", offer["cloudnet"]),
        ("provisioning.status", "pair"),
    ):
        with pytest.raises(NotFound):
            pip.call(method, argument, caller=OTHER)
    assert pip.call("negotiation.list", caller=OTHER) == []


def test_operators_see_and_drain_the_substrate_and_nobody_else(pip):
    for method, *args in (
        ("operator.substrate",),
        ("operator.load", "rdl: 1"),
        ("operator.drain", "sn1"),
        ("operator.undrain", "sn1"),
    ):
        with pytest.raises(Forbidden):
            pip.call(method, *args)
    assert "sn1" in load_graph(pip.call("operator.substrate", caller=OPERATOR)).elements
    pip.call("operator.drain", "sn1", caller=OPERATOR)
    assert request(pip, PAIR)["state"] == "refused"
    assert load_graph(pip.call("negotiation.substrate")).elements["berlin"].amount("cpu") == 8
    pip.call("operator.undrain", "sn1", caller=OPERATOR)
    assert request(pip, PAIR, "r2")["state"] == "held"
    with pytest.raises(NotFound):
        pip.call("operator.drain", "sn9", caller=OPERATOR)


def test_a_substrate_that_is_held_is_not_loaded_away(pip):
    offer = request(pip, PAIR)
    text = (
        "rdl: 1\ngraph: berlin\nlayer: underlay\nnodes:\n  x: {type: /node/host/server/namespace}\n"
    )
    answer = pip.call("operator.load", text, caller=OPERATOR)
    assert answer["revision"] == 0
    assert set(answer["breaks"]) == {offer["cloudnet"]}


def test_vnodes_of_one_host_share_a_tag_of_its_bridge(pip):
    near = PAIR.replace("apart", "together")
    assert request(pip, near)["state"] == "held"
    assert request(pip, near, "r2", caller=OTHER)["state"] == "held"
    assert pip.site.controller.vlinks == {}
    vlans = [
        i.vlan
        for a in pip.site.agents.values()
        for v in a.vnodes.values()
        for i in v.spec.interfaces
    ]
    assert len(vlans) == 4
    assert len(set(vlans)) == 2
    assert set(vlans) <= set(range(100, 200))


def test_macs_are_unique(pip):
    for number, caller in enumerate((OTHER, OPERATOR)):
        request(pip, PAIR, f"r{number}", caller=caller)
    macs = [
        i.mac
        for a in pip.site.agents.values()
        for v in a.vnodes.values()
        for i in v.spec.interfaces
    ]
    assert len(set(macs)) == len(macs) == 4


def test_an_agent_that_is_away_is_done_without(pip):
    pip.peers["http://berlin.sn1/RPC2"].down = True
    lonely = PAIR.replace("apart", "together")
    offer = request(pip, lonely)
    assert offer["state"] == "held"
    assert pip.site.agents["sn2"].vnodes
    assert request(pip, PAIR, "r2", caller=OTHER)["state"] == "refused"
    pip.role.reconciler.tick()
    pip.role.reconciler.wait_for_inventory()
    assert load_graph(pip.call("negotiation.substrate")).elements["berlin"].amount("cpu") <= 8
    pip.peers["http://berlin.sn1/RPC2"].down = False
    assert request(pip, PAIR, "r3", caller=OTHER)["state"] == "held"


def test_an_agent_away_at_the_end_is_cleaned_when_it_returns(pip):
    offer = request(pip, PAIR)
    host = next(h for h, a in pip.site.agents.items() if a.vnodes)
    wire = pip.peers[f"http://berlin.{host}/RPC2"]
    wire.down = True
    pip.call("negotiation.cancel", offer["offer"])
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "releasing"
    assert pip.site.agents[host].vnodes
    wire.down = False
    pip.settle()
    assert pip.site.empty()
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "released"


def test_tags_stay_taken_while_a_switch_may_carry_them(pip):
    offer = request(pip, PAIR)
    dpid = next(iter(pip.site.controller.vlinks.values())).ends[0].dpid
    tag = next(iter(pip.site.controller.vlinks.values())).ends[0].vlan
    pip.site.controller.away.add(dpid)
    pip.call("negotiation.cancel", offer["offer"])
    refused = request(pip, PAIR, "r2", caller=OTHER)
    assert refused["state"] == "refused"
    pip.site.controller.away.clear()
    pip.settle()
    assert pip.site.empty()
    assert request(pip, PAIR, "r3", caller=OTHER)["state"] == "held"
    assert next(iter(pip.site.controller.vlinks.values())).ends[0].vlan == tag


def test_status_tells_what_is_seen(pip):
    offer = request(pip, PAIR)
    pip.call("negotiation.confirm", offer["offer"])
    pip.site.controller.broken.update(pip.site.controller.vlinks)
    status = pip.call("negotiation.status", "pair")
    assert status["state"] == "degraded"
    assert status["elements"]["web-db"]["state"] == "failed"
    assert status["elements"]["web-db"]["reason"]
    pip.peers["http://berlin.controller/RPC2"].down = True
    status = pip.call("negotiation.status", "pair")
    assert status["elements"]["web-db"]["state"] == "unknown"
    assert "controller" not in str(status)


def test_what_a_host_lost_is_made_again_and_runs(pip):
    offer = request(pip, PAIR, start=True)
    pip.call("negotiation.confirm", offer["offer"])
    pip.settle()
    host = next(h for h, a in pip.site.agents.items() if a.vnodes)
    pip.site.agents[host].vnodes.clear()
    pip.settle()
    assert pip.site.vnode("web").state == "running"
    assert pip.site.vnode("db").state == "running"


def test_a_powercycle_boots_again(pip):
    offer = request(pip, PAIR, start=True)
    pip.call("negotiation.confirm", offer["offer"])
    pip.settle()
    pip.call("provisioning.powercycle", "pair", ["web"])
    pip.settle()
    assert pip.site.vnode("web").boots == 2
    assert pip.site.vnode("db").boots == 1


def test_vnodes_of_what_is_not_confirmed_cannot_be_started(pip):
    request(pip, PAIR)
    with pytest.raises(Conflict):
        pip.call("provisioning.start", "pair", [])
    with pytest.raises(NotFound):
        pip.call("provisioning.start", "nothing", [])


def test_a_role_says_what_it_is(pip):
    said = pip.call("negotiation.describe")
    assert said["role"] == "pip"
    assert said["name"] == "berlin"
    assert said["api"] == said["rdl"] == 1
    methods = set(pip.call("system.listMethods"))
    assert not methods & {"provisioning.migrate", "operator.apply"}


def test_a_small_wait_answers_while_it_is_working(pip):
    offer = request(pip, PAIR, wait_s=0)
    assert offer["state"] in ("working", "held")
    pip.settle(quiet=True)
    assert pip.call("negotiation.offer", offer["offer"])["state"] == "held"


def test_what_is_seen_to_be_down_carries_nothing_new(pip):
    away = pip.site.substrate.elements["sw2"].features["dpid"]
    pip.site.controller.away.add(away)
    offer = request(pip, PAIR)
    assert offer["state"] == "refused"
    assert "sw2" not in str(offer["reasons"])
    assert request(pip, PAIR.replace("apart", "together"), "r2")["state"] == "held"


def test_macs_tell_nothing_of_others(pip):
    def ask(name, caller):
        graph = PAIR.replace("graph: pair", f"graph: {name}").replace("cpu: 2", "cpu: 0.1")
        found = load_graph(request(pip, graph, name, caller=caller)["graph"])
        macs = [str(i.features["mac"]) for n in found.nodes() for i in n.interfaces]
        return [int(m.replace(":", "")[6:], 16) for m in macs]

    given = [number for n in range(8) for number in ask(f"g{n}", OTHER if n % 2 else TENANT)]
    assert len(set(given)) == 16
    steps = {b - a for a, b in pairwise(given)}
    assert len(steps) > 10


def test_no_two_numbers_come_to_one_mac():
    macs = {mac("berlin", "secret", n) for n in (*range(5000), *range(2**24, 2**24 + 5000))}
    assert len(macs) == 10_000
    assert all(int(m[:2], 16) & 3 == 2 for m in macs)


def test_a_lease_never_becomes_shorter(pip):
    offer = request(pip, PAIR, until="2030-01-01T05:00:00Z")
    pip.call("negotiation.confirm", offer["offer"])
    renewed = pip.call("negotiation.renew", "pair", "2030-01-01T00:10:00Z")
    assert renewed["expires"].startswith("2030-01-01T05:00:00")
