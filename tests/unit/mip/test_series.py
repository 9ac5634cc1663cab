"""Programs solved again with another bound: the same optima as when solved from nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mip.solvers.cbc import Cbc
from mip.solvers.highs import WarmHighs
from mip.solvers.linear import INFINITY, Ending, Limits, LinearModel
from mip.solvers.series import Afresh, Series


def program(seed: int) -> tuple[LinearModel, int]:
    """Jobs on machines of limited room; the movable row is the number of machines in use."""
    rng = random.Random(seed)
    model = LinearModel(constant=3.0)
    sizes = [rng.randint(1, 5) for _ in range(7)]
    opened = [model.column() for _ in range(5)]
    at = [[model.column(float(rng.choice([0, 0, 1, 2, 5]))) for _ in opened] for _ in sizes]
    for columns in at:
        model.row(dict.fromkeys(columns, 1.0), 1.0, 1.0)
    for k, y in enumerate(opened):
        room = rng.randint(6, 14)
        model.row({x[k]: float(s) for x, s in zip(at, sizes, strict=True)}, -INFINITY, room)
        for x in at:
            model.row({x[k]: 1.0, y: -1.0}, -INFINITY, 0.0)
    model.row(dict.fromkeys(opened, 1.0), -INFINITY, 5.0)
    return model, len(model.rows) - 1


def value(model: LinearModel, values: object) -> float:
    """The objective."""
    assert isinstance(values, list | tuple)
    return model.constant + sum(c * v for c, v in zip(model.cost, values, strict=True))


@pytest.mark.parametrize("make", [WarmHighs, Afresh])
def test_every_bound_gives_the_optimum(make: Callable[[LinearModel, int], Series]) -> None:
    """Down and up again, with the best solution ruled out now and then."""
    endings = set()
    for seed in range(12 if make is WarmHighs else 3):
        model, row = program(seed)
        again, _ = program(seed)
        tried = make(model, row)
        for hosts in (4, 3, 2, 1, 3, 5):
            found = tried.solve(float(hosts), 30.0)
            fresh, _ = program(seed)
            fresh.rows[:] = again.rows
            bounded = Afresh(fresh, row).solve(float(hosts), 30.0)
            assert found.ending is bounded.ending, (seed, hosts)
            endings.add(found.ending)
            if found.values is None or bounded.values is None:
                continue
            best = value(fresh, bounded.values)
            assert value(fresh, found.values) == pytest.approx(best), (seed, hosts)
            for some in fresh.rows:
                load = sum(
                    a * found.values[c]
                    for c, a in zip(some.columns, some.coefficients, strict=True)
                )
                high = hosts if some is fresh.rows[row] else some.high
                assert some.low - 1e-6 <= load <= high + 1e-6
            used = [c for c, v in enumerate(found.values) if v > 0.5 and c >= 5]
            for one in (tried, again):
                one.row(dict.fromkeys(used, 1.0), -INFINITY, len(used) - 1.0)
    assert endings == {Ending.OPTIMAL, Ending.INFEASIBLE}


def test_a_program_that_was_ruled_out_is_infeasible_alone() -> None:
    """The comparison itself can fail: CBC sees the movable row."""
    model, row = program(0)
    assert Afresh(model, row).solve(0.0, 10.0).ending is Ending.INFEASIBLE
    assert Cbc().solve(program(0)[0], Limits(10.0)).ending is Ending.OPTIMAL
