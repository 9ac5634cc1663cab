"""Exact arithmetic on amounts: what fits must not depend on rounding."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

Exact = int | Fraction

GIB = 2**30
MBPS = 10**6

PIECE = {"memory": GIB, "storage": GIB, "bandwidth": MBPS}
"""Base units per piece that a `price.X` is for; 1 for any other resource."""


def exact(value: float) -> Exact:
    """The number as a person would read it: 0.1 is one tenth, not its binary neighbour."""
    if isinstance(value, int):
        return value
    return int(value) if value.is_integer() else Fraction(repr(value))


def tidy(value: Exact) -> int | float:
    """Back to what RDL holds."""
    if isinstance(value, int):
        return value
    return value.numerator if value.denominator == 1 else float(value)


def scale_of(values: Iterable[Exact]) -> Fraction:
    """The factor that makes all `values` the smallest integers in the same proportions."""
    rest = [Fraction(v) for v in values if v]
    if not rest:
        return Fraction(1)
    denominator = math.lcm(*(v.denominator for v in rest))
    divisor = math.gcd(*(int(v * denominator) for v in rest))
    return Fraction(denominator, divisor)


def scaled(coefficients: Sequence[Exact], limit: Exact) -> tuple[list[float], float]:
    """The row `coefficients · x <= limit` over 0/1 variables in small whole numbers.

    The limit is rounded down to what whole coefficients can reach: solvers work with tolerances
    of about 1e-6, and this way no sum lies within one of the limit.
    """
    factor = scale_of(coefficients)
    whole = [int(c * factor) for c in coefficients]
    top = math.floor(limit * factor)
    size = max((abs(c) for c in whole), default=1)
    if size <= 10**6:
        return [float(c) for c in whole], float(top)
    return [c / size for c in whole], top / size


def human(value: Exact, resource: str) -> str:
    """An amount with a unit a person reads: `2 GiB`, `50 Mbps`, `1.5`."""
    number = float(value)
    if resource in {"memory", "storage"}:
        steps: tuple[tuple[int, str], ...] = (
            (2**40, "TiB"),
            (2**30, "GiB"),
            (2**20, "MiB"),
            (2**10, "KiB"),
            (1, "bytes"),
        )
    elif resource == "bandwidth":
        steps = ((10**9, "Gbps"), (10**6, "Mbps"), (10**3, "kbps"), (1, "bps"))
    else:
        return f"{number:g}"
    size, unit = next((s for s in steps if abs(number) >= s[0]), steps[-1])
    return f"{number / size:g} {unit}"
