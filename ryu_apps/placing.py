"""From a spec to a placement: names to numbers, links to both their ports, tags and meters chosen.

Pure: (spec, topology, what is in use) to a placement, or the reason why there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloudnet_sdn.wire.faults import BadRequest, CloudnetError, Conflict
from ryu_apps import routing
from ryu_apps.ledger import Ledger
from ryu_apps.placement import PlacedEnd, PlacedLink, Placement, Tagged
from ryu_apps.spec import Dpid, End, Hop, PortRef, VLinkSpec
from ryu_apps.topology import Link, Place, Topology


class NotYet(Exception):
    """The network doesn't show yet what the spec speaks of.

    Attributes:
        away: the switch that isn't connected; None where all are, and waiting for more than a
            moment is in vain.
        fault: what to tell the caller then.
    """

    def __init__(
        self, text: str, away: Dpid | None = None, fault: type[CloudnetError] = Conflict
    ) -> None:
        self.away = away
        self.fault = fault
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Ranges:
    """What may be given out: tags on links, and meter ids, first and last."""

    tags: tuple[int, int] = (2, 4094)
    meters: tuple[int, int] = (0xC10D, 0xFFFF)


def place(spec: VLinkSpec, topology: Topology, ledger: Ledger, ranges: Ranges) -> Placement:
    """Find the VLink's place. What it has already must not stand in the ledger.

    Raises:
        NotYet: a switch is away, or a link isn't discovered.
        BadRequest: the spec contradicts the network or itself.
        Conflict: a port and tag is somebody else's, or no capacity or tag is left.
    """
    ends = tuple(_end(end, topology) for end in spec.ends)
    if len({at for at, _ in ends}) < len(ends):
        raise BadRequest("ends: the same port and tag is given twice")
    _check_ends([at for at, _ in ends], ledger)
    links = _Links(spec, [at for at, _ in ends], topology, ledger, ranges).found()
    crossed = {place for link in links for place in (link.a, link.b)}
    if both := next((at.place for at, _ in ends if at.place in crossed), None):
        raise BadRequest(f"path: it leads over {both}, which is one of the ends")
    terminals = [at.dpid for at, _ in ends]
    order, path = _walk(links, terminals)
    _check_links(order, spec.bandwidth, topology, ledger)
    return Placement(tuple(_metered(ends, ledger, ranges)), tuple(order), path, spec.bandwidth)


def _end(end: End, topology: Topology) -> tuple[Tagged, str]:
    name = end.port if isinstance(end.port, str) else ""
    return Tagged(end.dpid, _number(end.dpid, end.port, topology), end.vlan), name


def _number(dpid: Dpid, ref: PortRef, topology: Topology) -> int:
    port = topology.port(dpid, ref)
    if port is not None:
        return port.number
    if dpid in topology.switches:
        raise NotYet(f"switch {dpid} has no port {ref}", fault=BadRequest)
    if isinstance(ref, int):
        return ref  # nothing to look up; whether it is there will be seen
    raise NotYet(f"switch {dpid} is away", away=dpid)


def _check_ends(ends: Iterable[Tagged], ledger: Ledger) -> None:
    for end in ends:
        if (holder := ledger.holder(end)) is not None:
            raise Conflict(f"{end} is an end of VLink {holder}")
        if ledger.is_crossed(end.place):
            raise Conflict(f"{end.place} is on a link that VLinks use; it can't be an end")


class _Links:
    """The links of a spec: given with ports and tags, given by switches, or chosen."""

    def __init__(
        self,
        spec: VLinkSpec,
        ends: Sequence[Tagged],
        topology: Topology,
        ledger: Ledger,
        ranges: Ranges,
    ) -> None:
        self._spec = spec
        self._ends = ends
        self._topology = topology
        self._ledger = ledger
        self._ranges = ranges

    def found(self) -> list[PlacedLink]:
        """All of them, in no particular order."""
        if self._spec.hops:
            hops = (self._hop(hop) for hop in self._spec.hops)
            return [link for link in hops if link is not None]
        return [self._tagged(link) for link in self._chosen()]

    def _hop(self, hop: Hop) -> PlacedLink | None:
        place = Place(hop.dpid, _number(hop.dpid, hop.out_port, self._topology))
        if Tagged(*place, hop.vlan) in self._ends:
            return None  # the last step, out to the end; it's no link
        if hop.vlan == 0:
            raise BadRequest(f"path: links between switches carry tagged frames, {place} too")
        peer = self._peer(place)
        return PlacedLink(place, peer, hop.vlan)

    def _peer(self, place: Place) -> Place:
        if self._ledger.is_end(place):
            raise Conflict(f"{place} is an end of VLinks; no path can lead over it")
        link = self._topology.link_at(place)
        peer = link.other(place) if link is not None else self._ledger.peer(place)
        if peer is None:
            raise self._unknown(f"no link is known to leave {place}", self._mentioned())
        return peer

    def _chosen(self) -> list[Link]:
        demand = self._spec.bandwidth
        terminals = [end.dpid for end in self._ends]
        via = self._spec.via
        if via and not set(terminals) <= set(via):
            raise BadRequest("path: it leaves out the switch of an end")
        if len(terminals) == 2 and via:
            if {via[0], via[-1]} != set(terminals):
                raise BadRequest("path: it doesn't lead from the first end to the second")
            links = routing.chain(self._topology, via, demand, self._free)
        else:
            links = routing.tree(self._topology, terminals, demand, self._free, via or None)
        if links is None:
            raise self._no_way(via or tuple(dict.fromkeys(terminals)))
        return links

    def _no_way(self, about: Sequence[Dpid]) -> Exception:
        if self._spec.bandwidth and routing.tree(self._topology, about, 0.0, self._free):
            return Conflict("no path has that much bandwidth left")
        return self._unknown(f"no path is known between {' and '.join(about)}", about)

    def _unknown(self, text: str, about: Iterable[Dpid]) -> NotYet:
        away = next((dpid for dpid in about if dpid not in self._topology.switches), None)
        return NotYet(text if away is None else f"switch {away} is away", away=away)

    def _mentioned(self) -> Iterable[Dpid]:
        yield from (end.dpid for end in self._spec.ends)
        yield from (hop.dpid for hop in self._spec.hops)

    def _tagged(self, link: Link) -> PlacedLink:
        first, last = self._ranges.tags
        here, there = self._ledger.tags(link.a), self._ledger.tags(link.b)
        for vlan in range(first, last + 1):
            if vlan not in here and vlan not in there:
                return PlacedLink(link.a, link.b, vlan)
        raise Conflict(f"no tag is left on the link {link.a} to {link.b}")

    def _free(self, link: Link) -> float:
        if self._ledger.is_end(link.a) or self._ledger.is_end(link.b):
            return -1.0
        if not link.capacity:
            return math.inf
        return link.capacity - max(self._ledger.load(link.a), self._ledger.load(link.b))


def _walk(
    links: list[PlacedLink], terminals: Sequence[Dpid]
) -> tuple[list[PlacedLink], tuple[Dpid, ...]]:
    """The links turned and put in order from the first terminal on; checks that it's a tree."""
    rest, order, path = list(links), list[PlacedLink](), [terminals[0]]
    for dpid in path:  # grows while walked
        for link in [link for link in rest if dpid in (link.a.dpid, link.b.dpid)]:
            rest.remove(link)
            ahead = link if link.a.dpid == dpid else PlacedLink(link.b, link.a, link.vlan)
            if ahead.b.dpid in path:
                raise BadRequest(f"path: it comes to switch {ahead.b.dpid} twice")
            order.append(ahead)
            path.append(ahead.b.dpid)
    if rest:
        raise BadRequest(f"path: {rest[0].a} isn't joined to {terminals[0]}")
    if missing := sorted(set(terminals) - set(path)):
        raise BadRequest(f"path: it doesn't lead to switch {missing[0]}")
    return order, tuple(path)


