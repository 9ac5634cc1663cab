"""Numbers with units: `2GiB`, `1.5Gbps`, `10ms` to base units, and numbers back to text.

Base units are bytes, bit/s, seconds, cores and counts. Arithmetic is exact (decimal), so `10ms` is
the float nearest to 0.01 and `1.5Gbps` the integer 1500000000.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from decimal import Context, Decimal, localcontext
from types import MappingProxyType

MAX_DIGITS = 400  # more than any float has; numbers beyond are refused before they are converted
_EXACT = Context(prec=2 * MAX_DIGITS)

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)
_WITH_UNIT = re.compile(r"((?:0|[1-9][0-9]*)(?:\.[0-9]+)?)([A-Za-zµ/%]+)", re.ASCII)


class Quantity(enum.StrEnum):
    """What a number counts, which decides the units that it takes."""

    BYTES = "bytes"
    RATE = "bit/s"
    TIME = "seconds"
    CORES = "cores"
    COUNT = "a count"
    NUMBER = "a number"


UNITS: Mapping[Quantity, Mapping[str, Decimal]] = MappingProxyType(
    {
        Quantity.BYTES: {
            "B": Decimal(1),
            **{f"{p}B": Decimal(1000) ** (i + 1) for i, p in enumerate("kMGTP")},
            **{f"{p}iB": Decimal(1024) ** (i + 1) for i, p in enumerate("KMGTP")},
        },
        Quantity.RATE: {
            "bps": Decimal(1),
            **{f"{p}bps": Decimal(1000) ** (i + 1) for i, p in enumerate("kMGT")},
        },
        Quantity.TIME: {
            "ns": Decimal("1e-9"),
            "us": Decimal("1e-6"),
            "ms": Decimal("1e-3"),
            "s": Decimal(1),
        },
        Quantity.CORES: {},
        Quantity.COUNT: {},
        Quantity.NUMBER: {},
    }
)


class UnitError(ValueError):
    """A number or unit that can't be taken; the message says why, with a hint."""


def plain_number(text: str) -> int | float | None:
    """The number that a plain scalar stands for, None where it is no plain decimal number.

    Raises:
        UnitError: it has more than `MAX_DIGITS` characters, or is beyond what a float holds.
    """
    if not _NUMBER.fullmatch(text):
        return None
    if len(text) > MAX_DIGITS:
        raise UnitError(f"a number of {len(text)} characters; at most {MAX_DIGITS} are taken")
    if "." not in text:
        return int(text)
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise UnitError("a number beyond what can be held")
    return value


def parse(text: str, quantity: Quantity) -> int | float:
    """A number with a unit of `quantity` in base units.

    Raises:
        UnitError: no number, no such unit, or a unit of another kind.
    """
    found = _WITH_UNIT.fullmatch(text) if len(text) <= MAX_DIGITS else None
    if found is None:
        raise UnitError(_not_a_quantity(text, quantity))
    factor = UNITS[quantity].get(found[2])
    if factor is None:
        raise UnitError(_wrong_unit(found[2], quantity))
    return _number(_EXACT.multiply(Decimal(found[1]), factor))


def parse_any(text: str) -> int | float:
    """A number with a unit of any kind, as a bound of a feature of the user's own may have.

    Raises:
        UnitError: no number or no unit that is known.
    """
    found = _WITH_UNIT.fullmatch(text) if len(text) <= MAX_DIGITS else None
    for units in UNITS.values():
        if found is not None and found[2] in units:
            return _number(_EXACT.multiply(Decimal(found[1]), units[found[2]]))
    raise UnitError("not a number, nor one with a unit such as 10ms, 2GiB or 50Mbps")


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _not_a_quantity(text: str, quantity: Quantity) -> str:
    squeezed = text.replace(" ", "")
    if squeezed != text and _WITH_UNIT.fullmatch(squeezed[:MAX_DIGITS]):
        return f"no space between number and unit: write {squeezed[:40]}"
    if text.startswith("-"):
        return "a negative amount"
    if len(text) <= MAX_DIGITS and _NUMBER.fullmatch(text):
        return "a number is wanted, this is quoted: leave the quotes away"
    return f"not {_wanted(quantity)}"


def _wanted(quantity: Quantity) -> str:
    units = UNITS[quantity]
    if not units:
        return "a plain decimal number"
    return f"a number, plain ({quantity}) or with a unit ({', '.join(units)})"


def _wrong_unit(unit: str, quantity: Quantity) -> str:
    units = UNITS[quantity]
    for other, known in UNITS.items():
        if unit in known:
            wanted = f"it takes {', '.join(units)}" if units else "it takes a plain number"
            return f"the unit {unit} is of the wrong kind ({other}, not {quantity}): {wanted}"
    if not units:
        return f"unknown unit {unit[:20]!r}: {quantity} takes a plain number"
    close = [u for u in units if u.casefold() == unit.casefold() or _alike(u, unit)]
    hint = f"; did you mean {' or '.join(close)}?" if close else f"; known: {', '.join(units)}"
    return f"unknown unit {unit[:20]!r}{hint}"


def _alike(unit: str, given: str) -> bool:
    spoken = {"G": "G", "M": "M", "K": "K", "k": "k", "T": "T"}
    bare = given.casefold().replace("/", "p").replace("bitps", "bps").replace("bit", "b")
    return unit.casefold() == bare or (given in spoken and unit[0].casefold() == given.casefold())


def text_of(value: float) -> str:
    """A number as RDL text: plain decimal, no exponent, reads back as the same number."""
    if isinstance(value, int):
        return str(value)
    with localcontext(_EXACT):
        text = format(Decimal(repr(value)), "f")
    return text if "." in text else text + ".0"


def human(value: float, quantity: Quantity) -> str:
    """A number for people, to three digits: `50 Mbit/s`, `2 GiB`, `8 ms`."""
    if quantity is Quantity.RATE:
        return _scaled(value, 1000, ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"))
    if quantity is Quantity.BYTES:
        binary = _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))
        decimal = _scaled(value, 1000, ("B", "kB", "MB", "GB", "TB", "PB"))
        return decimal if len(decimal) + 1 < len(binary) else binary
    if quantity is Quantity.TIME:
        if value and value < 1e-3:
            return f"{value * 1e6:.3g} us"
        return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _scaled(value: float, base: int, names: tuple[str, ...]) -> str:
    step = 0
    while value >= base and step < len(names) - 1:
        value /= base
        step += 1
    return f"{value:.4g} {names[step]}"
