"""`kill -9` wherever it makes a difference: every write to a store, every call to a shell or peer.

What the shells were told in between stays told, as it would. The next process must bring everything
to a whole end: what was promised is kept, what came to nothing is gone, and all sides agree.
Each run takes some of the points of each scenario; `tests/slow/test_killed_everywhere.py` all.
"""

from __future__ import annotations

import itertools
import zlib

import pytest
from fakes.scenarios import EVERY, called_at_once, name_of

_STRIDE = {False: 17, True: 31}
"""One point of so many is tried, at a PIP and at a VNP."""
_LEAST = 15
"""Points that each scenario has at least: fewer would mean that they are no longer counted."""
_LEAST_IN_ALL = 150
"""Times that somebody is killed in a run of this module."""
_killed: dict[str, int] = {}


@pytest.mark.parametrize(("scenario", "victim"), EVERY, ids=[name_of(s, v) for s, v in EVERY])
def test_killed_anywhere_all_is_whole_or_gone(memory_folder, scenario, victim):
    name = name_of(scenario, victim)
    stride = _STRIDE[scenario.broker]
    ways = called_at_once(scenario, victim)
    wrong, killed = {}, 0
    first = 1 + zlib.crc32(name.encode()) % stride
    for number in itertools.count(first, stride):
        at_once = ways[number % len(ways)]
        run = scenario.run(memory_folder / str(number), victim, number, at_once=at_once)
        if run.wrong:
            wrong[number, *run.points[number - 1 : number], at_once] = run.wrong
        if not run.killed:
            break
        killed += 1
    assert not wrong
    assert len(run.points) >= _LEAST
    _killed[name] = killed
    if len(_killed) == len(EVERY):
        assert sum(_killed.values()) >= _LEAST_IN_ALL, _killed
