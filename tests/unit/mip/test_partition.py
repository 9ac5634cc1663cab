"""The cheapest parting: never above the best placement, and equal to it where only hosts and
racks are short."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from mip_graphs import ETHERNET, GENERIC, HOST, MBPS, SWITCH, VLINK, apart, element, join, underlay
from odd_instances import KINDS, odd
from oracle import Oracle

from mip.bounds.metric import Metric
from mip.bounds.partition import Parting, cheapest_parting
from mip.bounds.subsets import Subsets
from mip.draft import value_of
from mip.exact.program import Clock, Search
from mip.exact.regional import RegionalSearch
from mip.instance.features import number
from mip.instance.instance import compile_instance
from mip.objectives import objective
from mip.problem.statement import Problem
from mip.solvers.cbc import Cbc
from mip.solvers.linear import Ending

LEAVES, SPINES = 3, 2

ODD = 40
"""Odd instances of each kind."""


def drawn(seed: int) -> Problem:
    """Racks of one to three hosts, wide links between switches, four or five VNodes that may share.

    In every third two VNodes are apart; in every fourth hosts have prices.
    """
    rng = random.Random(seed)
    count = rng.randint(4, 5)
    elements = [element(f"s{k}", SWITCH) for k in range(LEAVES + SPINES)]
    ends = {f"l{a}-{b}": (f"s{a}", f"s{LEAVES + b}") for a in range(LEAVES) for b in range(SPINES)}
    elements += [element(name, ETHERNET, {"bandwidth": 1000 * MBPS}) for name in ends]
    for leaf in range(LEAVES):
        for k in range(rng.randint(1, 7 - count)):
            host = f"h{leaf}{k}"
            held = {"cpu": rng.randint(1, 6)}
            price = rng.randint(0, 1) * 10 if seed % 4 == 1 else 0
            elements.append(element(host, HOST, held, price=price))
            elements.append(element(f"a{host}", ETHERNET, {"bandwidth": rng.randint(2, 8) * MBPS}))
            ends[f"a{host}"] = (host, f"s{leaf}")
    names = [f"v{k}" for k in range(count)]
    pairs = {(rng.randrange(k), k) for k in range(1, count)} | {(0, count - 1)}
    asked = [element(v, GENERIC, {"cpu": rng.randint(1, 3)}) for v in names]
    joined = {f"e{a}{b}": (names[a], names[b]) for a, b in sorted(pairs)}
    asked += [element(name, VLINK, {"bandwidth": rng.randint(1, 3) * MBPS}) for name in joined]
    rules = [apart("v0", "v1")] if seed % 3 == 0 else []
    return Problem(underlay(elements, ends), join("net", asked, joined, rules))


def best_of_all(problem: Problem) -> float:
    """By trying all placements: the least cost where hosts' cores and own links suffice."""
    substrate, request = problem.substrate, problem.request
    hosts = [e.id for e in substrate.nodes() if e.type == HOST]
    vnodes = [e.id for e in request.nodes()]
    vlinks = [(request.neighbours(e.id), e.amount("bandwidth")) for e in request.links()]
    price = {h: number(substrate.elements[h].features, "price") for h in hosts}
    parted = [set(c.of) for c in request.constraints]
    least = float("inf")
    for chosen in product(hosts, repeat=len(vnodes)):
        at = dict(zip(vnodes, chosen, strict=True))
        if any(len({at[v] for v in some}) < len(some) for some in parted):
            continue
        cpu, door = dict.fromkeys(hosts, 0.0), dict.fromkeys(hosts, 0.0)
        for v, h in at.items():
            cpu[h] += request.elements[v].amount("cpu")
        cost = sum(price[h] for h in chosen)
        for ends, room in vlinks:
            a, b = (at[v] for v in ends)
            if a != b:
                door[a] += room
                door[b] += room
                cost += room / MBPS * (2 if a[1] == b[1] else 4)
        if all(
            cpu[h] <= substrate.elements[h].amount("cpu")
            and door[h] <= substrate.elements[f"a{h}"].amount("bandwidth")
            for h in hosts
        ):
            least = min(least, cost)
    return least


def partings(problem: Problem) -> list[Parting]:
    instance = compile_instance(problem)
    weights = objective("cost").weights(problem)
    return list(cheapest_parting(instance, weights, Metric(instance, weights)))


@pytest.mark.parametrize("seed", range(60))
def test_bounds_rise_to_the_best_placement_and_it_is_found(seed: int) -> None:
    problem = drawn(seed)
    best = best_of_all(problem)
    if compile_instance(problem).refusals:
        assert best == float("inf")
        return
    found = partings(problem)
    bounds = [p.bound for p in found]
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(best)
    instance, weights = compile_instance(problem), objective("cost").weights(problem)
    result = RegionalSearch(instance, weights, Search(Cbc(), Clock(5.0))).run()
    if best == float("inf"):
        assert result.ending is Ending.INFEASIBLE
        return
    assert result.ending is Ending.OPTIMAL
    assert result.draft is not None
    assert value_of(instance, weights, result.draft) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(20))
def test_holders_take_one_part_each_and_the_cheapest_way_is_found(seed: int) -> None:
    """Against all ways to give four points to three holders."""
    rng = np.random.default_rng(seed)
    subsets = Subsets(4)
    gains = rng.integers(-5, 6, (3, 16)).astype(float)
    gains[rng.random((3, 16)) < 0.3] = np.inf
    gains[:, 0] = 0.0
    tables = [subsets.nothing]
    for holder in gains:
        tables.append(subsets.packed(tables[-1], holder))
    for subset in range(16):
        members = subsets.members(subset)
        ways = [
            sum(gains[h, sum(1 << i for i, a in given if a == h)] for h in range(3))
            for given in (
                list(zip(members, way, strict=True))
                for way in product(range(3), repeat=len(members))
            )
        ]
        assert tables[-1][subset] == min(ways)
        if np.isfinite(min(ways)):
            given = subsets.given(tables, gains, subset)
            assert sum(given) == subset
            assert sum(g[part] for g, part in zip(gains, given, strict=True)) == min(ways)


@pytest.mark.parametrize("kind", KINDS)
def test_no_bound_is_above_the_optimum_of_an_odd_instance(kind: str) -> None:
    """Pools, providers, anchors, hosts with several uplinks or none, links of many ends."""
    wrong = []
    for seed in range(ODD):
        made = odd(kind, seed)
        problem = made.problem()
        best = Oracle(problem).best().get("cost")
        if compile_instance(problem).refusals:
            continue
        bound = max((p.bound for p in partings(problem)), default=float("-inf"))
        if best is not None and bound > float(best.value) * (1 + 1e-9) + 1e-9:
            wrong.append(f"{made.name}: {bound} above {best.value}\n{made.text()}")
    assert not wrong, "\n".join(wrong)
