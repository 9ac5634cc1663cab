"""What can't be so in a role's configuration: by itself, and on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cloudnet_sdn.wire.certificates import identity_trouble, public_place
from cloudnet_sdn.wire.configuration import (
    ConfigurationError,
    is_loopback,
    listening_troubles,
    parse_url,
    tls_trouble,
)
from cloudnet_sdn.wire.identity import CONTROLLER, Caller, role
from rdl.vocabulary import ID, INTERFACE, VLAN_MAX, VLAN_MIN

if TYPE_CHECKING:  # it names the rules itself
    from cloudnet_sdn.model.settings import (
        ControllerSettings,
        Grant,
        Leases,
        Listen,
        Provider,
        RoleKind,
        Settings,
        SolvingSettings,
        TagSettings,
        Transit,
    )
    from cloudnet_sdn.wire.tls import TlsFiles

PROVIDERS_OWN = ("agents", "controller", "substrate")
"""Keys of a PIP's file alone."""

BROKERS_OWN = ("pip", "transit")
"""Keys of a VNP's file alone."""

_TRANSIT = "/link/transit"


def obstacles(settings: Settings) -> list[str]:
    """What this machine hasn't got that the configuration names: files, addresses, ports."""
    found = []
    for key, files in _tls_files(settings):
        if why := tls_trouble(files):
            found.append(f"{key}: {why}")
    if settings.solving.scheduler and find_spec("distributed") is None:
        text = "Dask isn't installed here; pip install 'cloudnet-sdn[dask]'"
        found.append(f"solving.scheduler: {text}")
    if settings.api.tls and not found:
        found += _own_names(settings, settings.api.tls)
    places = [(f"{key}.listen", place.host, place.port) for key, place in _listens(settings)]
    return found + listening_troubles(places)


def _own_names(settings: Settings, tls: TlsFiles) -> Iterator[str]:
    """What the certificates have to say, once they are there."""
    if why := identity_trouble(tls.cert, role(settings.name)):
        yield f"api.tls: {why}"
    if settings.console is not None:
        files = settings.console.tls or tls
        try:
            public_place(settings.console.host, settings.console.public, files.cert)
        except ConfigurationError as exc:
            yield f"console.public: {exc}"


def _kinds(kind: RoleKind, document: Mapping[str, Any]) -> Iterator[str]:
    for name, foreign, instead in (
        ("vnp", PROVIDERS_OWN, "a VNP has none: its substrate is what its providers offer"),
        ("pip", BROKERS_OWN, "a PIP has none: its substrate is its own"),
    ):
        if kind == name:
            yield from (f"{key}: {instead}" for key in foreign if document.get(key))


def _serving(api: Listen) -> Iterator[str]:
    if api.tls is None and not is_loopback(api.host):
        text = f"plain HTTP is served on loopback alone, not on {api.host}; tls is missing"
        yield f"api.listen: {text}"


def _consoles(api: Listen, console: Listen | None) -> Iterator[str]:
    if console is not None and not (console.tls or api.tls):
        yield "console.tls: missing: consoles are served over TLS alone"


def _agents(agents: Mapping[str, str], internal: TlsFiles | None) -> Iterator[str]:
    if CONTROLLER in agents:
        yield f"agents.{CONTROLLER}: the controller has this name among the shells"
    for element, url in agents.items():
        yield from _calling(f"agents.{element}", url, internal, "[internal]")


def _controller(controller: ControllerSettings | None, internal: TlsFiles | None) -> Iterator[str]:
    if controller is not None:
        yield from _calling("controller.url", controller.url, internal, "[internal]")


def _providers(pip: tuple[Provider, ...], api: Listen) -> Iterator[str]:
    for number, provider in enumerate(pip):
        tls = provider.tls or api.tls
        yield from _calling(
            f"pip[{number}].url", provider.url, tls, f"tls in pip[{number}] or [api]"
        )


def _calling(key: str, url: str, tls: TlsFiles | None, where: str) -> Iterator[str]:
    """What is wrong with calling a peer; `where` its files would be told."""
    if parse_url(url).scheme == "https" and tls is None:
        yield f"{key}: https needs {where}: the files of TLS to call with"


def _leases(leases: Leases) -> Iterator[str]:
    if leases.default_h > leases.longest_h:
        text = f"{leases.default_h:g} hours are more than longest_h, {leases.longest_h:g}"
        yield f"leases.default_h: {text}"


