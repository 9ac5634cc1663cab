"""Traces of requests that come and go, players of them, and the rank heuristic as a peer.

The peer ranks hosts and VNodes by resource times adjacent bandwidth, matches them in that order,
then routes on shortest paths with room.
"""

from __future__ import annotations

import heapq
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from embed_instances import MBPS

from mip.mapping import map_request, mapping_graph
from mip.problem.statement import Embedded, Options, Problem, Result, Status
from mip.verify.verifier import verify
from rdl.graph import Element, Graph

Mapper = Callable[[Problem], Result]
Adjacency = Mapping[str, Sequence[tuple[str, str]]]
"""For each node its neighbours, each with the link there."""

Free = dict[str, dict[str, float]]
"""What is free of each resource of each element."""


@dataclass(frozen=True)
class Arrival:
    """A request that comes at a time and stays for a while if it is accepted."""

    at: float
    life: float
    request: Graph


@dataclass
class Account:
    """What one method made of a trace.

    Revenue is cores plus Mbit/s of what was accepted; cost counts each Mbit/s once for each core
    link that it crosses. `*_time` are those times the lifetime. `until` is the last arrival.
    """

    accepted: int = 0
    offered: int = 0
    revenue: float = 0.0
    cost: float = 0.0
    revenue_time: float = 0.0
    cost_time: float = 0.0
    until: float = 0.0
    seconds: list[float] = field(default_factory=list)

    @property
    def acceptance(self) -> float:
        """Accepted of offered."""
        return self.accepted / max(self.offered, 1)

    @property
    def ratio(self) -> float:
        """Revenue to cost."""
        return self.revenue / max(self.cost, 1e-9)

    @property
    def long_ratio(self) -> float:
        """Revenue to cost, each request weighted with its lifetime."""
        return self.revenue_time / max(self.cost_time, 1e-9)

    @property
    def average(self) -> float:
        """Revenue times lifetime, for each unit of time."""
        return self.revenue_time / max(self.until, 1e-9)

    @property
    def middle(self) -> float:
        """The median time for a request, in seconds."""
        return statistics.median(self.seconds or [0.0])

    def add(self, arrival: Arrival, result: Result) -> None:
        """Enter one request that was accepted."""
        graph = arrival.request
        cpu = sum(v.amount("cpu") for v in graph.nodes())
        revenue = cpu + sum(x.amount("bandwidth") / MBPS for x in graph.links())
        cost = cpu + sum(
            graph.elements[v].amount("bandwidth") / MBPS * max(0, (len(on) - 1) // 2 - 1)
            for v, on in result.links.items()
        )
        self.accepted += 1
        self.revenue += revenue
        self.cost += cost
        self.revenue_time += revenue * arrival.life
        self.cost_time += cost * arrival.life


def play(substrate: Graph, trace: Iterable[Arrival], mapper: Mapper) -> Account:
    """Offer the requests of `trace` one after the other; mappings are verified."""
    account = Account()
    there: dict[int, Embedded] = {}
    leaving: list[tuple[float, int]] = []
    for number, arrival in enumerate(trace):
        while leaving and leaving[0][0] <= arrival.at:
            there.pop(heapq.heappop(leaving)[1])
        problem = Problem(substrate, arrival.request, tuple(there.values()))
        began = time.monotonic()
        result = mapper(problem)
        account.seconds.append(time.monotonic() - began)
        account.offered += 1
        account.until = arrival.at
        if result.nodes and not verify(problem, result):
            account.add(arrival, result)
            there[number] = Embedded(arrival.request, mapping_graph(result, problem))
            heapq.heappush(leaving, (arrival.at + arrival.life, number))
    return account


def ours(problem: Problem) -> Result:
    """The fast method."""
    return map_request(problem, Options(method="fast", time_limit=2.0, explain=False))


def left(problem: Problem) -> Free:
    """What is free of each resource of each element, as {element: {resource: amount}}."""
    free = {
        e.id: {r: float(a.amount) for r, a in e.resources.items()}
        for e in problem.substrate.elements.values()
    }
    for one in problem.embedded:
        for name, placed in one.mapping.mapping.items():
            element = one.overlay.elements[name]
            for on in placed.on:
                for r, a in element.resources.items():
                    if r in free[on]:
                        free[on][r] -= a.amount
    return free


def adjacency(ul: Graph) -> Adjacency:
    """For each node of the substrate its neighbours, each with the link there."""
    near: dict[str, list[tuple[str, str]]] = {e.id: [] for e in ul.nodes()}
    for link in ul.links():
        a, b = ul.neighbours(link.id)
        near[a].append((b, link.id))
        near[b].append((a, link.id))
    return near


def matched(problem: Problem, free: Free, near: Adjacency) -> dict[str, str] | None:
    """A host of its own for each VNode, both in the order of rank; None where one finds none."""
    ul, ol = problem.substrate, problem.request

    def rank(host: str) -> float:
        switch = near[host][0][0]
        wide = sum(free[link]["bandwidth"] for far, link in near[switch] if far != host)
        return free[host]["cpu"] * wide

    def weight(vnode: Element) -> float:
        wide = sum(ol.elements[x].amount("bandwidth") for x in ol.neighbours(vnode.id))
        return vnode.amount("cpu") * wide

    order = sorted((e.id for e in ul.nodes() if e.id[0] == "h"), key=rank, reverse=True)
    nodes: dict[str, str] = {}
    for vnode in sorted(ol.nodes(), key=weight, reverse=True):
        need = vnode.amount("cpu")
        fit = next((h for h in order if h not in nodes.values() and free[h]["cpu"] >= need), None)
        if fit is None:
            return None
        nodes[vnode.id] = fit
    return nodes


def take(free: Free, path: Iterable[str], bandwidth: float) -> None:
    """Use `bandwidth` up along a path."""
    for element in path:
        if "bandwidth" in free[element]:
            free[element]["bandwidth"] -= bandwidth


def ranked(problem: Problem) -> Result:
    """Node rank, then shortest paths with room, the widest VLink first."""
    free, near, ol = left(problem), adjacency(problem.substrate), problem.request
    nodes = matched(problem, free, near)
    if nodes is None:
        return Result(Status.INFEASIBLE, "cost")
    links: dict[str, tuple[str, ...]] = {}
    for vlink in sorted(ol.links(), key=lambda e: -e.amount("bandwidth")):
        a, b = (nodes[x] for x in ol.neighbours(vlink.id))
        path = shortest(near, free, a, b, vlink.amount("bandwidth"))
        if path is None:
            return Result(Status.INFEASIBLE, "cost")
        take(free, path, vlink.amount("bandwidth"))
        links[vlink.id] = path
    return Result(Status.FEASIBLE, "cost", nodes=nodes, links=links)


def shortest(
    near: Adjacency, free: Free, start: str, end: str, bandwidth: float
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
