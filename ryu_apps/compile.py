"""From placements to what each datapath shall hold. Pure.

At each switch of a VLink every port it uses there, with the tag it has there, takes frames in and
hands them to all its other ports at that switch: along a path that is one port, in a tree the
frame is flooded. What matches no VLink matches no flow, and is dropped (OpenFlow 1.3.5 section
5.4), so VLinks are isolated from each other and from whatever else a port may send.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ryu_apps import lldp
from ryu_apps.placement import Placement, Tagged
from ryu_apps.rules import (
    BASE_COOKIE,
    CONTROLLER,
    IN_PORT,
    Action,
    Desired,
    FlowRule,
    Key,
    MeterRule,
    Output,
    PopVlan,
    PushVlan,
    SetVlan,
    cookie_of,
    match,
    vid,
)
from ryu_apps.spec import Dpid, VLinkId

VLINK_PRIORITY = 0xC100
DISCOVERY_PRIORITY = 0xC000
"""Below the VLinks: an untagged end's frames are its VLink's, discovery look-alikes included."""


@dataclass(frozen=True, slots=True)
class Guard:
    """How the meters at the ends are set.

    Senders are shaped to their reservation at the VNode's edge; the meter is there for those who
    aren't, so it must let a shaped sender pass whole.

    Attributes:
        best_effort: bit/s for VLinks that reserve nothing.
        margin: rate of the meter over the reservation: tags and jitter of shaped senders.
        burst_s: what may come at once, as time at that rate.
        least_burst: bits; ten full frames.
    """

    best_effort: float = 10e6
    margin: float = 1.04
    burst_s: float = 0.05
    least_burst: float = 120e3

    def meter(self, number: int, bandwidth: float) -> MeterRule:
        """The meter of an end of a VLink with this reservation, bit/s."""
        rate = (bandwidth or self.best_effort) * self.margin
        burst = max(rate * self.burst_s, self.least_burst)
        return MeterRule(number, max(1, round(rate / 1e3)), max(1, math.ceil(burst / 1e3)))


def base() -> Desired:
    """What every datapath holds for discovery: our LLDP comes to the controller."""
    rule = FlowRule(
        BASE_COOKIE,
        DISCOVERY_PRIORITY,
        match(eth_dst=lldp.DESTINATION, eth_type=lldp.ETHERTYPE, vlan_vid=vid(0)),
        (Output(CONTROLLER),),
    )
    return Desired({rule.key: rule})


def compile_vlink(vlink: VLinkId, placement: Placement, guard: Guard) -> Mapping[Dpid, Desired]:
    """What each datapath of the VLink shall hold for it."""
    meters = {end.at: end.meter for end in placement.ends}
    here: dict[Dpid, list[Tagged]] = {}
    for claim in placement.claims():
        here.setdefault(claim.dpid, []).append(claim)
    desired = {}
    for dpid, claims in here.items():
        rules = [_rule(vlink, claim, claims, meters.get(claim, 0)) for claim in claims]
        numbers = [meters[claim] for claim in claims if claim in meters]
        desired[dpid] = Desired(
            {rule.key: rule for rule in rules},
            {number: guard.meter(number, placement.bandwidth) for number in numbers},
        )
    return desired


def together(*parts: Desired) -> Desired:
    """Several Desired as one."""
    flows: dict[Key, FlowRule] = {}
    meters: dict[int, MeterRule] = {}
    for part in parts:
        flows.update(part.flows)
        meters.update(part.meters)
    return Desired(flows, meters)


def _rule(vlink: VLinkId, came: Tagged, claims: list[Tagged], meter: int) -> FlowRule:
    others = [claim for claim in claims if claim != came]
    return FlowRule(
        cookie_of(vlink),
        VLINK_PRIORITY,
        match(in_port=came.port, vlan_vid=vid(came.vlan)),
        tuple(_actions(came, others)),
        meter,
    )


def _actions(came: Tagged, others: list[Tagged]) -> Iterator[Action]:
    """The frame as it came first, then retagged, then with its tag put on or taken off.

    Each action works on what the ones before it left (OpenFlow 1.3.5 section 5.9), so copies
    with tags and copies without are made in the order that needs fewest changes.
    """
    same = [other for other in others if bool(other.vlan) == bool(came.vlan)]
    changed = [other for other in others if bool(other.vlan) != bool(came.vlan)]
    tag = came.vlan
    for other in sorted(same, key=lambda other: (other.vlan != tag, other.vlan, other.port)):
        if other.vlan != tag:
            yield SetVlan(other.vlan)
            tag = other.vlan
        yield _output(came, other)
    if changed:
        yield PopVlan() if came.vlan else PushVlan()
    tag = 0
    for other in sorted(changed, key=lambda other: (other.vlan, other.port)):
        if other.vlan != tag:
            yield SetVlan(other.vlan)
            tag = other.vlan
        yield _output(came, other)


def _output(came: Tagged, other: Tagged) -> Output:
    return Output(IN_PORT if other.port == came.port else other.port)
