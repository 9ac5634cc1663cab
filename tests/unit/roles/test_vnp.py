"""A broker over two providers: one CloudNet across both, and every way it can fail half-way."""

from __future__ import annotations

import time

import pytest
from fakes.world import BROKER, OPERATOR, SPLIT, request

from cloudnet_sdn.wire.faults import Conflict, Gone
from rdl.language.load import load_graph


def test_a_request_is_held_at_both_providers(federation):
    offer = request(federation.vnp, SPLIT)
    assert offer["reasons"] == []
    assert offer["state"] == "held"
    assert federation.berlin.site.vnode("web").state == "stopped"
    assert federation.munich.site.vnode("db").state == "stopped"
    fabric = federation.fabric()
    assert fabric.reached(("web", "web-db")) == {("db", "web-db")}
    assert fabric.reached(("app", "app-db")) == {("db", "app-db")}
    assert fabric.reached(("web", "web-app")) == {("app", "web-app")}
    assert offer["price"] == pytest.approx(0.3)


def test_a_broker_tells_no_figures_of_a_single_provider(federation):
    """Only the sums it shows: what lies badly between its providers is `fragmented`."""
    graph = "rdl: 1\ngraph: {}\nnodes:\n  a: {{{}}}\n"
    much = request(federation.vnp, graph.format("much", "cpu: 1000"), "r1")
    assert {r["code"] for r in much["reasons"]} == {"capacity"}
    assert much["reasons"][0]["text"] == "cpu: 1000 wanted, 32 free"
    lump = request(federation.vnp, graph.format("lump", "cpu: 20"), "r2")
    assert {r["code"] for r in lump["reasons"]} == {"fragmented"}
    assert not any(c.isdigit() for r in lump["reasons"] for c in r["text"])
    where = request(federation.vnp, graph.format("where", "provider: berlin, arch: mips"), "r3")
    assert "arch" in where["reasons"][0]["text"]
    assert "provider" not in where["reasons"][0]["text"]


def test_started_with_the_confirmation(federation):
    offer = request(federation.vnp, SPLIT, start=True)
    federation.vnp.call("negotiation.confirm", offer["offer"])
    federation.settle()
    assert federation.vnp.call("negotiation.status", "shop")["state"] == "running"
    history = federation.vnp.call("negotiation.history", "shop")
    assert {e["element"] for e in history if e["event"] == "starting"} == {"web", "app", "db"}


def test_it_runs_across_both_and_leaves_nothing(federation):
    vnp = federation.vnp
    offer = request(vnp, SPLIT)
    assert vnp.call("negotiation.confirm", offer["offer"])["state"] == "confirmed"
    status = vnp.call("negotiation.status", "shop")
    assert status["state"] == "ready"
    vnp.call("provisioning.start", "shop", [])
    federation.settle()
    assert vnp.call("provisioning.status", "shop") == dict.fromkeys(["web", "app", "db"], "running")
    status = vnp.call("negotiation.status", "shop")
    assert status["state"] == "running"
    assert status["elements"]["web-db"] == {"state": "up", "reason": ""}
    vnp.call("negotiation.release", "shop")
    federation.settle()
    assert federation.empty()
    assert vnp.call("negotiation.status", offer["cloudnet"])["state"] == "released"


def test_our_hold_ends_before_those_below(federation):
    offer = request(federation.vnp, SPLIT, hold_s=60)
    for pip in (federation.berlin, federation.munich):
        below = pip.call("negotiation.list", caller=federation.wires["berlin"].caller)
        held = pip.call(
            "negotiation.offer",
            f"offer-{below[0]['cloudnet']}",
            caller=federation.wires["berlin"].caller,
        )
        assert held["expires"] > offer["expires"]
        assert held["lease_until"] >= offer["lease_until"]


def test_one_refusal_cancels_all(federation):
    graph = SPLIT.replace("db: {cpu: 1", "db: {cpu: 10")
    offer = request(federation.vnp, graph)
    assert offer["state"] == "refused"
    assert {"element": "db", "code": "fragmented"}.items() <= offer["reasons"][0].items()
    told = str(offer["reasons"])
    for inner in ("sn1", "sn2", "sw1", "sw2", "tbr"):
        assert inner not in told
    federation.settle()
    assert federation.empty()
    assert request(federation.vnp, SPLIT, "r2")["state"] == "held"


