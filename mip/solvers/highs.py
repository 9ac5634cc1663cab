"""HiGHS, an extra: faster on large programs, takes arrays as they are, goes on from a basis."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mip.clock import Clock
from mip.errors import SolverError
from mip.solvers.linear import (
    INFINITY,
    Ending,
    Limits,
    LinearModel,
    Outcome,
    Progress,
    without_columns,
)

_LATE_S = 1e-6
"""How much later than told HiGHS may end, for each coefficient: it presolves without a look at its
clock."""

_SOON_SHARE, _SOON_S = 0.25, 0.3
"""The part of the time, and seconds at most, for any point at all without presolving, which takes
longer than finding one where few rows bind."""

_WHOLE = 1e-6
_HOLDS = 1e-9
_FACE = 1e-9
_MARGINS = (0.02, 0.2)
"""Margins for thinning, as shares of the relaxation's value: its optimal face first."""


def available() -> bool:
    """Whether highspy is installed."""
    from importlib.util import find_spec

    return find_spec("highspy") is not None


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
        """See `mip.solvers.linear.Solver`."""
        import highspy

        if not model.cost:
            return without_columns(model)
        clock = Clock(limits.seconds)
        highs = _loaded(highspy, model, whole=True)
        highs.setOptionValue("mip_rel_gap", limits.gap)
        highs.setOptionValue("mip_abs_gap", 1e-6 if not limits.gap else 1e-9)
        highs.setOptionValue("random_seed", limits.seed)
        if start is None and not any(model.cost):
            soon = _soon(highspy, highs, clock)
            if soon.ending is not Ending.UNKNOWN:
                return soon
        left = clock.left()
        if left is not None:
            late = min(left / 2, model.coefficients() * _LATE_S)
            highs.setOptionValue("time_limit", highs.getRunTime() + left - late)
        if start is not None:
            solution = highspy.HighsSolution()
            solution.col_value = [float(v) for v in start]
            highs.setSolution(solution)
        if progress is not None:
            _report(highs, progress)
        highs.run()
        if not _broken(highspy, highs):
            return _outcome(highspy, highs)
        return _again(highspy, highs, _Arrays.of(model), clock)


def _again(highspy: Any, highs: Any, arrays: _Arrays, clock: Clock) -> Outcome:
    """What a run that broke down comes to without presolving, or at least what it had found.

    Its bound isn't taken: who knows what was lost with it.

    Raises:
        SolverError: it broke down again, and no solution was found.
    """
    status = highs.modelStatusToString(highs.getModelStatus())
    found = np.asarray(highs.getSolution().col_value)
    known = len(found) == len(arrays.cost) and arrays.hold(found)
    if not clock.over():
        highs.clearSolver()
        highs.setOptionValue("presolve", "off")
        left = clock.left()
        if left is not None:
            highs.setOptionValue("time_limit", highs.getRunTime() + left)
        if known:
            solution = highspy.HighsSolution()
            solution.col_value = found.tolist()
            highs.setSolution(solution)
        highs.run()
        if not _broken(highspy, highs):
            outcome = _outcome(highspy, highs)
            if outcome.values is not None or not known:
                return outcome
    if known:
        return Outcome(Ending.FEASIBLE, found.tolist())
    raise SolverError(f"HiGHS ended with {status!r}")


def _soon(highspy: Any, highs: Any, clock: Clock) -> Outcome:
    """What a short search without presolving finds."""
    highs.setOptionValue("presolve", "off")
    highs.setOptionValue("time_limit", clock.part(_SOON_SHARE, _SOON_S).left())
    highs.run()
    outcome = Outcome(Ending.UNKNOWN)
    if not _broken(highspy, highs):
        outcome = _outcome(highspy, highs)
    highs.clearSolver()
    highs.setOptionValue("presolve", "choose")
    highs.setOptionValue("time_limit", highspy.kHighsInf)
    return outcome


Floats = np.ndarray[Any, np.dtype[np.float64]]


