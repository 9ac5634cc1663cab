"""Numbers and units as other formats write them."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_PREFIXES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_RATE_UNIT = re.compile(
    r"([KMGT]?)(?:(?:BITS?|B)(?:PS|/S(?:EC)?|\s?PER\s?S(?:EC(?:OND)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_BYTES = re.compile(r"B(?!I)", re.ASCII)
_TIME_UNITS = {
    "s": Decimal(1),
    "sec": Decimal(1),
    "ms": Decimal("1e-3"),
    "msec": Decimal("1e-3"),
    "us": Decimal("1e-6"),
    "usec": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ns": Decimal("1e-9"),
}
_AMOUNT = re.compile(
    r"([0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?)\s*(.{0,20})", re.ASCII
)


def number(text: str | None) -> float | None:
    """A finite number from a file, None where there is none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def rate_unit(text: str) -> int | None:
    """The bit/s that a unit such as `Gbps`, `M` or `MBITPERSEC` stands for, None if unknown.

    Bytes (`MB/s`) are none: files that mean bits write them by mistake, so neither reading is sure.
    """
    unit = text.strip()
    found = _RATE_UNIT.fullmatch(unit)
    if not unit or found is None:
        return None
    shouted = unit.isupper() and unit.endswith("BPS")
    if _BYTES.search(unit.replace("Bi", "BI")) and not shouted:
        return None
    return _PREFIXES[found[1].upper()]


def rate(text: str, plain: int | None = None) -> float | None:
    """The bit/s of `100Mbps` or `10 Gbit/s`; of a bare number in units of `plain` where given."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        return None
    factor = rate_unit(found[2]) if found[2] else plain
    return None if factor is None else float(Decimal(found[1]) * factor)


def seconds(text: str, plain: str) -> float | None:
    """The seconds of `20ms`; a bare number is in the unit `plain`."""
    found = _AMOUNT.fullmatch(text.strip())
    factor = None if found is None else _TIME_UNITS.get(found[2].strip().lower() or plain)
    return None if found is None or factor is None else float(Decimal(found[1]) * factor)
