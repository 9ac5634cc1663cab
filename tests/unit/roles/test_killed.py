"""`kill -9` wherever it makes a difference: every write to a store, every call to a shell or peer.

What the shells were told in between stays told, as it would. The next process must bring everything
to a whole end: what was promised is kept, what came to nothing is gone, and all sides agree.
Each run takes some of the points of each scenario; `tests/slow/test_killed_everywhere.py` all.
"""

from __future__ import annotations

import zlib

import pytest
from fakes.scenarios import EVERY, called_at_once, name_of

_STRIDE = {False: 9, True: 53}
"""One point of so many is tried, at a PIP and at a VNP: a kill there takes four times as long."""
_LEAST = 15
"""Points that each case has at least: fewer would mean that they are no longer counted."""
_LEAST_IN_ALL = 150
"""Times that somebody is killed in a run of this module."""
_points: dict[object, dict[str, list[str]]] = {}
_killed: dict[str, int] = {}


@pytest.mark.parametrize(("scenario", "victim"), EVERY, ids=[name_of(s, v) for s, v in EVERY])
def test_killed_anywhere_all_is_whole_or_gone(memory_folder, scenario, victim):
    if scenario not in _points:
        _points[scenario] = scenario.points(memory_folder / "whole")
    points = len(_points[scenario][victim])
    assert points >= _LEAST
    name, stride = name_of(scenario, victim), min(_STRIDE[scenario.broker], points)
    ways = called_at_once(scenario, victim)
    kills = {}
    for number in range(1 + zlib.crc32(name.encode()) % stride, points + 1, stride):
        at_once = ways[number % len(ways)]
        folder = memory_folder / str(number)
        kills[number, at_once] = scenario.kill(folder, victim, number, at_once=at_once)
    assert not {n: k for n, k in kills.items() if k.wrong}
    _killed[name] = sum(k.done for k in kills.values())
    if len(_killed) == len(EVERY):
        assert sum(_killed.values()) >= _LEAST_IN_ALL, _killed
