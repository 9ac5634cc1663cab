"""`consolidate --free 20%` on 50 CloudNets over 40 hosts: seconds for the first plan and the rest.

That it equals brute force on small cases is a test (`tests/unit/mip/test_consolidate.py`).
"""

from __future__ import annotations

import time
from itertools import pairwise

from embed_instances import populated
from embed_report import options, verdict

from mip.consolidate import BANDWIDTH, HOSTS, consolidate


def _note(marks: list[float], _value: float | None, _bound: float | None) -> None:
    marks.append(time.monotonic())


def main() -> None:
    """Print the front and the seconds of each point."""
    asked = options(__doc__ or "", seeds=1)
    for seed in range(asked.seeds):
        substrate, embedded = populated(40, 50, seed)
        for of in (HOSTS, BANDWIDTH):
            marks = [time.monotonic()]

            def tell(
                _value: float | None, _bound: float | None, marks: list[float] = marks
            ) -> None:
                marks.append(time.monotonic())

            plan = consolidate(substrate, embedded, 0.2, of, progress=tell)
            total = time.monotonic() - marks[0]
            steps = [b - a for a, b in pairwise(marks)]
            for point in plan.frontier:
                print(f"  {point.freed:.3f} freed, {point.moves} moves, {point.memory_bytes} bytes")
            print(f"seed {seed}, {of}: possible {plan.possible}, {len(embedded)} CloudNets")
            print(verdict(f"{of}, seconds in all", total, 60.0, at_least=False))
            if of == HOSTS and len(steps) > 1:
                share = sorted(steps[1:])[len(steps) // 2 - 1] / steps[0]
                print(verdict("further points, of the first", share, 0.3, at_least=False))


if __name__ == "__main__":
    main()
