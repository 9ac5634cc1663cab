"""300 small random instances of every constraint kind, equal to trying everything."""

from __future__ import annotations

import sys
from pathlib import Path

from embed_report import options

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "mip"))

from mip_cases import case
from oracle import Oracle
from oracle_check import close

from mip.mapping import map_request
from mip.problem.statement import Options, Status


def main() -> None:
    """Compare; the exit code says if all agreed."""
    asked = options(__doc__ or "", seeds=300)
    wrong, infeasible = 0, 0
    for seed in range(asked.seeds):
        problem, objective = case(seed)
        best = Oracle(problem).best().get(objective)
        result = map_request(problem, Options(objective=objective, time_limit=None, explain=False))
        infeasible += best is None
        if best is None:
            good = result.status is Status.INFEASIBLE
        else:
            told = result.value is not None and close(result.value, best.value)
            good = result.status is Status.OPTIMAL and told
        if not good:
            wrong += 1
            print(f"seed {seed} ({objective}): {result.status} {result.value}, not {best}")
    print(f"{asked.seeds} instances, {infeasible} infeasible, {wrong} wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
