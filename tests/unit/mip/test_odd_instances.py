"""Odd small instances, each against the oracle: whatever the objective, method and solver."""

from __future__ import annotations

from dataclasses import replace

import pytest
from odd_instances import KINDS, odd
from odd_trials import COMBINATIONS, Trial

INSTANCES = 1000
EACH = -(-INSTANCES // len(KINDS))


def turn(kind: str, seed: int) -> int:
    """Which combination has its turn."""
    return (list(KINDS).index(kind) + seed) % len(COMBINATIONS)


@pytest.mark.parametrize("kind", KINDS)
def test_odd_instances_come_out_as_trying_everything_says(kind: str):
    """The combinations take turns; each answer is judged in exact arithmetic."""
    wrong = []
    feasible = 0
    for seed in range(EACH):
        instance = odd(kind, seed)
        trial = Trial(instance.problem())
        feasible += bool(trial.best)
        options = replace(COMBINATIONS[turn(kind, seed)], explain=True)
        found = [f for f in trial.findings(options) if f.wrong]
        wrong += [f"{instance.name} {f.line}\n{instance.text()}" for f in found]
    assert not wrong, "\n".join(wrong)
    assert 0 < feasible < EACH


def test_every_combination_has_its_share_of_every_kind():
    """Else some were never asked."""
    for kind in KINDS:
        assert {turn(kind, seed) for seed in range(EACH)} == set(range(len(COMBINATIONS)))


def test_an_instance_is_the_same_each_time_it_is_made():
    """By its kind and seed alone, so that a failure can be looked at again."""
    for kind in KINDS:
        assert odd(kind, 7).text() == odd(kind, 7).text()