def _solving(solving: SolvingSettings) -> Iterator[str]:
    files = {"ca": solving.ca, "cert": solving.cert, "key": solving.key}
    if solving.scheduler.startswith("tls://"):
        missing = (key for key, file in files.items() if file is None)
        yield from (f"solving.{key}: missing: the scheduler is reached by TLS" for key in missing)
    else:
        told = (key for key, file in files.items() if file is not None)
        yield from (f"solving.{key}: it is for a scheduler at tls://HOST:PORT" for key in told)


def _vlans(vlans: TagSettings) -> Iterator[str]:
    if not VLAN_MIN <= vlans.min <= vlans.max <= VLAN_MAX:
        yield f"vlans: min to max is wanted within {VLAN_MIN} to {VLAN_MAX}"
    if any(not 0 <= tag <= VLAN_MAX + 1 for tag in vlans.reserved):
        yield f"vlans.reserved: tags from 0 to {VLAN_MAX + 1} are wanted"


def _names(pip: tuple[Provider, ...]) -> Iterator[str]:
    yield from (f"pip: {name} occurs twice" for name in _repeated(p.name for p in pip))


def _transits(pip: tuple[Provider, ...], transit: tuple[Transit, ...]) -> Iterator[str]:
    providers = {p.name for p in pip}
    yield from (f"transit: {t} is told twice" for t in _repeated(t.id for t in transit))
    ends = _repeated(end for t in transit for end in t.ends)
    yield from (f"transit: {end} is the end of two" for end in ends)
    for one in transit:
        key = f"transit.{one.id[:80]}"
        if not ID.fullmatch(one.id):
            yield f"{key}: this is no id: 1 to 63 of A-Z a-z 0-9 _ -"
        if one.type != _TRANSIT and not one.type.startswith(f"{_TRANSIT}/"):
            yield f"{key}.type: {_TRANSIT} or a type below it is wanted, not {one.type[:80]!r}"
        if len(one.ends) != 2:
            yield f"{key}: it has two ends"
        for end in one.ends:
            if end.partition(".")[0] not in providers:
                yield f"{key}: {end[:80]} is at no provider of ours"
            elif not INTERFACE.fullmatch(end):
                yield f"{key}: {end[:80]!r} is no end point: PROVIDER.NAME"


def _grants(grant: tuple[Grant, ...]) -> Iterator[str]:
    for number, one in enumerate(grant):
        key = f"grant {number + 1}"
        try:
            Caller.parse(one.caller)
        except ValueError as exc:
            yield f"{key}: caller: {exc}"
        if not (ID.fullmatch(one.endpoint) or INTERFACE.fullmatch(one.endpoint)):
            yield f"{key}: endpoint: {one.endpoint[:80]!r} is no end point: NAME or ELEMENT.NAME"
        if not VLAN_MIN <= one.vlan.min <= one.vlan.max <= VLAN_MAX:
            yield f"{key}: vlan: a range within {VLAN_MIN} to {VLAN_MAX} is wanted"
        for before, other in enumerate(grant[:number]):
            if not _may_be_one(one.endpoint, other.endpoint):
                continue
            if one.caller == other.caller:
                text = f"{one.caller} has a range at {other.endpoint} by grant {before + 1}"
                yield f"{key}: {text}; one range of a caller at an end point is taken"
            elif other.vlan.min <= one.vlan.max and one.vlan.min <= other.vlan.max:
                text = f"its tags overlap with those of {other.caller} at {other.endpoint}"
                yield f"{key}: {text} (grant {before + 1})"


def _may_be_one(one: str, other: str) -> bool:
    """Whether two names may stand for one end point: `t1` stands for `tbr1.t1`, too."""
    if "." in one and "." in other:
        return one == other
    return one.rpartition(".")[2] == other.rpartition(".")[2]


RULES = (
    _kinds,
    _serving,
    _consoles,
    _agents,
    _controller,
    _providers,
    _leases,
    _solving,
    _vlans,
    _names,
    _transits,
    _grants,
)
"""What must hold between the values of a role's configuration."""


def _listens(settings: Settings) -> Iterator[tuple[str, Listen]]:
    yield "api", settings.api
    if settings.console is not None:
        yield "console", settings.console


def _tls_files(settings: Settings) -> Iterator[tuple[str, TlsFiles]]:
    found = [(key, listen.tls) for key, listen in _listens(settings)]
    found += [("internal", settings.internal), ("solving", settings.solving.tls)]
    found += [(f"pip[{n}]", p.tls) for n, p in enumerate(settings.pip)]
    for key, files in found:
        if files is not None:
            yield (key if key in ("internal", "solving") else f"{key}.tls"), files


def _repeated(values: Iterable[str]) -> list[str]:
    listed = list(values)
    return sorted({v for v in listed if listed.count(v) > 1})
