"""Large substrates, growth with N, and the fast answer against the optimum.

10 VNodes and 13 VLinks. Growth is the slope of log time over log N at a fixed number of candidates.
"""

from __future__ import annotations

import math
import statistics
import time

from embed_instances import offline
from embed_report import options, spread, verdict

from mip.mapping import map_request
from mip.problem.statement import Options, Problem, Result


def timed(problem: Problem, method: str, limit: float) -> tuple[Result, float]:
    """A result and the seconds it took."""
    began = time.monotonic()
    result = map_request(problem, Options(method=method, time_limit=limit, explain=False))
    return result, time.monotonic() - began


def large(n: int, seeds: int, limit: float, wanted: float) -> None:
    """Ten per cent of the hosts as candidates."""
    times = []
    for seed in range(seeds):
        result, seconds = timed(offline(n, seed, vnodes=10, vlinks=13, share=0.1), "exact", limit)
        times.append(seconds)
        print(f"N={n} seed={seed}: {result.status} {result.value} gap {result.gap} {seconds:.2f} s")
    print(verdict(f"N={n}, median seconds", statistics.median(times), wanted, at_least=False))


def growth(sizes: list[int], seeds: int, limit: float) -> None:
    """The exponent of the time over N with 20 candidates for each VNode."""
    points = []
    for n in sizes:
        runs = [
            timed(offline(n, s, vnodes=10, vlinks=13, count=20), "exact", limit)[1]
            for s in range(seeds)
        ]
        points.append((math.log(n), math.log(statistics.median(runs))))
        print(f"N={n}, 20 candidates: {spread(runs)} s", flush=True)
    x = statistics.mean(p[0] for p in points)
    y = statistics.mean(p[1] for p in points)
    slope = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
    print(verdict("growth exponent", slope, 0.6, at_least=False), flush=True)


def fast(n: int, seeds: int, limit: float, wanted: float) -> None:
    """The answer at once: how soon, how far from the optimum, how often."""
    times, gaps, missed = [], [], 0
    for seed in range(seeds):
        problem = offline(n, seed)
        best, _ = timed(problem, "exact", limit)
        result, seconds = timed(problem, "fast", limit)
        times.append(seconds)
        if best.value is not None and result.value is None:
            missed += 1
        elif best.value is not None and result.value is not None:
            gaps.append(result.value / best.value - 1)
    print(f"fast, N={n}: {spread(times)} s, above the optimum {spread(gaps)}")
    print(verdict(f"fast, N={n}, median s", statistics.median(times), wanted, at_least=False))
    print(verdict(f"fast, N={n}, mean above", statistics.mean(gaps), 0.05, at_least=False))
    print(verdict(f"fast, N={n}, worst above", max(gaps), 0.15, at_least=False))
    share = 1 - missed / max(1, missed + len(gaps))
    print(verdict(f"fast, N={n}, answered", share, 0.98, at_least=True), flush=True)


def main() -> None:
    """All three."""
    asked = options(__doc__ or "", seeds=5)
    large(500, asked.seeds, asked.limit, 5.0)
    large(1000, max(2, asked.seeds // 2), asked.limit, 30.0)
    growth([100, 200, 500, 1000], asked.seeds, asked.limit)
    fast(100, 2 * asked.seeds, asked.limit, 0.05)
    fast(500, asked.seeds, asked.limit, 0.4)


if __name__ == "__main__":
    main()