def test_a_lost_answer_is_asked_for_again(federation):
    federation.wires["munich"].lost["negotiation.request"] = 1
    offer = request(federation.vnp, SPLIT)
    assert offer["state"] == "held"
    assert (
        len(
            federation.munich.site.agents["sn1"].vnodes
            | federation.munich.site.agents["sn2"].vnodes
        )
        == 1
    )


def test_a_provider_away_at_synchronisation_is_done_without_and_said(federation):
    federation.wires["munich"].down = True
    graph = SPLIT.replace("site: munich", "site: berlin")
    offer = request(federation.vnp, graph)
    assert offer["state"] == "held"
    assert [(r["element"], r["code"]) for r in offer["reasons"]] == [("munich", "peer-away")]
    refused = request(federation.vnp, SPLIT.replace("graph: shop", "graph: other"), "r2")
    assert refused["state"] == "refused"
    assert "peer-away" in {r["code"] for r in refused["reasons"]}


def test_a_provider_that_dies_after_synchronisation_ends_the_request_whole(federation):
    wire = federation.wires["munich"]
    call = wire.call

    def dies(method, *args, timeout_s=None):
        if method == "negotiation.request":
            wire.down = True
        return call(method, *args, timeout_s=timeout_s)

    wire.call = dies
    offer = request(federation.vnp, SPLIT)
    assert offer["state"] == "refused"
    assert "peer-away" in {r["code"] for r in offer["reasons"]}
    assert federation.berlin.site.empty()
    wire.call = call
    federation.restart("munich")
    federation.settle()
    assert federation.empty()


def test_a_provider_killed_while_it_holds_lets_the_hold_lapse(federation, clock):
    offer = request(federation.vnp, SPLIT, hold_s=30)
    federation.restart("munich")
    assert federation.munich.site.vnode("db")
    clock.advance(31)
    federation.settle()
    assert federation.empty()
    with pytest.raises(Gone):
        federation.vnp.call("negotiation.confirm", offer["offer"])


def test_a_provider_killed_between_hold_and_confirm_ends_it_whole(federation, clock):
    offer = request(federation.vnp, SPLIT, hold_s=30)
    federation.wires["munich"].down = True
    confirmed = federation.vnp.call("negotiation.confirm", offer["offer"])
    assert confirmed["state"] == "confirming"
    clock.advance(300)
    federation.munich.settle()  # its hold lapses
    federation.wires["munich"].down = False
    federation.settle()
    final = federation.vnp.call("negotiation.offer", offer["offer"])
    assert final["state"] == "failed"
    assert final["reasons"]
    assert federation.empty()


def test_a_provider_away_past_its_hold_has_failed_for_good(federation, clock):
    offer = request(federation.vnp, SPLIT, hold_s=30)
    federation.wires["munich"].down = True
    assert federation.vnp.call("negotiation.confirm", offer["offer"])["state"] == "confirming"
    clock.advance(300)
    for _ in range(200):
        federation.vnp.role.reconciler.tick()
        federation.berlin.role.reconciler.tick()
        if federation.berlin.site.empty():
            break
        time.sleep(0.05)
    assert federation.berlin.site.empty()
    final = federation.vnp.call("negotiation.offer", offer["offer"])
    assert final["state"] == "failed"
    assert {r["code"] for r in final["reasons"]} == {"peer-away"}
    federation.restart("munich")
    federation.settle()
    assert federation.empty()


def test_a_provider_that_returns_in_time_is_confirmed(federation):
    offer = request(federation.vnp, SPLIT)
    federation.wires["munich"].down = True
    assert federation.vnp.call("negotiation.confirm", offer["offer"])["state"] == "confirming"
    federation.restart("munich")
    federation.settle()
    assert federation.vnp.call("negotiation.offer", offer["offer"])["state"] == "confirmed"
    assert federation.vnp.call("negotiation.status", "shop")["state"] == "ready"


