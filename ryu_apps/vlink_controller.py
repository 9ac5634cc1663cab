"""The Ryu app: switches' events become facts, due work is done, the API is served.

A shim: every handler finds its object and hands over. Runs under our launcher, and under a plain
`ryu-manager ryu_apps/vlink_controller.py`.
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from eventlet import tpool
from ryu.base import app_manager
from ryu.controller import ofp_event
from ryu.controller.handler import (
    CONFIG_DISPATCHER,
    DEAD_DISPATCHER,
    MAIN_DISPATCHER,
    set_ev_cls,
)
from ryu.lib import hub
from ryu.ofproto import ofproto_v1_3 as ofp

from ryu_apps import http, lldp, openflow, settings
from ryu_apps.api import service_of
from ryu_apps.spec import Dpid
from ryu_apps.store import open_store
from ryu_apps.switchboard import Session, Switchboard
from ryu_apps.topology import Place
from ryu_apps.vlinks import VLinks

log = logging.getLogger(__name__)

PROBE_S = 5.0
"""Pause between rounds of discovery frames."""

EAGER_S = (0.0, 0.3, 1.0, 2.0)
"""When frames are sent besides, after a switch has come or a port has changed."""

TICK_S = 0.5


class VLinkController(app_manager.RyuApp):
    """Turns desired VLinks into OpenFlow 1.3 VLAN paths.

    Args:
        settings: from the launcher; None: from the file that the environment names.
    """

    OFP_VERSIONS = (ofp.OFP_VERSION,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._settings = kwargs.pop("settings", None) or settings.from_environment()
        super().__init__(*args, **kwargs)
        policy = self._settings.policy
        self._switchboard = Switchboard(policy.ranges.meters)
        store = open_store(self._settings.store, tpool.execute)
        self._vlinks = VLinks(self._switchboard, store, policy)
        self._listener = http.open_listener(self._settings.api, self._settings.tls)
        self._key = secrets.token_bytes(32)
        self._eager: list[tuple[float, Dpid]] = []
        self._workers: list[Any] = []

    def start(self) -> Any:
        """Start serving."""
        service = service_of(self._vlinks, self._settings.callers)
        self._workers = [
            hub.spawn(http.serve, self._listener, service, secured=bool(self._settings.tls)),
            hub.spawn(self._probe_forever),
            hub.spawn(self._tick_forever),
        ]
        return super().start()

    def stop(self) -> None:
        """Stop working; flows stay as they are."""
        for worker in self._workers:
            hub.kill(worker)
        super().stop()

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    # -- switches -----------------------------------------------------------------------------

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])
    def state_changed(self, event: Any) -> None:
        """A switch has connected, or a connection has ended."""
        datapath = event.datapath
        if datapath.id is None:
            return
        dpid = _dpid(datapath)
        if event.state == MAIN_DISPATCHER:
            self._switchboard.plug(dpid, datapath)
            self._vlinks.switch_up(dpid, openflow.ports(datapath.ports.values()))
            hub.spawn(self._vlinks.sync, dpid)
            self._probe_soon(dpid)
        elif self._switchboard.unplug(dpid, datapath):
            self._vlinks.switch_down(dpid)

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)
    def port_status(self, event: Any) -> None:
        """A port has come, gone or changed."""
        dpid, port = _dpid(event.msg.datapath), openflow.port(event.msg.desc)
        if port is None or self._session(event) is None:
            return
        if event.msg.reason == ofp.OFPPR_DELETE:
            self._vlinks.port_gone(dpid, port.number)
        else:
            self._vlinks.port_changed(dpid, port)
            self._probe_soon(dpid)

    @set_ev_cls(ofp_event.EventOFPFlowRemoved, MAIN_DISPATCHER)
    def flow_removed(self, event: Any) -> None:
        """A flow of ours is gone, by us or by somebody else."""
        if self._session(event) is not None:
            key = openflow.flow_key(event.msg.priority, event.msg.match)
            self._vlinks.flow_removed(_dpid(event.msg.datapath), event.msg.cookie, key)

    # -- answers ------------------------------------------------------------------------------

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    def barrier_reply(self, event: Any) -> None:
        """All before the barrier is done."""
        if (session := self._session(event)) is not None:
            session.answered(event.msg.xid)

    @set_ev_cls(
        [ofp_event.EventOFPFlowStatsReply, ofp_event.EventOFPMeterConfigStatsReply],
        MAIN_DISPATCHER,
    )
    def multipart_reply(self, event: Any) -> None:
        """A part of a dump."""
        if (session := self._session(event)) is not None:
            more = bool(event.msg.flags & ofp.OFPMPF_REPLY_MORE)
            session.answered(event.msg.xid, event.msg.body, more=more)

    @set_ev_cls(ofp_event.EventOFPErrorMsg, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def error(self, event: Any) -> None:
        """A switch refuses something."""
        if (session := self._session(event)) is not None:
            session.failed(event.msg.xid, openflow.error_text(event.msg))

    # -- discovery ----------------------------------------------------------------------------

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, event: Any) -> None:
        """A frame came in; only our own discovery frames count."""
        sender = lldp.origin(event.msg.data, self._key)
        if sender is not None:
            receiver = Place(_dpid(event.msg.datapath), event.msg.match["in_port"])
            self._vlinks.heard(sender, receiver)

    def _probe_soon(self, dpid: Dpid) -> None:
        now = time.monotonic()
        self._eager += [(now + pause, dpid) for pause in EAGER_S]

    def _probe_forever(self) -> None:
        due = time.monotonic()
        while True:
            now = time.monotonic()
            wanted = {dpid for when, dpid in self._eager if when <= now}
            self._eager = [(when, dpid) for when, dpid in self._eager if when > now]
            if now >= due:
                wanted |= self._switchboard.connected()
                due = now + PROBE_S
            for dpid in wanted:
                self._probe(dpid)
            hub.sleep(0.1)

    def _probe(self, dpid: Dpid) -> None:
        session = self._switchboard.session(dpid)
        if session is None:
            return
        for port in openflow.ports(list(session.datapath.ports.values())):
            place = Place(dpid, port.number)
            if port.up and not self._vlinks.is_edge(place):
                frame = lldp.frame(place, self._key)
                session.datapath.send_msg(openflow.packet_out(session.datapath, port.number, frame))

    # -- inside -------------------------------------------------------------------------------

    def _tick_forever(self) -> None:
        while True:
            hub.sleep(TICK_S)
            self._vlinks.tick()

    def _session(self, event: Any) -> Session | None:
        datapath = event.msg.datapath
        return self._switchboard.session(_dpid(datapath), datapath) if datapath.id else None


def _dpid(datapath: Any) -> Dpid:
    return Dpid(f"{datapath.id:016x}")
