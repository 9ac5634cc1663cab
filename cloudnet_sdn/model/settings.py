"""A role's configuration: one TOML file to frozen dataclasses; unknown keys are errors.

`docs/operating.md` shows whole files. Relative paths are relative to the file they stand in.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from cloudnet_sdn.model.checking import BROKERS_OWN, PROVIDERS_OWN, RULES
from cloudnet_sdn.wire.configuration import ConfigurationError, parse_listen
from cloudnet_sdn.wire.fields import (
    Amount,
    Count,
    Duration,
    Flag,
    ListenText,
    Pause,
    PublicText,
    Url,
    Whole,
)
from cloudnet_sdn.wire.files import File
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.reading import Form
from cloudnet_sdn.wire.tls import TlsFiles
from mip import objectives
from rdl.vocabulary import ID

SettingsError = ConfigurationError
"""The configuration can't be taken; says the key, what is wrong, and of a file its name."""


def _operator(name: str) -> str:
    """Names stand in certificates."""
    try:
        Caller.parse(f"cloudnet:operator:{name}")
    except ValueError as exc:
        text = f"{name[:80]!r} is no name: 1 to 63 letters, digits and . _ @ -"
        raise SettingsError(text) from exc
    return name


def _role(name: str) -> str:
    """A role's name is an element's id in its brokers' graphs besides."""
    if not ID.fullmatch(_operator(name)):
        raise SettingsError(f"{name[:80]!r} is no id of an element: 1 to 63 of A-Z a-z 0-9 _ -")
    return name


def _objective(name: str) -> str:
    if name not in objectives.names():
        raise SettingsError(f"{name[:80]!r} is none of {', '.join(objectives.names())}")
    return name


def _scheduler(address: str) -> str:
    scheme, _, place = address.partition("://")
    try:
        known = scheme in ("tcp", "tls") and parse_listen(place)[1] > 0
    except SettingsError:
        known = False
    if address and not known:
        raise SettingsError(f"tcp://HOST:PORT or tls://HOST:PORT is wanted, not {address[:80]!r}")
    return address


def _currency(name: str) -> str:
    if not name:
        raise SettingsError("it is empty")
    return name


RoleName = Annotated[str, AfterValidator(_role)]
OperatorName = Annotated[str, AfterValidator(_operator)]
Objective = Annotated[str, AfterValidator(_objective)]
Currency = Annotated[str, AfterValidator(_currency)]
SchedulerAddress = Annotated[str, AfterValidator(_scheduler)]


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

    listen: ListenText
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
class ConsoleSettings(Listen):
    """Where consoles are served.

    Attributes:
        public: `HOST` or `HOST:PORT` in their URLs; '' for where it listens, or, where that is
            every address, the first host that the certificate names.
    """

    public: PublicText = ""


@dataclass(frozen=True)
class StoreSettings:
    """The database: an SQLAlchemy URL, such as `sqlite:////var/lib/cloudnet/berlin.db`."""

    url: str


@dataclass(frozen=True)
class SubstrateSettings:
    """The RDL document that is loaded at start when it differs from what was loaded last."""

    file: File


@dataclass(frozen=True)
class ControllerSettings:
    """The VLink controller's XML-RPC URL."""

    url: Url


@dataclass(frozen=True)
class TagRange:
    """Tags `min` to `max`, both included."""

    min: Whole
    max: Whole

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, int) and self.min <= tag <= self.max


@dataclass(frozen=True)
class TagSettings:
    """Which VLAN tags the role gives out inside its substrate; 0, 1 and 4095 never."""

    min: Whole = 2
    max: Whole = 4094
    reserved: tuple[Whole, ...] = ()

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

    name: RoleName
    url: Url
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

    default_h: Duration = 24.0
    longest_h: Duration = 24.0 * 30


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

    cloudnets: Count = 0
    vnodes: Count = 2_000
    vlinks: Count = 10_000
    total_vnodes: Count = 0
    total_vlinks: Count = 0
    cpu: Amount = 0.0
    memory_gib: Amount = 0.0
    storage_gib: Amount = 0.0
    bandwidth_mbps: Amount = 0.0
    refusals: Count = 0
    stored_mib: Amount = 0.0


