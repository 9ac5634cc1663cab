"""What can't be so in a role's configuration: by itself, and on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cloudnet_sdn.wire.configuration import (
    ConfigurationError,
    is_loopback,
    listening_troubles,
    parse_listen,
    parse_url,
    tls_trouble,
)
from cloudnet_sdn.wire.identity import Caller
from mip import objectives
from rdl.vocabulary import ID, INTERFACE, VLAN_MAX, VLAN_MIN

if TYPE_CHECKING:  # it asks for `contradictions` itself
    from cloudnet_sdn.model.settings import Grant, Listen, Settings
    from cloudnet_sdn.wire.tls import TlsFiles

_TRANSIT = "/link/transit"
_PAUSES = ("inventory_s", "margin_s", "quarantine_s")
"""Of `[timing]`, what may be 0."""


def contradictions(settings: Settings) -> list[str]:
    """Everything that is wrong with values that are of the right kinds. Pure."""
    return [
        *_names(settings),
        *_kinds(settings),
        *_places(settings),
        *_amounts(settings),
        *_pairs(settings),
        *_grants(settings.grant),
    ]


def obstacles(settings: Settings) -> list[str]:
    """What this machine hasn't got that the configuration names: files, addresses, ports."""
    found = []
    for key, files in _tls_files(settings):
        if why := tls_trouble(files):
            found.append(f"{key}: {why}")
    places = [(f"{key}.listen", place.host, place.port) for key, place in _listens(settings)]
    return found + listening_troubles(places)


def _names(settings: Settings) -> Iterator[str]:
    """Names stand in certificates and as ids in graphs."""
    for key, kind, name in (
        ("name", "role", settings.name),
        *((f"operators[{n}]", "operator", o) for n, o in enumerate(settings.operators)),
        *((f"pip[{n}].name", "role", p.name) for n, p in enumerate(settings.pip)),
    ):
        try:
            Caller.parse(f"cloudnet:{kind}:{name}")
        except ValueError:
            yield f"{key}: {name[:80]!r} is no name: 1 to 63 letters, digits and . _ @ -"
            continue
        if kind == "role" and not ID.fullmatch(name):
            yield f"{key}: {name[:80]!r} is no id of an element: 1 to 63 of A-Z a-z 0-9 _ -"
    if not settings.currency:
        yield "currency: it is empty"
    if settings.objective not in objectives.names():
        known = ", ".join(objectives.names())
        yield f"objective: {settings.objective[:80]!r} is none of {known}"


def _kinds(settings: Settings) -> Iterator[str]:
    if settings.kind == "vnp" and (settings.agents or settings.controller):
        yield "agents, controller: a VNP has none"
    if settings.kind == "vnp" and settings.substrate:
        yield "substrate: a VNP's is what its providers offer"
    if settings.kind == "pip" and (settings.pip or settings.transit):
        yield "pip, transit: a PIP has none"


def _places(settings: Settings) -> Iterator[str]:
    """Where it listens, and where those are that it calls."""
    for key, listen in _listens(settings):
        try:
            host, _ = parse_listen(listen.listen)
        except ConfigurationError as exc:
            yield f"{key}.listen: {exc}"
            continue
        if key == "api" and listen.tls is None and not is_loopback(host):
            text = f"plain HTTP is served on loopback alone, not on {host}; tls is missing"
            yield f"api.listen: {text}"
    if settings.console and not (settings.console.tls or settings.api.tls):
        yield "console.tls: missing: consoles are served over TLS alone"
    for key, url, tls, wanted in _urls(settings):
        try:
            scheme, host, _ = parse_url(url)
        except ConfigurationError as exc:
            yield f"{key}: {exc}"
            continue
        if scheme == "https" and tls is None:
            yield f"{key}: https needs {wanted}: the files of TLS to call with"


def _urls(settings: Settings) -> Iterator[tuple[str, str, TlsFiles | None, str]]:
    """Key, URL, files to call with, and where those would be told."""
    for element, url in settings.agents.items():
        yield f"agents.{element}", url, settings.internal, "[internal]"
    if settings.controller is not None:
        yield "controller.url", settings.controller.url, settings.internal, "[internal]"
    for number, provider in enumerate(settings.pip):
        tls = provider.tls or settings.api.tls
        yield f"pip[{number}].url", provider.url, tls, f"tls in pip[{number}] or [api]"


