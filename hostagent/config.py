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
    crl = "crl.pem"                     # left out: nobody's certificate is revoked
    [console]
    listen = "127.0.0.1:0"              # the default: any free port
    public = "sn1.berlin.example"       # HOST or HOST:PORT in URLs, where it listens on 0.0.0.0
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from cloudnet_sdn.wire.certificates import identity_trouble, public_place
from cloudnet_sdn.wire.configuration import (
    ConfigurationError,
    listening_troubles,
    plain,
    tls_trouble,
)
from cloudnet_sdn.wire.fields import Count, PublicText, said
from cloudnet_sdn.wire.files import File
from cloudnet_sdn.wire.identity import shell
from cloudnet_sdn.wire.reading import Form
from cloudnet_sdn.wire.tls import TlsFiles
from hostagent.bridge import DEFAULT_DB

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:]+)\]|(?P<four>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?")
_TUNNEL_PORT = 1194
_LEAST_FRAGMENT, _MOST_FRAGMENT = 500, 65_000


def _matching(form: str, wanted: str) -> Any:
    """What takes text of a form; `wanted` says it in words."""
    pattern = re.compile(form)

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ConfigurationError(f"{wanted} is wanted, not {said(text)}")
        return text

    return AfterValidator(check)


def _address(port: int | None = None) -> Callable[[Any], Address]:
    """What reads `ADDRESS:PORT`, IPv6 in brackets; with `port` given, `:PORT` may be left out."""
    form = "ADDRESS:PORT" if port is None else "ADDRESS or ADDRESS:PORT"

    def read(text: Any) -> Address:
        found = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
        number = int(found["port"] or port or 0) if found else 0
        if not found or number > 65535 or (found["port"] is None and port is None):
            raise ConfigurationError(f"{said(text)} is not {form}")
        host = found["six"] or found["four"]
        try:
            ipaddress.ip_address(host)
        except ValueError as exc:
            raise ConfigurationError(f"{said(host)} is no IP address") from exc
        if port is not None and number == 0:
            raise ConfigurationError("a port from 1 to 65535 is wanted")
        return Address(host, number)

    return read


def _fragment(longest: int) -> int:
    if longest and not _LEAST_FRAGMENT <= longest <= _MOST_FRAGMENT:
        text = f"0 (off) or {_LEAST_FRAGMENT} to {_MOST_FRAGMENT} bytes are possible"
        raise ConfigurationError(f"{text}, not {longest}")
    return longest


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, or whom to reach: an IP address and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Name = Annotated[str, _matching(r"[A-Za-z0-9_.-]{1,63}", "1 to 63 letters, digits and _ . -")]
Device = Annotated[str, _matching(r"[A-Za-z0-9_.-]{1,15}", "the name of a device (at most 15)")]
Database = Annotated[
    str,
    _matching(r"unix:[!-~]+|(?:tcp|ssl):[!-~]+:[0-9]{1,5}", "unix:FILE or tcp:HOST:PORT"),
]
Fingerprint = Annotated[
    str,
    AfterValidator(str.upper),
    _matching(r"(?:[0-9A-F]{2}(?::[0-9A-F]{2}){31})?", "32 hex octets joined by ':'"),
]
_TEXT = WithJsonSchema({"type": "string"})
Served = Annotated[Address, BeforeValidator(_address()), _TEXT]
TunnelEnd = Annotated[Address, BeforeValidator(_address(_TUNNEL_PORT)), _TEXT]
Fragment = Annotated[Count, AfterValidator(_fragment)]


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """The host's Open vSwitch bridge.

    Attributes:
        name: the bridge; it is there already.
        uplinks: its ports towards the fabric; the agent sets what they trunk.
        db: Open vSwitch's database.
    """

    name: Device
    uplinks: tuple[Device, ...] = ()
    db: Database = DEFAULT_DB


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
        tls: which part of the handshake this end plays; '' decides by which address is the lower,
            so that the ends differ.
        netns: path of the network namespace it all lives in, None for the agent's own.
        fragment: longest UDP payload; 0 leaves cutting to IP.
    """

    name: Name
    bridge: Device
    port: Device
    local: TunnelEnd
    remote: TunnelEnd
    cert: File
    key: File
    peer_fingerprint: Fingerprint = ""
    ca: File | None = None
    tls: Literal["", "server", "client"] = ""
    netns: File | None = None
    fragment: Fragment = 0

    @property
    def is_server(self) -> bool:
        """Whether this end is the handshake's server; both reach the same answer by themselves."""
        return self.tls == "server" if self.tls else str(self.local) < str(self.remote)


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """Where consoles are served, over TLS.

    Attributes:
        listen: ADDRESS:PORT; port 0 is any free one.
        public: `HOST` or `HOST:PORT` in URLs; '' for where it listens, or, where that is every
            address, the first host that the certificate names.
    """

    listen: Served = Address("127.0.0.1", 0)
    public: PublicText = ""


@dataclass(frozen=True, slots=True)
class Config:
    """An agent's configuration.

    Attributes:
        name: the substrate element's id; the owner tag of all it makes.
        provider: who may call: `cloudnet:role:PROVIDER`.
        state: the directory of its journal.
        listen: where XML-RPC is served.
        tls: its files under the provider's internal authority.
        console: where consoles are served.
        driver: how VNodes run.
        bridge: None where no VNodes run (a tunnel bridge).
        tunnel: the tunnels that end here.
    """

    name: Name
    provider: Name
    state: File
    listen: Served
    tls: TlsFiles
    console: ConsoleConfig = ConsoleConfig()
    driver: str = "namespace"
    bridge: BridgeConfig | None = None
    tunnel: tuple[TunnelConfig, ...] = ()


def _tunnels(tunnel: tuple[TunnelConfig, ...]) -> Iterator[str]:
    for number, one in enumerate(tunnel):
        if bool(one.peer_fingerprint) == bool(one.ca):
            yield f"tunnel[{number}]: either peer_fingerprint or ca says whom to trust"
    for what in ("name", "bridge", "port"):
        values = [(str(one.netns), getattr(one, what)) for one in tunnel]
        if len(set(values)) != len(values):
            yield f"tunnel: two have one {what}"


FORM = Form(Config, (_tunnels,))
"""An agent's configuration."""


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigurationError: it can't be read, is no TOML, or says something that can't be used.
    """
    return FORM.load(path)


def obstacles(config: Config) -> list[str]:
    """What this machine hasn't got that the configuration names, each with its key."""
    found = []
    console = config.console.listen
    if why := tls_trouble(config.tls) or identity_trouble(config.tls.cert, shell(config.name)):
        found.append(f"tls: {why}")
    elif config.bridge is not None:
        try:
            public_place(console.host, config.console.public, config.tls.cert)
        except ConfigurationError as exc:
            found.append(f"console.public: {exc}")
    places = [("listen", config.listen.host, config.listen.port)]
    if config.bridge is not None:
        places.append(("console.listen", console.host, console.port))
    found += listening_troubles(places)
    for tunnel in config.tunnel:
        for key in ("cert", "key", "ca"):
            file = getattr(tunnel, key)
            if file is not None and not file.is_file():
                found.append(f"tunnel {tunnel.name}: {key}: {file}: no such file")
    try:
        config.state.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        found.append(f"state: {config.state}: {plain(exc)}")
    return found
