"""Twenty thousand odd small instances against the oracle."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_mip import KINDS, Tally, fuzz

pytestmark = pytest.mark.slow

INSTANCES = 20_000
FIRST_SEED = 1000
"""Others than `make test` has."""


@pytest.mark.timeout(7200)
def test_odd_instances_of_all_kinds(capsys: pytest.CaptureFixture[str]):
    """Four combinations of objective, method and solver each; the table says how it went."""
    tally = Tally()
    seeds = range(FIRST_SEED, FIRST_SEED + -(-INSTANCES // len(KINDS)))
    wrong = [
        f"{instance.name} {finding.line}\n{instance.text()}"
        for instance, found in fuzz(list(KINDS), seeds, tally)
        for finding in found
        if finding.wrong
    ]
    with capsys.disabled():
        print(f"\n{tally.table()}")
    assert tally.instances.total() >= INSTANCES
    assert not wrong, "\n".join(wrong)
