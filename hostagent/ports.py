"""Ports of a host's bridge as values, and which tags an uplink must carry. Pure.

VNode ports are *access* ports of the VLink's tag, uplinks trunk exactly the tags in use, so a
VNode can never choose its tag and nothing untagged leaves the host.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hostagent.spec import Key, VNodeSpec, cloudnet_of

NOTHING = 4095
"""The tag an idle uplink trunks: an empty list would mean every tag."""


@dataclass(frozen=True, slots=True)
class AccessPort:
    """A VNode's port: the device `device` carries `vlan`, which leaves by `uplink` ('' nowhere)."""

    device: str
    key: Key
    interface: str
    vlan: int
    uplink: str


@dataclass(frozen=True, slots=True)
class SeenPort:
    """A port of ours as Open vSwitch has it; `error` is what it says against the device."""

    port: AccessPort
    error: str


class Plugboard(Protocol):
    """Where VNodes' ports are plugged in: a host's bridge."""

    def ports(self) -> Sequence[SeenPort]:
        """The ports of ours on it."""

    def apply(self, wanted: Collection[AccessPort] = (), gone: Collection[str] = ()) -> None:
        """Make the `wanted` ports be as they say, drop the devices `gone`, and set all trunks."""


class NoPlugboard:
    """Stands for a bridge that is gone with all its ports, so that the rest can be removed."""

    def ports(self) -> Sequence[SeenPort]:
        """There are none."""
        return ()

    def apply(self, wanted: Collection[AccessPort] = (), gone: Collection[str] = ()) -> None:
        """Nothing to do."""


def trunks(ports: Iterable[AccessPort], uplink: str) -> tuple[int, ...]:
    """The tags that `uplink` trunks, in order, given all VNode ports of the bridge."""
    tags = {port.vlan for port in ports if port.uplink == uplink and port.vlan}
    return tuple(sorted(tags)) or (NOTHING,)


def clash(key: Key, spec: VNodeSpec, others: Mapping[Key, VNodeSpec]) -> str:
    """Why the spec's tags would join VLinks that must stay apart, or ''.

    A tag on a bridge is one broadcast domain. It belongs to one CloudNet, and to one way off
    the host: the same tag on two uplinks are two VLinks.
    """
    for other_key, other in others.items():
        if other_key == key:
            continue
        for theirs in other.interfaces:
            for ours in spec.interfaces:
                if not ours.vlan or ours.vlan != theirs.vlan:
                    continue
                if cloudnet_of(key) != cloudnet_of(other_key):
                    return f"tag {ours.vlan} is in use by another CloudNet on this host"
                if ours.uplink != theirs.uplink:
                    return f"tag {ours.vlan} is in use on {theirs.uplink or 'this host only'!r}"
    return ""
