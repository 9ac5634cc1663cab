"""Requests that come and go on a Waxman-100 substrate, against rank-then-shortest-path.

As in the literature: hosts with 50 to 100 cores, links with 50 to 100 Mbit/s; requests of 2 to 10
VNodes on different hosts, each with up to 20 cores, each two joined with probability one half by up
to 50 Mbit/s; Poisson arrivals, exponential lifetimes. The peer ranks hosts and VNodes by resource
times adjacent bandwidth, matches them in that order, then routes on shortest paths with room.
"""

from __future__ import annotations

import heapq
import random
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from embed_instances import MBPS, request, underlay, waxman
from embed_report import options, verdict

from mip.mapping import map_request, mapping_graph
from mip.problem.statement import Embedded, Options, Problem, Result, Status
from mip.verify.verifier import verify
from rdl.graph import Amount, Graph

LIFE = 1000.0
LOADS = {"low": 0.02, "medium": 0.3, "high": 0.6}
"""Arrivals per unit of time; a CloudNet lives a thousand units on average."""

COUNT = 160

Embedder = Callable[[Problem], Result]


@dataclass
class Account:
    """What one method made of a trace."""

    accepted: int = 0
    offered: int = 0
    revenue: float = 0.0
    cost: float = 0.0
    seconds: list[float] | None = None


def world(seed: int) -> Graph:
    """The substrate."""
    rng = random.Random(seed)
    edges = waxman(100, seed)
    cpu = [rng.randint(50, 100) for _ in range(100)]
    link = [rng.randint(50, 100) for _ in edges]
    return underlay(edges, 100, cpu, link, access=10_000)


