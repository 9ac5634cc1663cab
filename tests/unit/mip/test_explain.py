"""Reasons of large refusals: in the time there is, and no longer than one can read."""

from __future__ import annotations

import time

from mip_graphs import GENERIC, HOST, MBPS, PIP, VLINK, element, join, underlay

from mip.explain.demands import Demand, Wish, demands, without
from mip.explain.refusals import explain
from mip.problem.statement import Code, Problem
from mip.solvers.registry import solver
from rdl.graph import Graph

MANY = 600
LATE_S = 10.0
"""What one step may take beyond the time, on a machine that is busy with other things."""


def row(count: int, cpu: float = 1, differ: float = 0.0) -> Graph:
    """VNodes in a row, each with `differ` more than the one before."""
    vnodes = [element(f"v{k}", GENERIC, {"cpu": cpu + k * differ}) for k in range(count)]
    ends = {f"e{k}": (f"v{k}", f"v{k + 1}") for k in range(count - 1)}
    return join("net", [*vnodes, *(element(e, VLINK, {"bandwidth": MBPS}) for e in ends)], ends)


def two(cpu: float) -> Graph:
    """Two providers and what joins them."""
    providers = [element(f"p{k}", PIP, {"cpu": cpu}, types=(HOST, GENERIC)) for k in range(2)]
    tr = element("tr", "/link/transit", {"bandwidth": 1000 * MBPS})
    return underlay([*providers, tr], {"tr": ("p0", "p1")})


def test_very_many_demands_are_no_reason_to_overstay() -> None:
    """And what is told stays readable, and true."""
    began = time.monotonic()
    reasons = explain(Problem(two(64), row(MANY)), solver("cbc"), 2.0)
    assert time.monotonic() - began < 2.0 + LATE_S
    assert {r.code for r in reasons} == {Code.CAPACITY}
    assert 0 < len(reasons) <= 50
    assert all(" more ask for " in r.text and "128 free" in r.text for r in reasons)
    assert max(len(r.text) for r in reasons) < 200


def test_many_amounts_are_not_summed_up_in_every_way() -> None:
    """What would fit instead is looked for among a bounded number of sums."""
    began = time.monotonic()
    reasons = explain(Problem(two(32), row(120, differ=0.001)), solver("cbc"), 2.0)
    assert time.monotonic() - began < 2.0 + LATE_S
    assert {r.code for r in reasons} == {Code.CAPACITY}


def test_without_time_nothing_is_made_up() -> None:
    assert explain(Problem(two(1), row(40)), solver("cbc"), 0.0) == ()


def test_what_is_left_out_is_gone_and_all_else_is_there() -> None:
    request = row(3)
    gone = [Demand(Wish.RESOURCE, "v1", "cpu"), Demand(Wish.PATH, "e1", "path")]
    lighter = without(request, gone)
    assert set(lighter.elements) == {"v0", "v1", "v2", "e0"}
    assert [e.amount("cpu") for e in lighter.nodes()] == [1, 0, 1]
    left = {d for d in demands(request) if d not in gone and d.element != "e1"}
    assert set(demands(lighter)) == left
