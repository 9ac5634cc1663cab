"""Pairs of paths and trees routed one by one: whole wherever they are found, and soon there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

import pytest
from mip_graphs import (
    ETHERNET,
    GENERIC,
    HOST,
    MBPS,
    SWITCH,
    VLINK,
    apart,
    element,
    join,
    underlay,
)

from mip.bounds.metric import Metric
from mip.clock import Clock
from mip.draft import Draft, value_of
from mip.exact.placements import PlacedSearch
from mip.exact.program import Found, Search, solve_plain
from mip.exact.strategy import quick, solve_additive
from mip.formulation.arc_flow import Scope
from mip.instance.instance import Instance, compile_instance
from mip.instance.network import Network
from mip.mapping import _result
from mip.objectives import Cost
from mip.problem.statement import Options, Problem
from mip.routing.disjoint import disjoint_pair
from mip.routing.greedy import GreedyRouter
from mip.solvers.highs import Highs
from mip.solvers.linear import Ending
from mip.verify.verifier import verify
from rdl.graph import Graph

KINDS = ("link", "node")


def meshed(rng: random.Random, n: int = 6, rooms: tuple[int, ...] = (20, 30, 40, 60)) -> Graph:
    """Switches on a ring with chords, a host on every two in a row; links have latencies."""
    elements = [element(f"h{k}", HOST, {"cpu": rng.choice([2, 4])}) for k in range(n)]
    elements += [element(f"s{k}", SWITCH) for k in range(n)]
    ends = {f"a{k}": (f"h{k}", f"s{k}") for k in range(n)}
    ends |= {f"b{k}": (f"h{k}", f"s{(k + 1) % n}") for k in range(n)}
    ends |= {f"r{k}": (f"s{k}", f"s{(k + 1) % n}") for k in range(n)}
    ends |= {f"c{k}": (f"s{k}", f"s{k + n // 2}") for k in range(n // 2)}
    for name in ends:
        lag = rng.choice([0.001, 0.002, 0.005])
        room = {"bandwidth": rng.choice(rooms) * MBPS}
        elements.append(element(name, ETHERNET, room, latency=lag))
    return underlay(elements, ends)


def asked(rng: random.Random, *, backed: bool = True) -> Graph:
    """Three or four VNodes apart; VLinks with and without protection and bounds, and a tree.

    With `backed` the tree may be protected as well, which is hard for programs.
    """
    names = [f"v{k}" for k in range(rng.choice([3, 4]))]
    elements = [element(v, GENERIC, {"cpu": 1}) for v in names]
    ends = {f"e{k}": (names[k], names[(k + 1) % len(names)]) for k in range(len(names))}
    ends["tree"] = tuple(names[:3])
    for link in ends:
        features: dict[str, str | float] = {}
        if rng.random() < 0.6 and (link != "tree" or backed):
            features["protection"] = rng.choice(KINDS)
        if rng.random() < 0.4:
            features["latency"] = rng.choice([0.006, 0.01, 0.015])
        room = {"bandwidth": rng.choice([5, 8, 10]) * MBPS}
        elements.append(element(link, VLINK, room, **features))
    return join("net", elements, ends, [apart(*names)])


def drawn(count: int) -> Iterator[tuple[Instance, GreedyRouter, list[int]]]:
    """Instances, a router for each, and a placement at random."""
    for seed in range(count):
        rng = random.Random(seed)
        problem = Problem(meshed(rng), asked(rng))
        instance = compile_instance(problem)
        router = GreedyRouter(instance, Metric(instance, Cost().weights(problem)))
        if all(p.candidates for p in instance.points):
            hosts = sorted({v for p in instance.points for v in p.candidates})
            yield instance, router, rng.sample(hosts, len(instance.points))


def within(seconds: float) -> Search:
    return Search(Highs(), Clock(seconds))


def faults(instance: Instance, draft: Draft) -> tuple[str, ...]:
    """What the verifier finds wrong."""
    result = _result(instance, Options(), Found(Ending.FEASIBLE, draft), 0.0, ())
    return verify(instance.problem, result)


def test_whatever_is_found_is_whole_and_most_is_found() -> None:
    """Against the program with the same hosts, which finds all that there is."""
    found, missed, none = 0, 0, 0
    for instance, router, places in drawn(60):
        draft = router.route(places)
        scope = Scope(hosts={i: frozenset((v,)) for i, v in enumerate(places)})
        weights = Cost().weights(instance.problem)
        best = solve_plain(instance, weights, within(20.0), scope=scope)
        if draft is None:
            missed += best.draft is not None
            none += best.draft is None
            continue
        found += 1
        assert faults(instance, draft) == ()
        assert best.draft is not None
        least = value_of(instance, weights, best.draft)
        assert value_of(instance, weights, draft) >= least * (1 - 1e-9)
    assert found >= 10
    assert none >= 3
    assert missed <= found / 4


def across(kind: str) -> Problem:
    """Two hosts with a shortest path, a-b, that lies across the only two which share nothing."""
    elements = [element(f"h{k}", HOST, {"cpu": 1}) for k in range(2)]
    elements += [element(s, SWITCH) for s in ("a", "b", "c", "d", "u", "w")]
    ends = {
        "h0a": ("h0", "a"),
        "h0u": ("h0", "u"),
        "ab": ("a", "b"),
        "bh1": ("b", "h1"),
        "uc": ("u", "c"),
        "cb": ("c", "b"),
        "ad": ("a", "d"),
        "dw": ("d", "w"),
        "wh1": ("w", "h1"),
    }
    elements += [element(e, ETHERNET, {"bandwidth": 10 * MBPS}) for e in ends]
    vnodes = [element(v, GENERIC, {"cpu": 1}) for v in "xy"]
    vlink = element("xy", VLINK, {"bandwidth": 10 * MBPS}, protection=kind)
    request = join("net", [*vnodes, vlink], {"xy": ("x", "y")}, [apart("x", "y")])
    return Problem(underlay(elements, ends), request)


@pytest.mark.parametrize("kind", KINDS)
def test_two_paths_are_found_where_the_shortest_leaves_no_other(kind: str) -> None:
    instance = compile_instance(across(kind))
    router = GreedyRouter(instance, Metric(instance, Cost().weights(instance.problem)))
    index = instance.network.index
    draft = router.route([index["h0"], index["h1"]])
    assert draft is not None
    assert faults(instance, draft) == ()
    assert "ab" not in {*draft.working[0].on, *draft.backup[0].on}


def test_a_vlink_that_found_no_way_goes_first_the_next_time() -> None:
    """The wide tree may go either way, and goes the shorter one; the narrow one can't but there."""
    elements = [element(f"h{k}", HOST, {"cpu": 1}) for k in range(3)]
    elements += [element(s, SWITCH) for s in ("near", "far", "further")]
    ends = {f"near{k}": (f"h{k}", "near") for k in range(3)}
    ends |= {"far0": ("h0", "far"), "far1": ("h1", "far"), "far2": ("h2", "further")}
    ends["more"] = ("far", "further")
    for name in ends:
        lag = 0.001 if name.startswith("near") else 0.01
        elements.append(element(name, ETHERNET, {"bandwidth": 10 * MBPS}, latency=lag))
    vnodes = [element(v, GENERIC, {"cpu": 1}) for v in "xyz"]
    wide = element("wide", VLINK, {"bandwidth": 10 * MBPS})
    narrow = element("narrow", VLINK, {"bandwidth": 6 * MBPS}, latency=0.005)
    links = {"wide": ("x", "y", "z"), "narrow": ("x", "y", "z")}
    request = join("net", [*vnodes, wide, narrow], links, [apart("x", "y", "z")])
    instance = compile_instance(Problem(underlay(elements, ends), request))
    router = GreedyRouter(instance, Metric(instance, Cost().weights(instance.problem)))
    draft = router.route([instance.network.index[f"h{k}"] for k in range(3)])
    assert draft is not None
    assert faults(instance, draft) == ()
    assert set(draft.working[1].on) == {"near", "near0", "near1", "near2"}
    assert "more" in draft.working[0].on


