"""Who writes next."""

from __future__ import annotations

import contextlib
import threading
import time

from cloudnet_sdn.store.turns import Turns, unawaited


def in_line(turns: Turns, told: list[str], name: str, *, awaited: bool) -> threading.Thread:
    """A thread that waits for its turn, once it is in line."""

    def run() -> None:
        with contextlib.nullcontext() if awaited else unawaited(), turns:
            told.append(name)

    before = turns.waiting
    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 10
    while turns.waiting == before:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return thread


def test_who_is_waited_for_goes_first_and_all_others_come_in_between():
    turns, told = Turns(), []
    with turns:
        threads = [in_line(turns, told, f"other{i}", awaited=False) for i in range(3)]
        threads += [in_line(turns, told, f"awaited{i}", awaited=True) for i in range(6)]
    for thread in threads:
        thread.join(10)
    assert [t for t in told if t.startswith("awaited")] == [f"awaited{i}" for i in range(6)]
    assert [t for t in told if t.startswith("other")] == [f"other{i}" for i in range(3)]
    assert told[0] == "awaited0"
    assert told.index("other0") < told.index("awaited5") < told.index("other2")


def test_a_turn_that_ends_in_an_error_is_handed_over():
    turns, told = Turns(), []
    with contextlib.suppress(ValueError), turns:
        thread = in_line(turns, told, "next", awaited=True)
        raise ValueError
    thread.join(10)
    with turns:
        assert told == ["next"]
