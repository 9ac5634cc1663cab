"""Who may see and do what. What isn't the caller's is as if it didn't exist."""

from __future__ import annotations

import sqlalchemy as sa

from cloudnet_sdn.model.settings import Settings
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import NodePlugin
from cloudnet_sdn.roles import documents
from cloudnet_sdn.store import cloudnets, offers, tasks
from cloudnet_sdn.store.cloudnets import Cloudnet
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.offers import GraphLayer, Offer
from cloudnet_sdn.store.tasks import Entry
from cloudnet_sdn.wire.faults import Forbidden, NotFound
from cloudnet_sdn.wire.identity import LOCAL, Caller, Kind


def is_operator(caller: Caller, settings: Settings) -> bool:
    """Whether a caller operates a role; over plain HTTP, on loopback, everybody does."""
    if caller == LOCAL and settings.api.tls is None:
        return True
    return caller.kind is Kind.OPERATOR and caller.name in settings.operators


class Access:
    """Looks things up for a caller."""

    def __init__(self, store: Store, registry: Registry, settings: Settings) -> None:
        self._store = store
        self._registry = registry
        self._settings = settings

    def is_operator(self, caller: Caller) -> bool:
        """Whether the caller operates this role."""
        return is_operator(caller, self._settings)

    def operator(self, caller: Caller) -> None:
        """Let operators pass.

        Raises:
            Forbidden: the caller is none of this role's.
        """
        if not self.is_operator(caller):
            raise Forbidden("for operators of this role only")

    def offer(self, caller: Caller, offer_id: str) -> Offer:
        """An offer of the caller's, by its id or by the id of the caller's request for it.

        Raises:
            NotFound: there is none.
        """
        with self._store.read() as conn:
            found = offers.get(conn, offer_id) or offers.requested(conn, caller.uri, offer_id)
        if found is None or not (found.owner == caller.uri or self.is_operator(caller)):
            raise NotFound(f"no offer {offer_id[:100]!r}")
        return found

    def cloudnet(self, caller: Caller, cloudnet_id: str) -> Cloudnet:
        """A CloudNet of the caller's, by id or name.

        Raises:
            NotFound: there is none.
        """
        with self._store.read() as conn:
            found = cloudnets.get(conn, cloudnet_id)
            if found is None or not (found.owner == caller.uri or self.is_operator(caller)):
                found = cloudnets.named(conn, caller.uri, cloudnet_id)
        if found is None:
            raise NotFound(f"no CloudNet {cloudnet_id[:100]!r}")
        return found

    def listed(self, caller: Caller) -> list[Cloudnet]:
        """The caller's own live CloudNets; an operator too sees others' by their ids alone."""
        with self._store.read() as conn:
            return cloudnets.of_owner(conn, caller.uri)

    def vnodes(self, conn: sa.Connection, cloudnet: str) -> list[tuple[Entry, list[str]]]:
        """The tasks that run a CloudNet's VNodes, each with those it runs."""
        offer = offers.shown(conn, cloudnet)
        text = None if offer is None else offers.graph(conn, offer.id, GraphLayer.OL1)
        if text is None:
            return []
        nodes = {e.id for e in documents.graph(text).nodes() if not e.is_stub}
        found = []
        for entry in tasks.current(conn, cloudnet):
            if isinstance(self._registry.get(entry.task.plugin), NodePlugin):
                mine = [e for e in entry.task.elements if e in nodes]
                if mine:
                    found.append((entry, mine))
        return found
