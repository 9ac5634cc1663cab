"""HiGHS, an extra: faster on large programs, takes arrays as they are, and solves relaxations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mip.errors import SolverError
from mip.linear import INFINITY, Ending, Limits, LinearModel, Outcome, Progress


def available() -> bool:
    """Whether highspy is installed."""
    from importlib.util import find_spec

    return find_spec("highspy") is not None


@dataclass(frozen=True)
class Relaxed:
    """A solved linear relaxation.

    Attributes:
        value: its optimum, a lower bound on the program's.
        columns: value of each column.
        reduced: reduced cost of each column: what one unit more would cost.
    """

    value: float
    columns: np.ndarray[Any, np.dtype[np.float64]]
    reduced: np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Highs:
    """HiGHS through highspy, in this process."""

    def solve(
        self,
        model: LinearModel,
        limits: Limits,
        start: Sequence[float] | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """See `mip.linear.Solver`."""
        import highspy

        highs = _loaded(highspy, model, whole=True)
        highs.setOptionValue("mip_rel_gap", limits.gap)
        highs.setOptionValue("mip_abs_gap", 1e-6 if not limits.gap else 1e-9)
        highs.setOptionValue("random_seed", limits.seed)
        if limits.seconds is not None:
            highs.setOptionValue("time_limit", limits.seconds)
        if start is not None:
            solution = highspy.HighsSolution()
            solution.col_value = [float(v) for v in start]
            highs.setSolution(solution)
        if progress is not None:
            _report(highs, progress)
        highs.run()
        return _outcome(highspy, highs)

    def relax(self, model: LinearModel, seconds: float | None = None) -> Relaxed | None:
        """The linear relaxation; None if it has no solution or took too long.

        Raises:
            SolverError: it broke down.
        """
        import highspy

        highs = _loaded(highspy, model, whole=False)
        if seconds is not None:
            highs.setOptionValue("time_limit", seconds)
        highs.run()
        status = highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            return None
        solution = highs.getSolution()
        return Relaxed(
            highs.getObjectiveValue(),
            np.asarray(solution.col_value),
            np.asarray(solution.col_dual),
        )


def _loaded(highspy: Any, model: LinearModel, *, whole: bool) -> Any:
    lp = highspy.HighsLp()
    columns, rows = len(model.cost), len(model.rows)
    lp.num_col_, lp.num_row_ = columns, rows
    lp.col_cost_ = np.asarray(model.cost, dtype=float)
    lp.col_lower_ = np.asarray(model.lower, dtype=float)
    lp.col_upper_ = np.asarray(model.upper, dtype=float)
    lp.row_lower_ = np.asarray([max(r.low, -highspy.kHighsInf) for r in model.rows], dtype=float)
    lp.row_upper_ = np.asarray([min(r.high, highspy.kHighsInf) for r in model.rows], dtype=float)
    lp.offset_ = model.constant
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.cumsum([0, *(len(r.columns) for r in model.rows)]).astype(np.int32)
    lp.a_matrix_.index_ = np.asarray([c for r in model.rows for c in r.columns], dtype=np.int32)
    lp.a_matrix_.value_ = np.asarray([a for r in model.rows for a in r.coefficients], dtype=float)
    if whole:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(i)] for i in model.integer]
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise SolverError("HiGHS refused the program")
    return highs


def _report(highs: Any, progress: Progress) -> None:
    def tell(event: Any) -> None:
        out = event.data_out
        best = out.mip_primal_bound if abs(out.mip_primal_bound) < 1e30 else None
        bound = out.mip_dual_bound if abs(out.mip_dual_bound) < 1e30 else None
        progress(best, bound)

    highs.cbMipLogging += tell


def _outcome(highspy: Any, highs: Any) -> Outcome:
    status = highs.getModelStatus()
    info = highs.getInfo()
    kind = highspy.HighsModelStatus
    if status in {kind.kInfeasible, kind.kUnboundedOrInfeasible}:
        return Outcome(Ending.INFEASIBLE)
    if status not in {kind.kOptimal, kind.kTimeLimit, kind.kModelEmpty}:
        raise SolverError(f"HiGHS ended with {highs.modelStatusToString(status)}")
    bound = info.mip_dual_bound if abs(info.mip_dual_bound) < INFINITY else None
    if abs(info.mip_dual_bound) >= 1e30:
        bound = None
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if not found:
        return Outcome(Ending.UNKNOWN, None, bound)
    values = list(highs.getSolution().col_value)
    ending = Ending.OPTIMAL if status == kind.kOptimal else Ending.FEASIBLE
    return Outcome(ending, values, bound)
