"""A host's Open vSwitch bridge, over OVSDB (RFC 7047) through python-ovs.

The only module that touches Open vSwitch. It changes one bridge, and on it only ports that
carry the agent's owner tag, and the trunks of the uplinks it was given.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from cloudnet_sdn.wire.faults import PeerAway
from hostagent.ports import AccessPort, SeenPort, trunks
from hostagent.spec import Key

# python-ovs imports eventlet wherever it is installed, to ask whether it patched `select`.
# It didn't: the agent runs plain threads. Hiding it saves 0.2 s of every agent's start.
_hidden = "eventlet" not in sys.modules
if _hidden:
    sys.modules["eventlet"] = None  # type: ignore[assignment]
try:
    import ovs.db.idl
    import ovs.jsonrpc
    import ovs.poller
    import ovs.stream
finally:
    if _hidden:
        del sys.modules["eventlet"]

log = logging.getLogger(__name__)

DEFAULT_DB = "unix:/var/run/openvswitch/db.sock"
TIMEOUT_S = 10.0
CONNECT_S = 3.0
_BACKOFF_MS = (100, 1000)

_COLUMNS = {
    "Open_vSwitch": ["bridges", "next_cfg", "cur_cfg"],
    "Bridge": ["name", "ports"],
    "Port": ["name", "interfaces", "tag", "trunks", "vlan_mode", "external_ids"],
    "Interface": ["name", "ofport", "error"],
}
_OWNER, _KEY, _INTERFACE, _UPLINK = (
    f"cloudnet-{name}" for name in ("owner", "key", "interface", "uplink")
)


class BridgeGoneError(PeerAway):
    """Open vSwitch runs and has no such bridge: its ports are gone with it."""


@dataclass
class _Change:
    """What one thread asks of the bridge, and what has come of it."""

    wanted: tuple[AccessPort, ...]
    gone: frozenset[str]
    done: bool = False
    error: PeerAway | None = None


class Bridge:
    """One bridge. Safe to share between threads; each call is one transaction."""

    def __init__(
        self, name: str, owner: str, uplinks: Sequence[str], remote: str = DEFAULT_DB
    ) -> None:
        self.name = name
        self._owner = owner
        self.uplinks = tuple(uplinks)
        self._remote = remote
        self._lock = threading.Lock()
        self._waiting: deque[_Change] = deque()
        self._missing: tuple[str, ...] = ()
        self._connected: ovs.db.idl.Idl | None = None

    def close(self) -> None:
        """Leave the database; the ports stay."""
        with self._lock:
            if self._connected is not None:
                self._connected.close()
                self._connected = None

    def ports(self) -> list[SeenPort]:
        """The ports of ours on the bridge.

        Raises:
            PeerAway: Open vSwitch or the bridge isn't there.
        """
        with self._lock:
            bridge = self._bridge(self._idl())
            return [self._seen(port) for port in self._ours(bridge)]

    def apply(self, wanted: Collection[AccessPort] = (), gone: Collection[str] = ()) -> None:
        """Make the `wanted` ports be as they say, drop the devices `gone`, and set all trunks.

        Returns once ovs-vswitchd has carried it out. Ports of others are left alone. What several
        threads ask for while a transaction is under way is one transaction, the next one; they are
        never about the same device.

        Raises:
            PeerAway: Open vSwitch or the bridge isn't there, or ovs-vswitchd doesn't answer.
        """
        mine = _Change(tuple(wanted), frozenset(gone))
        self._waiting.append(mine)
        with self._lock:
            if not mine.done:
                self._carry(mine)
        if mine.error is not None:
            raise type(mine.error)(mine.error.text) from mine.error

    def _carry(self, mine: _Change) -> None:
        """Carry out what waits, `mine` among it."""
        changes = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self._commit(lambda txn, idl: self._changed(changes, txn, idl))
        except PeerAway as exc:
            for one in changes:
                one.error = exc
        except BaseException:
            for one in changes:
                if one is not mine:
                    one.error = PeerAway("Open vSwitch was not asked")
            raise
        finally:
            for one in changes:
                one.done = True

    def _changed(self, changes: Sequence[_Change], txn: Any, idl: Any) -> None:
        """Put changes into a transaction."""
        bridge = self._bridge(idl)
        left = {row.name: row for row in self._ours(bridge)}
        gone = frozenset[str]().union(*(one.gone for one in changes))
        for device in gone & left.keys():
            bridge.delvalue("ports", left.pop(device))
        ports = {name: self._seen(row).port for name, row in left.items()}
        for port in (port for one in changes for port in one.wanted):
            self._put_port(txn, bridge, left.get(port.device), port)
            ports[port.device] = port
        self._trunk(bridge, list(ports.values()))

    def _put_port(self, txn: Any, bridge: Any, row: Any, port: AccessPort) -> None:
        if row is None:
            interface = txn.insert(txn.idl.tables["Interface"])
            interface.name = port.device
            row = txn.insert(txn.idl.tables["Port"])
            row.name = port.device
            row.interfaces = [interface]
            bridge.addvalue("ports", row)
        row.vlan_mode = ["access"]
        row.tag = [port.vlan]
        row.external_ids = {
            _OWNER: self._owner,
            _KEY: port.key,
            _INTERFACE: port.interface,
            _UPLINK: port.uplink,
        }

    def _trunk(self, bridge: Any, ports: list[AccessPort]) -> None:
        rows = {row.name: row for row in bridge.ports}
        for uplink in self.uplinks:
            if uplink in rows:
                rows[uplink].vlan_mode = ["trunk"]
                rows[uplink].trunks = list(trunks(ports, uplink))
        missing = tuple(uplink for uplink in self.uplinks if uplink not in rows)
        if missing != self._missing:
            self._missing = missing
            log.warning("bridge=%s lacks uplinks=%s", self.name, ",".join(missing) or "none now")

    def _ours(self, bridge: Any) -> list[Any]:
        return [row for row in bridge.ports if row.external_ids.get(_OWNER) == self._owner]

    def _seen(self, row: Any) -> SeenPort:
        ids = row.external_ids
        port = AccessPort(
            row.name,
            Key(ids.get(_KEY, "")),
            ids.get(_INTERFACE, ""),
            row.tag[0] if row.tag else 0,
            ids.get(_UPLINK, ""),
        )
        errors = [interface.error[0] for interface in row.interfaces if interface.error]
        return SeenPort(port, "; ".join(errors))

    def _bridge(self, idl: Any) -> Any:
        for row in idl.tables["Bridge"].rows.values():
            if row.name == self.name:
                return row
        raise BridgeGoneError(f"Open vSwitch has no bridge {self.name}")

    def _commit(self, change: Callable[[Any, Any], None]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            idl = self._idl()
            txn = ovs.db.idl.Transaction(idl)
            try:
                change(txn, idl)
                for row in idl.tables["Open_vSwitch"].rows.values():
                    row.increment("next_cfg")
                status = self._finish(txn, idl, deadline)
            finally:
                txn.abort()
            if status == txn.SUCCESS:
                self._carried_out(idl, txn.get_increment_new_value(), deadline)
            if status in (txn.SUCCESS, txn.UNCHANGED):
                return
            if status != txn.TRY_AGAIN or time.monotonic() > deadline:
                raise PeerAway(f"Open vSwitch refused a change: {status}: {txn.get_error()}")

    def _finish(self, txn: Any, idl: Any, deadline: float) -> str:
        while (status := str(txn.commit())) == txn.INCOMPLETE:
            self._turn(idl, deadline, txn)
        return status

    def _carried_out(self, idl: Any, target: int, deadline: float) -> None:
        """Wait until ovs-vswitchd has taken configuration number `target`, as ovs-vsctl does."""
        while not any(row.cur_cfg >= target for row in idl.tables["Open_vSwitch"].rows.values()):
            self._turn(idl, deadline)

    def _turn(self, idl: Any, deadline: float, txn: Any = None) -> None:
        """Wait for news from the database and take it in."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise PeerAway("Open vSwitch does not answer")
        poller = ovs.poller.Poller()
        idl.wait(poller)
        if txn is not None:
            txn.wait(poller)
        poller.timer_wait(max(1, int(left * 1000)))
        poller.block()
        idl.run()

    def _idl(self) -> Any:
        """The connection with everything taken in that the database has sent by now."""
        if self._connected is None:
            self._connected = self._connect()
        idl = self._connected
        quiet = 0
        while quiet < 2:  # the first run hears that the connection broke, the second notes it
            before = idl.change_seqno
            idl.run()
            quiet = quiet + 1 if idl.change_seqno == before else 0
        deadline = time.monotonic() + CONNECT_S
        while not (idl.has_ever_connected() and idl._session.is_connected()):
            self._turn(idl, deadline)
        return idl

    def _connect(self) -> Any:
        error, stream = ovs.stream.Stream.open_block(ovs.stream.Stream.open(self._remote))
        if error:
            raise PeerAway("Open vSwitch is not running")
        rpc = ovs.jsonrpc.Connection(stream)
        try:
            request = ovs.jsonrpc.Message.create_request("get_schema", ["Open_vSwitch"])
            error, reply = rpc.transact_block(request)
        finally:
            rpc.close()
        if error or reply.error:
            raise PeerAway("Open vSwitch does not tell its schema")
        helper = ovs.db.idl.SchemaHelper(schema_json=reply.result)
        for table, columns in _COLUMNS.items():
            helper.register_columns(table, columns)
        idl = ovs.db.idl.Idl(self._remote, helper, probe_interval=0)
        idl._session.reconnect.set_backoff(*_BACKOFF_MS)
        return idl