def test_a_lost_confirmation_is_repeated(federation):
    offer = request(federation.vnp, SPLIT)
    federation.wires["munich"].lost["negotiation.confirm"] = 1
    assert federation.vnp.call("negotiation.confirm", offer["offer"])["state"] == "confirmed"


def test_a_release_reaches_a_provider_that_was_away(federation):
    vnp = federation.vnp
    offer = request(vnp, SPLIT)
    vnp.call("negotiation.confirm", offer["offer"])
    federation.wires["munich"].down = True
    vnp.call("negotiation.release", "shop")
    assert vnp.call("negotiation.status", offer["cloudnet"])["state"] == "releasing"
    with pytest.raises(Conflict):
        request(vnp, SPLIT, "r2")
    federation.wires["munich"].down = False
    federation.settle()
    assert federation.empty()


def test_a_tag_in_use_at_a_provider_is_shunned(federation):
    federation.munich.site.agents["tbr"].admit("foreign.x", "t1", 2000)
    with federation.munich.role.store.write() as conn:
        from cloudnet_sdn.store import tags

        tags.reserve(conn, "other", 1, [tags.Reservation("c", 2000, "x")])
    offer = request(federation.vnp, SPLIT)
    assert offer["state"] == "held"
    assert federation.fabric().reached(("app", "app-db")) == {("db", "app-db")}
    used = {v for _, v in federation.berlin.site.agents["tbr"].admitted.values()}
    assert 2000 not in used
    assert len(used) == 2


def test_a_lease_is_renewed_everywhere(federation, clock):
    vnp = federation.vnp
    offer = request(vnp, SPLIT, until="2030-01-01T01:00:00Z")
    vnp.call("negotiation.confirm", offer["offer"])
    vnp.call("negotiation.renew", "shop", "2030-01-01T05:00:00Z")
    clock.advance(2 * 3600)
    federation.settle()
    assert vnp.call("negotiation.status", "shop")["state"] == "ready"
    clock.advance(4 * 3600)
    federation.settle()
    assert federation.empty()


def test_a_provider_that_will_not_renew_is_no_provider_that_is_away(federation):
    vnp = federation.vnp
    offer = request(vnp, SPLIT)
    vnp.call("negotiation.confirm", offer["offer"])
    below = federation.munich.call("negotiation.list", caller=BROKER)[0]["cloudnet"]
    federation.munich.call("negotiation.release", below, caller=OPERATOR)
    before = vnp.call("negotiation.status", "shop")["expires"]
    with pytest.raises(Conflict, match="munich"):
        vnp.call("negotiation.renew", "shop", "2030-01-03T00:00:00Z")
    assert vnp.call("negotiation.status", "shop")["expires"] == before


def test_what_a_provider_does_not_answer_for_is_unknown(federation):
    vnp = federation.vnp
    offer = request(vnp, SPLIT)
    vnp.call("negotiation.confirm", offer["offer"])
    federation.wires["munich"].down = True
    status = vnp.call("negotiation.status", "shop")
    assert status["state"] == "degraded"
    assert status["elements"]["db"]["state"] == "unknown"
    assert status["elements"]["web"]["state"] == "stopped"


def test_a_tunnel_that_is_down_degrades_what_crosses_it(federation):
    vnp = federation.vnp
    offer = request(vnp, SPLIT)
    vnp.call("negotiation.confirm", offer["offer"])
    federation.munich.site.agents["tbr"].tunnel_up = False
    status = vnp.call("negotiation.status", "shop")
    assert status["state"] == "degraded"
    assert status["elements"]["web-db"]["state"] == "degraded"
    assert status["elements"]["web-app"]["state"] == "up"


def test_the_broker_shows_sums_of_its_providers(federation):
    shown = load_graph(federation.vnp.call("negotiation.substrate"))
    assert list(shown.elements) == ["vnp"]
    assert shown.elements["vnp"].amount("cpu") == 32


def test_two_requests_of_one_name_by_two_tenants_do_not_meet(federation):
    from fakes.world import OTHER

    small = SPLIT
    assert request(federation.vnp, small)["state"] == "held"
    assert request(federation.vnp, small, caller=OTHER)["state"] == "held"
