"""What shells lose is made again, for as long as that takes once it has been confirmed."""

from __future__ import annotations

import time

import pytest
from fakes.world import PAIR, request

from cloudnet_sdn.wire.faults import Conflict


@pytest.fixture
def lost(pip):
    """A CloudNet that runs, whose VNode `web` its host has lost; and how the host is reached."""
    offer = request(pip, PAIR, start=True)
    pip.call("negotiation.confirm", offer["offer"])
    pip.settle()
    return lose(pip)


def lose(pip):
    host = next(h for h, a in pip.site.agents.items() if any(k.endswith(".web") for k in a.vnodes))
    agent = pip.site.agents[host]
    for key in [k for k in agent.vnodes if k.endswith(".web")]:
        del agent.vnodes[key]
    return pip.peers[f"http://berlin.{host}/RPC2"]


def until(pip, comes):
    """Let time pass until `comes` is so."""
    deadline = time.monotonic() + 20
    while not comes():
        assert time.monotonic() < deadline
        pip.role.reconciler.tick()
        pip.role.reconciler.wait_for_inventory()
        pip.clock.advance(3)
        time.sleep(0.01)


def history(pip):
    found = pip.call("negotiation.history", "pair")
    return [e["event"] for e in found if e["element"] == "web"]


def web(pip):
    return pip.call("negotiation.status", "pair")["elements"]["web"]


def test_refused_once_it_is_made_the_next_time_and_runs(pip, lost):
    lost.refused["vnode.put"] = Conflict("a left-over is being removed")
    until(pip, lambda: "refused" in history(pip))
    lost.refused.clear()
    pip.settle()
    assert web(pip)["state"] == "running"
    assert history(pip)[-3:] == ["lost", "refused", "restored"]


def test_refused_again_and_again_that_is_what_status_says(pip, lost):
    lost.refused["vnode.put"] = Conflict("sn1 has a port of that name")
    until(pip, lambda: "couldn't be made again" in web(pip)["reason"])
    pip.call("provisioning.start", "pair", ["web"])
    until(pip, lambda: history(pip).count("refused") == 2)
    seen = web(pip)
    assert seen["state"] == "failed"
    assert "couldn't be made again" in seen["reason"]
    assert "port" not in seen["reason"]
    assert pip.call("provisioning.status", "pair") == {"web": "failed", "db": "running"}
    assert pip.call("negotiation.status", "pair")["state"] == "degraded"
    assert history(pip).count("lost") == 1


def test_refused_and_released_nothing_is_left(pip, lost):
    lost.refused["vnode.put"] = Conflict("no")
    until(pip, lambda: "refused" in history(pip))
    pip.call("negotiation.release", "pair")
    pip.settle()
    assert pip.site.empty()


def test_lost_and_refused_before_the_confirmation_is_final(pip):
    offer = request(pip, PAIR)
    wire = lose(pip)
    made, wire.refused["vnode.put"] = len(wire.calls), Conflict("no")
    until(pip, lambda: "vnode.put" in wire.calls[made:] and not pip.busy())
    wire.refused.clear()
    assert pip.call("negotiation.confirm", offer["offer"])["state"] == "failed"
    pip.settle()
    assert pip.site.empty()
