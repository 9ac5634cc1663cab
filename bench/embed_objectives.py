"""`balance` and `compact` proven at N = 100 with low background load (0 to 20 %)."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import replace

from embed_instances import offline
from embed_report import options, verdict

from mip.mapping import map_request
from mip.problem.statement import Embedded, Options, Problem, Status


def thinned(problem: Problem, seed: int) -> Problem:
    """For `compact`: only every tenth host carries something before."""
    rng = random.Random(seed)
    (one,) = problem.embedded
    keep = {f"b{k}" for k in rng.sample(range(100), 10)}
    mapping = {e: p for e, p in one.mapping.mapping.items() if e in keep or e.startswith("k")}
    thin = Embedded(one.overlay, replace(one.mapping, mapping=mapping))
    return replace(problem, embedded=(thin,))


def main() -> None:
    """Print a line per instance, a verdict per objective and setting."""
    asked = options(__doc__ or "", seeds=3)
    for objective in ("balance", "compact"):
        for apart in (True, False):
            times, proven = [], 0
            for seed in range(asked.seeds):
                problem = offline(100, seed, load=(0, 20), shown=True, apart=apart)
                if objective == "compact":
                    problem = thinned(problem, seed)
                limit = min(asked.limit, 30.0)
                began = time.monotonic()
                result = map_request(
                    problem, Options(objective=objective, time_limit=limit, explain=False)
                )
                times.append(time.monotonic() - began)
                proven += result.status is Status.OPTIMAL
                print(
                    f"{objective} apart={apart} seed={seed}: {result.status} {result.value}"
                    f" bound {result.bound} in {times[-1]:.2f} s",
                    flush=True,
                )
            name = f"{objective}, apart={apart}"
            print(f"{name}: {proven} of {asked.seeds} proven")
            print(verdict(f"{name}, median s", statistics.median(times), 10.0, at_least=False))


if __name__ == "__main__":
    main()