class WarmHighs:
    """A `mip.solvers.series.Series`: it goes on from the last basis and thins programs.

    Columns whose reduced cost is above a margin can't be in a solution that is less than the margin
    above the relaxation. So the program is solved without them; a solution within the margin is
    optimal, else the margin grows. Before that, all that is whole in the relaxation is kept.

    Model: (R8).
    """

    def __init__(self, model: LinearModel, row: int) -> None:
        import highspy

        self._highspy = highspy
        self._relaxed = _loaded(highspy, model, whole=False)
        self._arrays = _Arrays.of(model)
        self._row = row

    def row(self, terms: Mapping[int, float], low: float, high: float) -> None:
        """See `mip.solvers.series.Series`."""
        columns = np.asarray(list(terms), dtype=np.int32)
        values = np.asarray(list(terms.values()), dtype=float)
        top = self._highspy.kHighsInf
        self._relaxed.addRow(max(low, -top), min(high, top), len(columns), columns, values)
        self._arrays = self._arrays.with_row(columns, values, low, high)

    def solve(self, high: float, seconds: float | None) -> Outcome:
        """See `mip.solvers.series.Series`."""
        ends = None if seconds is None else time.monotonic() + seconds
        self._relaxed.changeRowBounds(self._row, -self._highspy.kHighsInf, high)
        self._arrays.high[self._row] = high
        relaxed = self._run(self._relaxed, ends)
        if relaxed.values is None or relaxed.ending is not Ending.OPTIMAL:
            return Outcome(relaxed.ending)
        floor = self._relaxed.getInfo().objective_function_value
        values = np.asarray(relaxed.values)
        arrays = self._arrays
        if np.all(np.abs(values - np.round(values))[arrays.whole] < _WHOLE):
            return Outcome(Ending.OPTIMAL, relaxed.values, floor)
        reduced = np.asarray(self._relaxed.getSolution().col_dual)
        unit = max(1.0, abs(floor))
        face = _FACE * unit
        kept = np.where(arrays.whole & (values > 1 - _WHOLE), 1.0, arrays.lower)
        upper = np.where(reduced > face, arrays.lower, arrays.upper)
        found = self._thinned(kept, upper, ends)
        if self._within(found, floor + face):
            return found
        settled = arrays.whole & (arrays.cost == 0) & (np.abs(values - np.round(values)) < _WHOLE)
        lower = np.where(settled, np.round(values), arrays.lower)
        found = self._thinned(lower, np.where(settled, lower, upper), ends)
        if self._within(found, floor + face):
            return found
        for share in (_FACE, *_MARGINS, np.inf):
            lower = np.where(reduced < -share * unit, arrays.upper, arrays.lower)
            upper = np.where(reduced > share * unit, arrays.lower, arrays.upper)
            found = self._thinned(lower, upper, ends)
            if self._within(found, floor + share * unit):
                break
        return found

    def _within(self, found: Outcome, top: float) -> bool:
        """Whether a thinned program's answer is the whole program's; if out of time, as it is."""
        if found.values is None:
            return found.ending is Ending.UNKNOWN
        value = float(self._arrays.cost @ np.asarray(found.values)) + self._arrays.constant
        return found.ending is Ending.FEASIBLE or value <= top + _FACE * max(1.0, abs(top))

    def _thinned(self, lower: Floats, upper: Floats, ends: float | None) -> Outcome:
        """The program between closer bounds; columns that they fix are left out."""
        upper = self._arrays.closer(lower, np.maximum(lower, upper))
        small = self._arrays.between(lower, upper)
        if small is None:
            return Outcome(Ending.INFEASIBLE)
        free = upper > lower
        values = lower.copy()
        if free.any():
            found = self._run(_passed(self._highspy, small), ends)
            if found.values is None:
                return Outcome(found.ending)
            values[free] = found.values
            return Outcome(found.ending, values.tolist(), found.bound)
        return Outcome(Ending.OPTIMAL, values.tolist())

    def _run(self, highs: Any, ends: float | None) -> Outcome:
        left = np.inf if ends is None else max(0.01, ends - time.monotonic())
        highs.setOptionValue("time_limit", highs.getRunTime() + left)
        highs.run()
        if _broken(self._highspy, highs):  # once more from the start, not from the last basis
            highs.clearSolver()
            highs.run()
        if _broken(self._highspy, highs):
            return Outcome(Ending.UNKNOWN)
        return _outcome(self._highspy, highs)


