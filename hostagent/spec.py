"""What a VNode is to be: parsed from the provider's dictionary, checked, and written back.

Pure. Everything behind this module works on `VNodeSpec` alone.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NewType

from cloudnet_sdn.wire.faults import BadRequest

Key = NewType("Key", str)

_ROUND = re.compile(r"(.+-[a-z2-7]{10})-[0-9]+")
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_MAX_KEY = 200
_LAST_TAG = 4094
_MOST = 1e18


@dataclass(frozen=True, slots=True)
class InterfaceSpec:
    """One network interface of a VNode.

    Attributes:
        name: its name in the request, unique within the VNode.
        mac: six hex octets in lower case, or '' for one derived from the key and the name.
        address: CIDR set inside the VNode when it boots, or ''.
        vlan: the VLink's tag on this host's bridge; 0 leaves the interface unplugged.
        uplink: the bridge port that carries the tag off the host, '' if the VLink stays here.
        bandwidth: bit/s towards the network; 0 is not shaped.
    """

    name: str
    mac: str = ""
    address: str = ""
    vlan: int = 0
    uplink: str = ""
    bandwidth: float = 0.0


@dataclass(frozen=True, slots=True)
class VNodeSpec:
    """A VNode: cores, bytes of memory and storage, a template's name, and its interfaces."""

    cpu: float = 0.0
    memory: float = 0.0
    storage: float = 0.0
    image: str = ""
    interfaces: tuple[InterfaceSpec, ...] = ()


def parse_key(value: str) -> Key:
    """A provider's key `CLOUDNET.ELEMENT`.

    Raises:
        BadRequest: it is not of that form.
    """
    if len(value) > _MAX_KEY or not _KEY.fullmatch(value):
        raise BadRequest(f"a key is CLOUDNET.ELEMENT, not {value[:80]!r}")
    return Key(value)


def cloudnet_of(key: Key) -> str:
    """The CloudNet of a key: its first part, without the number that later rounds' keys have."""
    part = key.rpartition(".")[0]
    numbered = _ROUND.fullmatch(part)
    return numbered.group(1) if numbered else part


def element_of(key: Key) -> str:
    """The element part of a key: the VNode's host name."""
    return key.rpartition(".")[2]


def parse_spec(raw: Mapping[str, Any]) -> VNodeSpec:
    """The spec of a VNode from its dictionary; absent members take their defaults.

    Raises:
        BadRequest: unknown members, wrong kinds or values out of range.
    """
    _known("a VNode", raw, VNodeSpec.__dataclass_fields__)
    listed = raw.get("interfaces", [])
    if not isinstance(listed, list):
        raise BadRequest("interfaces: a list is expected")
    interfaces = tuple(_interface(item) for item in listed)
    names = [interface.name for interface in interfaces]
    if len(set(names)) != len(names):
        raise BadRequest("interfaces: a name occurs twice")
    return VNodeSpec(
        cpu=_amount(raw, "cpu"),
        memory=_amount(raw, "memory"),
        storage=_amount(raw, "storage"),
        image=_text(raw, "image"),
        interfaces=interfaces,
    )


def dump_spec(spec: VNodeSpec) -> dict[str, Any]:
    """The dictionary that `parse_spec` reads."""
    raw = asdict(spec)
    raw["interfaces"] = list(raw["interfaces"])
    return raw


def _interface(raw: object) -> InterfaceSpec:
    if not isinstance(raw, Mapping):
        raise BadRequest("interfaces: each is a structure")
    _known("an interface", raw, InterfaceSpec.__dataclass_fields__)
    name, mac, address = _text(raw, "name"), _text(raw, "mac").lower(), _text(raw, "address")
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"interface {name[:80]!r}: 1 to 63 of A-Za-z0-9_- are expected as its name"
        )
    if mac and (not _MAC.fullmatch(mac) or int(mac[:2], 16) & 1):
        raise BadRequest(f"interface {name}: {mac[:40]!r} is not a unicast MAC address")
    if address:
        try:
            ipaddress.ip_interface(address)
        except ValueError as exc:
            raise BadRequest(f"interface {name}: {address[:80]!r} is not an address") from exc
    bandwidth = _amount(raw, "bandwidth", f"{name}.")
    vlan = raw.get("vlan", 0)
    if not isinstance(vlan, int) or isinstance(vlan, bool) or not 0 <= vlan <= _LAST_TAG:
        raise BadRequest(f"interface {name}: vlan is a number from 0 to {_LAST_TAG}")
    return InterfaceSpec(name, mac, address, vlan, _text(raw, "uplink"), bandwidth)


def _known(what: str, raw: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    unknown = sorted(str(name) for name in raw if name not in fields)
    if unknown:
        raise BadRequest(f"{what} has no {', '.join(unknown)}")


def _amount(raw: Mapping[str, Any], name: str, holder: str = "") -> float:
    value = raw.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise BadRequest(f"{holder}{name}: a number of 0 or more is expected")
    if value >= _MOST:
        raise BadRequest(f"{holder}{name}: less than {_MOST:g} is possible", f"{holder}{name}")
    return float(value)


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name, "")
    if not isinstance(value, str):
        raise BadRequest(f"{name}: text is expected")
    return value
