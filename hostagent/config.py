"""The agent's configuration: one TOML file, read into frozen dataclasses. Unknown keys are errors.

Relative paths count from the file's directory. A host, and below what a tunnel bridge has instead
of `[bridge]` (a host may have both):

    name = "b-sn1"                      # the substrate element; unique on the machine
    provider = "berlin"                 # obeys cloudnet:role:berlin alone
    state = "state"                     # the journal's directory
    listen = "127.0.0.1:9101"
    driver = "namespace"                # the default
    [tls]
    ca = "ca.pem"
    cert = "cert.pem"
    key = "key.pem"
    [console]
    listen = "127.0.0.1:0"              # the default: any free port
    [bridge]
    name = "b-sn1"
    uplinks = ["b-sn1-eth1"]
    db = "unix:/var/run/openvswitch/db.sock"    # the default

    [[tunnel]]
    name = "t1"
    bridge = "br-t1"                    # is made
    port = "b-tbr-eth0"                 # the data plane's device
    netns = "/proc/4711/ns/net"         # left out: the agent's own
    local = "192.0.2.1"                 # or ADDRESS:PORT; the port is 1194 otherwise
    remote = "192.0.2.2:1194"
    cert = "cert.pem"
    key = "key.pem"
    peer_fingerprint = "AB:CD:…"        # SHA-256 of the other end's certificate; or: ca = "ca.pem"
    tls = "server"                      # left out: by which address is the lower
    fragment = 1400                     # left out: IP cuts what is too long for the wide area
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudnet_sdn.wire.configuration import (
    ConfigurationError,
    listening_troubles,
    plain,
    read_toml,
    tls_trouble,
)
from cloudnet_sdn.wire.tls import TlsFiles
from hostagent.bridge import DEFAULT_DB

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:]+)\]|(?P<four>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?")
_FINGERPRINT = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){31}")
_DATABASE = re.compile(r"unix:[!-~]+|(?:tcp|ssl):[!-~]+:[0-9]{1,5}")
_TUNNEL_PORT = 1194


_WORDS = {str: "text", int: "a whole number", list: "a list", dict: "a table"}
_LEAST_FRAGMENT, _MOST_FRAGMENT = 500, 65_000


class ConfigError(Exception):
    """The configuration can't be used; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, or whom to reach: an IP address and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """The host's Open vSwitch bridge.

    Attributes:
        name: the bridge; it is there already.
        uplinks: its ports towards the fabric; the agent sets what they trunk.
        db: Open vSwitch's database.
    """

    name: str
    uplinks: tuple[str, ...]
    db: str = DEFAULT_DB


@dataclass(frozen=True, slots=True)
class TunnelConfig:
    """One OpenVPN tunnel to another provider's tunnel bridge.

    Attributes:
        name: what `tunnel.admit` calls it.
        bridge: the Linux bridge to make.
        port: the data plane's device, joined to it.
        local: where this end listens (UDP).
        remote: where the other end does.
        cert: this end's certificate, PEM.
        key: its private key.
        peer_fingerprint: SHA-256 of the other end's certificate, '' where `ca` says whom to trust.
        ca: the authority of the other end's certificate.
        tls: which part of the handshake this end plays, `server` or `client`; the ends differ.
        netns: path of the network namespace it all lives in, None for the agent's own.
        fragment: longest UDP payload; 0 leaves cutting to IP.
    """

    name: str
    bridge: str
    port: str
    local: Address
    remote: Address
    cert: Path
    key: Path
    peer_fingerprint: str = ""
    ca: Path | None = None
    tls: str = "client"
    netns: Path | None = None
    fragment: int = 0


@dataclass(frozen=True, slots=True)
class Config:
    """An agent's configuration.

    Attributes:
        name: the substrate element's id; the owner tag of all it makes.
        provider: who may call: `cloudnet:role:PROVIDER`.
        state: the directory of its journal.
        listen: where XML-RPC is served.
        tls: its files under the provider's internal authority.
        consoles: where consoles are served, over TLS too.
        driver: how VNodes run.
        bridge: None where no VNodes run (a tunnel bridge).
        tunnels: the tunnels that end here.
    """

    name: str
    provider: str
    state: Path
    listen: Address
    tls: TlsFiles
    consoles: Address
    driver: str = "namespace"
    bridge: BridgeConfig | None = None
    tunnels: tuple[TunnelConfig, ...] = ()


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: it can't be read, is no TOML, or says something that can't be used.
    """
    try:
        raw = read_toml(path)
    except ConfigurationError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    try:
        return _config(_Table(raw, "", path.resolve().parent))
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def obstacles(config: Config) -> list[str]:
    """What this machine hasn't got that the configuration names, each with its key."""
    found = []
    if why := tls_trouble(config.tls):
        found.append(f"tls: {why}")
    places = [("listen", config.listen.host, config.listen.port)]
    if config.bridge is not None:
        places.append(("console.listen", config.consoles.host, config.consoles.port))
    found += listening_troubles(places)
    for tunnel in config.tunnels:
        for key in ("cert", "key", "ca"):
            file = getattr(tunnel, key)
            if file is not None and not file.is_file():
                found.append(f"tunnel {tunnel.name}: {key}: {file}: no such file")
    try:
        config.state.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        found.append(f"state: {config.state}: {plain(exc)}")
    return found


