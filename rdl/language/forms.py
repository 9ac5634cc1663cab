"""What a text must look like for each kind of feature that is one; if it does not, why."""

from __future__ import annotations

from collections.abc import Callable

from rdl.addresses import unusable
from rdl.vocabulary import INTERFACE, PROTECTIONS, TYPE, Kind


def type_hint(value: str) -> str:
    """What a type looks like, as far as `value` is none."""
    if not value.startswith("/"):
        return f": it begins with /node/ or /link/, as in /{value[:40]}" if "/" in value else (
            ": a path such as /node/host/generic"
        )  # fmt: skip
    if not value.startswith(("/node/", "/link/")):
        return ": it begins with /node/ or /link/"
    return ": levels are 1 to 63 of A-Z a-z 0-9 . _ -, joined by single slashes"


def _word(value: str) -> str | None:
    return None if value else "is empty"


def _type(value: str) -> str | None:
    return None if TYPE.fullmatch(value) else "is no type" + type_hint(value)


def _protection(value: str) -> str | None:
    return None if value in PROTECTIONS else f"is none of {', '.join(PROTECTIONS)}"


def _endpoint(value: str) -> str | None:
    return None if INTERFACE.fullmatch(value) else "is no end point: PROVIDER.NAME"


def _address(value: str) -> str | None:
    import ipaddress  # 5 ms that most documents do without

    _, slash, length = value.partition("/")
    try:
        found = ipaddress.ip_interface(value)
    except ValueError:
        return "is no address with prefix length, such as 10.0.0.1/24"
    if "%" in value or (slash and not length.isdigit()):
        return "is no address with prefix length, such as 10.0.0.1/24"
    if not slash:
        return f"lacks its prefix length: write {value[:40]}/24 or the like"
    return unusable(found)


def _mac(value: str) -> str | None:
    parts = value.split(":")
    good = len(parts) == 6 and all(
        len(p) == 2 and not p.strip("0123456789abcdefABCDEF") for p in parts
    )
    if not good:
        return "is no MAC address, such as 02:00:00:00:00:01"
    if not any(int(part, 16) for part in parts):
        return "is the MAC address that stands for none: no interface can have it"
    if int(parts[0], 16) & 1:
        return "is the MAC address of a group: no interface can have it as its own"
    return None


TEXTS: dict[Kind, tuple[str, Callable[[str], str | None]]] = {
    Kind.WORD: ("text", _word),
    Kind.TYPES: ("a type", _type),
    Kind.PROTECTION: ("none, link or node", _protection),
    Kind.ENDPOINT: ("an end point", _endpoint),
    Kind.ADDRESS: ("an address", _address),
    Kind.MAC: ("a MAC address", _mac),
}
"""What is wanted, and what is wrong with a text; None where nothing is."""
