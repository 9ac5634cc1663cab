"""The special ways against the whole program, on networks where links are scarce."""

from __future__ import annotations

import random

import pytest
from mip_graphs import ETHERNET, GENERIC, HOST, MBPS, SWITCH, VLINK, apart, element, join, underlay

from mip.bounds.bucket_elimination import eliminate
from mip.bounds.metric import Metric
from mip.bounds.placing import build_placing
from mip.clock import Clock
from mip.draft import value_of
from mip.exact import placements as placed
from mip.exact.branching import Branching, OutOfBudgetError
from mip.exact.program import Search, solve_plain
from mip.exact.strategy import quick, solve_additive
from mip.instance.instance import Instance, compile_instance
from mip.objectives import Weights, objective
from mip.problem.statement import Problem
from mip.routing.router import Router
from mip.solvers.linear import Ending
from mip.solvers.registry import solver


def scarce(seed: int) -> Problem:
    """Eight switches with a host each, ring and chords; links that hold one or two VLinks."""
    rng = random.Random(seed)
    n = 8
    elements = [element(f"h{k}", HOST, {"cpu": rng.choice([2, 3, 4])}) for k in range(n)]
    elements += [element(f"s{k}", SWITCH) for k in range(n)]
    ends = {f"a{k}": (f"h{k}", f"s{k}") for k in range(n)}
    ends |= {f"r{k}": (f"s{k}", f"s{(k + 1) % n}") for k in range(n)}
    ends |= {f"c{k}": (f"s{k}", f"s{k + 4}") for k in range(3)}
    for name in ends:
        room = 100 if name[0] == "a" else rng.choice([10, 20, 30, 40])
        elements.append(element(name, ETHERNET, {"bandwidth": room * MBPS}))
    names = [f"v{k}" for k in range(5)]
    asked = [element(v, GENERIC, {"cpu": rng.choice([1, 2])}) for v in names]
    pairs = {(names[rng.randrange(k)], names[k]) for k in range(1, 5)}
    while len(pairs) < 6:
        pairs.add(tuple(sorted(rng.sample(names, 2))))
    links = {f"{a}{b}": (a, b) for a, b in sorted(pairs)}
    asked += [element(e, VLINK, {"bandwidth": rng.choice([8, 15, 20]) * MBPS}) for e in links]
    rules = [apart(*names)] if rng.random() < 0.5 else []
    return Problem(underlay(elements, ends), join("net", asked, links, rules))


def same_as_the_whole_program(seed: int) -> tuple[Instance, Weights, float | None]:
    """Solve by placements and as one program; the optimum, which must agree, None if infeasible."""
    problem = scarce(seed)
    weights = objective("cost").weights(problem)
    instance = compile_instance(problem)
    search = Search(solver("highs"), Clock(60))
    whole = solve_plain(instance, weights, search)
    found = solve_additive(instance, weights, search)
    assert found.ending is whole.ending, seed
    if whole.draft is None or found.draft is None:
        return instance, weights, None
    best = value_of(instance, weights, whole.draft)
    assert value_of(instance, weights, found.draft) == pytest.approx(best), seed
    return instance, weights, best


@pytest.mark.parametrize("group", range(4))
def test_placements_first_equals_the_whole_program(group: int) -> None:
    """The same optimum, or infeasible both; the fast answer is never better."""
    for seed in range(4 * group, 4 * group + 4):
        instance, weights, best = same_as_the_whole_program(seed)
        if best is not None:
            search = Search(solver("highs"), Clock(60))
            soon = quick(instance, weights, search)
            assert soon.draft is not None
            assert value_of(instance, weights, soon.draft) >= best - 1e-6
            assert soon.bound is None or soon.bound <= best + 1e-6
            if soon.ending is Ending.OPTIMAL:
                assert value_of(instance, weights, soon.draft) == pytest.approx(best), seed


@pytest.mark.parametrize(("steps", "failures"), [(4, 10), (20_000, 1), (30, 1)])
def test_giving_up_on_paths_soon_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, steps: int, failures: int
) -> None:
    """Paths from a program on few arcs, and parts that were ruled out, lead to the same optimum."""
    # The real limits are met on large instances only, which brute force can't check.
    monkeypatch.setattr(placed, "_STEPS", steps)
    monkeypatch.setattr(placed, "_FAILURES", failures)
    for seed in range(16, 28):
        same_as_the_whole_program(seed)


def test_a_router_says_the_same_whatever_it_was_asked_before() -> None:
    """The order in which VLinks are tried is learnt; what fits isn't."""
    answers = set()
    for seed in range(6):
        instance = compile_instance(scarce(seed))
        metric = Metric(instance, objective("cost").weights(instance.problem))
        learnt = Router(instance, metric)
        rng = random.Random(seed)
        for _ in range(150):
            places = {i: rng.choice(p.candidates) for i, p in enumerate(instance.points)}
            slack = rng.choice([0.0, 20.0, 60.0])
            fits = learnt.fits(places, slack, 10**6)
            assert fits == Router(instance, metric).fits(places, slack, 10**6)
            answers.add(fits)
    assert answers == {True, False}


def test_a_search_that_was_stopped_can_be_run_again() -> None:
    """What the stopped run had put on hosts is gone."""
    for seed in range(8):
        instance = compile_instance(scarce(seed))
        weights = objective("cost").weights(instance.problem)
        placing = build_placing(instance, weights, Metric(instance, weights))
        buckets = eliminate(placing)

        def leaves(branching: Branching) -> list[tuple[int, ...]]:
            seen: list[tuple[int, ...]] = []
            branching.run(float("inf"), lambda places, _bound: seen.append(places), lambda: False)
            return seen

        stopped = Branching(placing, buckets)
        with pytest.raises(OutOfBudgetError):
            stopped.run(float("inf"), lambda _places, _bound: None, lambda: True)
        assert leaves(stopped) == leaves(Branching(placing, buckets))
