"""The solvers there are, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mip.errors import UnknownMethodError
from mip.solvers.cbc import Cbc
from mip.solvers.highs import Highs, available
from mip.solvers.linear import Solver

SOLVERS: Mapping[str, Callable[[], Solver]] = {"cbc": Cbc, "highs": Highs}


def prompt_solver() -> Solver:
    """The one that answers yes-or-no questions soonest: HiGHS where it is installed."""
    return Highs() if available() else Cbc()


def solver(name: str) -> Solver:
    """The solver of that name.

    Raises:
        UnknownMethodError: there is none; the message lists what there is.
    """
    if name not in SOLVERS:
        raise UnknownMethodError(f"no solver {name!r}; there are {', '.join(sorted(SOLVERS))}")
    return SOLVERS[name]()
