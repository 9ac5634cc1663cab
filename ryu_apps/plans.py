"""What each datapath shall hold, from the register and from how far the switches are.

Reads both; called with the lock of their owner held.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ryu_apps.compile import Guard, base, compile_vlink, together
from ryu_apps.installer import Part
from ryu_apps.placement import Placement
from ryu_apps.reconcile import Change, MeterAdd, MeterModify, MeterRemove
from ryu_apps.register import Register
from ryu_apps.rules import Desired, cookie_of
from ryu_apps.spec import Dpid, VLinkId
from ryu_apps.states import Progress
from ryu_apps.store import Record

log = logging.getLogger(__name__)

_NOTHING = Desired()


class Plans:
    """What is to be at datapaths, of one VLink or of all."""

    def __init__(
        self, register: Register, progress: Mapping[VLinkId, Progress], guard: Guard
    ) -> None:
        self._register = register
        self._progress = progress
        self._guard = guard

    def parts(self, vlink: VLinkId) -> dict[Dpid, Part]:
        """A VLink's share of each datapath, with what former placements may have left."""
        record = self._register.records[vlink]
        wanted = self._compiled(vlink, record.placement)
        former = [self._compiled(vlink, placement) for placement in record.former]
        dpids = set(wanted).union(*former)
        return {
            dpid: Part(
                wanted.get(dpid, _NOTHING), together(*(f.get(dpid, _NOTHING) for f in former))
            )
            for dpid in dpids
        }

    def of(self, vlink: VLinkId, dpid: Dpid) -> Desired:
        """What a datapath shall hold for a VLink in the end."""
        record = self._register.records.get(vlink)
        if record is None or record.placement is None:
            return _NOTHING
        return self._compiled(vlink, record.placement).get(dpid, _NOTHING)

    def at(self, dpid: Dpid) -> Desired:
        """What a datapath shall hold now, discovery and all VLinks together."""
        shares = [base()]
        for vlink, record in self.records_at(dpid).items():
            shares.append(self.of(vlink, dpid))
            if self.moving(vlink):
                # Traffic stays where it is until all of the new path is there.
                former = (self._compiled(vlink, placement) for placement in record.former)
                shares += [compiled.get(dpid, _NOTHING) for compiled in former]
        return together(*shares)

    def records_at(self, dpid: Dpid) -> dict[VLinkId, Record]:
        """The records of the VLinks that have or had something at a datapath."""
        records = self._register.records
        return {v: records[v] for v in self._register.ledger.at(dpid) if v in records}

    def moving(self, vlink: VLinkId) -> bool:
        """Whether a VLink still runs where it was, because its new path isn't whole."""
        record, progress = self._register.records[vlink], self._progress.get(vlink)
        if record.placement is None or not record.former or progress is None:
            return False
        return not set(record.placement.path) <= progress.confirmed

    def whose(self, dpid: Dpid, refused: Mapping[Change, str]) -> dict[VLinkId, str]:
        """Whose rules a datapath refused."""
        cookies = {cookie_of(vlink): vlink for vlink in self._register.ledger.at(dpid)}
        meters = {
            meter: vlink for vlink in cookies.values() for meter in self.of(vlink, dpid).meters
        }
        troubles: dict[VLinkId, str] = {}
        for change, text in refused.items():
            if isinstance(change, MeterAdd | MeterModify | MeterRemove):
                vlink = meters.get(change.rule.meter)
            else:
                vlink = cookies.get(change.rule.cookie)
            log.warning("refused dpid=%s vlink=%s change=%s reason=%s", dpid, vlink, change, text)
            if vlink is not None:
                troubles.setdefault(vlink, text)
        return troubles

    def _compiled(self, vlink: VLinkId, placement: Placement | None) -> Mapping[Dpid, Desired]:
        return compile_vlink(vlink, placement, self._guard) if placement else {}
