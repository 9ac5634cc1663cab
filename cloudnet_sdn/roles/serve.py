"""The composition root of both roles: everything is put together here and nowhere else."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from cloudnet_sdn.console import ConsoleProxy
from cloudnet_sdn.model.checking import obstacles
from cloudnet_sdn.model.clock import SystemClock
from cloudnet_sdn.model.settings import RoleKind, Settings, SettingsError
from cloudnet_sdn.plugins.registry import Context, Extension, build, installed
from cloudnet_sdn.ports import Clock, Mapper, Rpc
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.roles.documents import parse_underlay
from cloudnet_sdn.roles.effects.observing import Observer
from cloudnet_sdn.roles.effects.runner import Effects
from cloudnet_sdn.roles.facade import Facade
from cloudnet_sdn.roles.mapping.component import Mapping as MappingComponent
from cloudnet_sdn.roles.mapping.solving import PoolMapper
from cloudnet_sdn.roles.offers.lifecycle import Lifecycle
from cloudnet_sdn.roles.offers.negotiation import Negotiation
from cloudnet_sdn.roles.offers.stage_one import StageOne
from cloudnet_sdn.roles.operating.audit import Audit
from cloudnet_sdn.roles.operating.events import Watch
from cloudnet_sdn.roles.operating.loading import Loading
from cloudnet_sdn.roles.operating.operator import Operator
from cloudnet_sdn.roles.operating.provisioning import Provisioning
from cloudnet_sdn.roles.operating.using import Using
from cloudnet_sdn.roles.reserving.fitting import Fitting
from cloudnet_sdn.roles.reserving.reservation import Reservations
from cloudnet_sdn.roles.upkeep.mending import Mending
from cloudnet_sdn.roles.upkeep.reconcile import Reconciler
from cloudnet_sdn.store.engine import StoreError
from cloudnet_sdn.store.opening import open_store
from cloudnet_sdn.wire.certificates import public_place
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.configuration import ConfigurationError, plain
from cloudnet_sdn.wire.faults import BadRequest, TooLarge
from cloudnet_sdn.wire.identity import Kind, Peer, role, shell
from cloudnet_sdn.wire.rpc import Service
from cloudnet_sdn.wire.server import Server
from cloudnet_sdn.wire.tls import TlsFiles
from rdl.language.dump import dump

log = logging.getLogger(__name__)

THREADS = 64

Connect = Callable[[str, TlsFiles | None, Peer], Rpc]
"""A URL, the files to call with, and who is meant, to the methods there."""


def _client(url: str, tls: TlsFiles | None, peer: Peer) -> Rpc:
    return Client(url, tls, peer=peer)


class Role:
    """A PIP or a VNP, put together.

    Attributes:
        facade: its methods.
        reconciler: its loop.
        server: what serves the facade.
        store: its database.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        mapper: Mapper | None = None,
        connect: Connect = _client,
        extensions: Mapping[str, Extension] | None = None,
    ) -> None:
        """Put together; nothing listens and nothing is done before `start`.

        Args:
            settings: its configuration.
            clock: time; the machine's by default.
            mapper: the solver; one in worker processes of its own by default.
            connect: how peers and shells are called.
            extensions: the plugins; those installed by default.

        Raises:
            SettingsError: the substrate can't be read, or the files of TLS.
            StoreError: the database can't be used.
        """
        clock = clock or SystemClock()
        self.settings = settings
        # The store last: nothing that may be wrong with the rest leaves it open.
        document = None if settings.substrate is None else _read_substrate(settings.substrate.file)
        context = _context(settings, clock, connect)
        self.registry = build(context, installed() if extensions is None else extensions)
        self.console = _console(settings)
        self.store = store = open_store(settings.store.url, settings.name, clock.now())
        self._solver: PoolMapper | None = None
        if mapper is None:
            mapper = self._solver = PoolMapper(settings.solver, settings.solving, self._solve_at)
        self.mapping = MappingComponent(store, self.registry, mapper, clock, settings)
        self.effects = Effects(store, self.registry, clock, settings.timing)
        loading = Loading(store, Fitting(self.mapping, self.effects, settings.name), clock)
        if settings.substrate is not None and document is not None:
            loading.configured(document, settings.substrate.file)
        access = Access(store, self.registry, settings)
        self._observing = Observer(store, self.registry, settings.timing.look_s(settings.kind))
        reserving = Reservations(store, self.registry, self.mapping, self.effects, settings)
        working = StageOne(
            store=store,
            mapping=self.mapping,
            reserving=reserving,
            effects=self.effects,
            clock=clock,
            settings=settings,
        )
        lifecycle = Lifecycle(
            store=store,
            effects=self.effects,
            access=access,
            clock=clock,
            interrupt=self.mapping.interrupt,
        )
        self.negotiation = Negotiation(
            store=store,
            registry=self.registry,
            effects=self.effects,
            access=access,
            clock=clock,
            settings=settings,
            lifecycle=lifecycle,
            worker=working.work,
        )
        mending = Mending(
            store=store,
            negotiation=self.negotiation,
            lifecycle=lifecycle,
            mapping=self.mapping,
            clock=clock,
            policy=settings.heal,
        )
        provisioning = Provisioning(
            store=store,
            registry=self.registry,
            effects=self.effects,
            observing=self._observing,
            access=access,
            clock=clock,
            console=self.console,
        )
        operating = Operator(
            store=store,
            registry=self.registry,
            mapping=self.mapping,
            effects=self.effects,
            observing=self._observing,
            mender=mending,
            access=access,
            clock=clock,
            settings=settings,
            loading=loading,
            using=Using(store, self.mapping, settings),
        )
        self._watch = Watch(
            store=store,
            registry=self.registry,
            access=access,
            observing=self._observing,
            clock=clock,
            kind=settings.kind,
        )
        self.facade = Facade(
            store=store,
            mapping=self.mapping,
            negotiation=self.negotiation,
            provisioning=provisioning,
            observing=self._observing,
            operating=operating,
            watch=self._watch,
            audit=Audit(store, clock),
            access=access,
            clock=clock,
            settings=settings,
        )
        self.reconciler = Reconciler(
            store=store,
            registry=self.registry,
            mapping=self.mapping,
            effects=self.effects,
            lifecycle=lifecycle,
            mending=mending,
            attended=self.negotiation.attended,
            clock=clock,
            settings=settings,
        )
        self.service = Service(self.facade.methods())
        api = settings.api
        self.server = Server(self.service, api.host, api.port, api.tls, threads=THREADS)

    def start(self) -> None:
        """Recover, listen, and keep things as they should be; returns once it listens."""
        if self._solver is not None:
            self._solver.start()
        self.reconciler.start()
        if self.console is not None:
            self.console.start()
        self.server.start()
        log.info(
            "serving role=%s name=%s url=%s",
            self.settings.kind,
            self.settings.name,
            self.server.url,
        )

    def _solve_at(self, there: bool, why: str) -> None:
        self._watch.note_cluster(there, why)

    def stop(self) -> None:
        """Listen no more and end the threads; what is unfinished is in the store."""
        self._watch.close()
        self.server.stop()
        if self.console is not None:
            self.console.stop()
        self.reconciler.stop()
        self.negotiation.close()
        if self._solver is not None:
            self._solver.close()
        self.effects.close()
        self.mapping.close()
        self._observing.close()
        self.store.close()


