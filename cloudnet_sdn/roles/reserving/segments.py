"""A mapping in full: each VLink split into segments, one per substrate element it touches.

"In the Mapping Layer graph they are split up into segments, one for each substrate network element
they are mapped to" (paper, section 4.2.2). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cloudnet_sdn.roles.reserving.tags import Route, route
from cloudnet_sdn.store.tags import Reservation
from rdl.graph import Graph, MappingGraph, Placement, Segment


def hosts_of(overlay: Graph, mapping: MappingGraph, vlink: str) -> tuple[str, ...]:
    """The substrate hosts of a VLink's VNodes, in the order of its ends."""
    ends = (n for n in overlay.neighbours(vlink) if n in mapping.mapping)
    return tuple(dict.fromkeys(h for n in ends for h in mapping.mapping[n].on))


def stubs_of(overlay: Graph, vlink: str) -> tuple[str, ...]:
    """The transit stubs that a VLink ends at."""
    return tuple(n for n in overlay.neighbours(vlink) if n.startswith("_"))


def vlinks_of(overlay: Graph, mapping: MappingGraph) -> tuple[str, ...]:
    """The VLinks that are mapped."""
    return tuple(e for e in mapping.mapping if overlay.elements[e].is_link)


def routes(
    substrate: Graph,
    overlay: Graph,
    mapping: MappingGraph,
    anchors: Mapping[str, str],
    pinned: Mapping[str, int],
) -> list[Route]:
    """Where each VLink needs tags."""
    found = []
    for vlink in vlinks_of(overlay, mapping):
        told = {anchors[s]: pinned[s] for s in stubs_of(overlay, vlink) if s in anchors}
        hosts = hosts_of(overlay, mapping, vlink)
        found.append(route(substrate, vlink, mapping.mapping[vlink], hosts, told))
    return found


def with_segments(
    substrate: Graph,
    overlay: Graph,
    mapping: MappingGraph,
    anchors: Mapping[str, str],
    reservations: Sequence[Reservation],
) -> MappingGraph:
    """The mapping with the segments of every VLink, tags told."""
    tags: dict[str, dict[str, int]] = {}
    for reservation in reservations:
        tags.setdefault(reservation.vlink, {})[reservation.place] = reservation.tag
    placements = dict(mapping.mapping)
    for vlink in vlinks_of(overlay, mapping):
        placement = placements[vlink]
        ends = [
            _host_end(substrate, placement, host, tags.get(vlink, {}))
            for host in hosts_of(overlay, mapping, vlink)
        ]
        ends += [
            Segment(anchors[s].partition(".")[0], tags.get(vlink, {}).get(anchors[s]), anchors[s])
            for s in stubs_of(overlay, vlink)
            if s in anchors
        ]
        anchored = {s.on for s in ends}
        bandwidth = overlay.elements[vlink].amount("bandwidth")
        inner = [
            Segment(e, tags.get(vlink, {}).get(e), None, bandwidth)
            for e in placement.on
            if e not in anchored
        ]
        placements[vlink] = replace(placement, segments=(*ends[:1], *inner, *ends[1:]))
    return replace(mapping, mapping=placements)


def _host_end(
    substrate: Graph, placement: Placement, host: str, tags: Mapping[str, int]
) -> Segment:
    """A VLink at an end host, with the interface it leaves by where it leaves."""
    for own, other in substrate.ends(host):
        link = other.partition(".")[0]
        if link in placement.on:
            return Segment(host, tags.get(host, tags.get(link)), own)
    return Segment(host, tags.get(host))
