"""An element that is gone for good: nothing waits for it, and what returns is a stranger."""

from __future__ import annotations

import pytest
from fakes.world import OPERATOR, PAIR, SPLIT, request

from cloudnet_sdn.wire.faults import Forbidden, NotFound

NEAR = PAIR.replace("apart: [web, db]", "together: [web, db]")


def host_of(pip, vnode: str) -> str:
    return next(
        h for h, a in pip.site.agents.items() if any(k.endswith(f".{vnode}") for k in a.vnodes)
    )


def test_what_waits_for_a_dead_host_ends_with_an_operators_word(pip, clock):
    offer = request(pip, PAIR)
    pip.call("negotiation.confirm", offer["offer"])
    host = host_of(pip, "web")
    wire = pip.peers[f"http://berlin.{host}/RPC2"]
    wire.down = True
    pip.call("negotiation.release", "pair")
    for _ in range(5):
        pip.busy()
        clock.advance(86400)
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "releasing"
    usage = pip.call("operator.usage", caller=OPERATOR)
    assert usage[host]["cpu"]["used"] == 2
    done = pip.call("operator.forget", host, caller=OPERATOR)
    assert done == {"element": host, "forgotten": 1}
    pip.settle()
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "released"
    usage = pip.call("operator.usage", caller=OPERATOR)
    assert usage[host]["cpu"]["used"] == 0
    again = request(pip, NEAR, "r2")
    assert again["state"] == "held"
    assert host_of(pip, "db") != host or host_of(pip, "web") == host


def test_what_returns_is_a_stranger_and_removed(pip, clock):
    offer = request(pip, PAIR)
    pip.call("negotiation.confirm", offer["offer"])
    host = host_of(pip, "web")
    wire = pip.peers[f"http://berlin.{host}/RPC2"]
    wire.down = True
    pip.call("negotiation.release", "pair")
    pip.call("operator.forget", host, caller=OPERATOR)
    pip.settle()
    assert pip.site.agents[host].vnodes
    wire.down = False
    pip.settle()
    clock.advance(60)
    pip.settle()
    assert pip.site.empty()


def test_a_cloudnet_that_stands_loses_what_was_there_and_can_be_released(pip):
    offer = request(pip, PAIR)
    pip.call("negotiation.confirm", offer["offer"])
    host = host_of(pip, "web")
    pip.peers[f"http://berlin.{host}/RPC2"].down = True
    assert pip.call("operator.forget", host, caller=OPERATOR)["forgotten"] == 0
    pip.settle()
    assert pip.call("negotiation.status", "pair")["state"] == "degraded"
    pip.call("negotiation.release", "pair")
    pip.settle()
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "released"


def test_a_forgotten_element_carries_nothing_new_until_it_is_undrained(pip):
    pip.call("operator.forget", "sn1", caller=OPERATOR)
    pip.call("operator.forget", "sn1", caller=OPERATOR)
    assert request(pip, PAIR)["state"] == "refused"
    pip.call("operator.undrain", "sn1", caller=OPERATOR)
    assert request(pip, PAIR, "r2")["state"] == "held"


def test_a_switch_is_forgotten_by_the_controller_that_waits_for_it(pip):
    offer = request(pip, PAIR)
    pip.call("negotiation.confirm", offer["offer"])
    dpid = "00000000000000b1"
    pip.site.controller.away.add(dpid)
    pip.call("negotiation.release", "pair")
    for _ in range(3):
        pip.busy()
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "releasing"
    pip.call("operator.forget", "sw1", caller=OPERATOR)
    pip.settle()
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "released"


def test_a_provider_that_is_gone_is_forgotten_by_its_broker(federation):
    vnp = federation.vnp
    offer = request(vnp, SPLIT)
    vnp.call("negotiation.confirm", offer["offer"])
    federation.wires["munich"].down = True
    vnp.call("negotiation.release", "shop")
    vnp.call("operator.forget", "munich", caller=OPERATOR)
    vnp.settle()
    assert vnp.call("negotiation.status", offer["cloudnet"])["state"] == "released"


def test_forgetting_is_for_operators_and_for_what_there_is(pip):
    with pytest.raises(Forbidden):
        pip.call("operator.forget", "sn1")
    with pytest.raises(NotFound):
        pip.call("operator.forget", "sn9", caller=OPERATOR)
