"""What a role's operators see and do: the substrate, who uses it, what is to carry nothing."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from cloudnet_sdn.model.settings import RoleKind, Settings
from cloudnet_sdn.ports import Clock, CloudnetId, Json, Mender
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.roles.effects.observing import Observer, Sight
from cloudnet_sdn.roles.effects.runner import Effects
from cloudnet_sdn.roles.mapping.component import Mapping
from cloudnet_sdn.store import cloudnets, offers, substrate, tasks, usage
from cloudnet_sdn.store.cloudnets import Cloudnet
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.wire.faults import BadRequest, Conflict, NotFound
from cloudnet_sdn.wire.identity import Caller
from mip.instance.capacity import capacities
from rdl.language.dump import dump


@dataclass(frozen=True)
class Loading:
    """What came of loading a substrate.

    Attributes:
        revision: its number, 0 where it isn't in force.
        breaks: by CloudNet, what the substrate can't carry as it is.
        mending: the CloudNets that are being mapped anew.
    """

    revision: int
    breaks: MappingOf[str, list[str]]
    mending: list[CloudnetId]


class Operator:
    """The operators' methods."""

    def __init__(
        self,
        *,
        store: Store,
        mapping: Mapping,
        effects: Effects,
        observing: Observer,
        mender: Mender,
        access: Access,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._store = store
        self._mapping = mapping
        self._effects = effects
        self._observing = observing
        self._mender = mender
        self._access = access
        self._clock = clock
        self._settings = settings

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
        if self._settings.kind is RoleKind.VNP:
            raise Conflict("a VNP uses what its providers have: ask them")
        with self._store.read() as conn:
            room = capacities(self._mapping.base(conn))
            shares = usage.shares(conn)
        found: Json = {}
        for holder, resource in sorted(room.keys() | shares.keys()):
            used, held = shares.get((holder, resource), (0, 0))
            amounts = {"used": float(used), "held": float(held)}
            if (holder, resource) in room:
                amounts = {"capacity": float(room[holder, resource]), **amounts}
            found.setdefault(holder, {})[resource] = amounts
        return found

    # -- the substrate

    @repeatable
    def load(self, caller: Caller, text: str, options: MappingOf[str, object]) -> Loading:
        """Put another substrate in force, unless that would break something.

        With the option `force` it is put in force all the same, and what breaks is mapped anew.

        Raises:
            BadRequest: it can't be read, or is no underlay, or an option is unknown.
            Conflict: this role has no substrate of its own.
        """
        self._access.operator(caller)
        force = _flags(options, "force")["force"]
        if self._settings.kind is RoleKind.VNP:
            raise Conflict("a VNP's substrate is what its providers offer")
        graph = documents.parse_underlay(text)
        with self._store.write() as conn:
            breaks = self._mapping.breaks(conn, graph)
            if breaks and not force:
                return Loading(0, breaks, [])
            source = substrate.Source.OPERATOR
            revision = substrate.load(conn, dump(graph), self._clock.now(), source=source)
        return Loading(revision, breaks, self._mender.mend([CloudnetId(c) for c in breaks]))

    @repeatable
    def drain(
        self, caller: Caller, element: str, options: MappingOf[str, object]
    ) -> list[CloudnetId]:
        """Let an element carry nothing new; with `evacuate`, nothing at all.

        Returns:
            The CloudNets that are being moved off it. VNodes in namespaces are stopped and started
            elsewhere.
        """
        self._known(caller, element)
        evacuate = _flags(options, "evacuate")["evacuate"]
        now = self._clock.now()
        with self._store.write() as conn:
            substrate.drain(conn, element, now)
            cloudnets.record_of(conn, "", now, [(element, "drained", "")])
        return self._mender.mend(self._users(element) if evacuate else [])

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
        """
        self._known(caller, element)
        now = self._clock.now()
        with self._store.write() as conn:
            substrate.forget(conn, element, now)
            cloudnets.record_of(conn, "", now, [(element, "forgotten", "it is gone for good")])
            waiting = tasks.leaving_at(conn, element)
        for entry in waiting:
            self._effects.bring_about(entry.id)
        return len(waiting)

    def _users(self, element: str) -> list[CloudnetId]:
        """The CloudNets that stand and use an element."""
        with self._store.read() as conn:
            standing = {c.offer: c for c in cloudnets.all_live(conn) if c.generation}
            return [
                standing[offer].id
                for offer, _, mapping in offers.in_use(conn)
                if offer in standing and element in _used(mapping)
            ]

    def _known(self, caller: Caller, element: str) -> None:
        self._access.operator(caller)
        with self._store.read() as conn:
            base = self._mapping.base(conn)
            drained = substrate.all_drained(conn)
        transits = {t.id for t in self._settings.transit}
        if element not in base.elements and element not in transits | drained:
            raise NotFound(f"no element {element[:100]!r} in the substrate")


def _used(mapping: str) -> set[str]:
    placed = documents.mapping(mapping).mapping.values()
    return {on for p in placed for on in (*p.on, *p.backup)}


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
