"""The settings that Virne publishes, replayed, with its figures beside ours.

Virne (T. Wang et al., arXiv:2507.19234; the copy in its repository, section 4.1, tables 3 and 6,
appendix D.2.1; `settings/` of GeminiLight/virne): Waxman graph of 100 nodes, alpha 0.5, beta 0.2,
cpu and bandwidth 50 to 100; 1,000 requests of 2 to 10 VNodes on different nodes, cpu 0 to 20, each
two joined with probability one half by a bandwidth of 0 to 50, drawn anew until connected; whole
numbers, all uniform. The time to the next request is a Poisson variate with mean 1/rate, the
lifetime exponential with mean 500. Graphs are made by networkx, as there; seeds are ours.

The whole thing is `--requests 1000 --seeds 5`; without arguments it is a short trace.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise, repeat

import networkx as nx
import numpy as np
from embed_instances import overlay, underlay
from embed_report import verdict
from embed_traces import (
    Account,
    Arrival,
    Free,
    Mapper,
    adjacency,
    left,
    matched,
    ours,
    play,
    ranked,
    take,
)

from mip.problem import Problem, Result, Status
from rdl.graph import Graph

NODES = 100
LIFE = 500.0


@dataclass(frozen=True)
class Told:
    """What is published of a method at one rate; None where it isn't."""

    method: str
    acceptance: float | None
    long_ratio: float | None
    average: float | None = None
    seconds: float | None = None


PUBLISHED = {
    0.04: (
        Told("PPO-DualGAT", 0.99, 0.778),
        Told("PL-Rank", None, 0.662),
        Told("MCTS", None, 0.543),
    ),
    0.16: (
        Told("PPO-DualGAT", 0.781, 0.74, 14938.60, 0.18),
        Told("MCTS", 0.743, 0.44, 12642.27, 3.38),
        Told("GA-Meta", 0.717, 0.59, 11977.41, 3.22),
        Told("PL-Rank", 0.681, 0.67, 11570.27, 0.32),
        Told("NRM-Rank", 0.607, 0.52, 9826.94, 0.07),
    ),
    0.28: (
        Told("PPO-DualGAT", 0.66, 0.746),
        Told("PL-Rank", None, 0.650),
        Told("MCTS", None, 0.410),
    ),
}
"""By arrivals for each unit of time. Table 3 heads its column 0.14, the text around it and the
appendix say 0.16; its figure for PPO-DualGAT is the appendix's for 0.16."""


def connected(graphs: Iterable[nx.Graph]) -> nx.Graph:
    """The first connected graph of a row of random ones."""
    return next(g for g in graphs if nx.is_connected(g))


def world(seed: int) -> Graph:
    """The substrate: a switch and a host on it for each node."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    graph = connected(nx.waxman_graph(NODES, 0.5, 0.2, seed=rng) for _ in repeat(None))
    edges = sorted((min(e), max(e)) for e in graph.edges)
    cpu = [int(c) for c in numbers.integers(50, 101, NODES)]
    room = [int(b) for b in numbers.integers(50, 101, len(edges))]
    return underlay(edges, NODES, cpu, room, access=100_000)


def asked(rng: random.Random) -> Graph:
    """One request."""
    size = rng.randint(2, 10)
    graph = connected(nx.erdos_renyi_graph(size, 0.5, seed=rng) for _ in repeat(None))
    room = {(min(e), max(e)): rng.randint(0, 50) for e in sorted(graph.edges)}
    return overlay(room, [rng.randint(0, 20) for _ in range(size)])


def arrivals(rate: float, count: int, seed: int) -> Iterator[Arrival]:
    """A trace of `count` requests."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    now = 0.0
    for _ in range(count):
        now += float(numbers.poisson(1 / rate))
        yield Arrival(now, rng.expovariate(1 / LIFE), asked(rng))


