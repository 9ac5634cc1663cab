"""The settings of `cloudnet controller`: defaults, the file, the command line.

The file is TOML. Everything may be left out; these are the defaults but for `callers`, `tls` and
`capacity`, which are empty:

    listen = "127.0.0.1:6653"                        # switches, OpenFlow 1.3 over TCP
    api = "https://127.0.0.1:8643"                   # http where there is no [tls]
    store = "sqlite:///cloudnet-controller.sqlite"   # relative to this file; or "memory:"
    callers = ["cloudnet:role:berlin"]               # who may command, over https
    best_effort = 10_000_000                         # bit/s for VLinks that reserve nothing
    wait_s = 5                                       # for a switch that is away
    retry_s = 10                                     # what a switch refused is tried again
    audit_s = 60                                     # what switches hold is looked at

    [tls]                                            # file names relative to this file
    ca = "ca.pem"
    cert = "cert.pem"
    key = "key.pem"

    [capacity]
    default = 1e9                                    # of links, bit/s; 0: the ports' speeds
    [capacity.ports]                                 # by DPID:PORT, a number or a name
    "0000000000000001:2" = 1e8

    [limits]                                         # what is given out, first and last
    tags = [2, 4094]                                 # on links, where the controller chooses
    meters = [49421, 65535]                          # meter ids; all of these are ours
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from cloudnet_sdn.wire.certificates import identity_trouble
from cloudnet_sdn.wire.configuration import (
    ConfigurationError,
    folder_trouble,
    is_loopback,
    listening_troubles,
    parse_listen,
    read_toml,
    tls_trouble,
)
from cloudnet_sdn.wire.fields import CallerUri, ListenText, Number, Whole, beside, said
from cloudnet_sdn.wire.identity import CONTROLLER, Caller, shell
from cloudnet_sdn.wire.reading import Form
from cloudnet_sdn.wire.tls import TlsFiles
from ryu_apps.compile import Guard
from ryu_apps.placing import Ranges
from ryu_apps.policy import Policy
from ryu_apps.spec import MAX_BANDWIDTH, MAX_VLAN, Dpid, PortRef
from ryu_apps.topology import Capacities

CONFIG_VARIABLE = "CLOUDNET_CONTROLLER_CONFIG"
"""Names the file under a plain ryu-manager, which takes no options of ours."""

_MOST = 1e15
"""No bit/s and no seconds of a controller are more."""

_MOST_METERS = 0xFFFF0000
_DPID = re.compile(r"[0-9a-fA-F]{16}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it.

    Attributes:
        listen: where switches connect, OpenFlow 1.3 over TCP.
        api: where callers connect.
        tls: the API's certificates; None: plain HTTP, on loopback alone.
        callers: who may call over TLS.
        store: `sqlite:///FILE` or `memory:`.
        policy: how VLinks are made.
    """

    listen: Address = Address("127.0.0.1", 6653)
    api: Address = Address("127.0.0.1", 8643)
    tls: TlsFiles | None = None
    callers: frozenset[Caller] = frozenset()
    store: str = "sqlite:///cloudnet-controller.sqlite"
    policy: Policy = field(default_factory=Policy)


# -- the file ------------------------------------------------------------------------------


def _api(url: str) -> str:
    scheme, _, place = url.partition("://")
    if scheme not in ("http", "https"):
        raise ConfigurationError(
            f"http://HOST:PORT or https://HOST:PORT is wanted, not {said(url)}"
        )
    parse_listen(place.removesuffix("/RPC2").rstrip("/"))
    return url


def _store(url: str) -> str:
    if url != "memory:" and not (url.startswith("sqlite:///") and url != "sqlite:///"):
        raise ConfigurationError(f"sqlite:///FILE is wanted, not {said(url)}")
    return url


def _span(highest: int) -> Any:
    def check(span: Any) -> Any:
        match span:
            case [int(first), int(last)] if 1 <= first <= last <= highest:
                return span
        raise ConfigurationError(f"[first, last] within 1 to {highest} is wanted, not {said(span)}")

    return BeforeValidator(check)


def _ports(capacities: Mapping[str, float]) -> Mapping[str, float]:
    for key in capacities:
        _place(key)
    return capacities


def _place(key: str) -> tuple[Dpid, PortRef]:
    dpid, _, port = key.partition(":")
    if not _DPID.fullmatch(dpid) or not port or not port.isascii():
        raise ConfigurationError(f"{said(key)} is no DPID:PORT")
    return Dpid(dpid.lower()), int(port) if port.isdecimal() else port


Amount = Annotated[Number, Field(ge=0, le=_MOST)]
BestEffort = Annotated[Number, Field(ge=1e3, le=MAX_BANDWIDTH)]
PortCapacities = Annotated[Mapping[str, Amount], AfterValidator(_ports)]
TagSpan = Annotated[tuple[Whole, Whole], _span(MAX_VLAN)]
MeterSpan = Annotated[tuple[Whole, Whole], _span(_MOST_METERS)]


@dataclass(frozen=True)
class CapacityTable:
    """Of links, in bit/s.

    Attributes:
        default: where no port says otherwise; 0: the ports' speeds.
        ports: by DPID:PORT, a number or a name.
    """

    default: Amount = 0.0
    ports: PortCapacities = field(default_factory=dict)


@dataclass(frozen=True)
class LimitsTable:
    """What is given out, first and last.

    Attributes:
        tags: on links, where the controller chooses.
        meters: meter ids; all of these are ours.
    """

    tags: TagSpan = Ranges().tags
    meters: MeterSpan = Ranges().meters


