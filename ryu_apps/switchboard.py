"""The connected switches as a `Fabric`: messages go out, replies are matched to them by xid.

A switch has done a change once it has answered the barrier behind it and no error named the
change's xid before (OpenFlow 1.3.5 sections 6.2 and 7.3.8).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ryu.ofproto import ofproto_v1_3 as ofp
from ryu.ofproto import ofproto_v1_3_parser as parser

from ryu_apps import openflow
from ryu_apps.fabric import Away, Outcome
from ryu_apps.reconcile import Change, FlowRemove, MeterAdd, MeterModify, MeterRemove
from ryu_apps.rules import FlowRule, Key, MeterRule, Observed, is_ours
from ryu_apps.spec import Dpid

log = logging.getLogger(__name__)

ANSWER_S = 5.0
"""A switch that doesn't answer for so long is cut off; it will connect anew and be dumped."""


@dataclass(slots=True)
class _Reply:
    """What came back for one xid."""

    done: threading.Event = field(default_factory=threading.Event)
    parts: list[Any] = field(default_factory=list)
    error: str = ""


class Session:
    """One connection of one switch."""

    def __init__(self, datapath: Any) -> None:
        self.datapath = datapath
        self._waiting: dict[int, _Reply] = {}
        self._sent: dict[int, Change] = {}
        self._rejected: dict[Change, str] = {}

    def send(self, message: Any) -> None:
        """Send what isn't answered. Raises Away."""
        if not self.datapath.send_msg(message):
            raise Away("the connection has ended")

    def ask(self, request: Any) -> _Reply:
        """Send a request whose reply will be waited for. Raises Away."""
        reply = _Reply()
        self._waiting[self.datapath.set_xid(request)] = reply
        self.send(request)
        return reply

    def wait(self, reply: _Reply, deadline: float) -> list[Any]:
        """The parts of a reply. Raises Away."""
        if not reply.done.wait(max(0.0, deadline - time.monotonic())):
            log.warning("no answer dpid=%s, cut off", self.datapath.id)
            self.datapath.close()
            raise Away(f"it didn't answer within {ANSWER_S:g} s")
        if reply.error:
            raise Away(reply.error)
        return reply.parts

    def answered(self, xid: int, body: Any = None, *, more: bool = False) -> None:
        """A reply, or a part of one, has come."""
        reply = self._waiting.get(xid)
        if reply is None:
            return
        if body is not None:
            reply.parts += body
        if not more:
            del self._waiting[xid]
            reply.done.set()

    def failed(self, xid: int, text: str) -> None:
        """An error has come for a message of ours."""
        reply = self._waiting.pop(xid, None)
        if reply is not None:
            reply.error = text
            reply.done.set()
        elif xid in self._sent:
            self._rejected[self._sent[xid]] = text

    def ended(self) -> None:
        """The connection is gone; nobody waits any longer."""
        for xid in list(self._waiting):
            self.failed(xid, "the connection has ended")

    def change(self, changes: Sequence[Change]) -> _Reply:
        """Send changes in order; answers the reply of the barrier behind them. Raises Away."""
        self._sent, self._rejected = {}, {}
        before: Change | None = None
        for change in changes:
            if before is not None and _needs_order(before, change):
                self.send(parser.OFPBarrierRequest(self.datapath))
            message = openflow.message(self.datapath, change)
            self._sent[self.datapath.set_xid(message)] = change
            self.send(message)
            before = change
        return self.ask(parser.OFPBarrierRequest(self.datapath))

    @property
    def rejected(self) -> Mapping[Change, str]:
        """Which of the changes sent last were answered by errors."""
        return self._rejected


def _needs_order(before: Change, after: Change) -> bool:
    """Whether a switch must not take two neighbours the other way round.

    Between barriers it may (OpenFlow 1.3.5 section 6.2). Flows come after their meters, and go
    before them.
    """
    if isinstance(before, MeterAdd | MeterModify):
        return not isinstance(after, MeterAdd | MeterModify)
    return isinstance(before, FlowRemove) and isinstance(after, MeterRemove)


class Switchboard:
    """All sessions; implements `Fabric`. `meters` are the first and last id that are ours."""

    def __init__(self, meters: tuple[int, int]) -> None:
        self._meters = range(meters[0], meters[1] + 1)
        self._sessions: dict[Dpid, Session] = {}

    def plug(self, dpid: Dpid, datapath: Any) -> None:
        """A switch has connected; a connection it had before counts no longer."""
        before = self._sessions.get(dpid)
        self._sessions[dpid] = Session(datapath)
        if before is not None:
            before.ended()

    def unplug(self, dpid: Dpid, datapath: Any) -> bool:
        """A connection has ended; answers whether it was the switch's present one."""
        session = self._sessions.get(dpid)
        if session is None or session.datapath is not datapath:
            return False
        del self._sessions[dpid]
        session.ended()
        return True

    def connected(self) -> frozenset[Dpid]:
        """The switches that are there."""
        return frozenset(self._sessions)

    def session(self, dpid: Dpid, datapath: Any = None) -> Session | None:
        """The present session of a switch; None where `datapath` is of an earlier one."""
        session = self._sessions.get(dpid)
        if session is not None and datapath is not None and session.datapath is not datapath:
            return None
        return session

    def observe(self, dpid: Dpid) -> Observed:
        """See `Fabric`."""
        session = self._present(dpid)
        deadline = time.monotonic() + ANSWER_S
        datapath = session.datapath
        flows = session.ask(parser.OFPFlowStatsRequest(datapath, table_id=ofp.OFPTT_ALL))
        meters = session.ask(parser.OFPMeterConfigStatsRequest(datapath, 0, ofp.OFPM_ALL))
        observed = _observed(session.wait(flows, deadline))
        for stat in session.wait(meters, deadline):
            if stat.meter_id in self._meters:
                rule: MeterRule = openflow.meter_rule(stat)
                observed.meters[rule.meter] = rule
        return observed

    def apply(self, changes: Mapping[Dpid, Sequence[Change]]) -> Mapping[Dpid, Outcome]:
        """See `Fabric`."""
        outcomes: dict[Dpid, Outcome] = {}
        asked: dict[Dpid, tuple[Session, _Reply]] = {}
        for dpid, wanted in changes.items():
            try:
                session = self._present(dpid)
                asked[dpid] = (session, session.change(wanted))
            except Away as exc:
                outcomes[dpid] = Outcome(away=str(exc))
        deadline = time.monotonic() + ANSWER_S
        for dpid, (session, barrier) in asked.items():
            try:
                session.wait(barrier, deadline)
                outcomes[dpid] = Outcome(session.rejected)
            except Away as exc:
                outcomes[dpid] = Outcome(away=str(exc))
        return outcomes

    def _present(self, dpid: Dpid) -> Session:
        session = self._sessions.get(dpid)
        if session is None:
            raise Away("it isn't connected")
        return session


def _observed(stats: Sequence[Any]) -> Observed:
    observed = Observed()
    for stat in stats:
        if stat.table_id != 0:
            continue
        if is_ours(stat.cookie):
            rule: FlowRule = openflow.flow_rule(stat)
            observed.flows[rule.key] = rule
        else:
            key: Key = openflow.flow_key(stat.priority, stat.match)
            observed.foreign.add(key)
    return observed
