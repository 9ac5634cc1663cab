"""Limits on time: every long loop asks the clock, and what was found before its end still holds.

The clock here moves each time it is asked: a loop that never asks never ends too late in it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from mip_graphs import ETHERNET, GENERIC, HOST, MBPS, SWITCH, VLINK, apart, element, join, underlay

from mip.bounds.bucket_elimination import eliminate
from mip.bounds.metric import Metric
from mip.bounds.partition import cheapest_parting
from mip.bounds.placing import build_placing, leavable
from mip.clock import Clock, OutOfTimeError
from mip.exact.host_count import solve_hosts
from mip.exact.min_max import solve_peak
from mip.exact.placements import PlacedSearch
from mip.exact.program import Found, Search, solve_plain
from mip.exact.regional import RegionalSearch
from mip.exact.strategy import on_leavable, quick, solve_additive
from mip.formulation.arc_flow import ArcFlow
from mip.heuristic.local_search import LocalSearch
from mip.instance.instance import Instance, compile_instance
from mip.objectives import Weights, objective, weights_of
from mip.problem.statement import Problem
from mip.routing.greedy import GreedyRouter
from mip.solvers.cbc import Cbc
from mip.solvers.highs import Highs
from mip.solvers.linear import Ending, Limits, LinearModel
from mip.solvers.registry import solver


class Ticking:
    """Tells a time that is one second later each time."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return float(self.asked)


def ring() -> Problem:
    """Five VNodes in a ring, for eight hosts on a ring of four switches."""
    hosts = [element(f"h{k}", HOST, {"cpu": 8}) for k in range(8)]
    switches = [element(f"s{k}", SWITCH) for k in range(4)]
    links = {f"c{k}": (f"s{k}", f"s{(k + 1) % 4}") for k in range(4)}
    links |= {f"a{k}": (f"h{k}", f"s{k % 4}") for k in range(8)}
    lines = [element(i, ETHERNET, {"bandwidth": 50 * MBPS}) for i in links]
    names = [f"v{k}" for k in range(5)]
    vnodes = [element(v, GENERIC, {"cpu": 3}) for v in names]
    wanted = {f"e{k}": (names[k], names[(k + 1) % 5]) for k in range(5)}
    vlinks = [element(i, VLINK, {"bandwidth": 10 * MBPS}) for i in wanted]
    request = join("ring", [*vnodes, *vlinks], wanted, [apart(*names)])
    return Problem(underlay([*hosts, *switches, *lines], links), request)


@pytest.fixture
def instance() -> Instance:
    return compile_instance(ring())


@pytest.fixture
def cost(instance: Instance) -> Weights:
    return objective("cost").weights(instance.problem)


def placing(instance: Instance, cost: Weights):
    return build_placing(instance, cost, Metric(instance, cost))


PARTS: dict[str, Callable[[Instance, Weights, Clock], object]] = {
    "fields": lambda i, w, c: Metric(i, w, c).field(0),
    "tables": lambda i, w, c: Metric(i, w, c).table(0, 0, 1),
    "rests": lambda i, w, c: Metric(i, w, c).rest(0, i.points[0].candidates[0]),
    "placing": lambda i, w, c: build_placing(i, w, Metric(i, w, c)),
    "departures": lambda i, _w, c: leavable(i, c),
    "elimination": lambda i, w, c: eliminate(placing(i, w), clock=c),
    "parting": lambda i, w, c: list(cheapest_parting(i, w, Metric(i, w, c))),
    "routes": lambda i, w, c: GreedyRouter(i, Metric(i, w, c)).route(range(len(i.points))),
    "program": lambda i, w, c: ArcFlow(i, w, clock=c),
    "descent": lambda i, w, c: LocalSearch(placing(i, w), random.Random(1), c).descend(
        list(range(len(i.points)))
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_the_work_ends_when_the_time_is_over(part, instance, cost) -> None:
    """However much is done already: with any number of questions less than it asks."""
    whole = Ticking()
    PARTS[part](instance, cost, Clock(1e9, whole))
    assert whole.asked > 1
    for seconds in {0, whole.asked // 2, whole.asked - 2}:
        with pytest.raises(OutOfTimeError):
            PARTS[part](instance, cost, Clock(float(seconds), Ticking()))


WAYS: dict[str, Callable[[Instance, Search], Found | None]] = {
    "placements": lambda i, s: PlacedSearch(i, additive(i), s).run(),
    "hurry": lambda i, s: PlacedSearch(i, additive(i), s, hurry=True).run(),
    "regions": lambda i, s: RegionalSearch(i, additive(i), s).run(),
    "program": lambda i, s: solve_plain(i, additive(i), s),
    "leavable": lambda i, s: on_leavable(i, additive(i), s),
    "sum": lambda i, s: solve_additive(i, additive(i), s),
    "quick": lambda i, s: quick(i, additive(i), s),
    "peak": lambda i, s: solve_peak(i, weights_of(objective("balance"), i.problem), s),
    "hosts": lambda i, s: solve_hosts(i, weights_of(objective("compact"), i.problem), s),
}


def additive(instance: Instance) -> Weights:
    return objective("cost").weights(instance.problem)


@pytest.mark.parametrize("way", WAYS)
def test_a_way_that_runs_out_of_time_says_what_it_has(way, instance) -> None:
    """At whatever moment: never an error, never a proof that isn't there, never nothing known."""
    for seconds in [*range(60), 100, 200, 400, 800]:
        search = Search(solver("highs"), Clock(float(seconds), Ticking()))
        found = WAYS[way](instance, search)
        assert found is None or found.ending is not Ending.INFEASIBLE
        if found is not None and found.ending in {Ending.OPTIMAL, Ending.FEASIBLE}:
            assert found.draft is not None


def test_a_part_of_a_limit_is_never_more_than_the_limit() -> None:
    clock = Clock(10.0, lambda: 0.0)
    assert clock.part(0.5).left() == 5.0
    assert clock.part(0.5, 2.0).left() == 2.0
    assert clock.within(20.0).left() == 10.0
    assert Clock(None).part(0.5).left() is None
    assert Clock(None, lambda: 0.0).part(0.5, 2.0).left() == 2.0


def large() -> LinearModel:
    """A program whose handing over takes longer than the time that it is given."""
    model = LinearModel()
    columns = [model.column(-1.0) for _ in range(2_000)]
    for k in range(400):
        model.row(dict.fromkeys(columns[k : k + 500], 1.0), 0.0, 100.0)
    return model


@pytest.mark.parametrize("which", [Cbc(), Highs()])
def test_a_solver_without_time_to_be_asked_is_not_sure(which) -> None:
    """It counts what handing the program over takes; what it proves nothing of, it leaves open."""
    assert which.solve(large(), Limits(0.01)).ending in {Ending.UNKNOWN, Ending.FEASIBLE}
