"""What was never asked for needs no removal, and removal makes nothing."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa
from fakes.loopback import Killed
from fakes.world import OTHER, PAIR, SPLIT, request

from cloudnet_sdn.store.schema import offers
from cloudnet_sdn.wire.faults import NotFound

OVER = ("released", "failed")


def test_what_was_planned_and_never_asked_for_is_gone_although_every_shell_is_away(pip):
    def dies(_offer):
        raise Killed

    pip.role.effects.make_all = dies
    offer = request(pip, PAIR, wait_s=0)
    deadline = time.monotonic() + 10
    while not tasks_of(pip) and time.monotonic() < deadline:
        time.sleep(0.01)
    pip.kill()
    for wire in pip.peers.values():
        wire.down = True
        wire.calls.clear()
    pip.boot()
    pip.settle()
    assert pip.call("negotiation.offer", offer["offer"])["state"] == "failed"
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "released"
    changing = {"vnode.put", "vnode.delete", "vlinks.put", "vlinks.delete"}
    assert not changing & {m for wire in pip.peers.values() for m in wire.calls}


def test_a_provider_that_never_got_the_request_never_hears_of_it(federation):
    wire, call = federation.wires["munich"], federation.wires["munich"].call

    def dies(method, *args, timeout_s=None):
        wire.down = wire.down or method == "negotiation.request"
        return call(method, *args, timeout_s=timeout_s)

    wire.call = dies
    offer = request(federation.vnp, SPLIT)
    assert offer["state"] == "refused"
    wire.call, wire.down = call, False
    federation.settle()
    assert federation.vnp.call("negotiation.status", offer["cloudnet"])["state"] in OVER
    assert ever(federation.munich) == []
    assert federation.empty()


def test_a_request_whose_answers_are_all_lost_is_found_and_cancelled(federation):
    wire = federation.wires["munich"]
    wire.lost["negotiation.request"] = 1000
    offer = request(federation.vnp, SPLIT)
    assert offer["state"] == "refused"
    asked = wire.calls.count("negotiation.request")
    federation.settle()
    assert federation.vnp.call("negotiation.status", offer["cloudnet"])["state"] in OVER
    assert wire.calls.count("negotiation.request") == asked
    assert set(ever(federation.munich)) == {"cancelled"}
    assert federation.empty()


def test_an_offer_is_found_by_the_id_of_ones_own_request(pip):
    offer = request(pip, PAIR, "r1")
    assert pip.call("negotiation.offer", "r1")["offer"] == offer["offer"]
    with pytest.raises(NotFound):
        pip.call("negotiation.offer", "r1", caller=OTHER)


def tasks_of(machine):
    with machine.role.store.read() as conn:
        return conn.scalars(sa.text("SELECT id FROM tasks")).all()


def ever(machine):
    """The states of all offers that a role has ever had."""
    with machine.role.store.read() as conn:
        return [str(s) for s in conn.scalars(sa.select(offers.c.state))]
