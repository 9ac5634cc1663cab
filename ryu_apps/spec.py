"""What a caller asks of a VLink: the `spec` of `vlinks.put`, parsed once into a value.

Knows neither the network nor Ryu. Whatever is wrong with a spec is said in one BadRequest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NewType

from cloudnet_sdn.wire.faults import BadRequest

Dpid = NewType("Dpid", str)
"""A datapath id as 16 lower-case hex digits."""

VLinkId = NewType("VLinkId", str)
"""The caller's name of a VLink, `CLOUDNET.VLINK` under a provider."""

PortRef = int | str
"""A port by number, or by name, which may be numbered anew when its switch restarts."""

MAX_VLAN = 4094
MAX_BANDWIDTH = 4e12  # a meter's rate is 32 bits of kbit/s
MAX_PORT = 0xFFFFFF00  # OFPP_MAX of OpenFlow 1.3; what is above is reserved
_KEYS = frozenset({"ends", "bandwidth", "protection", "path", "backup"})
_DPID = re.compile(r"[0-9a-fA-F]{16}")
_ID = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class End:
    """Where a VLink leaves the network: a port, with the tag frames have there (0: untagged)."""

    dpid: Dpid
    port: PortRef
    vlan: int


@dataclass(frozen=True, slots=True)
class Hop:
    """A link of the wanted path by the port it leaves `dpid` through, with its tag."""

    dpid: Dpid
    out_port: PortRef
    vlan: int


@dataclass(frozen=True, slots=True)
class VLinkSpec:
    """A VLink as wanted.

    Attributes:
        ends: two or more.
        bandwidth: bit/s reserved, 0 for best effort.
        hops: every link between switches, where the caller chose links and tags.
        via: the switches of the path, where the caller chose only these.
    """

    ends: tuple[End, ...]
    bandwidth: float = 0.0
    hops: tuple[Hop, ...] = ()
    via: tuple[Dpid, ...] = ()

    def document(self) -> dict[str, Any]:
        """The spec in the form of the contract, JSON-able; `parse_spec` reads it back."""
        path: list[Any] = [[hop.dpid, hop.out_port, hop.vlan] for hop in self.hops]
        return {
            "ends": [{"dpid": e.dpid, "port": e.port, "vlan": e.vlan} for e in self.ends],
            "bandwidth": self.bandwidth,
            "protection": "none",
            "path": path or list(self.via),
            "backup": [],
        }


def parse_id(raw: Any) -> VLinkId:
    """A VLink id: 1 to 255 printable ASCII characters without blanks.

    Raises:
        BadRequest: it isn't one.
    """
    if not isinstance(raw, str) or not _ID.fullmatch(raw):
        raise BadRequest("a VLink id is 1 to 255 printable ASCII characters without blanks")
    return VLinkId(raw)


def parse_spec(raw: Any) -> VLinkSpec:
    """The `spec` of the contract's section 3 as a value.

    Raises:
        BadRequest: with everything that is wrong with it.
    """
    if not isinstance(raw, Mapping):
        raise BadRequest("spec: a struct is wanted")
    errors: list[str] = []
    unknown = sorted(str(key) for key in set(raw) - _KEYS)
    if unknown:
        errors.append(f"unknown: {', '.join(unknown)}")
    ends = _ends(raw.get("ends"), errors)
    bandwidth = _bandwidth(raw.get("bandwidth", 0.0), errors)
    _protection(raw, errors)
    hops, via = _path(raw.get("path", []), errors)
    if errors:
        about = "bandwidth" if all(e.startswith("bandwidth: ") for e in errors) else ""
        raise BadRequest("spec: " + "; ".join(errors), about)
    return VLinkSpec(ends, bandwidth, hops, via)


def _ends(raw: Any, errors: list[str]) -> tuple[End, ...]:
    if not _is_list(raw) or len(raw) < 2:
        errors.append("ends: a list of two or more is wanted")
        return ()
    ends = []
    for number, item in enumerate(raw):
        where = f"ends[{number}]"
        if not isinstance(item, Mapping) or not {"dpid", "port"} <= set(item):
            errors.append(f"{where}: a struct of dpid, port and vlan is wanted")
            continue
        if surplus := sorted(str(key) for key in set(item) - {"dpid", "port", "vlan"}):
            errors.append(f"{where}: unknown: {', '.join(surplus)}")
        dpid = _dpid(item["dpid"], f"{where}.dpid", errors)
        port = _port(item["port"], f"{where}.port", errors)
        vlan = _vlan(item.get("vlan", 0), f"{where}.vlan", errors, lowest=0)
        ends.append(End(dpid, port, vlan))
    if len(set(ends)) < len(ends):
        errors.append("ends: the same end is given twice")
    return tuple(ends)


def _bandwidth(raw: Any, errors: list[str]) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        errors.append("bandwidth: bit/s as a double are wanted")
        return 0.0
    if not math.isfinite(raw) or not 0 <= raw <= MAX_BANDWIDTH:
        errors.append("bandwidth: 0 to 4e12 bit/s are possible")
        return 0.0
    return float(raw)


def _protection(raw: Mapping[str, Any], errors: list[str]) -> None:
    protection = raw.get("protection", "none")
    if protection not in ("none", "link", "node"):
        errors.append("protection: one of none, link, node is wanted")
    elif protection != "none":
        errors.append(f"protection {protection}: not offered by this controller yet")
    backup = raw.get("backup", [])
    if not _is_list(backup):
        errors.append("backup: a list is wanted")
    elif backup:
        errors.append("backup: not offered by this controller yet")


def _path(raw: Any, errors: list[str]) -> tuple[tuple[Hop, ...], tuple[Dpid, ...]]:
    if not _is_list(raw):
        errors.append("path: a list is wanted")
        return (), ()
    if all(isinstance(item, str) for item in raw):
        via = tuple(_dpid(item, f"path[{n}]", errors) for n, item in enumerate(raw))
        if len(set(via)) < len(via):
            errors.append("path: a switch is given twice")
        return (), via
    hops = []
    for number, item in enumerate(raw):
        where = f"path[{number}]"
        if not _is_list(item) or len(item) != 3:
            errors.append(f"{where}: [dpid, out_port, vlan] is wanted, as in all other places")
            continue
        hops.append(
            Hop(
                _dpid(item[0], f"{where}[0]", errors),
                _port(item[1], f"{where}[1]", errors),
                _vlan(item[2], f"{where}[2]", errors, lowest=0),
            )
        )
    return tuple(hops), ()


def _is_list(raw: Any) -> bool:
    return isinstance(raw, Sequence) and not isinstance(raw, str | bytes)


def _dpid(raw: Any, where: str, errors: list[str]) -> Dpid:
    if not isinstance(raw, str) or not _DPID.fullmatch(raw):
        errors.append(f"{where}: 16 hex digits are wanted")
        return Dpid("")
    return Dpid(raw.lower())


def _port(raw: Any, where: str, errors: list[str]) -> PortRef:
    if isinstance(raw, int) and not isinstance(raw, bool) and 1 <= raw <= MAX_PORT:
        return raw
    if isinstance(raw, str) and raw and not raw.isspace():
        return raw
    errors.append(f"{where}: a port number from 1 or a port name is wanted")
    return 0


def _vlan(raw: Any, where: str, errors: list[str], *, lowest: int) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and lowest <= raw <= MAX_VLAN:
        return raw
    errors.append(f"{where}: {lowest} to {MAX_VLAN} is wanted")
    return 0
