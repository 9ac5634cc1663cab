"""What the substrate has, what generations in force use of it, and what is held besides."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf

from cloudnet_sdn.model.settings import RoleKind, Settings
from cloudnet_sdn.ports import Json
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.mapping.component import Mapping
from cloudnet_sdn.store import cloudnets, offers, usage
from cloudnet_sdn.store.engine import Store
from mip.instance.capacity import Key, capacities, used_by
from mip.problem.amounts import Exact
from mip.problem.statement import Embedded
from rdl.graph import Graph

Shares = MappingOf[Key, tuple[Exact, Exact]]
"""By holder and resource: what is used, and what is held besides."""


class Using:
    """Adds use up."""

    def __init__(self, store: Store, mapping: Mapping, settings: Settings) -> None:
        self._store = store
        self._mapping = mapping
        self._settings = settings

    def table(self) -> Json:
        """`{ELEMENT: {RESOURCE: {capacity, used, held}}}`; without capacity where none is told.

        Elements are substrate elements, end points, and `pool NAME`. What a broker has room for is
        what its providers have left, and what it has of them.
        """
        with self._store.read() as conn:
            base = self._mapping.base(conn)
            if self._settings.kind is RoleKind.PIP:
                return _table(capacities(base), usage.shares(conn))
        whole, _ = self._mapping.synchronised(base)
        shares = self._of_broker(whole)
        room = {k: left + sum(shares.get(k, ())) for k, left in capacities(whole).items()}
        return _table(room, shares)

    def _of_broker(self, whole: Graph) -> Shares:
        """What a broker's CloudNets take of its providers: in force, and with what is held."""
        with self._store.read() as conn:
            in_force = {c.offer for c in cloudnets.all_live(conn)}
            found = [(offers.get(conn, i), ol, ml) for i, ol, ml in offers.in_use(conn)]
        used: dict[tuple[str, Key], Exact] = {}
        most: dict[tuple[str, Key], Exact] = {}
        for offer, overlay, mapping in found:
            if offer is None:
                continue
            one = Embedded(documents.graph(overlay), documents.mapping(mapping))
            for key, amount in used_by(whole, one).fixed.items():
                mine = (offer.cloudnet, key)
                most[mine] = max(most.get(mine, 0), amount)
                if offer.id in in_force:
                    used[mine] = amount
        shares: dict[Key, tuple[Exact, Exact]] = {}
        for of, amount in most.items():
            key, stands = of[1], used.get(of, 0)
            before = shares.get(key, (0, 0))
            shares[key] = (before[0] + stands, before[1] + amount - stands)
        return shares


def _table(room: MappingOf[Key, Exact], shares: Shares) -> Json:
    found: Json = {}
    for holder, resource in sorted(room.keys() | shares.keys()):
        used, held = shares.get((holder, resource), (0, 0))
        amounts = {"used": float(used), "held": float(held)}
        if (holder, resource) in room:
            amounts = {"capacity": float(room[holder, resource]), **amounts}
        found.setdefault(holder, {})[resource] = amounts
    return found
