"""What a role's operators see and do: the substrate, who uses it, what is to carry nothing."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from cloudnet_sdn.model.settings import RoleKind, Settings
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import (
    Clock,
    CloudnetId,
    Forgetting,
    Json,
    Mender,
    Refused,
    Transient,
)
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.roles.effects.observing import Observer, Sight
from cloudnet_sdn.roles.effects.runner import Effects
from cloudnet_sdn.roles.mapping.component import Mapping
from cloudnet_sdn.roles.operating.loading import Loaded, Loading
from cloudnet_sdn.roles.operating.using import Using
from cloudnet_sdn.store import audit, cloudnets, offers, substrate, tasks
from cloudnet_sdn.store.audit import Call
from cloudnet_sdn.store.cloudnets import Cloudnet
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.wire.faults import BadRequest, Conflict, NotFound, PeerAway
from cloudnet_sdn.wire.identity import Caller
from rdl.graph import Graph, MappingGraph
from rdl.language.dump import dump

CALLS_MOST = 1_000
"""Calls in one answer."""


@dataclass(frozen=True)
class Moving:
    """What of a CloudNet leaves a substrate element.

    Attributes:
        vnodes: those that are there.
        vlinks: those whose paths are, and those of the VNodes.
    """

    vnodes: tuple[str, ...]
    vlinks: tuple[str, ...]


class Operator:
    """The operators' methods."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        mapping: Mapping,
        effects: Effects,
        observing: Observer,
        mender: Mender,
        access: Access,
        clock: Clock,
        settings: Settings,
        loading: Loading,
        using: Using,
    ) -> None:
        self._store = store
        self._registry = registry
        self._mapping = mapping
        self._effects = effects
        self._observing = observing
        self._mender = mender
        self._access = access
        self._clock = clock
        self._settings = settings
        self._loading = loading
        self._using = using

    # -- seeing

    def substrate(self, caller: Caller) -> str:
        """The substrate in full, as RDL."""
        self._access.operator(caller)
        return dump(self._mapping.view().substrate)

    def listed(self, caller: Caller) -> list[tuple[Cloudnet, Sight]]:
        """Everybody's CloudNets, as seen."""
        self._access.operator(caller)
        with self._store.read() as conn:
            found = cloudnets.all_live(conn)
        return list(zip(found, self._observing.look_at(found), strict=True))

    def usage(self, caller: Caller) -> Json:
        """`{ELEMENT: {RESOURCE: {capacity, used, held}}}`; a pool stands under `pool NAME`."""
        self._access.operator(caller)
        return self._using.table()

    def audit(self, caller: Caller, after: int, limit: int) -> list[Call]:
        """The calls that change something after the number `after`, `limit` at most.

        Raises:
            BadRequest: a number isn't one to be asked with.
        """
        self._access.operator(caller)
        if after < 0 or not 1 <= limit <= CALLS_MOST:
            raise BadRequest(f"after, limit: numbers from 0, and from 1 to {CALLS_MOST}")
        with self._store.read() as conn:
            return audit.newer(conn, after, limit)

    # -- the substrate

    def load(
        self, caller: Caller, text: str, options: MappingOf[str, object]
    ) -> tuple[Loaded, list[CloudnetId]]:
        """Put another substrate in force, unless that would break something.

        With the option `force` it is put in force all the same, and what breaks is mapped anew.

        Returns:
            What came of it, and the CloudNets that are being mapped anew.

        Raises:
            BadRequest: it can't be read, or is no underlay, or an option is unknown.
            Conflict: this role has no substrate of its own.
        """
        self._access.operator(caller)
        force = _flags(options, "force")["force"]
        if self._settings.kind is RoleKind.VNP:
            raise Conflict("a VNP's substrate is what its providers offer")
        graph = documents.parse_underlay(text)
        loaded = self._loading.load(dump(graph), force=force)
        broken = list(loaded.by_cloudnet) if loaded.done else []
        return loaded, self._mender.mend(broken)

    @repeatable
    def drain(
        self, caller: Caller, element: str, options: MappingOf[str, object]
    ) -> dict[CloudnetId, Moving]:
        """Let an element carry nothing new; with `evacuate`, nothing at all.

        Returns:
            What is being moved off it, by CloudNet: VNodes are stopped and started elsewhere.
        """
        self._known(caller, element)
        evacuate = _flags(options, "evacuate")["evacuate"]
        now = self._clock.now()
        with self._store.write() as conn:
            substrate.drain(conn, element, now)
            cloudnets.record_of(conn, "", now, [(element, "drained", "")])
        users = self._users(element) if evacuate else {}
        return {cloudnet: users[cloudnet] for cloudnet in self._mender.mend(list(users))}

    @repeatable
    def undrain(self, caller: Caller, element: str) -> None:
        """Let an element carry again."""
        self._known(caller, element)
        with self._store.write() as conn:
            substrate.undrain(conn, element)
            cloudnets.record_of(conn, "", self._clock.now(), [(element, "undrained", "")])

    @repeatable
    def forget(self, caller: Caller, element: str) -> int:
        """An element is gone for good: nothing waits for it. How many things went with it.

        What is still wanted of it has to be moved (`drain` with `evacuate`) or given back.

        Raises:
            PeerAway: the shell that waits for it doesn't let go of it now; to be repeated.
        """
        self._known(caller, element)
        now = self._clock.now()
        with self._store.write() as conn:
            substrate.forget(conn, element, now)
            cloudnets.record_of(conn, "", now, [(element, "forgotten", "it is gone for good")])
            waiting = tasks.leaving_at(conn, element)
        for entry in waiting:
            self._effects.bring_about(entry.id)
        self._let_go(element)
        return len(waiting)

    def _let_go(self, identifier: str) -> None:
        """Have the shell wait no more that has the element among its own."""
        with self._store.read() as conn:
            element = self._mapping.base(conn).elements.get(identifier)
        name = None if element is None else self._registry.name_for(element.type)
        plugin = None if name is None else self._registry.get(name)
        if element is None or name is None or not isinstance(plugin, Forgetting):
            return
        try:
            shell = plugin.forget(element)
        except (Transient, Refused) as exc:
            raise PeerAway(f"what waits for {identifier} doesn't let go of it: {exc}") from exc
        if shell:
            self._hurry(name, shell)

    @repeatable
    def _hurry(self, plugin: str, shell: str) -> None:
        """What a shell waited with is worth another try."""
        with self._store.write() as conn:
            tasks.hurry(conn, plugin, shell, self._clock.now())

    def _users(self, element: str) -> dict[CloudnetId, Moving]:
        """The CloudNets that stand and use an element, with what of them does."""
        with self._store.read() as conn:
            standing = {c.offer: c.id for c in cloudnets.all_live(conn) if c.generation}
            in_use = offers.in_use(conn)
        found = {
            standing[offer]: _at(element, documents.graph(overlay), documents.mapping(mapping))
            for offer, overlay, mapping in in_use
            if offer in standing
        }
        return {cloudnet: moving for cloudnet, moving in found.items() if moving is not None}

    def _known(self, caller: Caller, element: str) -> None:
        self._access.operator(caller)
        with self._store.read() as conn:
            base = self._mapping.base(conn)
            drained = substrate.all_drained(conn)
        transits = {t.id for t in self._settings.transit}
        if element not in base.elements and element not in transits | drained:
            raise NotFound(f"no element {element[:100]!r} in the substrate")


def _at(element: str, overlay: Graph, mapping: MappingGraph) -> Moving | None:
    """What of a CloudNet uses a substrate element; None where nothing does."""
    there = {i for i, p in mapping.mapping.items() if element in (*p.on, *p.backup)}
    if not there:
        return None
    vnodes = {e.id for e in overlay.nodes() if e.id in there and not e.is_stub}
    near = {n for v in vnodes for n in overlay.neighbours(v)}
    links = (e for e in overlay.elements.values() if e.is_link and not e.is_stub)
    vlinks = {e.id for e in links if e.id in there | near}
    return Moving(tuple(sorted(vnodes)), tuple(sorted(vlinks)))


def _flags(options: MappingOf[str, object], *known: str) -> dict[str, bool]:
    """Options that are true or false.

    Raises:
        BadRequest: one is unknown, or isn't.
    """
    for name, value in options.items():
        if name not in known:
            raise BadRequest(f"options.{name}: unknown; there are {', '.join(known)}")
        if not isinstance(value, bool):
            raise BadRequest(f"options.{name}: true or false is wanted")
    return {name: bool(options.get(name, False)) for name in known}
