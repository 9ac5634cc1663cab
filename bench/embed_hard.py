"""The everyday hard case: every host fits every VNode, all are apart, link capacity is scarce.

8 VNodes and 11 VLinks; of each core link's 100 Mbit/s 50 to 90 are taken. Reported is what ten
seconds give: value, true bound and gap; with `--limit` the time can be changed. "Best known" is the
best over both methods and a second run of 60 s.
"""

from __future__ import annotations

import time

from embed_instances import offline
from embed_report import options, spread, verdict

from mip.mapping import map_request
from mip.problem.statement import Options, Status


def main() -> None:
    """Print a line per instance, then verdicts."""
    asked = options(__doc__ or "", seeds=5)
    seconds = min(asked.limit, 10.0)
    for n in asked.sizes:
        times, gaps, overs = [], [], []
        for seed in range(asked.seeds):
            problem = offline(n, seed, share=None, load=(50, 90))
            began = time.monotonic()
            result = map_request(problem, Options(time_limit=seconds, explain=False))
            times.append(time.monotonic() - began)
            best = result
            if result.status in {Status.FEASIBLE, Status.TIMEOUT}:
                best = map_request(problem, Options(time_limit=60.0, explain=False))
            if best.value is not None:
                over = 9.0 if result.value is None else result.value / best.value - 1
                overs.append(over)
                gaps.append(1.0 if result.gap is None else result.gap)
            print(
                f"N={n} seed={seed}: {result.status} {result.value} bound {result.bound}"
                f" in {times[-1]:.2f} s; best known {best.value}",
                flush=True,
            )
        print(f"N={n}: {spread(times)} s; gaps {spread(gaps)}")
        print(verdict(f"N={n}, above the best known", max(overs), 0.05, at_least=False))
        print(verdict(f"N={n}, proven gap (stretch)", max(gaps), 0.01, at_least=False), flush=True)


if __name__ == "__main__":
    main()
