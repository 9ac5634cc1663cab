"""What a role's operators may do: see the substrate in full, load another, drain elements."""

from __future__ import annotations

from cloudnet_sdn.model.settings import RoleKind, Settings
from cloudnet_sdn.ports import Clock
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.roles.mapping.component import Mapping
from cloudnet_sdn.store import offers, substrate
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.wire.faults import Conflict, NotFound
from cloudnet_sdn.wire.identity import Caller
from rdl.graph import MappingGraph
from rdl.language.dump import dump


class Operator:
    """The operators' methods."""

    def __init__(
        self, *, store: Store, mapping: Mapping, access: Access, clock: Clock, settings: Settings
    ) -> None:
        self._store = store
        self._mapping = mapping
        self._access = access
        self._clock = clock
        self._settings = settings

    def substrate(self, caller: Caller) -> str:
        """The substrate in full, as RDL."""
        self._access.operator(caller)
        return dump(self._mapping.view().substrate)

    def load(self, caller: Caller, text: str) -> int:
        """Put another substrate in force; answers its revision.

        Raises:
            BadRequest: it can't be read, or is no underlay.
            Conflict: something in use is missing from it, or this role has none of its own.
        """
        self._access.operator(caller)
        if self._settings.kind is RoleKind.VNP:
            raise Conflict("a VNP's substrate is what its providers offer")
        graph = documents.parse_underlay(text)
        with self._store.write() as conn:
            mappings = [documents.mapping(text) for _, _, text in offers.in_use(conn)]
            missing = _in_use(mappings) - set(graph.elements)
            if missing:
                raise Conflict(f"{', '.join(sorted(missing)[:10])}: in use, but missing from it")
            return substrate.load(
                conn, dump(graph), self._clock.now(), source=substrate.Source.OPERATOR
            )

    def drain(self, caller: Caller, element: str) -> None:
        """Let an element carry nothing new."""
        self._known(caller, element)
        with self._store.write() as conn:
            substrate.drain(conn, element, self._clock.now())

    def undrain(self, caller: Caller, element: str) -> None:
        """Let an element carry again."""
        self._known(caller, element)
        with self._store.write() as conn:
            substrate.undrain(conn, element)

    def _known(self, caller: Caller, element: str) -> None:
        self._access.operator(caller)
        with self._store.read() as conn:
            base = self._mapping.base(conn)
        transits = {t.id for t in self._settings.transit}
        if element not in base.elements and element not in transits:
            raise NotFound(f"no element {element[:100]!r} in the substrate")


def _in_use(mappings: list[MappingGraph]) -> set[str]:
    return {on for m in mappings for p in m.mapping.values() for on in (*p.on, *p.backup)}