def _amounts(settings: Settings) -> Iterator[str]:
    leases, timing = settings.leases, settings.timing
    for name in ("default_h", "longest_h"):
        if not getattr(leases, name) > 0:
            yield f"leases.{name}: more than 0 hours are wanted"
    for name in settings.quota.__dataclass_fields__:
        if getattr(settings.quota, name) < 0:
            yield f"quota.{name}: a number from 0 is wanted (0 is without limit)"
    for name in ("workers", "memory_mib"):
        if getattr(settings.solver, name) < 0:
            yield f"solver.{name}: a whole number from 0 is wanted (0 is by the machine)"
    for name in timing.__dataclass_fields__:
        if name not in _PAUSES and not getattr(timing, name) > 0:
            yield f"timing.{name}: more than 0 seconds are wanted"
    vlans = settings.vlans
    if not VLAN_MIN <= vlans.min <= vlans.max <= VLAN_MAX:
        yield f"vlans: min to max is wanted within {VLAN_MIN} to {VLAN_MAX}"
    if any(not 0 <= tag <= VLAN_MAX + 1 for tag in vlans.reserved):
        yield f"vlans.reserved: tags from 0 to {VLAN_MAX + 1} are wanted"


def _pairs(settings: Settings) -> Iterator[str]:
    providers = [p.name for p in settings.pip]
    if len(set(providers)) != len(providers):
        yield "pip: a name occurs twice"
    yield from (f"transit: {t} is told twice" for t in _repeated(t.id for t in settings.transit))
    ends = _repeated(end for t in settings.transit for end in t.ends)
    yield from (f"transit: {end} is the end of two" for end in ends)
    for transit in settings.transit:
        key = f"transit.{transit.id[:80]}"
        if not ID.fullmatch(transit.id):
            yield f"{key}: this is no id: 1 to 63 of A-Z a-z 0-9 _ -"
        if transit.type != _TRANSIT and not transit.type.startswith(f"{_TRANSIT}/"):
            yield f"{key}.type: {_TRANSIT} or a type below it is wanted, not {transit.type[:80]!r}"
        if len(transit.ends) != 2:
            yield f"{key}: it has two ends"
        for end in transit.ends:
            if end.partition(".")[0] not in providers:
                yield f"{key}: {end[:80]} is at no provider of ours"
            elif not INTERFACE.fullmatch(end):
                yield f"{key}: {end[:80]!r} is no end point: PROVIDER.NAME"


def _grants(grants: tuple[Grant, ...]) -> Iterator[str]:
    for number, grant in enumerate(grants):
        key = f"grant {number + 1}"
        try:
            Caller.parse(grant.caller)
        except ValueError as exc:
            yield f"{key}: caller: {exc}"
        if not (ID.fullmatch(grant.endpoint) or INTERFACE.fullmatch(grant.endpoint)):
            yield f"{key}: endpoint: {grant.endpoint[:80]!r} is no end point: NAME or ELEMENT.NAME"
        if not VLAN_MIN <= grant.vlan.min <= grant.vlan.max <= VLAN_MAX:
            yield f"{key}: vlan: a range within {VLAN_MIN} to {VLAN_MAX} is wanted"
        yield from (
            f"{key}: its tags overlap with those of {other.caller}"
            for other in grants[:number]
            if other.endpoint == grant.endpoint
            and other.caller != grant.caller
            and other.vlan.min <= grant.vlan.max
            and grant.vlan.min <= other.vlan.max
        )


def _listens(settings: Settings) -> Iterator[tuple[str, Listen]]:
    yield "api", settings.api
    if settings.console is not None:
        yield "console", settings.console


def _tls_files(settings: Settings) -> Iterator[tuple[str, TlsFiles]]:
    found = [(key, listen.tls) for key, listen in _listens(settings)]
    found.append(("internal", settings.internal))
    found += [(f"pip[{n}]", p.tls) for n, p in enumerate(settings.pip)]
    for key, files in found:
        if files is not None:
            yield (key if key == "internal" else f"{key}.tls"), files


def _repeated(values: Iterable[str]) -> list[str]:
    listed = list(values)
    return sorted({v for v in listed if listed.count(v) > 1})
