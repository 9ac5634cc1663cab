"""Providers that turn down what their sums promised: the next round does without, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.world import BROKER, TENANT, FakeClock, Federation, Machine, request

from cloudnet_sdn.store import tags
from cloudnet_sdn.wire.faults import Busy, Forbidden
from rdl.language.load import load_graph

LUMP = "rdl: 1\ngraph: lump\nnodes:\n  a: {cpu: 12}\n"
"""More than a host of berlin or munich has, less than both hosts of either have in sum."""

CHAIN = """\
rdl: 1
graph: chain
nodes:
  a: {cpu: 12, memory: 1GiB}
  b: {cpu: 4, memory: 1GiB, site: munich}
links:
  a-b: {ends: [a, b], bandwidth: 10Mbps, addresses: [10.0.0.1/24, 10.0.0.2/24]}
"""


@pytest.fixture
def three(tmp_path, clock) -> Iterator[Federation]:
    """A broker, vnp, over berlin, munich and hamburg."""
    made = Federation(tmp_path, clock, third=True)
    yield made
    made.stop()


def rounds(machine: Machine, cloudnet: str) -> list[str]:
    history = machine.call("negotiation.history", cloudnet)
    return [e["text"] for e in history if e["event"] == "round"]


def where(three: Federation) -> dict[str, str]:
    """By VNode, the provider whose hosts have it."""
    found = {}
    for name, pip in three.pips.items():
        assert pip.site is not None
        for agent in pip.site.agents.values():
            for key in agent.vnodes:
                vnode = key.partition(".")[2]
                assert vnode not in found, f"{vnode} is at {found.get(vnode)} and at {name}"
                found[vnode] = name
    return found


def confirmed(three: Federation, offer: dict[str, Any]) -> None:
    assert offer["state"] == "held", offer["reasons"]
    assert three.vnp.call("negotiation.confirm", offer["offer"])["state"] == "confirmed"
    three.settle()


def test_what_two_of_three_turn_down_is_embedded_at_the_third(three):
    offer = request(three.vnp, LUMP)
    assert offer["state"] == "held"
    assert offer["reasons"] == []
    told = rounds(three.vnp, "lump")
    assert len(told) == 2
    assert "berlin turned down a (" in " ".join(told)
    assert "munich turned down a (" in " ".join(told)
    assert told[1].endswith("a at hamburg tried next")
    confirmed(three, offer)
    assert where(three) == {"a": "hamburg"}
    three.vnp.call("negotiation.release", "lump")
    three.settle()
    assert three.empty()


def test_what_is_held_elsewhere_stays(three):
    offer = request(three.vnp, CHAIN)
    confirmed(three, offer)
    assert where(three) == {"a": "hamburg", "b": "munich"}
    assert three.fabric().reached(("a", "a-b")) == {("b", "a-b")}
    held = three.munich.call("negotiation.list", caller=BROKER)
    assert len(held) == 1, "its part was changed in place, not asked for anew"
    mac = three.munich.site.vnode("b").spec.interfaces[0].mac
    assert mac
    three.vnp.call("negotiation.release", "chain")
    three.settle()
    assert three.empty()


def test_what_all_turn_down_is_refused_with_what_each_said(three):
    offer = request(three.vnp, LUMP.replace("cpu: 12", "cpu: 20"))
    assert offer["state"] == "refused"
    assert {(r["element"], r["code"]) for r in offer["reasons"]} == {("a", "fragmented")}
    assert len(rounds(three.vnp, offer["cloudnet"])) <= 1
    three.settle()
    assert three.empty()


def test_vnodes_that_are_only_too_many_together_are_parted(three):
    """Each would fit at berlin and at munich; sums say that two do, hosts say that one does."""
    graph = "rdl: 1\ngraph: two\nnodes:\n  a: {cpu: 6}\n  b: {cpu: 6}\n  c: {cpu: 4}\n"
    confirmed(three, request(three.vnp, graph))
    at = where(three)
    assert set(at) == {"a", "b", "c"}
    assert "hamburg" not in at.values()


def test_a_quota_is_no_absence(tmp_path, clock):
    settings = {"munich": {"quota": {"cloudnets": 1}}}
    three = Federation(tmp_path, clock, settings=settings, third=True)
    at_munich = "rdl: 1\ngraph: {}\nnodes:\n  a: {{cpu: 1, provider: [munich, hamburg]}}\n"
    confirmed(three, request(three.vnp, at_munich.format("one"), "r1"))
    offer = request(three.vnp, at_munich.format("two"), "r2")
    assert offer["state"] == "held"
    assert [(r["element"], r["code"]) for r in offer["reasons"]] == [("munich", "quota")]
    assert rounds(three.vnp, "two")[0].endswith("a at hamburg tried next")
    only = at_munich.format("three").replace("[munich, hamburg]", "munich")
    asked = three.wires["munich"].calls.count("negotiation.request")
    refused = request(three.vnp, only, "r3")
    assert refused["state"] == "refused"
    assert ("munich", "quota") in {(r["element"], r["code"]) for r in refused["reasons"]}
    assert "peer-away" not in {r["code"] for r in refused["reasons"]}
    three.settle()
    assert three.wires["munich"].calls.count("negotiation.request") == asked + 1
    assert three.vnp.call("negotiation.status", refused["cloudnet"])["state"] in (
        "failed",
        "released",
    )
    three.stop()


def test_a_busy_provider_is_asked_again_for_a_moment(three):
    wire = three.wires["berlin"]
    call, left = wire.call, [2]

    def busy(method, *args, timeout_s=None):
        if method == "negotiation.request" and left[0]:
            left[0] -= 1
            raise Busy("too many calls at a time", 0.1)
        return call(method, *args, timeout_s=timeout_s)

    wire.call = busy
    offer = request(three.vnp, LUMP.replace("cpu: 12", "cpu: 2, site: berlin"))
    assert offer["state"] == "held"
    assert offer["reasons"] == []
    assert left == [0]


def test_a_provider_that_takes_us_on_for_nothing_is_done_without(three):
    three.wires["berlin"].refused["negotiation.request"] = Forbidden("you may not ask here")
    graph = "rdl: 1\ngraph: one\nnodes:\n  a: {cpu: 1, provider: [berlin, hamburg]}\n"
    offer = request(three.vnp, graph)
    assert [(r["element"], r["code"]) for r in offer["reasons"]] == [("berlin", "policy")]
    confirmed(three, offer)
    assert where(three) == {"a": "hamburg"}


def test_a_change_that_is_turned_down_moves_what_changes(three):
    """`b` stays where it runs; `a`, which grows, goes where it fits."""
    small = CHAIN.replace("cpu: 12", "cpu: 2, site: [munich, hamburg]")
    confirmed(three, request(three.vnp, small, start=True))
    assert where(three) == {"a": "munich", "b": "munich"}
    boots = three.munich.site.vnode("b").boots
    grown = small.replace("cpu: 2,", "cpu: 11,")
    offer = three.vnp.call("negotiation.modify", "m1", "chain", grown, {})
    confirmed(three, offer)
    assert where(three) == {"a": "hamburg", "b": "munich"}
    assert three.munich.site.vnode("b").boots == boots == 1
    assert three.fabric().reached(("a", "a-b")) == {("b", "a-b")}
    assert three.vnp.call("provisioning.status", "chain") == {"a": "running", "b": "running"}
    three.vnp.call("negotiation.release", "chain")
    three.settle()
    assert three.empty()


def test_an_offer_is_never_held_with_no_time_left(federation, clock: FakeClock):
    slow(federation, clock, 40.0)
    offer = request(federation.vnp, ONE, hold_s=5.0)
    assert offer["state"] == "held"
    assert offer["expires_in"] == pytest.approx(5.0)
    assert federation.vnp.call("negotiation.confirm", offer["offer"])["state"] == "confirmed"


def test_an_offer_whose_parts_are_over_is_refused(federation, clock: FakeClock):
    slow(federation, clock, 700.0)
    offer = request(federation.vnp, ONE, hold_s=5.0)
    assert offer["state"] == "refused"
    assert [r["code"] for r in offer["reasons"]] == ["timeout"]
    federation.settle()
    assert federation.empty()


ONE = "rdl: 1\ngraph: one\nnodes:\n  a: {cpu: 1, provider: munich}\n"


def slow(federation: Federation, clock: FakeClock, seconds: float) -> None:
    """Have munich's answers to requests take their time."""
    wire = federation.wires["munich"]
    call = wire.call

    def late(method: str, *args: Any, timeout_s: float | None = None) -> Any:
        answer = call(method, *args, timeout_s=timeout_s)
        if method == "negotiation.request":
            clock.advance(seconds)
        return answer

    wire.call = late  # type: ignore[method-assign]


def test_rounds_leave_no_tag_behind(three):
    confirmed(three, request(three.vnp, CHAIN))
    with three.vnp.role.store.read() as conn:
        used = tags.taken(conn)
    assert {p: len(t) for p, t in used.items()} == {"munich.t3": 1, "hamburg.t3": 1, "trm": 1} or (
        sum(map(len, used.values())) <= 3
    )
    assert load_graph(three.vnp.call("negotiation.substrate", caller=TENANT))
