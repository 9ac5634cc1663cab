"""Solving the program to a proven end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mip.clock import Clock, OutOfTimeError
from mip.draft import Draft
from mip.formulation.arc_flow import ArcFlow, Scope
from mip.formulation.lazy_rows import mend
from mip.formulation.reading import read
from mip.instance.instance import Instance
from mip.objectives import Weights
from mip.solvers.linear import INFINITY, Ending, Limits, Progress, Solver

_SLACK = 1e-6
"""What solvers' tolerances ask for in rows on the objective, relatively."""


@dataclass(frozen=True)
class Found:
    """A mapping or none, how the search ended, and a true lower bound where one is known.

    `cheapest` says that no mapping of the same value costs less.
    """

    ending: Ending
    draft: Draft | None = None
    bound: float | None = None
    cheapest: bool = False


@dataclass(frozen=True)
class Search:
    """What the exact methods share: how to solve and when to stop."""

    solver: Solver
    clock: Clock
    gap: float = 0.0
    seed: int = 0
    progress: Progress | None = None

    def limits(self) -> Limits:
        """Now."""
        return Limits(self.clock.left(), self.gap, self.seed)


def solve_plain(
    instance: Instance,
    weights: Weights,
    search: Search,
    *,
    scope: Scope | None = None,
    ceiling: tuple[Weights, float] | None = None,
    below: float | None = None,
    above: float | None = None,
) -> Found:
    """The whole program, or the part in `scope`, as the solver takes it.

    Args:
        instance: what to map.
        weights: what to minimise.
        search: how.
        scope: hosts and edges left in.
        ceiling: another objective and the value it may not exceed.
        below: only mappings of at most this value are of interest.
        above: a known lower bound on the value.
    """
    bound: float | None = None
    try:
        first = weights if ceiling is None else ceiling[0]
        flow = ArcFlow(instance, first, scope, search.clock)
        if ceiling is not None:
            _swap(flow, weights, ceiling[1])
        _limit(flow, below, above)
        while not flow.model.contradiction:
            search.clock.check()
            outcome = search.solver.solve(flow.model, search.limits(), None, search.progress)
            if outcome.values is None:
                return Found(outcome.ending, None, outcome.bound)
            draft = read(flow, outcome.values)
            if not mend(flow, draft, outcome.values):
                return Found(outcome.ending, draft, outcome.bound)
            bound = outcome.bound
    except OutOfTimeError:
        return Found(Ending.UNKNOWN, None, bound)
    return Found(Ending.INFEASIBLE)


def _limit(flow: ArcFlow, below: float | None, above: float | None) -> None:
    """Rows that keep the objective between two values."""
    model = flow.model
    terms = {i: c for i, c in enumerate(model.cost) if c}
    if terms and (below is not None or above is not None):
        low = -INFINITY if above is None else above - model.constant - _SLACK * max(1, abs(above))
        high = INFINITY if below is None else below - model.constant
        model.row(terms, low, high)


def _swap(flow: ArcFlow, weights: Weights, ceiling: float) -> None:
    """Keep the first objective at its value and minimise another."""
    model = flow.model
    terms: Mapping[int, float] = {i: c for i, c in enumerate(model.cost) if c}
    slack = _SLACK * max(1.0, abs(ceiling))
    model.row(terms, -INFINITY, ceiling - model.constant + slack)
    model.cost = [0.0] * len(model.cost)
    for column, cost in flow.costs(weights).items():
        model.cost[column] = cost
    model.constant = weights.constant
