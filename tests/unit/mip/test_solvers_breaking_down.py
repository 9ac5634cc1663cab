"""Solvers that break down: no crash, no false "infeasible", what was found until then stands."""

from __future__ import annotations

from collections.abc import Sequence

import highspy
import pytest
from mip_graphs import ETHERNET, GENERIC, HOST, MBPS, SWITCH, VLINK, apart, element, join, underlay

from mip.clock import Clock
from mip.draft import value_of
from mip.errors import SolverError
from mip.exact.program import Found, Search, solve_plain
from mip.exact.strategy import finish
from mip.instance.instance import compile_instance
from mip.mapping import map_request
from mip.objectives import Cost
from mip.problem.statement import Options, Problem, Status
from mip.solvers.cbc import Cbc
from mip.solvers.highs import Highs, WarmHighs
from mip.solvers.linear import INFINITY, Ending, Limits, LinearModel, Outcome, Progress
from mip.solvers.registry import Relieved, solver


class Breaking(highspy.Highs):
    """HiGHS whose first runs end with "Solve error", whatever they found."""

    runs = 1_000_000

    def __init__(self) -> None:
        super().__init__()
        self._left = self.runs

    def run(self) -> highspy.HighsStatus:
        self._left -= 1
        return super().run()

    def getModelStatus(self) -> highspy.HighsModelStatus:
        if self._left >= 0:
            return highspy.HighsModelStatus.kSolveError
        return super().getModelStatus()


class Broken:
    """A solver that breaks down on every program."""

    def solve(
        self,
        model: LinearModel,
        limits: Limits,
        start: Sequence[float] | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        raise SolverError("gone")


def packing(machines: int) -> LinearModel:
    """Seven jobs onto machines of room 10, each open one at a price of 1 or more."""
    model = LinearModel()
    opened = [model.column(1.0 + 0.1 * k) for k in range(machines)]
    sizes = [3, 4, 5, 6, 3, 4, 5]
    at = [[model.column() for _ in opened] for _ in sizes]
    for columns in at:
        model.row(dict.fromkeys(columns, 1.0), 1.0, 1.0)
    for k, y in enumerate(opened):
        load = {x[k]: float(s) for x, s in zip(at, sizes, strict=True)}
        model.row({**load, y: -10.0}, -INFINITY, 0.0)
    return model


def value(model: LinearModel, outcome: Outcome) -> float:
    assert outcome.values is not None
    return sum(c * v for c, v in zip(model.cost, outcome.values, strict=True))


def broken(patch: pytest.MonkeyPatch, runs: int) -> None:
    """HiGHS breaks down `runs` times."""
    # What made the real HiGHS end so isn't known; all but its status is real.
    patch.setattr(highspy, "Highs", type("Breaking", (Breaking,), {"runs": runs}))


@pytest.mark.parametrize("runs", [0, 1])
def test_highs_that_breaks_down_once_is_run_again(monkeypatch, runs: int) -> None:
    broken(monkeypatch, runs)
    model = packing(4)
    outcome = Highs().solve(model, Limits(20.0))
    assert outcome.ending is Ending.OPTIMAL
    assert value(model, outcome) == pytest.approx(1.0 + 1.1 + 1.2)
    assert outcome.bound == pytest.approx(1.0 + 1.1 + 1.2)
    assert Highs().solve(packing(2), Limits(20.0)).ending is Ending.INFEASIBLE


def test_what_it_had_found_stands_without_a_bound(monkeypatch) -> None:
    broken(monkeypatch, 10)
    model = packing(4)
    outcome = Highs().solve(model, Limits(20.0))
    assert outcome.ending is Ending.FEASIBLE
    assert outcome.bound is None
    assert value(model, outcome) >= 1.0 + 1.1 + 1.2 - 1e-6
    for row in model.rows:
        pairs = zip(row.columns, row.coefficients, strict=True)
        load = sum(a * outcome.values[c] for c, a in pairs)
        assert row.low - 1e-6 <= load <= row.high + 1e-6


def test_nothing_found_is_no_proof_and_the_other_solver_takes_over(monkeypatch) -> None:
    broken(monkeypatch, 10)
    with pytest.raises(SolverError, match="Solve error"):
        Highs().solve(packing(2), Limits(20.0))
    assert solver("highs").solve(packing(2), Limits(20.0)).ending is Ending.INFEASIBLE


@pytest.mark.parametrize("other", [Cbc(), Cbc(presolve=False), Highs()])
def test_any_solver_can_take_over(other) -> None:
    model = packing(4)
    outcome = Relieved(Broken(), other).solve(model, Limits(20.0))
    assert outcome.ending is Ending.OPTIMAL
    assert value(model, outcome) == pytest.approx(1.0 + 1.1 + 1.2)
    with pytest.raises(SolverError):
        Relieved(Broken(), Broken()).solve(model, Limits(20.0))


@pytest.mark.parametrize(("runs", "ending"), [(1, Ending.OPTIMAL), (10, Ending.UNKNOWN)])
def test_a_series_goes_on_from_the_start_or_is_not_sure(monkeypatch, runs, ending) -> None:
    broken(monkeypatch, runs)
    model = packing(4)
    model.row(dict.fromkeys(range(4), 1.0), -INFINITY, 4.0)
    assert WarmHighs(model, len(model.rows) - 1).solve(4.0, 20.0).ending is ending


def two_ways() -> Problem:
    """Two hosts, each on three switches, and two protected VLinks between them."""
    elements = [element(f"h{k}", HOST, {"cpu": 4}) for k in range(2)]
    elements += [element(f"s{k}", SWITCH) for k in range(3)]
    ends = {f"h{h}-s{s}": (f"h{h}", f"s{s}") for h in range(2) for s in range(3)}
    elements += [element(n, ETHERNET, {"bandwidth": 10 * MBPS}) for n in ends]
    vnodes = [element(n, GENERIC, {"cpu": 1}) for n in "ab"]
    links = [element(n, VLINK, {"bandwidth": 10 * MBPS}, protection="link") for n in ("x", "y")]
    both = {"x": ("a", "b"), "y": ("a", "b")}
    request = join("net", [*vnodes, *links], both, [apart("a", "b")])
    return Problem(underlay(elements, ends), request)


@pytest.mark.parametrize("objective", ["cost", "balance", "compact"])
def test_a_request_is_mapped_all_the_same(monkeypatch, objective: str) -> None:
    broken(monkeypatch, 10**6)
    result = map_request(two_ways(), Options(objective=objective, solver="highs"))
    assert result.status in {Status.OPTIMAL, Status.FEASIBLE}
    assert result.backups["x"] == result.backups["y"]


def test_a_mapping_that_is_known_outlives_the_solvers() -> None:
    instance = compile_instance(two_ways())
    weights = Cost().weights(instance.problem)
    some = solve_plain(instance, weights, Search(Highs(), Clock(20.0)))
    known = Found(Ending.FEASIBLE, some.draft, 1.0)
    search = Search(Relieved(Broken(), Broken()), Clock(20.0))
    assert finish(instance, weights, search, known) == known
    with pytest.raises(SolverError):
        finish(instance, weights, search, Found(Ending.UNKNOWN))
    assert value_of(instance, weights, known.draft) > 0
