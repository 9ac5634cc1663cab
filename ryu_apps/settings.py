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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cloudnet_sdn.wire.configuration import (
    ConfigurationError,
    folder_trouble,
    is_loopback,
    listening_troubles,
    parse_listen,
    read_toml,
    tls_trouble,
)
from cloudnet_sdn.wire.identity import Caller
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

_DPID = re.compile(r"[0-9a-fA-F]{16}")


class SettingsError(Exception):
    """The settings can't be used; says which and why."""


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


def parse_arguments(arguments: Sequence[str]) -> Settings:
    """The settings a command line asks for; options win over the file.

    Raises:
        SettingsError: they can't be used.
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
    document = _read(given.config) if given.config else {}
    document |= {
        key: value
        for key in ("listen", "api", "store")
        if (value := getattr(given, key)) is not None
    }
    if given.store is not None:
        document["store"] = _store(given.store, Path.cwd())
    return settings_of(document, given.config.parent if given.config else Path())


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings under a plain ryu-manager. Raises SettingsError."""
    path = environment.get(CONFIG_VARIABLE, "")
    return settings_of(_read(Path(path)), Path(path).parent) if path else Settings()


def settings_of(document: Mapping[str, Any], folder: Path = Path()) -> Settings:
    """The settings of a TOML document; file names in it are relative to `folder`.

    Raises:
        SettingsError: a key is unknown, a value can't be used, or they don't go together.
    """
    reader = _Reader(document, "")
    settings = Settings()
    tls = reader.table("tls")
    capacity = reader.table("capacity")
    limits = reader.table("limits")
    result = Settings(
        listen=_address(reader.text("listen", "127.0.0.1:6653"), "listen"),
        api=settings.api,
        tls=_tls(tls, folder),
        callers=frozenset(_caller(uri) for uri in reader.texts("callers")),
        store=_store(reader.text("store", settings.store), folder),
        policy=_policy(reader, capacity, limits),
    )
    api = reader.text("api", ("https" if result.tls else "http") + "://127.0.0.1:8643")
    for part in (reader, tls, capacity, limits):
        part.finish()
    scheme, _, place = api.partition("://")
    if scheme not in ("http", "https"):
        raise SettingsError("api: http://HOST:PORT or https://HOST:PORT is wanted")
    return _checked(result, scheme, _address(place.removesuffix("/RPC2").rstrip("/"), "api"))


def obstacles(settings: Settings) -> list[str]:
    """What this machine hasn't got that the settings name, each with its key."""
    found = []
    if settings.tls is not None and (why := tls_trouble(settings.tls)):
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


def _checked(settings: Settings, scheme: str, api: Address) -> Settings:
    if (scheme == "https") != (settings.tls is not None):
        raise SettingsError("api: https needs [tls], and [tls] https")
    if scheme == "http" and not is_loopback(api.host):
        raise SettingsError("api: plain http is for loopback only; use https and [tls]")
    if scheme == "https" and not settings.callers:
        raise SettingsError("callers: over https, say who may call")
    return replace(settings, api=api)


def _policy(reader: _Reader, capacity: _Reader, limits: _Reader) -> Policy:
    policy = Policy()
    ports = capacity.table("ports")
    links = {_place(key): ports.number(key, 0.0) for key in ports.keys}
    ports.finish()
    best_effort = reader.number("best_effort", Guard().best_effort)
    if not 1e3 <= best_effort <= MAX_BANDWIDTH:
        raise SettingsError("best_effort: 1e3 to 4e12 bit/s are possible")
    return Policy(
        guard=replace(Guard(), best_effort=best_effort),
        ranges=Ranges(
            tags=limits.span("tags", Ranges().tags, MAX_VLAN),
            meters=limits.span("meters", Ranges().meters, 0xFFFF0000),
        ),
        capacities=Capacities(capacity.number("default", 0.0), links),
        wait_s=reader.number("wait_s", policy.wait_s),
        retry_s=reader.number("retry_s", policy.retry_s),
        audit_s=reader.number("audit_s", policy.audit_s),
    )


class _Reader:
    """One table of the document; knows which keys were asked for, so that others are errors."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self._table = table
        self._where = where
        self._asked: set[str] = set()

    @property
    def keys(self) -> Sequence[str]:
        return list(self._table)

    def text(self, key: str, default: str) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            raise SettingsError(f"{self._where}{key}: a string is wanted")
        return value

    def texts(self, key: str) -> Sequence[str]:
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise SettingsError(f"{self._where}{key}: a list of strings is wanted")
        return value

    def number(self, key: str, default: float) -> float:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
            raise SettingsError(f"{self._where}{key}: a number from 0 to {_MOST:g} is wanted")
        return float(value)

    def span(self, key: str, default: tuple[int, int], highest: int) -> tuple[int, int]:
        match self._get(key, list(default)):
            case [int(first), int(last)] if 1 <= first <= last <= highest:
                return first, last
        raise SettingsError(f"{self._where}{key}: [first, last] within 1 to {highest} is wanted")

    def table(self, key: str) -> _Reader:
        value = self._get(key, {})
        if not isinstance(value, dict):
            raise SettingsError(f"{self._where}{key}: a table is wanted")
        return _Reader(value, f"{self._where}{key}.")

    def finish(self) -> None:
        if unknown := sorted(set(self._table) - self._asked):
            raise SettingsError(f"unknown: {', '.join(self._where + key for key in unknown)}")

    def _get(self, key: str, default: Any) -> Any:
        self._asked.add(key)
        return self._table.get(key, default)

    @property
    def given(self) -> bool:
        return bool(self._table)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except ConfigurationError as exc:
        raise SettingsError(f"{path}: {exc}") from exc


def _address(text: str, where: str) -> Address:
    try:
        return Address(*parse_listen(text))
    except ConfigurationError as exc:
        raise SettingsError(f"{where}: {exc}") from exc


def _tls(reader: _Reader, folder: Path) -> TlsFiles | None:
    if not reader.given:
        return None
    names = {key: reader.text(key, "") for key in ("ca", "cert", "key")}
    if missing := [key for key, name in names.items() if not name]:
        raise SettingsError(f"tls.{missing[0]}: a file is wanted")
    return TlsFiles(**{key: folder / name for key, name in names.items()})


def _caller(uri: str) -> Caller:
    try:
        return Caller.parse(uri)
    except ValueError as exc:
        raise SettingsError(f"callers: {exc}") from exc


def _store(url: str, folder: Path) -> str:
    if url == "memory:":
        return url
    if not url.startswith("sqlite:///") or url == "sqlite:///":
        raise SettingsError("store: sqlite:///FILE is wanted")
    return f"sqlite:///{folder / url.removeprefix('sqlite:///')}"


def _place(key: str) -> tuple[Dpid, PortRef]:
    dpid, _, port = key.partition(":")
    if not _DPID.fullmatch(dpid) or not port or not port.isascii():
        raise SettingsError(f"capacity.ports: {key!r} is no DPID:PORT")
    return Dpid(dpid.lower()), int(port) if port.isdecimal() else port
