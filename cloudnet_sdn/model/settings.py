"""A role's configuration: one TOML file to frozen dataclasses; unknown keys are errors.

`docs/operating.md` shows whole files. Relative paths are relative to the file they stand in.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudnet_sdn.model.checking import contradictions
from cloudnet_sdn.wire.configuration import ConfigurationError, parse_listen, read_toml
from cloudnet_sdn.wire.tls import TlsFiles

MOST = 1e6
"""No number of seconds or hours in a configuration means more."""


class SettingsError(ValueError):
    """The configuration can't be taken; says the file, the key and what is wrong.

    Attributes:
        problems: everything that is wrong, each with its key.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def within(self, file: Path) -> SettingsError:
        """The same, said of a file."""
        return SettingsError(*(f"{file}: {problem}" for problem in self.problems))


class RoleKind(enum.StrEnum):
    """What the role is: a provider of its own substrate, or a broker of providers."""

    PIP = "pip"
    VNP = "vnp"


@dataclass(frozen=True)
class Listen:
    """Where to listen.

    Attributes:
        listen: `HOST:PORT`; port 0 chooses one.
        tls: this end's files; without them plain HTTP, on loopback alone.
    """

    listen: str
    tls: TlsFiles | None = None

    @property
    def host(self) -> str:
        """The address."""
        return parse_listen(self.listen)[0]

    @property
    def port(self) -> int:
        """The port."""
        return parse_listen(self.listen)[1]


@dataclass(frozen=True)
class StoreSettings:
    """The database: an SQLAlchemy URL, such as `sqlite:////var/lib/cloudnet/berlin.db`."""

    url: str


@dataclass(frozen=True)
class SubstrateSettings:
    """The RDL document that is loaded at start when it differs from what was loaded last."""

    file: Path


@dataclass(frozen=True)
class ControllerSettings:
    """The VLink controller's XML-RPC URL."""

    url: str


@dataclass(frozen=True)
class TagRange:
    """Tags `min` to `max`, both included."""

    min: int
    max: int

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, int) and self.min <= tag <= self.max


@dataclass(frozen=True)
class TagSettings:
    """Which VLAN tags the role gives out inside its substrate; 0, 1 and 4095 never."""

    min: int = 2
    max: int = 4094
    reserved: tuple[int, ...] = ()

    def allowed(self, tag: int) -> bool:
        """Whether the role may pick `tag` itself."""
        return 2 <= tag <= 4094 and self.min <= tag <= self.max and tag not in self.reserved


@dataclass(frozen=True)
class Grant:
    """A caller may use a transit end point, with these tags.

    Attributes:
        caller: the caller's URI, such as `cloudnet:role:vnp`.
        endpoint: the end point's name, such as `t1`.
        vlan: the tags; those of different callers at one end point must be disjoint.
    """

    caller: str
    endpoint: str
    vlan: TagRange


@dataclass(frozen=True)
class Provider:
    """A PIP below a VNP.

    Attributes:
        name: its name, which is its element's id in our substrate.
        url: its facade.
        tls: the files to call it with; those of `[api]` where absent.
    """

    name: str
    url: str
    tls: TlsFiles | None = None


@dataclass(frozen=True)
class Transit:
    """A pair of end points joined by a transit link, such as `["berlin.t1", "munich.t1"]`."""

    id: str
    ends: tuple[str, ...]
    type: str = "/link/transit"


@dataclass(frozen=True)
class Leases:
    """How long a lease lasts that doesn't say, and at most; hours."""

    default_h: float = 24.0
    longest_h: float = 24.0 * 30


