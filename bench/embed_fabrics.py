"""Data-centre fabrics and wide-area networks: first mapping, proof, and whether limits are kept.

Leaf-spine, fat-tree, Jellyfish, Waxman and the Topology Zoo's largest; alike, loaded (20 to 90 %
taken, different for each host and link) and scarce; VNodes apart or not, with pools, with latency
bounds. `--sizes` are numbers of hosts of leaf-spine fabrics; `--limit` is kept within 10 % + 0.5 s.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from embed_report import verdict
from fabric_instances import (
    ALIKE,
    LOADED,
    SCARCE,
    Fabric,
    fat_tree,
    jellyfish,
    leaf_spine,
    problem,
    waxman_fabric,
    zoo_largest,
)

from mip.mapping import map_request
from mip.problem.statement import Options, Problem

LOADS = {
    "alike": ALIKE,
    "loaded": LOADED,
    "scarce": SCARCE,
    "pools": replace(LOADED, pools=1),
    "latency": replace(LOADED, latency=0.001),
}
ASKED: Mapping[str, Mapping[str, Any]] = {
    "apart": {},
    "shared": {"apart": False},
    "big": {"demand": (30, 60)},
}


@dataclass(frozen=True)
class Seen:
    """Seconds to the first mapping (infinite for none) and in all, and the proven gap."""

    first: float
    total: float
    gap: float


def solved(asked: Problem, limit: float) -> Seen:
    """Map one request."""
    firsts: list[float] = []
    began = time.monotonic()

    def told(value: float | None, _bound: float | None) -> None:
        if value is not None:
            firsts.append(time.monotonic() - began)

    result = map_request(asked, Options(time_limit=limit, explain=False), told)
    total = time.monotonic() - began
    if result.value is None:
        return Seen(float("inf"), total, 1.0)
    return Seen(firsts[0] if firsts else total, total, 1.0 if result.gap is None else result.gap)


def fabrics(sizes: list[int]) -> list[Fabric]:
    """The shapes."""
    return [
        *(leaf_spine(n) for n in sizes),
        fat_tree(8),
        fat_tree(16),
        jellyfish(200, 10, 10, 0),
        waxman_fabric(500, 0),
        *zoo_largest(),
    ]


def main() -> None:
    """Print a line per shape, load and request, then verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="instances of each kind")
    parser.add_argument("--limit", type=float, default=3.0, help="seconds for each solve")
    parser.add_argument("--sizes", default="2000,5000", help="hosts of leaf-spine fabrics")
    given = parser.parse_args()
    late, without = 0.0, 0
    for shape in fabrics([int(s) for s in given.sizes.split(",")]):
        for load, amounts in LOADS.items():
            for name, wish in ASKED.items():
                bound = {"bound": 0.006} if load == "latency" else {}
                runs = [
                    solved(problem(shape, amounts, seed, **wish, **bound), given.limit)
                    for seed in range(given.seeds)
                ]
                first, total, gap = (
                    statistics.median(getattr(r, what) for r in runs)
                    for what in ("first", "total", "gap")
                )
                late = max(late, *(r.total - given.limit * 1.1 for r in runs))
                without += sum(r.first == float("inf") for r in runs)
                print(
                    f"{shape.name}, {load}, {name}: first {first:.2f} s, gap {gap:.3f} in"
                    f" {total:.2f} s, at most {max(r.total for r in runs):.2f} s",
                    flush=True,
                )
    print(verdict("seconds beyond the limit and 10 %", late, 0.5, at_least=False))
    print(f"without a mapping: {without} (some may have none)")


if __name__ == "__main__":
    main()
