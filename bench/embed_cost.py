"""`cost` to gap 0 against the plain arc-flow model in PuLP + CBC, in the same run.

For each size and seed both solve the same instance one after the other; quoted are ratios of wall
times that include building the model. Where the peer runs out of time its limit counts, which
favours it. Values must be equal wherever both prove theirs.
"""

from __future__ import annotations

import time

from embed_instances import offline
from embed_peer import solve_peer
from embed_report import geometric, options, spread, verdict

from mip.mapping import map_request
from mip.problem.statement import Options, Status


def main() -> None:
    """Print a line per instance and a verdict per setting."""
    asked = options(__doc__ or "", seeds=3)
    for apart, wanted in ((True, 5.0), (False, 3.0)):
        ratios: list[float] = []
        times: list[float] = []
        for n in asked.sizes:
            for seed in range(asked.seeds):
                problem = offline(n, seed, apart=apart)
                began = time.monotonic()
                result = map_request(problem, Options(time_limit=asked.limit, explain=False))
                ours = time.monotonic() - began
                peer = solve_peer(problem, asked.limit)
                if peer.proven and result.status is Status.OPTIMAL:
                    same = peer.value is None or abs(peer.value - (result.value or 0)) < 1e-6
                    if not same:
                        raise SystemExit(f"N={n} seed={seed}: {result.value} and {peer.value}")
                ratios.append(peer.seconds / ours)
                times.append(ours)
                state = "proven" if peer.proven else "unproven"
                print(
                    f"N={n} seed={seed} apart={apart}: {result.status} {result.value}"
                    f" in {ours:.3f} s; peer {peer.value} {state} in {peer.seconds:.2f} s;"
                    f" ratio {ratios[-1]:.1f}",
                    flush=True,
                )
        name = "apart" if apart else "co-location allowed"
        print(f"{name}: ours {spread(times)} s")
        print(verdict(f"{name}, geometric mean", geometric(ratios), wanted, at_least=True))
        print(verdict(f"{name}, worst", min(ratios), 0.8, at_least=True), flush=True)


if __name__ == "__main__":
    main()
