"""As `tests/unit/roles/test_killed.py`, at every point: some hours."""

from __future__ import annotations

import pytest
from fakes.scenarios import EVERY, called_at_once, name_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.usefixtures("stores")]

_LEAST_IN_ALL = 5000
_killed: dict[str, int] = {}


@pytest.mark.parametrize(("scenario", "victim"), EVERY, ids=[name_of(s, v) for s, v in EVERY])
def test_killed_at_every_point_all_is_whole_or_gone(memory_folder, scenario, victim):
    points = scenario.points(memory_folder / "whole")[victim]
    kills = {}
    for number in range(1, len(points) + 1):
        for at_once in called_at_once(scenario, victim):
            folder = memory_folder / f"{number} {at_once}"
            kills[number, at_once] = scenario.kill(folder, victim, number, at_once=at_once)
    assert not {n: k for n, k in kills.items() if k.wrong}
    _killed[name_of(scenario, victim)] = sum(k.done for k in kills.values())
    if len(_killed) == len(EVERY):
        assert sum(_killed.values()) >= _LEAST_IN_ALL, _killed