def paths(network: Network, at: int, end: int, on: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The edges of every simple path over switches."""
    if at == end:
        yield on
        return
    met = {v for e in on for v in (network.edges[e].u, network.edges[e].v)}
    for e, near in network.incident[at]:
        if near == end or (network.forwards[near] and near not in met):
            yield from paths(network, near, end, (*on, e))


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_is_the_cheapest_of_all_pairs(kind: str) -> None:
    """Against trying every two paths; none is found only where there is none."""
    ended = set()
    for seed in range(40):
        rng = random.Random(seed)
        problem = Problem(meshed(rng, 6), asked(rng))
        network = compile_instance(problem).network
        cost = [rng.choice([1.0, 2.0, 5.0, float("inf")]) for _ in network.edges]
        ends = network.index["h0"], network.index["h3"]
        most = 1 if kind == "node" else 2
        inside = {v: most for v, passing in enumerate(network.forwards) if passing}

        def inner(on: tuple[int, ...], network: Network = network) -> set[int]:
            touched = [v for e in on for v in (network.edges[e].u, network.edges[e].v)]
            return {v for v in touched if touched.count(v) == 2} if kind == "node" else set()

        every = [p for p in paths(network, *ends, ()) if all(cost[e] < float("inf") for e in p)]
        best = min(
            (
                sum(cost[e] for e in (*a, *b))
                for a, b in product(every, every)
                if not set(a) & set(b) and not inner(a) & inner(b)
            ),
            default=None,
        )
        pair = disjoint_pair(network, ends, lambda e, _v, c=cost: c[e], inside)
        ended.add(best is None)
        if pair is None or best is None:
            assert pair is None, seed
            assert best is None, seed
            continue
        (_, one), (_, other) = pair
        assert sum(cost[e] for e in (*one, *other)) == pytest.approx(best)
        assert not set(one) & set(other)
        assert not inner(tuple(one)) & inner(tuple(other))
    assert ended == {True, False}


def test_a_first_mapping_needs_no_program() -> None:
    """Where there is room, and what is found is never better than the best."""
    for seed in (1, 4, 7, 9):
        rng = random.Random(seed)
        problem = Problem(meshed(rng, 5, (40, 50)), asked(rng, backed=False))
        instance = compile_instance(problem)
        weights = Cost().weights(problem)
        first = PlacedSearch(instance, weights, within(10.0), hurry=True)
        first.run()
        assert first.trace.programs == 0
        assert first.best is not None
        assert faults(instance, first.best) == ()
        best = solve_additive(instance, weights, within(60.0))
        whole = solve_plain(instance, weights, within(60.0))
        assert best.ending is whole.ending is Ending.OPTIMAL
        assert best.draft is not None
        assert whole.draft is not None
        least = value_of(instance, weights, whole.draft)
        assert value_of(instance, weights, best.draft) == pytest.approx(least), seed
        assert first.value >= least * (1 - 1e-9)
        assert first.bound <= least * (1 + 1e-9)
        soon = quick(instance, weights, within(10.0))
        assert soon.draft is not None
        assert soon.bound is None or soon.bound <= least * (1 + 1e-9)