@dataclass(frozen=True)
class Document:
    """The controller's file; everything may be left out.

    Attributes:
        listen: where switches connect, OpenFlow 1.3 over TCP.
        api: where callers connect: https://HOST:PORT, or http on loopback without [tls].
        store: `sqlite:///FILE`, relative to this file, or `memory:`.
        callers: who may command over https.
        best_effort: bit/s for VLinks that reserve nothing.
        wait_s: how long a call waits for a switch that is away.
        retry_s: after which what a switch refused is tried again.
        audit_s: between looks at what switches hold.
        tls: the API's certificates.
        capacity: of links.
        limits: what is given out.
    """

    listen: ListenText = "127.0.0.1:6653"
    api: Annotated[str, AfterValidator(_api)] | None = None
    store: Annotated[str, AfterValidator(_store)] = "sqlite:///cloudnet-controller.sqlite"
    callers: tuple[CallerUri, ...] = ()
    best_effort: BestEffort = Guard().best_effort
    wait_s: Amount = Policy().wait_s
    retry_s: Amount = Policy().retry_s
    audit_s: Amount = Policy().audit_s
    tls: TlsFiles | None = None
    capacity: CapacityTable = CapacityTable()
    limits: LimitsTable = LimitsTable()


def _serving(api: str | None, tls: TlsFiles | None, callers: Sequence[str]) -> Iterator[str]:
    scheme, host, _ = _where(api, tls)
    if (scheme == "https") != (tls is not None):
        yield "api: https needs [tls], and [tls] https"
    elif scheme == "http" and not is_loopback(host):
        yield "api: plain http is for loopback only; use https and [tls]"
    if scheme == "https" and not callers:
        yield "callers: over https, say who may call"


FORM = Form(Document, (_serving,))
"""A controller's configuration."""


def _where(api: str | None, tls: TlsFiles | None) -> tuple[str, str, int]:
    url = api or ("https" if tls else "http") + "://127.0.0.1:8643"
    scheme, _, place = url.partition("://")
    return scheme, *parse_listen(place.removesuffix("/RPC2").rstrip("/"))


# -- the settings --------------------------------------------------------------------------


def parse_arguments(arguments: Sequence[str]) -> Settings:
    """The settings a command line asks for; options win over the file.

    Raises:
        ConfigurationError: they can't be used.
        SystemExit: as argparse has it.
    """
    parser = argparse.ArgumentParser(
        prog="cloudnet controller", description="Turns VLinks into OpenFlow 1.3 VLAN paths."
    )
    parser.add_argument("--listen", metavar="HOST:PORT", help="where switches connect")
    parser.add_argument("--api", metavar="URL", help="where callers connect")
    parser.add_argument("--store", metavar="URL", help="sqlite:///FILE")
    parser.add_argument("--config", metavar="FILE", type=Path, help="TOML")
    given = parser.parse_args(arguments)
    options = {
        key: value
        for key in ("listen", "api", "store")
        if (value := getattr(given, key)) is not None
    }
    if given.store is not None and given.store.startswith("sqlite:///"):
        options["store"] = _stored(given.store, Path.cwd())
    return _load(given.config, options) if given.config else settings_of(options)


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings under a plain ryu-manager. Raises ConfigurationError."""
    path = environment.get(CONFIG_VARIABLE, "")
    return _load(Path(path), {}) if path else Settings()


def settings_of(document: Mapping[str, Any], folder: Path = Path()) -> Settings:
    """The settings of a TOML document; file names in it are relative to `folder`.

    Raises:
        ConfigurationError: with everything that is wrong.
    """
    told = FORM.read(document, folder)
    _, host, port = _where(told.api, told.tls)
    return Settings(
        listen=Address(*parse_listen(told.listen)),
        api=Address(host, port),
        tls=told.tls,
        callers=frozenset(map(Caller.parse, told.callers)),
        store=_stored(told.store, folder),
        policy=Policy(
            guard=replace(Guard(), best_effort=told.best_effort),
            ranges=Ranges(tags=told.limits.tags, meters=told.limits.meters),
            capacities=Capacities(
                told.capacity.default,
                {_place(key): rate for key, rate in told.capacity.ports.items()},
            ),
            wait_s=told.wait_s,
            retry_s=told.retry_s,
            audit_s=told.audit_s,
        ),
    )


def obstacles(settings: Settings) -> list[str]:
    """What this machine hasn't got that the settings name, each with its key."""
    found = []
    if settings.tls is not None:
        own = shell(CONTROLLER)
        if why := tls_trouble(settings.tls) or identity_trouble(settings.tls.cert, own):
            found.append(f"tls: {why}")
    listen, api = settings.listen, settings.api
    places = [("listen", listen.host, listen.port), ("api", api.host, api.port)]
    found += listening_troubles(places)
    if settings.store.startswith("sqlite:///"):
        file = Path(settings.store.removeprefix("sqlite:///"))
        if why := folder_trouble(file.parent):
            found.append(f"store: {why}")
        elif file.is_dir():
            found.append(f"store: {file}: a file is wanted, this is a directory")
    return found


def _load(path: Path, options: Mapping[str, Any]) -> Settings:
    try:
        return settings_of({**read_toml(path), **options}, path.parent)
    except ConfigurationError as exc:
        raise exc.within(path) from exc


def _stored(url: str, folder: Path) -> str:
    if url == "memory:":
        return url
    return f"sqlite:///{beside(folder, url.removeprefix('sqlite:///'))}"