class NodeRank:
    """NRM-Rank as in Virne: each VLink, as they come, on the first of ten paths with room."""

    def __init__(self, substrate: Graph) -> None:
        self._near = adjacency(substrate)
        self._graph = nx.Graph()
        for node, beyond in self._near.items():
            self._graph.add_edges_from((node, far, {"link": link}) for far, link in beyond)
        self._known: dict[tuple[str, str], tuple[tuple[str, ...], ...]] = {}

    def __call__(self, problem: Problem) -> Result:
        """One request."""
        free, ol = left(problem), problem.request
        nodes = matched(problem, free, self._near)
        if nodes is None:
            return Result(Status.INFEASIBLE, "cost")
        links: dict[str, tuple[str, ...]] = {}
        for vlink in ol.links():
            a, b = (nodes[x] for x in ol.neighbours(vlink.id))
            need = vlink.amount("bandwidth")
            room = (p for p in self._paths(a, b) if _least(free, p) >= need)
            if (path := next(room, None)) is None:
                return Result(Status.INFEASIBLE, "cost")
            take(free, path, need)
            links[vlink.id] = path
        return Result(Status.FEASIBLE, "cost", nodes=nodes, links=links)

    def _paths(self, a: str, b: str) -> tuple[tuple[str, ...], ...]:
        """The ten shortest, as links and switches in order."""
        if (a, b) not in self._known:
            few = islice(nx.shortest_simple_paths(self._graph, a, b), 10)
            self._known[a, b] = tuple(self._elements(nodes) for nodes in few)
        return self._known[a, b]

    def _elements(self, nodes: list[str]) -> tuple[str, ...]:
        steps = [(self._graph.edges[a, b]["link"], b) for a, b in pairwise(nodes)]
        return tuple(element for step in steps for element in step)[:-1]


def _least(free: Free, path: Iterable[str]) -> float:
    return min(free[e]["bandwidth"] for e in path if "bandwidth" in free[e])


METHODS: dict[str, Callable[[Graph], Mapper]] = {
    "ours": lambda _: ours,
    "rank": lambda _: ranked,
    "NRM-Rank": NodeRank,
}
"""Each for a substrate: ours, the rank heuristic of `embed_online.py`, and Virne's as it has it."""


def line(name: str, accounts: list[Account]) -> str:
    """Means over the seeds, the greatest and least acceptance, and the mean time for a request."""
    taken = [a.acceptance for a in accounts]
    seconds = statistics.mean(s for a in accounts for s in a.seconds)
    return (
        f"  {name:<22} accepted {statistics.mean(taken):.3f}"
        f" ({min(taken):.3f} to {max(taken):.3f}),"
        f" revenue to cost {statistics.mean(a.long_ratio for a in accounts):.3f},"
        f" average revenue {statistics.mean(a.average for a in accounts):.0f},"
        f" revenue {statistics.mean(a.revenue for a in accounts):.0f},"
        f" {seconds:.3f} s"
    )


def told(one: Told) -> str:
    """What is published, in a line like ours."""
    parts = [
        ("accepted", one.acceptance, ".3f", ""),
        ("revenue to cost", one.long_ratio, ".3f", ""),
        ("average revenue", one.average, ".0f", ""),
        ("", one.seconds, ".2f", " s"),
    ]
    said = (f"{name} {v:{form}}{unit}".strip() for name, v, form, unit in parts if v is not None)
    return f"  {one.method + ' (published)':<22} {', '.join(said)}"


def main() -> None:
    """Print what was accepted, earned and paid at each rate, and what is published."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=120, help="length of each trace")
    parser.add_argument("--seeds", type=int, default=1, help="traces at each rate")
    parser.add_argument("--rates", default=",".join(map(str, PUBLISHED)), help="with commas")
    found = parser.parse_args()
    for rate in map(float, found.rates.split(",")):
        print(f"rate {rate:g}, {found.requests} requests, {found.seeds} seeds", flush=True)
        accounts: dict[str, list[Account]] = {name: [] for name in METHODS}
        for seed in range(found.seeds):
            substrate = world(seed)
            for name, method in METHODS.items():
                trace = arrivals(rate, found.requests, seed)
                accounts[name].append(play(substrate, trace, method(substrate)))
        for name, some in accounts.items():
            print(line(name, some))
        for one in PUBLISHED.get(rate, ()):
            print(told(one))
        for peer in ("rank", "NRM-Rank"):
            mine, its = (statistics.mean(a.revenue for a in accounts[n]) for n in ("ours", peer))
            print(verdict(f"rate {rate:g}, revenue against {peer}", mine / its, 1.0, at_least=True))


if __name__ == "__main__":
    main()
