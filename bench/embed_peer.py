"""The peer: the plain arc-flow model that one writes in PuLP, solved by CBC with one thread.

Kept free of our own reductions and cuts. Nodes and paths together; hosts are leaves, so flow
enters a host only for a VNode that is there. It reads the same RDL graphs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pulp

from mip.problem.statement import Problem
from rdl.graph import ConstraintKind

MBPS = 10**6


@dataclass(frozen=True)
class PeerResult:
    """Value and bound of what the peer found; whether it proved it; seconds with model building."""

    value: float | None
    proven: bool
    seconds: float


def solve_peer(problem: Problem, limit: float) -> PeerResult:
    """`cost` of `problem` by the plain model."""
    began = time.monotonic()
    ul, ol = problem.substrate, problem.request
    vnodes = list(ol.nodes())
    vlinks = [(e, *ol.neighbours(e.id)) for e in ol.links()]
    hosts = [e for e in ul.nodes() if e.type.startswith("/node/host")]
    edges = [(e, *ul.neighbours(e.id)) for e in ul.links()]
    allowed = {v.id: {h.id for h in hosts} for v in vnodes}
    for rule in ol.constraints:
        if rule.kind is ConstraintKind.ON:
            for member in rule.of:
                allowed[member] &= set(rule.targets)
    model = pulp.LpProblem("peer", pulp.LpMinimize)
    x = {
        (v.id, h.id): model.add_variable(f"x_{v.id}_{h.id}", cat="Binary")
        for v in vnodes
        for h in hosts
        if h.id in allowed[v.id] and v.amount("cpu") <= h.amount("cpu")
    }
    arcs = [(e.id, a, b) for e, a, b in edges] + [(e.id, b, a) for e, a, b in edges]
    f = {
        (link.id, k): model.add_variable(f"f_{link.id}_{k}", cat="Binary")
        for link, _, _ in vlinks
        for k in range(len(arcs))
    }
    model += pulp.lpSum(
        link.amount("bandwidth") / MBPS * f[link.id, k]
        for link, _, _ in vlinks
        for k in range(len(arcs))
    )
    for v in vnodes:
        model += pulp.lpSum(x[v.id, h.id] for h in hosts if (v.id, h.id) in x) == 1
    for h in hosts:
        at = [v for v in vnodes if (v.id, h.id) in x]
        model += pulp.lpSum(v.amount("cpu") * x[v.id, h.id] for v in at) <= h.amount("cpu")
        for rule in ol.constraints:
            if rule.kind is ConstraintKind.APART:
                model += pulp.lpSum(x[v.id, h.id] for v in at if v.id in rule.of) <= 1
    out: dict[str, list[int]] = {e.id: [] for e in ul.nodes()}
    into: dict[str, list[int]] = {e.id: [] for e in ul.nodes()}
    for k, (_, a, b) in enumerate(arcs):
        out[a].append(k)
        into[b].append(k)
    host_ids = {h.id for h in hosts}
    for link, a, b in vlinks:
        for node, doors in out.items():
            leaving = pulp.lpSum(f[link.id, k] for k in doors)
            coming = pulp.lpSum(f[link.id, k] for k in into[node])
            net = x.get((a, node), 0) - x.get((b, node), 0)
            model += leaving - coming == net
            if node in host_ids:
                model += leaving <= x.get((a, node), 0)
                model += coming <= x.get((b, node), 0)
    by_edge: dict[str, list[int]] = {}
    for k, (e, _, _) in enumerate(arcs):
        by_edge.setdefault(e, []).append(k)
    for e, _, _ in edges:
        model += (
            pulp.lpSum(
                link.amount("bandwidth") / MBPS * f[link.id, k]
                for link, _, _ in vlinks
                for k in by_edge[e.id]
            )
            <= e.amount("bandwidth") / MBPS
        )
    solver = pulp.COIN_CMD(
        path=pulp.PULP_CBC_CMD.pulp_cbc_path,
        msg=False,
        threads=1,
        timeLimit=limit,
        gapRel=0.0,
        timeMode="elapsed",
    )
    model.solve(solver)
    seconds = time.monotonic() - began
    proven = model.sol_status == pulp.LpSolutionOptimal
    found = model.sol_status in {pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible}
    return PeerResult(pulp.value(model.objective) if found else None, proven, seconds)