class SubstrateError(SettingsError):
    """The substrate document that the configuration names is invalid."""


def serve(settings: Settings) -> int:
    """Serve a role until SIGTERM or SIGINT; answers the exit code.

    Raises:
        SettingsError: this machine hasn't got what the configuration names.
        SubstrateError: its substrate document is invalid.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if problems := obstacles(settings):
        raise SettingsError(*problems)
    try:
        role = Role(settings)
    except StoreError as exc:
        raise SettingsError(f"store.url: {exc}") from exc
    try:
        role.start()
        ended.wait()
    except OSError as exc:  # somebody took a port since the look at it
        raise SettingsError(f"api.listen, console.listen: {plain(exc)}") from exc
    finally:
        role.stop()
    return 0


def _context(settings: Settings, clock: Clock, connect: Connect) -> Context:
    providers = {p.name: p for p in settings.pip}

    def provider(name: str) -> Rpc:
        found = providers[name]
        return connect(found.url, found.tls or settings.api.tls, role(name))

    def agent(name: str, url: str) -> Rpc:
        return connect(url, settings.internal, shell(name))

    return Context(settings, clock, agent, provider)


def _console(settings: Settings) -> ConsoleProxy | None:
    if settings.console is None:
        return None
    tls = settings.console.tls or settings.api.tls
    if tls is None:
        raise SettingsError("console.tls: consoles are served over TLS alone")
    host, pip = settings.console.host, settings.kind is RoleKind.PIP
    try:
        public = public_place(host, settings.console.public, tls.cert)
    except ConfigurationError as exc:
        raise SettingsError(f"console.public: {exc}") from exc
    return ConsoleProxy(
        host,
        settings.console.port,
        tls,
        below=settings.internal if pip else None,
        below_is=Kind.SHELL if pip else Kind.ROLE,
        public=public,
    )


def _read_substrate(file: Path) -> str:
    """The configured substrate in its canonical spelling."""
    try:
        return dump(parse_underlay(file.read_text(encoding="utf-8")))
    except OSError as exc:
        raise SettingsError(f"substrate.file: {file}: {plain(exc)}") from exc
    except UnicodeDecodeError as exc:
        raise SubstrateError(f"{file}: this is no UTF-8 text (byte {exc.start})") from exc
    except (BadRequest, TooLarge) as exc:
        lines = exc.text.splitlines()
        raise SubstrateError(*(f"{file}: {line}" for line in lines)) from exc
