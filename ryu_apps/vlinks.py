"""The VLinks of a controller: what is wanted of it, brought about, watched and reported.

Knows no Ryu: switches are behind `Fabric`, records behind `Store`. Facts come in by `switch_up`
and the like, wishes by `put_many` and `delete_many`; `tick` is called every now and then to take
up what couldn't be done. Nothing blocks while the lock is held.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cloudnet_sdn.wire.faults import CloudnetError, NotFound
from ryu_apps.answers import answer, gone, now
from ryu_apps.compile import base
from ryu_apps.differences import differences
from ryu_apps.discovery import Discovery
from ryu_apps.fabric import Away, Fabric
from ryu_apps.installer import Installer
from ryu_apps.plans import Plans
from ryu_apps.policy import Policy
from ryu_apps.register import Register, deleted, dpids_of, misnumbered
from ryu_apps.rules import Desired, Key, cookie_of
from ryu_apps.spec import Dpid, VLinkId, VLinkSpec
from ryu_apps.states import Progress, State, state_of
from ryu_apps.store import Record, Store
from ryu_apps.topology import Place, Port, Topology

log = logging.getLogger(__name__)


class VLinks:
    """The controller's service, without its wire."""

    def __init__(
        self,
        fabric: Fabric,
        store: Store,
        policy: Policy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._register = Register(store, policy.ranges, self._lock)
        self._installer = Installer(fabric)
        self._discovery = Discovery(policy.capacities)
        self._discovery.edges = self._register.ledger.ends()
        self._busy: set[VLinkId] = set()
        self._progress: dict[VLinkId, Progress] = {}
        self._seen: dict[VLinkId, tuple[State, str, str]] = {}
        self._looked: dict[Dpid, float] = {}
        self._drawn = Topology()
        self._plans = Plans(self._register, self._progress, policy.guard)
        for vlink, record in self._register.records.items():
            self._progress[vlink] = Progress(unclear=dpids_of(record.former))

    # -- facts --------------------------------------------------------------------------------

    def switch_up(self, dpid: Dpid, ports: Iterable[Port]) -> None:
        """A switch has connected; `sync` it next."""
        with self._changed:
            self._discovery.switch_up(dpid, ports)
            self._installer.forget(dpid)
            self._note_states(dpid)

    def switch_down(self, dpid: Dpid) -> None:
        """A switch is away."""
        with self._changed:
            self._discovery.switch_down(dpid)
            self._installer.forget(dpid)
            self._note_states(dpid)

    def port_changed(self, dpid: Dpid, port: Port) -> None:
        """A port is new or has changed."""
        with self._changed:
            self._discovery.port_changed(dpid, port)
            self._note_states(dpid)

    def port_gone(self, dpid: Dpid, number: int) -> None:
        """A port was taken out."""
        with self._changed:
            self._discovery.port_gone(dpid, number)
            self._note_states(dpid)

    def heard(self, sender: Place, receiver: Place) -> None:
        """A discovery frame sent from one port came in at another."""
        with self._changed:
            if self._discovery.heard(sender, receiver, self._clock()):
                self._changed.notify_all()

    def flow_removed(self, dpid: Dpid, cookie: int, key: Key) -> None:
        """A flow of ours is gone; where it shouldn't be, the switch is looked at anew."""
        with self._lock:
            vlink = self._register.vlink_of(cookie)
            if vlink is not None and key in self._plans.of(vlink, dpid).flows:
                log.warning("flow removed by others dpid=%s vlink=%s", dpid, vlink)
                self._progress_of(vlink).confirmed.discard(dpid)
                self._installer.forget(dpid)
            elif key in base().flows:
                self._installer.forget(dpid)

    def is_edge(self, place: Place) -> bool:
        """Whether a port is an end of VLinks: no discovery frames go there."""
        with self._lock:
            return self._register.ledger.is_end(place)

    # -- wishes -------------------------------------------------------------------------------

    def put_many(self, wanted: Mapping[VLinkId, VLinkSpec]) -> dict[str, Any]:
        """Make VLinks be as specified; answers each as `get`, once confirmed or known why not.

        Raises:
            BadRequest: a spec contradicts the network or itself; nothing was done.
            Conflict: something is another VLink's, or isn't there; nothing was done.
        """
        deadline = self._clock() + self._policy.wait_s
        with self._turn(wanted):
            self._reserve(wanted, deadline)
            self._await_known(self._dpids(wanted), deadline, also_away=True)
            self._settle(wanted)
            return self._answers(wanted)

    def delete_many(self, vlinks: Collection[VLinkId]) -> dict[str, Any]:
        """Leave nothing of VLinks; answers each as `get`, with the state `gone` or `pending`."""
        deadline = self._clock() + self._policy.wait_s
        answers: dict[str, Any] = {vlink: gone(vlink) for vlink in vlinks}
        with self._turn(vlinks):
            with self._lock:
                there = {v: r for v in vlinks if (r := self._register.records.get(v)) is not None}
            self._register.keep({v: deleted(record) for v, record in there.items()})
            with self._lock:
                for vlink, record in there.items():
                    self._progress[vlink] = Progress(unclear=dpids_of(record.placements))
            self._await_known(self._dpids(there), deadline, also_away=False)
            self._settle(there)
            with self._lock:
                left = [vlink for vlink in there if vlink in self._register.records]
                answers.update(self._answers(left))
        return answers

    def get(self, vlink: VLinkId) -> dict[str, Any]:
        """How a VLink is.

        Raises:
            NotFound: there is none of that id.
        """
        with self._lock:
            if vlink not in self._register.records:
                raise NotFound(f"no VLink {vlink}")
            found: dict[str, Any] = self._answers([vlink])[vlink]
            return found

    def get_many(self, vlinks: Sequence[VLinkId]) -> dict[str, dict[str, Any]]:
        """How VLinks are, by id; of what isn't there nothing is said."""
        with self._lock:
            there = [vlink for vlink in vlinks if vlink in self._register.records]
            return dict(self._answers(there))

    def ids(self) -> list[str]:
        """The ids of all VLinks, those that are being removed included."""
        with self._lock:
            return sorted(self._register.records)

    def topology(self) -> dict[str, Any]:
        """The network as discovered."""
        with self._lock:
            return self._topology().document()

    def validate(self, vlink: VLinkId | None) -> dict[str, Any]:
        """Compare what is wanted with what switches hold right now; None: everything.

        Raises:
            NotFound: there is no VLink of that id.
        """
        with self._lock:
            if vlink is not None and vlink not in self._register.records:
                raise NotFound(f"no VLink {vlink}")
            connected = self._discovery.connected()
            dpids = connected if vlink is None else self._dpids([vlink])
            concerned = list(self._register.records) if vlink is None else [vlink]
        found = []
        for dpid in sorted(dpids | self._dpids(concerned)):
            found += self._look(dpid, vlink)
        with self._lock:
            for name, said in self._answers(sorted(concerned)).items():
                if said["state"] != State.UP:
                    found.append(f"{name} is {said['state']}: {said['reason']}")
        return {"ok": not found, "differences": found}

    # -- upkeep -------------------------------------------------------------------------------

    def sync(self, dpid: Dpid) -> None:
        """Bring a datapath to what it shall hold, whatever it holds."""
        based_on: dict[VLinkId, Record] = {}

        def desired() -> Desired:
            with self._lock:
                based_on.update(self._plans.records_at(dpid))
                return self._plans.at(dpid)

        with self._lock:
            self._looked[dpid] = self._clock()
        try:
            refused = self._installer.sync(dpid, desired)
        except Away as exc:
            log.warning("switch not in sync dpid=%s reason=%s", dpid, exc)
            return
        with self._changed:
            troubles = self._plans.whose(dpid, refused)
            for vlink, record in based_on.items():
                if self._register.records.get(vlink) is record:
                    self._conclude(vlink, dpid, troubles.get(vlink))
            self._note_states(dpid)

    def tick(self) -> None:
        """Take up what is left undone: switches in doubt, refusals, VLinks without a place."""
        now = self._clock()
        with self._lock:
            overdue = [dpid for dpid in self._discovery.connected() if self._overdue(dpid, now)]
            self._watch()
            topology, records = self._drawn, self._register.records
            homeless = {v: r.spec for v, r in records.items() if _homeless(r, topology)}
            half_done = {vlink for vlink in records if self._half_done(vlink)}
        for dpid in overdue:
            _alone(self.sync, dpid)
        for vlink, spec in homeless.items():
            _alone(self._place_late, vlink, spec)
        for vlink in half_done:
            _alone(self._finish, vlink)

    # -- inside: placing ----------------------------------------------------------------------

    def _reserve(self, wanted: Mapping[VLinkId, VLinkSpec], deadline: float) -> None:
        """Give all their places and write that down; waits for what the network doesn't show."""
        with self._changed:
            while True:
                fresh, obstacle = self._register.attempt(wanted, self._topology())
                if obstacle is None:
                    break
                left = deadline - self._clock()
                if left <= 0 and obstacle.away is not None:
                    break
                self._register.undo(wanted)
                if left <= 0:
                    raise obstacle.fault(str(obstacle))
                self._changed.wait(min(left, 0.5))
        self._keep(fresh)

    def _keep(self, fresh: Mapping[VLinkId, Record]) -> None:
        with self._lock:
            before = {vlink: self._register.records.get(vlink) for vlink in fresh}
        self._register.keep(fresh)
        with self._changed:
            self._discovery.edges = self._register.ledger.ends()
            for vlink, record in fresh.items():
                if record == before[vlink] and vlink in self._progress:
                    continue
                self._progress[vlink] = Progress(unclear=dpids_of(record.former))

    def _place_late(self, vlink: VLinkId, spec: VLinkSpec) -> None:
        """Place what had no place; what turns out impossible is said as the reason."""
        with self._turn([vlink]):
            with self._lock:
                record = self._register.records.get(vlink)
                if record is None or record.deleting or record.spec != spec:
                    return
                try:
                    fresh, obstacle = self._register.attempt({vlink: spec}, self._topology())
                except CloudnetError as exc:
                    fresh, obstacle = {vlink: replace(record, why=exc.text)}, None
                if obstacle is not None:
                    self._register.undo([vlink])
                    return
            self._keep(fresh)
            self._settle([vlink])

    def _finish(self, vlink: VLinkId) -> None:
        """Have the switches do what they were away for."""
        with self._turn([vlink]):
            if vlink in self._register.records:
                self._settle([vlink])

    # -- inside: bringing about ---------------------------------------------------------------

    def _settle(self, vlinks: Iterable[VLinkId]) -> None:
        """Have the switches do what the records say, as far as they are there."""
        with self._lock:
            parts = {vlink: self._plans.parts(vlink) for vlink in vlinks}
        report = self._installer.carry(parts)
        with self._changed:
            for vlink, shares in parts.items():
                progress = self._progress[vlink]
                for dpid in shares:
                    spot = (vlink, dpid)
                    progress.troubles.pop(dpid, None)
                    if spot in report.troubles:
                        progress.troubles[dpid] = report.troubles[spot]
                        progress.confirmed.discard(dpid)
                    if spot in report.confirmed:
                        progress.confirmed.add(dpid)
                    if spot in report.cleared:
                        progress.unclear.discard(dpid)
            self._changed.notify_all()
        for dpid in report.blocked:
            self.sync(dpid)  # others' flows come and go unseen: look before saying no
        self._tidy(parts)

    def _conclude(self, vlink: VLinkId, dpid: Dpid, trouble: str | None) -> None:
        """Note that a datapath is as it shall be, but for what it refused."""
        record, progress = self._register.records[vlink], self._progress_of(vlink)
        progress.troubles.pop(dpid, None)
        if trouble is not None:
            progress.troubles[dpid] = trouble
            progress.confirmed.discard(dpid)
            return
        if self._plans.moving(vlink):
            return  # built; switched over and cleared by `_settle`
        progress.unclear.discard(dpid)
        if record.placement is not None and dpid in record.placement.path:
            progress.confirmed.add(dpid)

    def _tidy(self, vlinks: Iterable[VLinkId]) -> None:
        """Forget former placements of which nothing is left, and VLinks that are gone."""
        with self._lock:
            records = {vlink: self._register.records[vlink] for vlink in vlinks}
            clear = {v: r for v, r in records.items() if not self._progress[v].unclear}
        gone = [vlink for vlink, record in clear.items() if record.deleting]
        self._register.drop(gone)
        self._register.keep({v: replace(r, former=()) for v, r in clear.items() if not r.deleting})
        with self._changed:
            for vlink in gone:
                self._progress.pop(vlink, None)
                self._seen.pop(vlink, None)
            self._discovery.edges = self._register.ledger.ends()

    # -- inside: waiting and watching ---------------------------------------------------------

    @contextmanager
    def _turn(self, vlinks: Collection[VLinkId]) -> Iterator[None]:
        """One at a time per VLink."""
        mine = set(vlinks)
        with self._changed:
            self._changed.wait_for(lambda: not mine & self._busy)
            self._busy |= mine
        try:
            yield
        finally:
            with self._changed:
                self._busy -= mine
                self._changed.notify_all()

    def _await_known(self, dpids: Collection[Dpid], deadline: float, *, also_away: bool) -> None:
        """Wait until it is known what the switches hold, for those that are away only if told."""

        def settled() -> bool:
            connected = self._discovery.connected()
            waited_for = [d for d in dpids if also_away or d in connected]
            return all(d in connected and self._installer.knows(d) for d in waited_for)

        with self._changed:
            self._changed.wait_for(settled, timeout=max(0.0, deadline - self._clock()))

    def _dpids(self, vlinks: Iterable[VLinkId]) -> set[Dpid]:
        with self._lock:
            records = (self._register.records.get(vlink) for vlink in vlinks)
            return {dpid for r in records if r is not None for dpid in dpids_of(r.placements)}

    def _progress_of(self, vlink: VLinkId) -> Progress:
        """How far the switches are; nobody has looked yet where a record is being written."""
        return self._progress.get(vlink) or Progress()

    def _topology(self) -> Topology:
        return self._discovery.topology(self._clock())

    def _overdue(self, dpid: Dpid, now: float) -> bool:
        pause = now - self._looked.get(dpid, -1e9)
        vlinks = self._register.ledger.at(dpid)
        if not self._installer.knows(dpid):
            return pause >= 1.0
        if any(dpid in self._progress_of(vlink).troubles for vlink in vlinks):
            return pause >= self._policy.retry_s
        return pause >= self._policy.audit_s

    def _half_done(self, vlink: VLinkId) -> bool:
        """Whether switches that are there now have something left to do for a VLink."""
        progress = self._progress_of(vlink)
        if progress.troubles or vlink in self._busy:
            return False
        record = self._register.records[vlink]
        if (record.former or record.deleting) and not progress.unclear:
            return True
        wanted = set(record.placement.path) if record.placement else set()
        undone = progress.unclear | (wanted - progress.confirmed)
        return any(self._installer.knows(dpid) for dpid in undone)

    def _watch(self) -> None:
        """See to it that what only time shows, a link gone silent, reaches the states."""
        topology = self._topology()
        if topology != self._drawn:
            self._drawn = topology
            for vlink in self._register.records:
                self._note_state(vlink, topology)

    def _answers(self, vlinks: Iterable[VLinkId]) -> dict[str, Any]:
        """What is to be said of those that are there."""
        with self._lock:
            topology, records = self._topology(), self._register.records
            return {
                vlink: answer(vlink, *self._note_state(vlink, topology), records[vlink])
                for vlink in vlinks
                if vlink in records
            }

    def _note_states(self, dpid: Dpid) -> None:
        topology = self._topology()
        for vlink in self._register.ledger.at(dpid):
            if vlink in self._register.records:
                self._note_state(vlink, topology)
        self._changed.notify_all()

    def _note_state(self, vlink: VLinkId, topology: Topology) -> tuple[State, str, str]:
        """The state now, and since when it is that."""
        record, progress = self._register.records[vlink], self._progress_of(vlink)
        state, reason = state_of(record, progress, topology, self._installer.knows)
        before = self._seen.get(vlink)
        since = before[2] if before is not None and before[0] == state else now()
        if before is None or before[:2] != (state, reason):
            log.info("vlink=%s state=%s reason=%s", vlink, state, reason or "-")
        self._seen[vlink] = (state, reason, since)
        return self._seen[vlink]

    def _look(self, dpid: Dpid, vlink: VLinkId | None) -> list[str]:
        """What a datapath holds against what it shall hold, right now."""
        with self._lock:
            if dpid not in self._discovery.connected():
                return [f"switch {dpid} is away: not observed"]
            desired = self._plans.at(dpid) if vlink is None else self._plans.of(vlink, dpid)
        try:
            observed = self._installer.look(dpid)
        except Away as exc:
            return [f"switch {dpid}: {exc}"]
        only = None if vlink is None else cookie_of(vlink)
        return differences(dpid, desired, observed, only)


def _alone(work: Callable[..., None], *args: Any) -> None:
    """Do a piece of upkeep; what goes wrong with it doesn't keep the others from being done."""
    try:
        work(*args)
    except Exception:
        log.exception("upkeep failed, to be tried again: %s%s", work.__name__, args)


def _homeless(record: Record, topology: Topology) -> bool:
    """Whether a VLink has no place, or one that isn't right any more."""
    if record.deleting:
        return False
    placement = record.placement
    return bool(record.why) or (placement is not None and misnumbered(placement, topology))
