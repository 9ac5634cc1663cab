"""Which "no" is the last word, and which offers are too late."""

from __future__ import annotations

import time

import pytest
from fakes.world import PAIR, SPLIT, request

from cloudnet_sdn.wire.faults import Busy, Conflict, Gone


def test_what_was_lost_is_made_again_though_its_host_refused_once(pip):
    offer = request(pip, PAIR, start=True)
    pip.call("negotiation.confirm", offer["offer"])
    pip.settle()
    host = next(h for h, a in pip.site.agents.items() if any(k.endswith(".web") for k in a.vnodes))
    pip.site.agents[host].vnodes.clear()
    wire = pip.peers[f"http://berlin.{host}/RPC2"]
    wire.refused["vnode.put"] = Conflict("the port's name is in use")
    for _ in range(4):
        pip.role.reconciler.tick()
        pip.role.reconciler.wait_for_inventory()
        pip.clock.advance(3)
        time.sleep(0.05)
    assert pip.call("negotiation.status", "pair")["state"] == "degraded"
    events = [e["event"] for e in pip.call("negotiation.history", "pair")]
    assert events.count("refused") == 1
    wire.refused.clear()
    pip.settle()
    assert pip.call("provisioning.status", "pair") == {"web": "running", "db": "running"}


def test_an_offer_is_never_held_with_no_time_left(federation):
    wire = federation.wires["munich"]
    call = wire.call

    def slow(method, *args, timeout_s=None):
        answer = call(method, *args, timeout_s=timeout_s)
        if method == "negotiation.request":
            federation.clock.advance(400)
        return answer

    wire.call = slow
    offer = request(federation.vnp, SPLIT, hold_s=5.0)
    assert offer["state"] == "refused"
    assert "timeout" in {r["code"] for r in offer["reasons"]}
    wire.call = call
    federation.settle()
    assert federation.empty()
    with pytest.raises((Conflict, Gone)):
        federation.vnp.call("negotiation.confirm", offer["offer"])


def test_a_provider_s_quota_is_a_refusal_and_not_somebody_away(federation):
    wire = federation.wires["munich"]
    wire.refused["negotiation.request"] = Busy("you may have 1 CloudNets at a time", 60.0)
    offer = request(federation.vnp, SPLIT)
    assert offer["state"] == "refused"
    assert {r["code"] for r in offer["reasons"]} == {"quota"}
    assert wire.calls.count("negotiation.request") == 1
    wire.refused.clear()
    federation.settle()
    assert federation.empty()
