"""Single-use tokens on a clock of the test's own."""

from __future__ import annotations

import datetime as dt
import pickle

import pytest

from cloudnet_sdn.wire.faults import Busy
from cloudnet_sdn.wire.tokens import MAX_OPEN, Tokens

BEGIN = dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC)


class Watch:
    def __init__(self) -> None:
        self.time = BEGIN

    def __call__(self) -> dt.datetime:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)


def test_a_token_opens_once() -> None:
    tokens = Tokens(now=Watch())
    token, expires = tokens.grant("wss://below/x")
    assert expires == BEGIN + dt.timedelta(seconds=60)
    assert tokens.redeem(token) == "wss://below/x"
    assert tokens.redeem(token) is None


def test_a_token_is_good_for_a_minute() -> None:
    watch = Watch()
    tokens = Tokens(now=watch)
    early, _ = tokens.grant("a")
    late, _ = tokens.grant("b")
    watch.wait(59.9)
    assert tokens.redeem(early) == "a"
    watch.wait(0.2)
    assert tokens.redeem(late) is None


@pytest.mark.parametrize("guess", ["", "x", "\x00", "\udc80", "a" * 100_000])
def test_guesses_open_nothing(guess: str) -> None:
    tokens = Tokens()
    tokens.grant("a")
    assert tokens.redeem(guess) is None


def test_tokens_differ_and_are_long() -> None:
    tokens = Tokens()
    made = {tokens.grant("a")[0] for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) >= 43  # 256 bit


def test_the_store_holds_no_token() -> None:
    """A memory dump of the store opens nothing."""
    tokens = Tokens(now=dt.datetime.now)
    token, _ = tokens.grant("a")
    assert token.encode() not in pickle.dumps(tokens._open)


def test_open_tokens_are_bounded_and_expired_ones_make_room() -> None:
    watch = Watch()
    tokens = Tokens(now=watch)
    for _ in range(MAX_OPEN):
        tokens.grant("a")
    with pytest.raises(Busy):
        tokens.grant("a")
    watch.wait(61)
    tokens.grant("a")


def test_an_owner_has_a_share() -> None:
    """Others get theirs though one has used up his; his expire like any."""
    watch = Watch()
    tokens = Tokens(now=watch)
    for _ in range(3):
        tokens.grant("a", "anna", 3)
    for refused in (lambda: tokens.check("anna", 3), lambda: tokens.grant("a", "anna", 3)):
        with pytest.raises(Busy):
            refused()
    tokens.grant("a", "ben", 3)
    watch.wait(61)
    tokens.grant("a", "anna", 3)
