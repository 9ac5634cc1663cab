"""The register of VLinks: records, what they have in the ledger, and both kept in the store.

Not thread-safe but for `keep` and `drop`, which block on the store: everything else is called
with the lock of its owner held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

from ryu_apps.ledger import Ledger
from ryu_apps.placement import Placement
from ryu_apps.placing import NotYet, Ranges, place
from ryu_apps.rules import cookie_of
from ryu_apps.spec import Dpid, VLinkId, VLinkSpec
from ryu_apps.store import Record, Store
from ryu_apps.topology import Topology


class Register:
    """What is wanted, as last written to the store, and the ledger that goes with it.

    Args:
        store: read once, here.
        ranges: tags and meters that may be given out.
        lock: of the owner; taken here only around what follows a write.
    """

    def __init__(self, store: Store, ranges: Ranges, lock: AbstractContextManager[object]) -> None:
        self._store = store
        self._ranges = ranges
        self._lock = lock
        self.ledger = Ledger()
        self.records = store.load()
        self._by_cookie = {cookie_of(vlink): vlink for vlink in self.records}
        for vlink, record in self.records.items():
            self.ledger.enter(vlink, record.placements)

    def vlink_of(self, cookie: int) -> VLinkId | None:
        """The VLink whose flows carry this cookie."""
        return self._by_cookie.get(cookie)

    def attempt(
        self, wanted: Mapping[VLinkId, VLinkSpec], topology: Topology
    ) -> tuple[dict[VLinkId, Record], NotYet | None]:
        """Records that give all `wanted` their places, entered in the ledger but not kept yet.

        Returns:
            The records, and what keeps the first of those from its place that has none yet.

        Raises:
            BadRequest: see `place`. The ledger is as before.
            Conflict: likewise.
        """
        fresh: dict[VLinkId, Record] = {}
        obstacle: NotYet | None = None
        try:
            for vlink, spec in wanted.items():
                fresh[vlink], hindered = self._one(vlink, spec, topology)
                obstacle = obstacle or hindered
        except BaseException:
            self.undo(wanted)
            raise
        return fresh, obstacle

    def undo(self, vlinks: Iterable[VLinkId]) -> None:
        """The ledger is again as the records say."""
        for vlink in vlinks:
            record = self.records.get(vlink)
            self.ledger.enter(vlink, record.placements if record else ())

    def keep(self, fresh: Mapping[VLinkId, Record]) -> None:
        """Write records that are in the ledger already; durable once it returns."""
        changed = {v: record for v, record in fresh.items() if self.records.get(v) != record}
        try:
            self._store.save(changed)
        except BaseException:
            with self._lock:
                self.undo(changed)
            raise
        with self._lock:
            self.records.update(changed)
            self._by_cookie.update((cookie_of(vlink), vlink) for vlink in changed)
            for vlink, record in changed.items():
                self.ledger.enter(vlink, record.placements)

    def drop(self, vlinks: Collection[VLinkId]) -> None:
        """Forget VLinks of which nothing is left."""
        self._store.remove(vlinks)
        with self._lock:
            for vlink in vlinks:
                self.records.pop(vlink, None)
                self._by_cookie.pop(cookie_of(vlink), None)
                self.ledger.enter(vlink, ())

    def _one(
        self, vlink: VLinkId, spec: VLinkSpec, topology: Topology
    ) -> tuple[Record, NotYet | None]:
        old = self.records.get(vlink)
        if old is not None and self._stands(old, spec, topology):
            return old, None
        held = self.ledger.enter(vlink, ())
        before = old.placement if old is not None else None
        former = old.former if old is not None else ()
        hindered: NotYet | None = None
        try:
            placement: Placement | None = place(spec, topology, self.ledger, self._ranges)
        except NotYet as exc:
            placement, hindered = before, exc
        if before is not None and before != placement:
            former = (before, *former)
        record = Record(spec, placement, former, why=str(hindered or ""))
        self.ledger.enter(vlink, record.placements or held)
        return record, hindered

    def _stands(self, old: Record, spec: VLinkSpec, topology: Topology) -> bool:
        """Whether the record is what placing it anew would come to, or better."""
        if old.deleting or old.why or old.placement is None or old.spec != spec:
            return False
        if misnumbered(old.placement, topology):
            return False
        known = [topology.link_at(link.a) for link in old.placement.links]
        return bool(spec.hops) or all(link is None or link.up for link in known)


def misnumbered(placement: Placement, topology: Topology) -> bool:
    """Whether a port that was named has another number now."""
    for end in placement.ends:
        if end.name and end.at.dpid in topology.switches:
            port = topology.port(end.at.dpid, end.name)
            if port is not None and port.number != end.at.port:
                return True
    return False


def dpids_of(placements: Iterable[Placement]) -> set[Dpid]:
    """The switches of placements."""
    return {dpid for placement in placements for dpid in placement.path}


def deleted(record: Record) -> Record:
    """The record of a VLink that shall go."""
    return replace(record.retired(), deleting=True, why="")
