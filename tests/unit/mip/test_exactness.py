"""Small problems of every kind: the same optimum as trying everything, infeasible ones included."""

from __future__ import annotations

import pytest
from mip_cases import case
from oracle import Oracle

from mip.mapping import map_request
from mip.problem.statement import Options, Status

GROUPS = 7
EACH = 10
"""The benchmark takes many more (`bench/embed_exactness.py`)."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_embedding_equals_trying_everything(group: int) -> None:
    """Value and feasibility agree on every instance of the group."""
    for seed in range(group * EACH, (group + 1) * EACH):
        problem, objective = case(seed)
        best = Oracle(problem).best().get(objective)
        result = map_request(problem, Options(objective=objective, time_limit=None, method="exact"))
        if best is None:
            assert result.status is Status.INFEASIBLE, seed
            assert result.reasons, seed
        else:
            assert result.status is Status.OPTIMAL, seed
            assert result.value == pytest.approx(float(best.value), rel=1e-9), seed
