"""`kill -9` wherever it makes a difference: every write to a store, every call to a shell or peer.

What the shells were told in between stays told, as it would. The next process must bring everything
to a whole end: what was promised is kept, what came to nothing is gone, and all sides agree.
Each run takes some of the points of each scenario; `tests/slow/test_killed_everywhere.py` all.
"""

from __future__ import annotations

import zlib

import pytest
from fakes.scenarios import EVERY, name_of

_STRIDE = {False: 17, True: 61}
"""One point of so many is tried, at a PIP and at a VNP."""
_LEAST = 15
"""Points that each scenario has at least: fewer would mean that they are no longer counted."""


@pytest.mark.parametrize(("scenario", "victim"), EVERY, ids=[name_of(s, v) for s, v in EVERY])
def test_killed_anywhere_all_is_whole_or_gone(tmp_path, scenario, victim):
    points = scenario.points(tmp_path / "whole", victim)
    assert len(points) >= _LEAST
    stride = _STRIDE[scenario.broker]
    first = 1 + zlib.crc32(name_of(scenario, victim).encode()) % stride
    below = scenario.broker and victim != "vnp"
    wrong = {}
    for number in range(first, len(points) + 1, stride):
        # Who is called again at once, or only after it was seen to be away.
        at_once = below and number % 2 == 0
        found = scenario.killed(tmp_path / str(number), victim, number, at_once=at_once)
        if found:
            wrong[number, points[number - 1], at_once] = found
    assert not wrong
