"""`consolidate --free 20%` on 50 CloudNets over 40 hosts: seconds to the answer, then each point.

That it equals brute force on small cases is a test (`tests/unit/mip/test_consolidate.py`).
"""

from __future__ import annotations

import statistics
import time
from itertools import pairwise

from embed_instances import populated
from embed_report import options, verdict

from mip.migration.consolidate import BANDWIDTH, HOSTS, consolidate
from mip.migration.plan import Point

_FREE = 0.2


def main() -> None:
    """Print the front and the seconds of each point."""
    asked = options(__doc__ or "", seeds=1)
    shares: dict[str, list[float]] = {HOSTS: [], BANDWIDTH: []}
    for seed in range(asked.seeds):
        substrate, embedded = populated(40, 50, seed)
        for of in (HOSTS, BANDWIDTH):
            points: list[tuple[float, float]] = []

            def tell(point: Point, points: list[tuple[float, float]] = points) -> None:
                points.append((time.monotonic(), point.freed))

            began = time.monotonic()
            plan = consolidate(substrate, embedded, _FREE, of, told=tell)
            total = time.monotonic() - began
            for point in plan.frontier:
                print(f"  {point.freed:.3f} freed, {point.moves} moves, {point.memory_bytes} bytes")
            print(f"seed {seed}, {of}: possible {plan.possible}, {len(embedded)} CloudNets")
            print(verdict(f"{of}, seconds in all", total, 60.0, at_least=False))
            answered = next(k for k, (_, freed) in enumerate(points) if freed >= _FREE - 1e-9)
            first = points[answered][0] - began
            further = [(b - a) / first for (a, _), (b, _) in pairwise(points[answered:])]
            shares[of] += further
            print(f"  first plan {first:.2f} s; further points, of it:", _figures(further))
    for of, found in shares.items():
        print(verdict(f"{of}, each further point, of the first", max(found), 0.3, at_least=False))


def _figures(shares: list[float]) -> str:
    return f"median {statistics.median(shares):.2f}, at most {max(shares):.2f}"


if __name__ == "__main__":
    main()