class _Table:
    """A TOML table being read: every key is taken once, and those that are left are errors."""

    def __init__(self, raw: Mapping[str, Any], where: str, base: Path) -> None:
        self._raw = dict(raw)
        self._where = where
        self._base = base

    def text(self, name: str, default: str | None = None) -> str:
        value = self._take(name, str, default)
        return str(value)

    def number(self, name: str, default: int) -> int:
        value = self._take(name, int, default)
        if isinstance(value, bool):
            raise ConfigError(f"{self._at(name)}: a number is expected")
        return int(value)

    def path(self, name: str) -> Path:
        text = self.text(name)
        if not text or "\0" in text:
            raise ConfigError(f"{self._at(name)}: the name of a file is expected")
        return self._base / text

    def optional_path(self, name: str) -> Path | None:
        return self.path(name) if name in self._raw else None

    def address(self, name: str, port: int | None = None) -> Address:
        """`ADDRESS:PORT`, IPv6 in brackets; with `port` given, `:PORT` may be left out."""
        text = self.text(name)
        found = _ADDRESS.fullmatch(text)
        number = int(found["port"] or port or 0) if found else 0
        if not found or number > 65535 or (found["port"] is None and port is None):
            form = "ADDRESS:PORT" if port is None else "ADDRESS or ADDRESS:PORT"
            raise ConfigError(f"{self._at(name)}: {text!r} is not {form}")
        host = found["six"] or found["four"]
        try:
            ipaddress.ip_address(host)
        except ValueError as exc:
            raise ConfigError(f"{self._at(name)}: {exc}") from exc
        return Address(host, number)

    def names(self, name: str) -> tuple[str, ...]:
        values = self._take(name, list, [])
        if not all(isinstance(value, str) for value in values):
            raise ConfigError(f"{self._at(name)}: a list of names is expected")
        return tuple(values)

    def matching(self, name: str, form: re.Pattern[str], default: str | None = None) -> str:
        value = self.text(name, default)
        if not form.fullmatch(value):
            raise ConfigError(f"{self._at(name)}: {value!r} can't be one")
        return value

    def table(self, name: str) -> _Table | None:
        if name not in self._raw:
            return None
        return _Table(self._take(name, dict, {}), self._at(name), self._base)

    def tables(self, name: str) -> list[_Table]:
        found = self._take(name, list, [])
        if not all(isinstance(one, dict) for one in found):
            raise ConfigError(f"{self._at(name)}: tables are expected")
        return [_Table(one, f"{self._at(name)}[{n}]", self._base) for n, one in enumerate(found)]

    def done(self) -> None:
        if self._raw:
            unknown = ", ".join(self._at(name) for name in sorted(self._raw))
            raise ConfigError(f"unknown: {unknown}")

    def _take(self, name: str, kind: type, default: Any) -> Any:
        value = self._raw.pop(name, default)
        if value is None:
            raise ConfigError(f"{self._at(name)} is missing")
        if not isinstance(value, kind):
            raise ConfigError(f"{self._at(name)}: {_WORDS[kind]} is expected")
        return value

    def _at(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name


def _config(top: _Table) -> Config:
    tls, consoles, bridge = top.table("tls"), top.table("console"), top.table("bridge")
    if tls is None:
        raise ConfigError("tls is missing")
    config = Config(
        name=top.matching("name", _NAME),
        provider=top.matching("provider", _NAME),
        state=top.path("state"),
        listen=top.address("listen"),
        tls=TlsFiles(ca=tls.path("ca"), cert=tls.path("cert"), key=tls.path("key")),
        consoles=consoles.address("listen") if consoles else Address("127.0.0.1", 0),
        driver=top.text("driver", "namespace"),
        bridge=_bridge(bridge) if bridge else None,
        tunnels=tuple(_tunnel(one) for one in top.tables("tunnel")),
    )
    for read in (tls, consoles, top):
        if read is not None:
            read.done()
    for what in ("name", "bridge", "port"):
        values = [(str(one.netns), getattr(one, what)) for one in config.tunnels]
        if len(set(values)) != len(values):
            raise ConfigError(f"tunnel: two have one {what}")
    return config


def _bridge(table: _Table) -> BridgeConfig:
    bridge = BridgeConfig(
        name=table.matching("name", _DEVICE),
        uplinks=table.names("uplinks"),
        db=table.matching("db", _DATABASE, DEFAULT_DB),
    )
    table.done()
    for uplink in bridge.uplinks:
        if not _DEVICE.fullmatch(uplink):
            raise ConfigError(f"bridge.uplinks: {uplink[:80]!r} can't be the name of a port")
    return bridge


def _tunnel(table: _Table) -> TunnelConfig:
    local, remote = table.address("local", _TUNNEL_PORT), table.address("remote", _TUNNEL_PORT)
    # Both ends reach the same answer from the same two addresses.
    default = "server" if str(local) < str(remote) else "client"
    tunnel = TunnelConfig(
        name=table.matching("name", _NAME),
        bridge=table.matching("bridge", _DEVICE),
        port=table.matching("port", _DEVICE),
        local=local,
        remote=remote,
        cert=table.path("cert"),
        key=table.path("key"),
        peer_fingerprint=table.text("peer_fingerprint", "").upper(),
        ca=table.optional_path("ca"),
        tls=table.text("tls", default),
        netns=table.optional_path("netns"),
        fragment=table.number("fragment", 0),
    )
    table.done()
    if bool(tunnel.peer_fingerprint) == bool(tunnel.ca):
        raise ConfigError(f"tunnel {tunnel.name}: either peer_fingerprint or ca says whom to trust")
    if tunnel.peer_fingerprint and not _FINGERPRINT.fullmatch(tunnel.peer_fingerprint):
        raise ConfigError(f"tunnel {tunnel.name}: peer_fingerprint is 32 hex octets joined by ':'")
    if tunnel.fragment and not _LEAST_FRAGMENT <= tunnel.fragment <= _MOST_FRAGMENT:
        text = f"0 (off) or {_LEAST_FRAGMENT} to {_MOST_FRAGMENT} bytes are possible"
        raise ConfigError(f"tunnel {tunnel.name}: fragment: {text}")
    for key in ("local", "remote"):
        if getattr(tunnel, key).port == 0:
            raise ConfigError(f"tunnel {tunnel.name}: {key}: a port from 1 to 65535 is expected")
    if tunnel.tls not in ("server", "client"):
        raise ConfigError(f"tunnel {tunnel.name}: tls is 'server' or 'client'")
    return tunnel
