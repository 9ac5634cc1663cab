"""The state of a VLink, from what is wanted and what is known. Pure.

pending   not confirmed by every switch yet, or not gone from every switch yet
up        confirmed by every switch, and all its ports and links are up
degraded  confirmed, but a switch is away since, or one of more than two ends is down
failed    a switch refused it, or a port or link it needs is down
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ryu_apps.placement import Placement
from ryu_apps.spec import Dpid
from ryu_apps.store import Record
from ryu_apps.topology import Place, Topology


class State(StrEnum):
    """As answered by `vlinks.get`; GONE only by `vlinks.delete`."""

    UP = "up"
    DEGRADED = "degraded"
    FAILED = "failed"
    PENDING = "pending"
    GONE = "gone"


@dataclass(slots=True)
class Progress:
    """How far the switches are with a VLink, as known to this process.

    Attributes:
        confirmed: switches that hold what they shall, or did when last seen.
        unclear: switches that may hold something of former placements.
        troubles: what switches refused.
    """

    confirmed: set[Dpid] = field(default_factory=set)
    unclear: set[Dpid] = field(default_factory=set)
    troubles: dict[Dpid, str] = field(default_factory=dict)


def state_of(
    record: Record, progress: Progress, topology: Topology, known: Callable[[Dpid], bool]
) -> tuple[State, str]:
    """The state, with the reason where it isn't up.

    Args:
        record: what is wanted.
        progress: how far the switches are.
        topology: the network now.
        known: whether it is known what a switch holds.
    """
    if record.deleting:
        return State.PENDING, f"being removed; {_switches(progress.unclear)} not known to be clear"
    if record.placement is None:
        return State.PENDING, record.why
    for dpid, text in sorted(progress.troubles.items()):
        return State.FAILED, f"switch {dpid}: {text}"
    state, reason = _physical(record.placement, topology)
    if state is State.FAILED:
        return state, reason
    if record.why:
        return State.PENDING, record.why
    unready = _unready(record.placement, progress.confirmed, topology, known)
    if unready is not None:
        return unready
    return state, reason


def _unready(
    placement: Placement,
    confirmed: Collection[Dpid],
    topology: Topology,
    known: Callable[[Dpid], bool],
) -> tuple[State, str] | None:
    away = [dpid for dpid in placement.path if dpid not in topology.switches]
    if fresh := [dpid for dpid in away if dpid not in confirmed]:
        return State.PENDING, f"{_switches(fresh)} away"
    if waiting := [dpid for dpid in placement.path if dpid not in confirmed]:
        return State.PENDING, f"{_switches(waiting)} being set up"
    if away:
        return State.DEGRADED, f"{_switches(away)} away since it confirmed"
    if unknown := [dpid for dpid in placement.path if not known(dpid)]:
        return State.DEGRADED, f"{_switches(unknown)} being checked"
    return None


def _physical(placement: Placement, topology: Topology) -> tuple[State, str]:
    for link in placement.links:
        for place in (link.a, link.b):
            if text := _port_trouble(place, topology):
                return State.FAILED, text
        known = topology.link_at(link.a)
        connected = {link.a.dpid, link.b.dpid} <= topology.switches.keys()
        if known is not None and connected and not known.up:
            return State.FAILED, f"the link {link.a} to {link.b} is down"
    down = [text for end in placement.ends if (text := _port_trouble(end.at.place, topology))]
    if not down:
        return State.UP, ""
    left = len(placement.ends) - len(down)
    return (State.DEGRADED if left >= 2 else State.FAILED), down[0]


def _port_trouble(place: Place, topology: Topology) -> str:
    ports: Mapping[int, object] | None = topology.switches.get(place.dpid)
    if ports is None:
        return ""  # unknown; that the switch is away is said elsewhere
    port = topology.port(place.dpid, place.port)
    if port is None:
        return f"port {place} isn't there"
    return "" if port.up else f"port {place} is down"


def _switches(dpids: Collection[Dpid]) -> str:
    names = sorted(dpids)
    return f"switch {names[0]} is" if len(names) == 1 else f"switches {', '.join(names)} are"
