"""What a Linux namespace on this host can't be given, whatever else is free. Pure.

Found out before anything is made: the kernel's own refusal would come half-way, and as late as the
start, in words that don't tell it from a host that is out of order.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from cloudnet_sdn.wire.faults import BadRequest
from hostagent.shaping import LEAST_BANDWIDTH, MOST_BANDWIDTH
from hostagent.spec import InterfaceSpec, VNodeSpec

_NO_MAC = "00:00:00:00:00:00"


def check(spec: VNodeSpec) -> None:
    """Whether a namespace can be what `spec` says.

    Raises:
        BadRequest: it can't; `about` is the first such member, `INTERFACE.MEMBER`.
    """
    for interface in spec.interfaces:
        for member, text in _wrong(interface):
            raise BadRequest(f"interface {interface.name}: {text}", f"{interface.name}.{member}")


def _wrong(interface: InterfaceSpec) -> Iterator[tuple[str, str]]:
    """Members that can't be had, each with what is wrong."""
    bandwidth = interface.bandwidth
    if bandwidth and not LEAST_BANDWIDTH <= bandwidth <= MOST_BANDWIDTH:
        span = f"{LEAST_BANDWIDTH:g} to {MOST_BANDWIDTH:g} bit/s"
        yield "bandwidth", f"a bandwidth of {bandwidth:g} bit/s can't be kept to, {span} can"
    if interface.mac == _NO_MAC:
        yield "mac", f"{interface.mac} is no address of an interface"
    if interface.address and (why := _no_address(interface.address)):
        yield "address", f"{interface.address} is {why}"


def _no_address(text: str) -> str:
    """Why the kernel, or a neighbour, takes this address for no interface's own; '' where not."""
    address = ipaddress.ip_interface(text).ip
    kinds = {
        "the address of a group": address.is_multicast,
        "no address": address.is_unspecified,
        "a loopback address": address.is_loopback,
    }
    return next((kind for kind, found in kinds.items() if found), "")
