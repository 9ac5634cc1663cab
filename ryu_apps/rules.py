"""Flows and meters as values: what a datapath shall hold, and what it was seen to hold.

The only place that knows our cookies. Everything of ours is in table 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ryu_apps.spec import VLinkId

COOKIE_MARK = 0xC10D
BASE_COOKIE = COOKIE_MARK << 48
"""Cookie of the rules that belong to no VLink (discovery)."""

VLAN_PRESENT = 0x1000  # OFPVID_PRESENT, OpenFlow 1.3.5 section 7.2.3.7
NO_VLAN = 0  # OFPVID_NONE
IN_PORT = 0xFFFFFFF8  # OFPP_IN_PORT: a frame goes back where it came from only if told so
CONTROLLER = 0xFFFFFFFD  # OFPP_CONTROLLER

Match = tuple[tuple[str, object], ...]
"""OXM fields and values, sorted by field."""


class Key(NamedTuple):
    """What makes a flow the same flow within a table (OpenFlow 1.3.5 section 6.4)."""

    priority: int
    match: Match


@dataclass(frozen=True, slots=True)
class PushVlan:
    """An 802.1Q tag is put on, of VID 0 until set."""


@dataclass(frozen=True, slots=True)
class PopVlan:
    """The outermost tag is taken off."""


@dataclass(frozen=True, slots=True)
class SetVlan:
    """The outermost tag gets this VID."""

    vid: int


@dataclass(frozen=True, slots=True)
class Output:
    """The frame as it is now leaves through this port."""

    port: int


@dataclass(frozen=True, slots=True)
class Other:
    """Something that we never write; seen in a flow, so that the flow differs from any of ours."""

    text: str


Action = PushVlan | PopVlan | SetVlan | Output | Other


@dataclass(frozen=True, slots=True)
class FlowRule:
    """A flow of ours. `meter` 0: unmetered."""

    cookie: int
    priority: int
    match: Match
    actions: tuple[Action, ...]
    meter: int = 0

    @property
    def key(self) -> Key:
        """Its identity within the table."""
        return Key(self.priority, self.match)


@dataclass(frozen=True, slots=True)
class MeterRule:
    """A meter with one drop band. `rate` in kbit/s, `burst` in kbit."""

    meter: int
    rate: int
    burst: int


@dataclass(frozen=True, slots=True)
class Desired:
    """What a datapath shall hold of ours."""

    flows: Mapping[Key, FlowRule] = field(default_factory=dict)
    meters: Mapping[int, MeterRule] = field(default_factory=dict)


@dataclass(slots=True)
class Observed:
    """What a datapath was seen to hold, kept up to date with what it confirmed since.

    Attributes:
        flows: those with our cookies.
        foreign: the keys of all others in table 0, which we leave alone.
        meters: those in our range of ids.
    """

    flows: dict[Key, FlowRule] = field(default_factory=dict)
    foreign: set[Key] = field(default_factory=set)
    meters: dict[int, MeterRule] = field(default_factory=dict)


def cookie_of(vlink: VLinkId) -> int:
    """The cookie of a VLink's flows: our mark, then 48 bits that follow from its id."""
    return BASE_COOKIE | int.from_bytes(hashlib.sha256(vlink.encode()).digest()[:6], "big")


def is_ours(cookie: int) -> bool:
    """Whether the cookie carries our mark."""
    return cookie >> 48 == COOKIE_MARK


def match(**fields: object) -> Match:
    """A match on these OXM fields."""
    return tuple(sorted(fields.items()))


def vid(vlan: int) -> int:
    """The value of `vlan_vid` that means this tag, 0 meaning untagged."""
    return VLAN_PRESENT | vlan if vlan else NO_VLAN
