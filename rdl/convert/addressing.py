"""Addresses as other formats write them, in RDL's spelling."""

from __future__ import annotations

import ipaddress
import re

from rdl.addresses import unusable

_NO_DIGITS = re.compile(r"[:.-]")
_MAC = re.compile(r"[0-9a-f]{12}", re.ASCII)


def cidr_of(address: str, netmask: str) -> str | None:
    """Address and prefix length, None where no interface can have this as its own."""
    try:
        found = ipaddress.ip_interface(f"{address}/{netmask}" if netmask else address)
    except ValueError:
        return None
    return None if unusable(found) or "%" in address else str(found)


def mac_of(text: str) -> str | None:
    """A MAC address in RDL's spelling, None where no interface can have it as its own."""
    digits = _NO_DIGITS.sub("", text).casefold()
    if not _MAC.fullmatch(digits) or not int(digits, 16) or int(digits[:2], 16) & 1:
        return None
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))