def asked(rng: random.Random) -> Graph:
    """One request."""
    size = rng.randint(2, 10)
    pairs = sum(rng.random() < 0.5 for _ in range(size * (size - 1) // 2))
    graph = request(rng, size, max(size - 1, pairs), None, demand=(1, 50))
    sized = {
        e.id: replace(e, resources={"cpu": Amount(rng.randint(1, 20))}) if e.is_node else e
        for e in graph.elements.values()
    }
    return replace(graph, elements=sized)


def ours(problem: Problem) -> Result:
    """The fast method."""
    return map_request(problem, Options(method="fast", time_limit=2.0, explain=False))


def ranked(problem: Problem) -> Result:
    """Node rank, then shortest paths."""
    ul, ol = problem.substrate, problem.request
    free = {e.id: dict.fromkeys(e.resources, 0.0) for e in ul.elements.values()}
    for e in ul.elements.values():
        free[e.id] = {r: float(a.amount) for r, a in e.resources.items()}
    for one in problem.embedded:
        for name, placed in one.mapping.mapping.items():
            element = one.overlay.elements[name]
            for on in placed.on:
                for r, a in element.resources.items():
                    if r in free[on]:
                        free[on][r] -= a.amount
    near: dict[str, list[tuple[str, str]]] = {e.id: [] for e in ul.nodes()}
    for link in ul.links():
        a, b = ul.neighbours(link.id)
        near[a].append((b, link.id))
        near[b].append((a, link.id))
    hosts = [e.id for e in ul.nodes() if e.id.startswith("h")]

    def rank(host: str) -> float:
        switch = near[host][0][0]
        wide = sum(free[link]["bandwidth"] for far, link in near[switch] if far != host)
        return free[host]["cpu"] * wide

    order = sorted(hosts, key=rank, reverse=True)
    wanted = sorted(
        ol.nodes(),
        key=lambda v: (
            v.amount("cpu") * sum(ol.elements[x].amount("bandwidth") for x in ol.neighbours(v.id))
        ),
        reverse=True,
    )
    nodes: dict[str, str] = {}
    for vnode in wanted:
        fit = next(
            (h for h in order if h not in nodes.values() and free[h]["cpu"] >= vnode.amount("cpu")),
            None,
        )
        if fit is None:
            return Result(Status.INFEASIBLE, "cost")
        nodes[vnode.id] = fit
    links: dict[str, tuple[str, ...]] = {}
    for vlink in sorted(ol.links(), key=lambda e: -e.amount("bandwidth")):
        a, b = (nodes[x] for x in ol.neighbours(vlink.id))
        path = shortest(near, free, a, b, vlink.amount("bandwidth"))
        if path is None:
            return Result(Status.INFEASIBLE, "cost")
        for element in path:
            if "bandwidth" in free[element]:
                free[element]["bandwidth"] -= vlink.amount("bandwidth")
        links[vlink.id] = path
    return Result(Status.FEASIBLE, "cost", nodes=nodes, links=links)


def shortest(
    near: dict[str, list[tuple[str, str]]],
    free: dict[str, dict[str, float]],
    start: str,
    end: str,
    bandwidth: float,
) -> tuple[str, ...] | None:
    """A path of fewest links with room, hosts passing nothing on."""
    came: dict[str, tuple[str, str]] = {start: ("", "")}
    queue = deque([start])
    while queue:
        at = queue.popleft()
        if at == end:
            path: list[str] = []
            while at != start:
                before, link = came[at]
                path += [link] if before == start else [link, before]
                at = before
            return tuple(reversed(path))
        if at.startswith("h") and at != start:
            continue
        for far, link in near[at]:
            if far not in came and free[link]["bandwidth"] >= bandwidth:
                came[far] = (at, link)
                queue.append(far)
    return None


def run(substrate: Graph, embedder: Embedder, rate: float, count: int, seed: int) -> Account:
    """One trace of `count` requests."""
    rng = random.Random(seed)
    account = Account(seconds=[])
    there: dict[int, Embedded] = {}
    leaving: list[tuple[float, int]] = []
    now = 0.0
    for number in range(count):
        now += rng.expovariate(rate)
        graph, life = asked(rng), rng.expovariate(1 / LIFE)
        while leaving and leaving[0][0] <= now:
            there.pop(heapq.heappop(leaving)[1])
        problem = Problem(substrate, graph, tuple(there.values()))
        began = time.monotonic()
        result = embedder(problem)
        account.offered += 1
        if account.seconds is not None:
            account.seconds.append(time.monotonic() - began)
        if result.nodes and not verify(problem, result):
            account.accepted += 1
            cpu = sum(v.amount("cpu") for v in graph.nodes())
            account.revenue += cpu + sum(x.amount("bandwidth") / MBPS for x in graph.links())
            account.cost += cpu + sum(
                graph.elements[v].amount("bandwidth") / MBPS * max(0, (len(on) - 1) // 2 - 1)
                for v, on in result.links.items()
            )
            there[number] = Embedded(graph, mapping_graph(result, problem))
            heapq.heappush(leaving, (now + life, number))
    return account


def main() -> None:
    """Print acceptance, revenue to cost and time for both methods at each load."""
    found = options(__doc__ or "", seeds=1)
    for load, rate in LOADS.items():
        shares = []
        for seed in range(found.seeds):
            substrate = world(seed)
            for name, embedder in (("ours", ours), ("rank", ranked)):
                account = run(substrate, embedder, rate, COUNT, seed)
                share = account.accepted / account.offered
                ratio = account.revenue / max(account.cost, 1e-9)
                middle = statistics.median(account.seconds or [0.0])
                shares.append(share)
                print(
                    f"{load} seed={seed} {name}: accepted {share:.3f},"
                    f" revenue to cost {ratio:.3f}, median {middle:.3f} s",
                    flush=True,
                )
        mine = statistics.mean(shares[::2])
        peer = statistics.mean(shares[1::2])
        goal = 1.4 if load == "medium" else 1.0
        print(verdict(f"{load}, acceptance against rank", mine / peer, goal, at_least=True))


if __name__ == "__main__":
    main()
