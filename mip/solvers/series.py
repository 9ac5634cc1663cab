"""One program solved again and again while the bound of one row moves: the points of a front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from mip.solvers.cbc import Cbc
from mip.solvers.highs import WarmHighs, available
from mip.solvers.linear import Limits, LinearModel, Outcome


class Series(Protocol):
    """A program one of whose rows has a movable upper bound."""

    def row(self, terms: Mapping[int, float], low: float, high: float) -> None:
        """Add a row: low <= sum of coefficient * column <= high."""

    def solve(self, high: float, seconds: float | None) -> Outcome:
        """Solve to optimality with the row's upper bound at `high`, within `seconds`.

        Raises:
            SolverError: the solver broke down.
        """


class Afresh:
    """Solves from nothing each time, by CBC."""

    def __init__(self, model: LinearModel, row: int) -> None:
        self._model = model
        self._row = row
        self._solver = Cbc()

    def row(self, terms: Mapping[int, float], low: float, high: float) -> None:
        """See `Series`."""
        self._model.row(terms, low, high)

    def solve(self, high: float, seconds: float | None) -> Outcome:
        """See `Series`."""
        rows = self._model.rows
        rows[self._row] = replace(rows[self._row], high=high)
        return self._solver.solve(self._model, Limits(seconds))


def series(model: LinearModel, row: int) -> Series:
    """By HiGHS where it is installed, else by CBC; `model` must not be used for anything else."""
    return WarmHighs(model, row) if available() else Afresh(model, row)