def _check_links(
    links: Iterable[PlacedLink], demand: float, topology: Topology, ledger: Ledger
) -> None:
    for link in links:
        for side in link.sides():
            if (holder := ledger.holder(side)) is not None:
                raise Conflict(f"{side} is in use by VLink {holder}")
        known = topology.link_at(link.a)
        if known is None or not known.capacity or not demand:
            continue
        left = known.capacity - max(ledger.load(link.a), ledger.load(link.b))
        if demand > left * (1 + 1e-9):
            raise Conflict(
                f"the link {link.a} to {link.b} has {left / 1e6:g} of "
                f"{known.capacity / 1e6:g} Mbit/s left; {demand / 1e6:g} are wanted"
            )


def _metered(
    ends: Iterable[tuple[Tagged, str]], ledger: Ledger, ranges: Ranges
) -> Iterable[PlacedEnd]:
    given: dict[Dpid, set[int]] = {}
    first, last = ranges.meters
    for at, name in ends:
        used = given.setdefault(at.dpid, set(ledger.meters(at.dpid)))
        meter = next((number for number in range(first, last + 1) if number not in used), None)
        if meter is None:
            raise Conflict(f"no meter is left at switch {at.dpid}")
        used.add(meter)
        yield PlacedEnd(at, meter, name)