@dataclass(frozen=True)
class _Arrays:
    """A program as arrays; coefficient k is `value[k]` of column `column[k]` in row `row[k]`."""

    cost: Floats
    constant: float
    lower: Floats
    upper: Floats
    whole: np.ndarray[Any, np.dtype[np.bool_]]
    row: np.ndarray[Any, np.dtype[np.int64]]
    column: np.ndarray[Any, np.dtype[np.int64]]
    value: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, model: LinearModel) -> _Arrays:
        sizes = [len(r.columns) for r in model.rows]
        return cls(
            np.asarray(model.cost, dtype=float),
            model.constant,
            np.asarray(model.lower, dtype=float),
            np.asarray(model.upper, dtype=float),
            np.asarray(model.integer, dtype=bool),
            np.repeat(np.arange(len(sizes)), sizes),
            np.asarray([c for r in model.rows for c in r.columns], dtype=np.int64),
            np.asarray([a for r in model.rows for a in r.coefficients], dtype=float),
            np.asarray([r.low for r in model.rows], dtype=float),
            np.asarray([r.high for r in model.rows], dtype=float),
        )

    def with_row(self, columns: Any, values: Floats, low: float, high: float) -> _Arrays:
        return replace(
            self,
            row=np.append(self.row, np.full(len(columns), len(self.low))),
            column=np.append(self.column, columns),
            value=np.append(self.value, values),
            low=np.append(self.low, low),
            high=np.append(self.high, high),
        )

    def hold(self, values: Floats) -> bool:
        """Whether the columns' values keep all bounds and rows, within what solvers allow."""
        rows = np.bincount(self.row, self.value * values[self.column], len(self.low))
        unit = np.maximum(1.0, np.bincount(self.row, np.abs(self.value), len(self.low)))
        whole = np.abs(values - np.round(values))[self.whole] < _WHOLE
        inside = (values >= self.lower - _WHOLE) & (values <= self.upper + _WHOLE)
        kept = (rows >= self.low - _WHOLE * unit) & (rows <= self.high + _WHOLE * unit)
        return bool(whole.all() and inside.all() and kept.all())

    def closer(self, lower: Floats, upper: Floats) -> Floats:
        """Upper bounds, lowered where a row that is full at the lower bounds lets nothing rise."""
        rows = len(self.low)
        least = self.value * np.where(self.value > 0, lower[self.column], upper[self.column])
        full = np.bincount(self.row, least, rows) >= self.high - _HOLDS
        stuck = full[self.row] & (self.value > 0)
        out = upper.copy()
        out[self.column[stuck]] = lower[self.column[stuck]]
        return out

    def between(self, lower: Floats, upper: Floats) -> _Arrays | None:
        """Only what is free between the bounds, and the rows it can break; None if none holds."""
        rows = len(self.low)
        free = upper > lower
        fixed = np.bincount(self.row, np.where(free, 0.0, lower)[self.column] * self.value, rows)
        low, high = self.low - fixed, self.high - fixed
        inside = free[self.column]
        row, column, value = self.row[inside], self.column[inside], self.value[inside]
        ends = value * lower[column], value * upper[column]
        least = np.bincount(row, np.minimum(*ends), rows)
        most = np.bincount(row, np.maximum(*ends), rows)
        if np.any((least > high + _HOLDS) | (most < low - _HOLDS)):
            return None
        binding = (most > high + _HOLDS) | (least < low - _HOLDS)
        within = binding[row]
        return _Arrays(
            self.cost[free],
            self.constant + float(self.cost[~free] @ lower[~free]),
            lower[free],
            upper[free],
            self.whole[free],
            (np.cumsum(binding) - 1)[row[within]],
            (np.cumsum(free) - 1)[column[within]],
            value[within],
            low[binding],
            high[binding],
        )


def _loaded(highspy: Any, model: LinearModel, *, whole: bool) -> Any:
    arrays = _Arrays.of(model)
    return _passed(highspy, arrays if whole else replace(arrays, whole=arrays.whole & False))


def _passed(highspy: Any, arrays: _Arrays) -> Any:
    """A HiGHS of one thread with the program in it; its rows must be in order."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(arrays.cost), len(arrays.low)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = arrays.cost, arrays.lower, arrays.upper
    lp.row_lower_ = np.maximum(arrays.low, -highspy.kHighsInf)
    lp.row_upper_ = np.minimum(arrays.high, highspy.kHighsInf)
    lp.offset_ = arrays.constant
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    sizes = np.bincount(arrays.row, minlength=len(arrays.low))
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    lp.a_matrix_.index_ = arrays.column.astype(np.int32)
    lp.a_matrix_.value_ = arrays.value
    if arrays.whole.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(i)] for i in arrays.whole]
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


def _broken(highspy: Any, highs: Any) -> bool:
    """Whether a run ended otherwise than by an answer or its time limit."""
    kind = highspy.HighsModelStatus
    proven = {kind.kInfeasible, kind.kUnboundedOrInfeasible, kind.kOptimal, kind.kModelEmpty}
    return highs.getModelStatus() not in {*proven, kind.kTimeLimit}


def _outcome(highspy: Any, highs: Any) -> Outcome:
    """What a run that didn't break down came to."""
    status = highs.getModelStatus()
    info = highs.getInfo()
    kind = highspy.HighsModelStatus
    if status in {kind.kInfeasible, kind.kUnboundedOrInfeasible}:
        return Outcome(Ending.INFEASIBLE)
    bound = info.mip_dual_bound if abs(info.mip_dual_bound) < INFINITY else None
    if abs(info.mip_dual_bound) >= 1e30:
        bound = None
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if not found:
        return Outcome(Ending.UNKNOWN, None, bound)
    values = list(highs.getSolution().col_value)
    ending = Ending.OPTIMAL if status == kind.kOptimal else Ending.FEASIBLE
    return Outcome(ending, values, bound)
