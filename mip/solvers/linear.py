"""A mixed 0/1 program as plain arrays, and the interface that solvers share."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mip.clock import NEVER, Clock

INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Row:
    """low <= sum of coefficient * column <= high."""

    columns: tuple[int, ...]
    coefficients: tuple[float, ...]
    low: float
    high: float


@dataclass
class LinearModel:
    """Minimise cost · x under `rows`, 0 <= x <= upper, some x whole; a builder, so it changes.

    `contradiction` is set once a row without columns can't hold. Once the clock has run out,
    nothing can be added: an `OutOfTimeError`.
    """

    cost: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    integer: list[bool] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    constant: float = 0.0
    contradiction: bool = False
    clock: Clock = NEVER

    def column(self, cost: float = 0.0, upper: float = 1.0, *, integer: bool = True) -> int:
        """A new column; its number."""
        self.clock.check()
        self.cost.append(cost)
        self.lower.append(0.0)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.cost) - 1

    def row(self, terms: Mapping[int, float], low: float, high: float) -> None:
        """A new row; coefficients of 0 are dropped, a row without any is judged at once."""
        self.clock.check()
        kept = [(c, a) for c, a in terms.items() if a]
        if not kept:
            self.contradiction = self.contradiction or not low <= 0 <= high
            return
        self.rows.append(Row(tuple(c for c, _ in kept), tuple(a for _, a in kept), low, high))

    def coefficients(self) -> int:
        """How many there are: what it takes to hand a program over grows with them."""
        return sum(len(row.columns) for row in self.rows)


class Ending(enum.Enum):
    """How a solver came to its end."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """What a solver found.

    Attributes:
        ending: optimal within the gap asked for, stopped with or without a solution, infeasible.
        values: of the columns, None without a solution.
        bound: a true lower bound on the objective, None where none is known.
    """

    ending: Ending
    values: Sequence[float] | None = None
    bound: float | None = None


Progress = Callable[[float | None, float | None], None]
"""Called with the incumbent's value and the bound, each None while unknown."""


@dataclass(frozen=True)
class Limits:
    """When a solver may stop: seconds of wall time, relative gap; and its random seed.

    Handing the program over counts.
    """

    seconds: float | None = None
    gap: float = 0.0
    seed: int = 0


class Solver(Protocol):
    """Solves a `LinearModel` with one thread."""

    def solve(
        self,
        model: LinearModel,
        limits: Limits,
        start: Sequence[float] | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Solve `model`, from the feasible point `start` where one is known.

        Raises:
            SolverError: the solver broke down.
        """


def without_columns(model: LinearModel) -> Outcome:
    """What comes of a program without columns, which no solver needs to be asked about."""
    if all(row.low <= 0 <= row.high for row in model.rows):
        return Outcome(Ending.OPTIMAL, [], model.constant)
    return Outcome(Ending.INFEASIBLE)
