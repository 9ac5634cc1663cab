"""Data-centre shapes: what reductions and bounds leave out is never needed."""

from __future__ import annotations

import random

import pytest

from mip.bounds.dominance import undominated
from mip.bounds.metric import Metric
from mip.bounds.partition import cheapest_parting
from mip.clock import Clock
from mip.draft import value_of
from mip.exact.program import Search, solve_plain
from mip.exact.regional import RegionalSearch
from mip.instance.instance import Instance, compile_instance
from mip.mapping import map_request
from mip.objectives import Weights, objective
from mip.problem.statement import Options, Problem, Status
from mip.solvers.cbc import Cbc
from mip.solvers.linear import Ending
from rdl.graph import Amount, Constraint, ConstraintKind, Element, Graph, Interface, Layer

MBPS = 10**6


def fabric(leaves: int, spines: int, per_leaf: int, rng: random.Random, *, alike: bool) -> Graph:
    """A leaf-spine fabric; what is free is drawn for each host and link, or the same for all."""
    joined = [(f"l{a}-{b}", f"leaf{a}", f"spine{b}") for a in range(leaves) for b in range(spines)]
    hosts = [f"h{k}" for k in range(leaves * per_leaf)]
    joined += [(f"a{k}", h, f"leaf{k // per_leaf}") for k, h in enumerate(hosts)]
    elements: dict[str, Element] = {}
    ports: dict[str, list[Interface]] = {}
    plugs = []
    for name, u, v in joined:
        room = Amount((60 if alike else rng.randint(1, 6) * 10) * MBPS)
        for k, end in enumerate((u, v)):
            ports.setdefault(end, []).append(Interface(f"{end}.{name}"))
            plugs.append((f"{end}.{name}", f"{name}.{k}"))
        ends = (Interface(f"{name}.0"), Interface(f"{name}.1"))
        elements[name] = Element(name, "/link/ethernet", {"bandwidth": room}, interfaces=ends)
    for name, found in ports.items():
        host = name[0] == "h"
        held = {"cpu": Amount(4 if alike else rng.randint(1, 5))} if host else {}
        priced = {"price": 0 if alike else rng.randint(0, 2) * 10} if host else {}
        kind = "/node/host/server/kvm" if host else "/node/switch/openflow"
        elements[name] = Element(name, kind, held, priced, tuple(found))
    return Graph("fabric", Layer.UNDERLAY, elements, tuple(plugs))


def ring(vnodes: int, rng: random.Random, *, apart: bool) -> Graph:
    """A ring of VNodes."""
    elements: dict[str, Element] = {}
    ports: dict[str, list[Interface]] = {f"v{k}": [] for k in range(vnodes)}
    plugs = []
    for k in range(vnodes):
        name = f"e{k}"
        for j, end in enumerate((f"v{k}", f"v{(k + 1) % vnodes}")):
            ports[end].append(Interface(f"{end}.{name}"))
            plugs.append((f"{end}.{name}", f"{name}.{j}"))
        ends = (Interface(f"{name}.0"), Interface(f"{name}.1"))
        room = {"bandwidth": Amount(rng.randint(1, 3) * 10 * MBPS)}
        elements[name] = Element(name, "/link/generic", room, interfaces=ends)
    for name, found in ports.items():
        held = {"cpu": Amount(rng.randint(1, 4))}
        elements[name] = Element(name, "/node/host/generic", held, interfaces=tuple(found))
    rules = (Constraint(ConstraintKind.APART, tuple(ports)),) if apart else ()
    return Graph("ring", Layer.OVERLAY, elements, tuple(plugs), rules)


def drawn(seed: int) -> tuple[Instance, Weights]:
    rng = random.Random(seed)
    substrate = fabric(3, 2, 5, rng, alike=seed % 3 == 0)
    problem = Problem(substrate, ring(3, rng, apart=seed % 2 == 0))
    return compile_instance(problem), objective("cost").weights(problem)


@pytest.mark.parametrize("seed", range(30))
def test_reduced_instances_keep_the_optimum_and_bounds_stay_below_it(seed: int) -> None:
    instance, weights = drawn(seed)
    if instance.refusals:
        return
    search = Search(Cbc(), Clock(60.0))
    whole = solve_plain(instance, weights, search)
    small = undominated(instance, weights)
    bounds = [p.bound for p in cheapest_parting(instance, weights, Metric(instance, weights))]
    assert bounds
    if whole.draft is None:
        assert solve_plain(small, weights, search).draft is None
        return
    best = value_of(instance, weights, whole.draft)
    reduced = solve_plain(small, weights, search)
    assert reduced.draft is not None
    assert value_of(instance, weights, reduced.draft) == pytest.approx(best)
    assert max(bounds) <= best + 1e-6
    regional = RegionalSearch(small, weights, Search(Cbc(), Clock(5.0))).run()
    assert regional.bound is None or regional.bound <= best + 1e-6
    if regional.ending is Ending.OPTIMAL:
        assert regional.draft is not None
        assert value_of(instance, weights, regional.draft) == pytest.approx(best)


def test_hosts_and_leaves_alike_are_told_apart_no_further_than_vnodes_need() -> None:
    rng = random.Random(0)
    problem = Problem(fabric(9, 2, 9, rng, alike=True), ring(3, rng, apart=True))
    small = undominated(compile_instance(problem), objective("cost").weights(problem))
    assert all(len(p.candidates) <= 9 for p in small.points)


def test_a_large_loaded_fabric_is_mapped_by_regions() -> None:
    rng = random.Random(1)
    problem = Problem(fabric(60, 4, 20, rng, alike=False), ring(6, rng, apart=True))
    result = map_request(problem, Options(method="fast", time_limit=20.0))
    assert result.status in {Status.OPTIMAL, Status.FEASIBLE}
    assert result.bound is not None
