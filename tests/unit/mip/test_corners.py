"""Instances that once came out wrong, each against trying everything, in every way of solving.

What was wrong stands in the first line of each file of `corners/`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from odd_texts import read_case
from odd_trials import COMBINATIONS, Trial

CORNERS = sorted(Path(__file__).with_name("corners").glob("*.txt"))


@pytest.mark.parametrize("corner", CORNERS, ids=lambda path: path.stem)
def test_a_corner_comes_out_right_in_every_way(corner: Path):
    trial = Trial(read_case(corner.read_text()))
    assert [f.line for options in COMBINATIONS for f in trial.findings(options)] == []


def test_the_corners_are_there():
    assert len(CORNERS) >= 25
