"""The solvers there are, by name, and what takes over where one breaks down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from mip.clock import Clock
from mip.errors import SolverError, UnknownMethodError
from mip.solvers.cbc import Cbc
from mip.solvers.highs import Highs, available
from mip.solvers.linear import Ending, Limits, LinearModel, Outcome, Progress, Solver

SOLVERS: Mapping[str, Callable[[], Solver]] = {"cbc": Cbc, "highs": Highs}


@dataclass(frozen=True)
class Relieved:
    """A solver, and another that takes over in the time that is left where the first breaks down.

    Attributes:
        first: the solver.
        other: the one that takes over.
    """

    first: Solver
    other: Solver

    def solve(
        self,
        model: LinearModel,
        limits: Limits,
        start: Sequence[float] | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """See `mip.solvers.linear.Solver`; a `SolverError` only once both broke down."""
        clock = Clock(limits.seconds)
        try:
            return self.first.solve(model, limits, start, progress)
        except SolverError:
            if clock.over():
                return Outcome(Ending.UNKNOWN)
        return self.other.solve(model, replace(limits, seconds=clock.left()), start, progress)


def prompt_solver() -> Solver:
    """The one that answers yes-or-no questions soonest: HiGHS where it is installed."""
    return solver("highs" if available() else "cbc")


def solver(name: str) -> Solver:
    """The solver of that name; the other one, if there is one, is behind it.

    Raises:
        UnknownMethodError: there is none; the message lists what there is.
    """
    if name not in SOLVERS:
        raise UnknownMethodError(f"no solver {name!r}; there are {', '.join(sorted(SOLVERS))}")
    if name == "highs":
        return Relieved(Highs(), Cbc())
    return Relieved(Cbc(), Highs() if available() else Cbc(presolve=False))
