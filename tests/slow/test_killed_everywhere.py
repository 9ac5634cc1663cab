"""As `tests/unit/roles/test_killed.py`, at every point: about an hour."""

from __future__ import annotations

import pytest
from fakes.scenarios import EVERY, called_at_once, name_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.usefixtures("stores")]

_LEAST_IN_ALL = 3000
_killed: dict[str, int] = {}


@pytest.mark.parametrize(("scenario", "victim"), EVERY, ids=[name_of(s, v) for s, v in EVERY])
def test_killed_at_every_point_all_is_whole_or_gone(memory_folder, scenario, victim):
    points = scenario.run(memory_folder / "whole", victim).points
    wrong, killed = {}, 0
    for number, point in enumerate(points, start=1):
        for at_once in called_at_once(scenario, victim):
            folder = memory_folder / f"{number} {at_once}"
            run = scenario.run(folder, victim, number, at_once=at_once)
            killed += run.killed
            if run.wrong:
                wrong[number, point, at_once] = run.wrong
    _killed[name_of(scenario, victim)] = killed
    assert not wrong
    if len(_killed) == len(EVERY):
        assert sum(_killed.values()) >= _LEAST_IN_ALL
