"""Fuzz the embedding: `python tests/slow/fuzz_mip.py --kind tree --count 1000 --seed 1`.

Odd small instances against the oracle of `tests/unit/mip`. What comes out wrong is written to
`--out`, as one file for each instance, with `--shrink` without whatever can be left out. Four of
the eighteen combinations of objective, method and solver take turns on each instance, or all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "mip")]

from odd_instances import KINDS, odd  # noqa: E402
from odd_texts import Odd, shrunk  # noqa: E402
from odd_trials import COMBINATIONS, Finding, Tally, Trial  # noqa: E402

from mip.problem.statement import Options  # noqa: E402

AT_ONCE = 4
STRIDE = 5
"""Prime to the number of combinations: an instance's are all different."""


def turns(number: int) -> list[Options]:
    """The combinations for instance `number`; the first one looks for reasons too."""
    chosen = [COMBINATIONS[(number + k * STRIDE) % len(COMBINATIONS)] for k in range(AT_ONCE)]
    return [replace(chosen[0], explain=True), *chosen[1:]]


def fuzz(
    kinds: list[str], seeds: range, tally: Tally, *, every: bool = False
) -> Iterator[tuple[Odd, list[Finding]]]:
    """Instances that come out wrong, with what is wrong; all are counted in `tally`."""
    for seed in seeds:
        for index, kind in enumerate(kinds):
            instance = odd(kind, seed)
            trial = Trial(instance.problem())
            options = list(COMBINATIONS) if every else turns(seed + index)
            found = [f for one in options for f in trial.findings(one)]
            tally.count(kind, trial, len(options), found)
            if found:
                yield instance, found


def smaller(instance: Odd, finding: Finding) -> Odd:
    """`instance` without whatever isn't needed for the same to be found."""

    def still(other: Odd) -> bool:
        found = Trial(other.problem()).findings(finding.options)
        return any(f.what == finding.what for f in found)

    return shrunk(instance, still)


def main() -> int:
    """Fuzz, write down what is wrong, and say what ran."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--count", type=int, default=100, help="instances of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the first one")
    parser.add_argument("--every", action="store_true", help="all combinations")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("fuzz-mip"))
    args = parser.parse_args()
    kinds = list(KINDS) if args.kind == "all" else [args.kind]
    tally = Tally()
    seeds = range(args.seed, args.seed + args.count)
    for instance, found in fuzz(kinds, seeds, tally, every=args.every):
        first = next((f for f in found if f.wrong), found[0])
        shown = smaller(instance, first) if args.shrink else instance
        args.out.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"#### {finding.line}\n" for finding in found)
        (args.out / f"{instance.name}.txt").write_text(lines + shown.text())
        print(f"{instance.name}: {first.line}", file=sys.stderr, flush=True)
    print(tally.table())
    return 1 if tally.wrong.total() else 0


if __name__ == "__main__":
    sys.exit(main())