@dataclass(frozen=True)
class Heal:
    """Whether the role maps CloudNets anew by itself when what carries them is away.

    A host whose agent is away may still run its VNodes; they are made elsewhere all the same, and
    removed from it once it is back. So this is off unless it is asked for.

    Attributes:
        enabled: whether it does.
        after_s: how long a shell is away, or a link or switch down, first.
        every_s: how soon the same CloudNet is tried again; the pause doubles with each try.
    """

    enabled: Flag = False
    after_s: Pause = 120.0
    every_s: Duration = 300.0


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

    released_d: Pause = 90.0
    refused_h: Pause = 24.0
    events_d: Pause = 90.0
    audit_d: Pause = 365.0


@dataclass(frozen=True)
class Timing:
    """Pauses and limits, in seconds.

    Attributes:
        tick_s: between looks at what there is to do.
        inventory_s: between comparisons of the shells with the journal.
        shell_s: of one call to an agent or controller.
        peer_s: within which a provider answers a question (synchronisation, status).
        hold_try_s: how long a shell that is away is tried before an offer is given up.
        rounds_s: how long an offer may be worked on before no further round of it is begun.
        clean_s: how long refusing and cancelling wait for what was made to be removed.
        confirm_s: how long confirming waits; an offer that takes longer is `confirming`.
        solve_s: of the mapping component's solver.
        retry_longest_s: the longest pause between attempts.
        margin_s: by how much holds and leases below outlast our own.
        quarantine_s: how long a left-over of a CloudNet that is gone stays before it is removed.
    """

    tick_s: Duration = 0.5
    inventory_s: Pause = 5.0
    shell_s: Duration = 30.0
    peer_s: Duration = 8.0
    hold_try_s: Duration = 6.0
    rounds_s: Pause = 120.0
    clean_s: Duration = 5.0
    confirm_s: Duration = 50.0
    solve_s: Duration = 30.0
    retry_longest_s: Duration = 30.0
    margin_s: Pause = 15.0
    quarantine_s: Pause = 60.0

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

    workers: Count = 0
    memory_mib: Count = 0


@dataclass(frozen=True)
class SolvingSettings:
    """A Dask cluster that solves go to; to the role's own processes while it is away.

    Attributes:
        scheduler: `tcp://HOST:PORT` or `tls://HOST:PORT`; '' for none.
        ca: the authority that has signed the cluster's certificates, for `tls://`.
        cert: the role's certificate there.
        key: its private key.
    """

    scheduler: SchedulerAddress = ""
    ca: File | None = None
    cert: File | None = None
    key: File | None = None

    @property
    def tls(self) -> TlsFiles | None:
        """The files of TLS, where all are told."""
        if self.ca is None or self.cert is None or self.key is None:
            return None
        return TlsFiles(self.ca, self.cert, self.key)


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
        leases: how long leases last.
        quota: what callers may ask for.
        timing: pauses and limits.
        solver: the processes that solve.
        solving: a Dask cluster that solves go to.
        keep: how long what is over is kept.
        heal: whether CloudNets are mapped anew when what carries them is away.
    """

    kind: RoleKind
    name: RoleName
    api: Listen
    store: StoreSettings
    console: ConsoleSettings | None = None
    substrate: SubstrateSettings | None = None
    internal: TlsFiles | None = None
    agents: Mapping[str, Url] = field(default_factory=dict)
    controller: ControllerSettings | None = None
    vlans: TagSettings = TagSettings()
    grant: tuple[Grant, ...] = ()
    pip: tuple[Provider, ...] = ()
    transit: tuple[Transit, ...] = ()
    operators: tuple[OperatorName, ...] = ()
    currency: Currency = "EUR"
    objective: Objective = "cost"
    leases: Leases = Leases()
    quota: Quota = Quota()
    timing: Timing = Timing()
    solver: SolverSettings = SolverSettings()
    solving: SolvingSettings = SolvingSettings()
    heal: Heal = Heal()
    keep: Keep = Keep()


def load(path: Path) -> Settings:
    """The settings in a file.

    Raises:
        SettingsError: it can't be read or taken.
    """
    return PIP.load(path)


def parse(table: Mapping[str, Any], base: Path) -> Settings:
    """The settings in a parsed TOML document; relative paths are taken from `base`.

    Raises:
        SettingsError: unknown or missing keys, values of the wrong kind, what doesn't fit.
    """
    return PIP.read(table, base)


PIP = Form(Settings, RULES, fixed={"kind": "pip"}, hidden=frozenset(BROKERS_OWN))
"""A provider's configuration."""

VNP = Form(Settings, RULES, fixed={"kind": "vnp"}, hidden=frozenset(PROVIDERS_OWN))
"""A broker's configuration. A role's kind is a key of its file, so both read either."""
