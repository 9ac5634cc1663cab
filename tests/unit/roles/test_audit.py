"""Calls that change something are written down: who, what, about what, and how it ended."""

from __future__ import annotations

import pytest
from fakes.loopback import Killed
from fakes.world import OPERATOR, PAIR, TENANT, request

from cloudnet_sdn.roles.operating.audit import CHANGING
from cloudnet_sdn.wire.faults import BadRequest, Conflict, Forbidden, PeerAway


def test_every_call_that_changes_something_is_written_down(pip):
    offer = request(pip, PAIR)
    pip.call("negotiation.confirm", offer["offer"])
    with pytest.raises(Conflict):
        request(pip, PAIR, "r2")
    with pytest.raises(Forbidden):
        pip.call("operator.drain", "sn1", {})
    pip.call("negotiation.status", "pair")
    answer = pip.call("operator.audit", 0, 100, caller=OPERATOR)
    assert [(c["method"], c["caller"], c["about"], c["outcome"]) for c in answer["calls"]] == [
        ("negotiation.request", TENANT.uri, offer["cloudnet"], "held"),
        ("negotiation.confirm", TENANT.uri, offer["cloudnet"], "confirmed"),
        ("negotiation.request", TENANT.uri, "r2", "fault 409"),
        ("operator.drain", TENANT.uri, "sn1", "fault 403"),
    ]
    assert "pair already" in answer["calls"][2]["text"]
    assert answer["next"] == answer["calls"][-1]["id"]
    rest = pip.call("operator.audit", answer["calls"][1]["id"], 1, caller=OPERATOR)
    assert [c["id"] for c in rest["calls"]] == [answer["calls"][2]["id"]]
    with pytest.raises(BadRequest):
        pip.call("operator.audit", 0, 0, caller=OPERATOR)


def test_texts_that_are_written_down_are_bounded(pip):
    graph = f"rdl: 1\ngraph: x\nnodes:\n  a: {{cpu: {'x' * 100_000}}}\n"
    with pytest.raises(BadRequest):
        request(pip, graph, "line\nbreak" + "y" * 5000)
    call = pip.call("operator.audit", 0, 10, caller=OPERATOR)["calls"][0]
    assert len(call["text"]) <= 1000
    assert len(call["about"]) <= 255
    assert call["about"].isprintable()


def test_only_methods_that_change_something_are_written_down(pip):
    known = set(pip.role.service.methods)
    reading = {m for m in known if not m.startswith("system.")} - set(CHANGING)
    assert {m.rpartition(".")[2] for m in reading} == {
        "describe", "substrate", "offer", "status", "list", "history", "events", "usage", "audit",
        "check",
    }  # fmt: skip


def test_a_call_whose_process_was_killed_is_seen(pip, monkeypatch):
    def die(*_args, **_kwargs):
        raise Killed

    # The point to be killed at is between the two writes of the audit, inside the call.
    monkeypatch.setattr(pip.role.negotiation, "release", die)
    with pytest.raises(PeerAway):
        pip.call("negotiation.release", "pair")
    (call,) = pip.call("operator.audit", 0, 10, caller=OPERATOR)["calls"]
    assert (call["method"], call["about"], call["outcome"]) == ("negotiation.release", "pair", "")
