"""What callers may have at a time: counted per owner, under a lock."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest
from fakes.world import OTHER, START, Machine, provider, request

from cloudnet_sdn.wire.faults import Busy


def one(name: str, cpu: float = 1) -> str:
    return f"rdl: 1\ngraph: {name}\nnodes:\n  a: {{cpu: {cpu}, memory: 1GiB}}\n"


def limited(tmp_path, clock, **quota: Any) -> Machine:
    return provider(tmp_path, "berlin", "munich", "b", clock, settings={"quota": quota})


def test_many_at_once_get_no_more_than_one_after_the_other(tmp_path, clock):
    pip = limited(tmp_path, clock, cloudnets=3)

    def ask(number: int) -> str:
        try:
            return str(request(pip, one(f"q{number}", 0.1), f"q{number}", wait_s=0)["state"])
        except Busy:
            return "busy"

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))
    assert answers.count("busy") == 13
    assert request(pip, one("theirs"), caller=OTHER)["state"] == "held"
    pip.stop()


def test_amounts_are_counted_over_all_cloudnets_of_an_owner(tmp_path, clock):
    pip = limited(tmp_path, clock, cpu=4, total_vnodes=10)
    first = request(pip, one("a", 3), "a")
    assert first["state"] == "held"
    refused = request(pip, one("b", 2), "b")
    assert refused["state"] == "refused"
    assert refused["reasons"] == [
        {
            "element": "b",
            "code": "quota",
            "text": "cpu: you would have 5 here in all, 4 at most are yours",
        }
    ]
    assert request(pip, one("c", 1), "c")["state"] == "held"
    assert request(pip, one("theirs", 4), caller=OTHER)["state"] == "held"
    pip.call("negotiation.cancel", first["offer"])
    pip.settle()
    assert request(pip, one("d", 3), "d")["state"] == "held"
    pip.stop()


def test_a_change_counts_for_the_greater_of_before_and_after(tmp_path, clock):
    pip = limited(tmp_path, clock, cpu=4)
    offer = request(pip, one("a", 3), "a")
    pip.call("negotiation.confirm", offer["offer"])
    more = pip.call("negotiation.modify", "m1", "a", one("a", 5), {})
    assert more["state"] == "refused"
    assert more["reasons"][0]["code"] == "quota"
    less = pip.call("negotiation.modify", "m2", "a", one("a", 1), {})
    assert less["state"] == "held"
    assert request(pip, one("b", 3), "b")["state"] == "refused"
    pip.call("negotiation.confirm", less["offer"])
    assert request(pip, one("c", 3), "c")["state"] == "held"
    pip.stop()


def test_who_is_refused_too_often_has_to_wait_for_the_next_hour(tmp_path, clock):
    pip = limited(tmp_path, clock, refusals=2)
    for number in range(2):
        assert request(pip, one("much", 1000), f"r{number}")["state"] == "refused"
    with pytest.raises(Busy) as caught:
        request(pip, one("a"), "r2")
    assert caught.value.retry_after_s == 3600
    assert request(pip, one("a"), "r2", caller=OTHER)["state"] == "held"
    clock.advance(3600)
    assert clock.now() > START
    assert request(pip, one("a"), "r3")["state"] == "held"
    pip.stop()


def test_documents_take_room_that_is_bounded(tmp_path, clock):
    pip = limited(tmp_path, clock, stored_mib=0.01)
    big = "rdl: 1\ngraph: {}\nnodes:\n  a: {{cpu: 1000, note: {}}}\n"
    assert request(pip, big.format("g1", "x" * 6000), "r1")["state"] == "refused"
    with pytest.raises(Busy, match="MiB"):
        request(pip, big.format("g2", "x" * 6000), "r2")
    pip.stop()