@dataclass(frozen=True)
class Quota:
    """What callers may ask for; 0 is without limit.

    Attributes:
        cloudnets: of one caller at a time.
        vnodes: in one request.
        vlinks: in one request.
        total_vnodes: of one caller, in all its CloudNets, held ones included.
        total_vlinks: likewise.
        cpu: likewise, cores.
        memory_gib: likewise.
        storage_gib: likewise.
        bandwidth_mbps: likewise, summed over the VLinks as they are asked for.
        refusals: of one caller's requests in an hour; then it may ask no more until the next.
        stored_mib: of documents that are kept for one caller.
    """

    cloudnets: int = 0
    vnodes: int = 2_000
    vlinks: int = 10_000
    total_vnodes: int = 0
    total_vlinks: int = 0
    cpu: float = 0.0
    memory_gib: float = 0.0
    storage_gib: float = 0.0
    bandwidth_mbps: float = 0.0
    refusals: int = 0
    stored_mib: float = 0.0


@dataclass(frozen=True)
class Heal:
    """Whether the role maps CloudNets anew by itself when what carries them is away.

    A host whose agent is away may still run its VNodes; they are made elsewhere all the same, and
    removed from it once it is back. So this is off unless it is asked for.

    Attributes:
        enabled: whether it does.
        after_s: how long a shell is away first.
        every_s: how soon the same CloudNet is tried again.
    """

    enabled: bool = False
    after_s: float = 120.0
    every_s: float = 300.0


@dataclass(frozen=True)
class Keep:
    """How long what is over is kept; 0 is for ever.

    Attributes:
        released_d: days, after the last event: a CloudNet with its offers, graphs and history; and
            an offer that another one has followed.
        refused_h: hours: the graphs of an offer that came to nothing.
        events_d: days: what happened to the role itself.
        audit_d: days: who asked for what.
    """

    released_d: float = 90.0
    refused_h: float = 24.0
    events_d: float = 90.0
    audit_d: float = 365.0


@dataclass(frozen=True)
class Timing:
    """Pauses and limits, in seconds.

    Attributes:
        tick_s: between looks at what there is to do.
        inventory_s: between comparisons of the shells with the journal.
        shell_s: of one call to an agent or controller.
        peer_s: within which a provider answers a question (synchronisation, status).
        hold_try_s: how long a shell that is away is tried before an offer is given up.
        clean_s: how long refusing and cancelling wait for what was made to be removed.
        confirm_s: how long confirming waits; an offer that takes longer is `confirming`.
        solve_s: of the mapping component's solver.
        retry_longest_s: the longest pause between attempts.
        margin_s: by how much holds and leases below outlast our own.
        quarantine_s: how long a left-over of a CloudNet that is gone stays before it is removed.
    """

    tick_s: float = 0.5
    inventory_s: float = 5.0
    shell_s: float = 30.0
    peer_s: float = 8.0
    hold_try_s: float = 6.0
    clean_s: float = 5.0
    confirm_s: float = 50.0
    solve_s: float = 30.0
    retry_longest_s: float = 30.0
    margin_s: float = 15.0
    quarantine_s: float = 60.0

    def look_s(self, kind: RoleKind) -> float:
        """How long a look may take: a provider's less than the broker waits that asks it."""
        return self.peer_s * (0.4 if kind is RoleKind.PIP else 0.8)


@dataclass(frozen=True)
class SolverSettings:
    """The processes that solve.

    Attributes:
        workers: solves at a time; 0: as many as there are cores, but two at least.
        memory_mib: above which a worker is ended, its solver included; 0: an equal share of the
            machine's memory.
    """

    workers: int = 0
    memory_mib: int = 0


