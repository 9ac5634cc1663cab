"""What the embedding benchmarks share: options, and summaries that quote ratios of one run."""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence


def options(text: str, seeds: int) -> argparse.Namespace:
    """`--seeds`, `--limit` and `--sizes`, with defaults for a short run."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--seeds", type=int, default=seeds, help="instances of each kind")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each solve")
    parser.add_argument("--sizes", default="50,100", help="numbers of switches, with commas")
    found = parser.parse_args()
    found.sizes = [int(s) for s in found.sizes.split(",")]
    return found


def geometric(values: Sequence[float]) -> float:
    """Their geometric mean."""
    return math.exp(sum(math.log(max(v, 1e-9)) for v in values) / len(values))


def spread(values: Sequence[float]) -> str:
    """Median and greatest, in words."""
    return f"median {statistics.median(values):.3f}, at most {max(values):.3f}"


def verdict(name: str, value: float, wanted: float, *, at_least: bool) -> str:
    """One line: what was reached, what was asked, and whether that is enough."""
    good = value >= wanted if at_least else value <= wanted
    goal = f"at least {wanted:g}" if at_least else f"at most {wanted:g}"
    return f"{'ok  ' if good else 'MISS'} {name}: {value:.3g} ({goal})"
