"""Requests that come and go on a Waxman-100 substrate, against rank-then-shortest-path.

As in the literature: hosts with 50 to 100 cores, links with 50 to 100 Mbit/s; requests of 2 to 10
VNodes on different hosts, each with up to 20 cores, each two joined with probability one half by up
to 50 Mbit/s; Poisson arrivals, exponential lifetimes. The peer ranks hosts and VNodes by resource
times adjacent bandwidth, matches them in that order, then routes on shortest paths with room.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from dataclasses import replace

from embed_instances import request, underlay, waxman
from embed_report import options, verdict
from embed_traces import Arrival, ours, play, ranked

from rdl.graph import Amount, Graph

LIFE = 1000.0
LOADS = {"low": 0.02, "medium": 0.3, "high": 0.6}
"""Arrivals per unit of time; a CloudNet lives a thousand units on average."""

COUNT = 160


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


def arrivals(rate: float, count: int, seed: int) -> Iterator[Arrival]:
    """A trace of `count` requests."""
    rng = random.Random(seed)
    now = 0.0
    for _ in range(count):
        now += rng.expovariate(rate)
        graph = asked(rng)
        yield Arrival(now, rng.expovariate(1 / LIFE), graph)


def main() -> None:
    """Print acceptance, revenue to cost and time for both methods at each load."""
    found = options(__doc__ or "", seeds=1)
    for load, rate in LOADS.items():
        shares = []
        for seed in range(found.seeds):
            substrate = world(seed)
            for name, mapper in (("ours", ours), ("rank", ranked)):
                account = play(substrate, arrivals(rate, COUNT, seed), mapper)
                shares.append(account.acceptance)
                print(
                    f"{load} seed={seed} {name}: accepted {account.acceptance:.3f},"
                    f" revenue to cost {account.ratio:.3f}, median {account.middle:.3f} s",
                    flush=True,
                )
        mine = statistics.mean(shares[::2])
        peer = statistics.mean(shares[1::2])
        goal = 1.4 if load == "medium" else 1.0
        print(verdict(f"{load}, acceptance against rank", mine / peer, goal, at_least=True))


if __name__ == "__main__":
    main()