@dataclass(frozen=True)
class Settings:
    """Everything a role is told.

    Attributes:
        kind: PIP or VNP.
        name: the role's name, as in its certificate `cloudnet:role:NAME`.
        api: the facade.
        store: the database.
        console: the console proxy; without it there are no consoles.
        substrate: a PIP's own substrate.
        internal: TLS files towards agents and controller.
        agents: substrate element (host or tunnel bridge) to its agent's URL.
        controller: the VLink controller.
        vlans: tags inside the substrate.
        grant: who may use which transit end points.
        pip: a VNP's providers.
        transit: a VNP's transit links.
        operators: names of the operators who may use `operator.*`.
        currency: of prices, where the substrate doesn't say.
        objective: what the mapping minimises.
        solver: the processes that solve.
        keep: how long what is over is kept.
        heal: whether CloudNets are mapped anew when what carries them is away.
    """

    kind: RoleKind
    name: str
    api: Listen
    store: StoreSettings
    console: Listen | None = None
    substrate: SubstrateSettings | None = None
    internal: TlsFiles | None = None
    agents: Mapping[str, str] = field(default_factory=dict)
    controller: ControllerSettings | None = None
    vlans: TagSettings = TagSettings()
    grant: tuple[Grant, ...] = ()
    pip: tuple[Provider, ...] = ()
    transit: tuple[Transit, ...] = ()
    operators: tuple[str, ...] = ()
    currency: str = "EUR"
    objective: str = "cost"
    leases: Leases = Leases()
    quota: Quota = Quota()
    timing: Timing = Timing()
    solver: SolverSettings = SolverSettings()
    heal: Heal = Heal()
    keep: Keep = Keep()


def load(path: Path) -> Settings:
    """The settings in a file.

    Raises:
        SettingsError: it can't be read or taken.
    """
    try:
        return parse(read_toml(path), path.resolve().parent)
    except SettingsError as exc:
        raise exc.within(path) from exc
    except ConfigurationError as exc:
        raise SettingsError(f"{path}: {exc}") from exc


def parse(table: Mapping[str, Any], base: Path) -> Settings:
    """The settings in a parsed TOML document; relative paths are taken from `base`.

    Raises:
        SettingsError: unknown or missing keys, values of the wrong kind, what doesn't fit.
    """
    settings: Settings = _record(Settings, table, "", base)
    if problems := contradictions(settings):
        raise SettingsError(*problems)
    return settings


def _record(kind: Any, table: Any, where: str, base: Path) -> Any:
    if not isinstance(table, Mapping):
        raise SettingsError(f"{where}: a table is wanted")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    known = ", ".join(fields)
    problems = [
        f"{_path(where, name)}: unknown key; there are {known}"
        for name in sorted(set(table) - set(fields))
    ]
    values = {}
    for name, spec in fields.items():
        if name in table:
            try:
                values[name] = _value(hints[name], table[name], _path(where, name), base)
            except SettingsError as exc:
                problems += exc.problems
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            problems.append(f"{_path(where, name)}: missing")
    if problems:
        raise SettingsError(*problems)
    return kind(**values)


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _value(kind: Any, value: Any, where: str, base: Path) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _value(next(a for a in args if a is not type(None)), value, where, base)
    if origin is tuple:
        if not isinstance(value, list):
            raise SettingsError(f"{where}: a list is wanted")
        return tuple(_value(args[0], v, f"{where}[{n}]", base) for n, v in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise SettingsError(f"{where}: a table is wanted")
        return {k: _value(args[1], v, _path(where, k), base) for k, v in value.items()}
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, where, base)
    return _scalar(kind, value, where, base)


def _scalar(kind: Any, value: Any, where: str, base: Path) -> Any:
    if kind is Path and isinstance(value, str) and "\0" not in value:
        return base / value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, where)
    if issubclass(kind, enum.StrEnum) and isinstance(value, str):
        if value not in set(kind):
            raise SettingsError(f"{where}: {value!r} is none of {', '.join(kind)}")
        return kind(value)
    if type(value) is kind:
        return value
    wanted = {str: "text", int: "a whole number", bool: "true or false", Path: "a path"}
    raise SettingsError(f"{where}: {wanted.get(kind, 'a number')} is wanted, not {value!r}")


def _number(value: float, where: str) -> float:
    if not 0 <= value <= MOST:
        said = str(value)[:40]
        raise SettingsError(f"{where}: a number from 0 to {MOST:g} is wanted, not {said}")
    return float(value)
