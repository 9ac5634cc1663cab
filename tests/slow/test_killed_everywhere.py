"""As `tests/unit/roles/test_killed.py`, at every point: about an hour."""

from __future__ import annotations

import pytest
from fakes.scenarios import EVERY, name_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

_LEAST_IN_ALL = 2000
_counted: dict[str, int] = {}


@pytest.mark.parametrize(("scenario", "victim"), EVERY, ids=[name_of(s, v) for s, v in EVERY])
def test_killed_at_every_point_all_is_whole_or_gone(tmp_path, scenario, victim):
    points = scenario.points(tmp_path / "whole", victim)
    _counted[name_of(scenario, victim)] = len(points)
    below = scenario.broker and victim != "vnp"
    wrong = {}
    for number, point in enumerate(points, start=1):
        for at_once in (False, True) if below else (False,):
            folder = tmp_path / f"{number} {at_once}"
            found = scenario.killed(folder, victim, number, at_once=at_once)
            if found:
                wrong[number, point, at_once] = found
    assert not wrong
    if len(_counted) == len(EVERY):
        assert sum(_counted.values()) >= _LEAST_IN_ALL
