"""Shares: nobody gets more than he leaves, nobody who comes anew gets nothing."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet_sdn.wire.shares import Shares


@pytest.mark.parametrize(("callers", "each"), [(1, 32), (2, 21), (3, 16), (7, 8), (63, 1)])
def test_callers_get_one_part_in_one_more_than_they_are(callers: int, each: int) -> None:
    """Taken in turns until nobody gets more; a newcomer finds a place."""
    shares = Shares(64)
    held = dict.fromkeys(range(callers), 0)
    for _ in range(64):
        for who in held:
            held[who] += shares.take(who)
    assert min(held.values()) >= each - 1
    assert max(held.values()) <= each + 1
    assert shares.take("newcomer")


def test_the_last_one_may_be_had() -> None:
    shares = Shares(1)
    assert shares.take("anna")
    assert not shares.take("ben")
    shares.give("anna")
    assert shares.take("ben")


def test_what_is_given_back_wakes_who_waits() -> None:
    shares = Shares(1)
    shares.take("anna")
    had: list[bool] = []
    waits = threading.Thread(target=lambda: had.append(shares.take("ben", within_s=10)))
    waits.start()
    shares.give("anna")
    waits.join(10)
    assert had == [True]


def test_what_is_forced_is_made_up_for() -> None:
    shares = Shares(2)
    assert shares.take("anna")
    shares.force("anna")
    shares.force("anna")
    shares.give("anna")
    assert not shares.take("ben")
    shares.give("anna")
    assert shares.take("ben")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 40), st.booleans())))
def test_no_more_is_given_than_there_is(steps: list[tuple[str, int, bool]]) -> None:
    shares = Shares(100)
    held: list[tuple[str, int]] = []
    for who, amount, takes in steps:
        if takes and shares.take(who, amount, most=60):
            held.append((who, amount))
        elif held and not takes:
            shares.give(*held.pop())
        assert shares.used == sum(amount for _, amount in held) <= 100
        assert all(sum(a for w, a in held if w == one) <= 60 for one in "abc")
