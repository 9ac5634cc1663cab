"""Who has which port and tag, which meter and how much of a link."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ryu_apps.placement import Placement, Tagged
from ryu_apps.spec import Dpid, VLinkId
from ryu_apps.topology import Place


@dataclass(frozen=True, slots=True)
class _Entry:
    """What one VLink has, all its placements together: of what two share, the greater, once."""

    placements: tuple[Placement, ...]
    claims: frozenset[Tagged]
    meters: frozenset[tuple[Dpid, int]]
    ends: frozenset[Place]
    peers: dict[Place, Place]
    load: dict[Place, float]


class Ledger:
    """The book of what is in use.

    Several placements may stand under one id: the wanted one, and former ones of which some
    switch may still hold something. Not thread-safe; its owner has the lock.
    """

    def __init__(self) -> None:
        self._entries: dict[VLinkId, _Entry] = {}
        self._claims: dict[Tagged, VLinkId] = {}
        self._tags: dict[Place, set[int]] = {}
        self._at: dict[Dpid, set[VLinkId]] = {}
        self._meters: dict[Dpid, set[int]] = {}
        self._load: Counter[Place] = Counter()
        self._ends: Counter[Place] = Counter()
        self._crossings: Counter[Place] = Counter()
        self._peers: dict[Place, Place] = {}

    def enter(self, vlink: VLinkId, placements: Iterable[Placement]) -> tuple[Placement, ...]:
        """Make these the placements of a VLink, none to forget it; answers the former ones."""
        old = self._entries.pop(vlink, None)
        if old is not None:
            self._unbook(vlink, old)
        if fresh := tuple(placements):
            self._entries[vlink] = entry = _entry(fresh)
            self._book(vlink, entry)
        return old.placements if old is not None else ()

    def holder(self, claim: Tagged) -> VLinkId | None:
        """Who has this port and tag."""
        return self._claims.get(claim)

    def tags(self, place: Place) -> AbstractSet[int]:
        """The tags in use at a port."""
        return self._tags.get(place, frozenset())

    def at(self, dpid: Dpid) -> list[VLinkId]:
        """The VLinks with something at a switch."""
        return sorted(self._at.get(dpid, ()))

    def load(self, place: Place) -> float:
        """The bandwidth reserved through a link's port, bit/s."""
        return float(self._load[place])

    def meters(self, dpid: Dpid) -> AbstractSet[int]:
        """The meter ids in use at a switch."""
        return self._meters.get(dpid, frozenset())

    def peer(self, place: Place) -> Place | None:
        """The far end of a link that a placement uses."""
        return self._peers.get(place) if self.is_crossed(place) else None

    def is_end(self, place: Place) -> bool:
        """Whether the port is an end of a VLink."""
        return self._ends[place] > 0

    def is_crossed(self, place: Place) -> bool:
        """Whether the port is on a link that a VLink uses."""
        return self._crossings[place] > 0

    def ends(self) -> frozenset[Place]:
        """All ports that are ends."""
        return frozenset(+self._ends)

    def _book(self, vlink: VLinkId, entry: _Entry) -> None:
        for claim in entry.claims:
            self._claims[claim] = vlink
            self._tags.setdefault(claim.place, set()).add(claim.vlan)
            self._at.setdefault(claim.dpid, set()).add(vlink)
        for dpid, meter in entry.meters:
            self._meters.setdefault(dpid, set()).add(meter)
        self._ends.update(entry.ends)
        self._crossings.update(entry.peers.keys())
        self._peers.update(entry.peers)
        for place, load in entry.load.items():
            self._load[place] += load  # type: ignore[assignment]

    def _unbook(self, vlink: VLinkId, entry: _Entry) -> None:
        for claim in entry.claims:
            self._claims.pop(claim, None)
            self._tags[claim.place].discard(claim.vlan)
            self._at.get(claim.dpid, set()).discard(vlink)
        for dpid, meter in entry.meters:
            self._meters[dpid].discard(meter)
        self._ends.subtract(entry.ends)
        self._crossings.subtract(entry.peers.keys())
        for place, load in entry.load.items():
            self._load[place] -= load  # type: ignore[assignment]


def _entry(placements: tuple[Placement, ...]) -> _Entry:
    peers: dict[Place, Place] = {}
    load: dict[Place, float] = {}
    for placement in placements:
        for link in placement.links:
            peers |= {link.a: link.b, link.b: link.a}
            for place in (link.a, link.b):
                load[place] = max(load.get(place, 0.0), placement.bandwidth)
    return _Entry(
        placements,
        frozenset(claim for placement in placements for claim in placement.claims()),
        frozenset((e.at.dpid, e.meter) for placement in placements for e in placement.ends),
        frozenset(e.at.place for placement in placements for e in placement.ends),
        peers,
        load,
    )
