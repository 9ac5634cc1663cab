"""Which addresses an interface can have as its own (RFC 1122, section 3.2.1.3; RFC 4291, 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # at run time it takes 5 ms that most documents do without
    from ipaddress import IPv4Interface, IPv6Interface

_THIS_NETWORK = 0
_POINT_TO_POINT = 31
"""From this prefix length on, every address of an IPv4 network is one of a host (RFC 3021)."""


def unusable(interface: IPv4Interface | IPv6Interface) -> str | None:
    """Why no interface can have this address, as the end of a sentence; None where one can."""
    address = interface.ip
    kind = None
    if address.is_multicast:
        kind = "is the address of a group"
    elif address.is_unspecified:
        kind = "is the address that stands for none"
    elif address.is_loopback:
        kind = "is a loopback address, which never leaves its node"
    elif interface.version == 4:
        kind = _unusable_ipv4(interface)
    return None if kind is None else f"{kind}: no interface of a VLink can have it"


def _unusable_ipv4(interface: IPv4Interface | IPv6Interface) -> str | None:
    address, network = interface.ip, interface.network
    if address.packed[0] == _THIS_NETWORK:
        return "is in 0.0.0.0/8, which has no hosts"
    if address.packed == b"\xff\xff\xff\xff":
        return "is the broadcast address"
    if network.prefixlen >= _POINT_TO_POINT:
        return None
    if address == network.network_address:
        return f"is the address of the network {network} itself"
    if address == network.broadcast_address:
        return f"is the broadcast address of the network {network}"
    return None
