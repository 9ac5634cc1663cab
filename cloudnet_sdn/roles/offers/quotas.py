"""How much callers may have at a time, counted under a lock on the owner's row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import sqlalchemy as sa

from cloudnet_sdn.model.settings import Quota
from cloudnet_sdn.model.states import OfferKind
from cloudnet_sdn.ports import Clock
from cloudnet_sdn.roles import documents
from cloudnet_sdn.store import cloudnets, offers, owners
from cloudnet_sdn.store.offers import GraphLayer, Offer
from cloudnet_sdn.wire.faults import Busy
from mip.problem.amounts import human
from mip.problem.statement import Code, Reason
from rdl.graph import Graph

_MIB = 2**20
_RESOURCES = ("cpu", "memory", "storage")
_WAIT_S = 60.0

Asks = Mapping[str, float]
"""By what is counted, how much of it."""


@dataclass(frozen=True)
class Admitted:
    """A request that is taken on.

    Attributes:
        offer: with what it counts for: nothing, where there are objections.
        objections: why it is refused all the same.
    """

    offer: Offer
    objections: tuple[Reason, ...] = ()


class Quotas:
    """Counts what owners have."""

    def __init__(self, quota: Quota, clock: Clock) -> None:
        self._quota = quota
        self._clock = clock

    def admit(self, conn: sa.Connection, offer: Offer, graph: Graph, text: str) -> Admitted:
        """See whether an owner may have what it asks for, in the transaction that stores it.

        Args:
            conn: the transaction; of the CloudNet's row, if it exists, it has the lock.
            offer: the offer that is about to be stored.
            graph: what is asked for.
            text: its document.

        Raises:
            Busy: it may not even ask now.
        """
        quota, now = self._quota, self._clock.now()
        counted = owners.lock(conn, offer.owner, now)
        size = len(text.encode())
        asks = asked(graph)
        sized = replace(offer, asks=asks, size=size)
        if offer.kind is not OfferKind.MENDING:
            if quota.refusals and counted.refusals >= quota.refusals:
                told = f"{quota.refusals} requests of yours were refused within the hour"
                raise Busy(told, owners.left_of_hour(now))
            if quota.stored_mib and counted.stored + size > quota.stored_mib * _MIB:
                told = f"{quota.stored_mib:g} MiB of documents are kept for you at most"
                raise Busy(told, _WAIT_S)
            if offer.kind is OfferKind.CREATION:
                self._check_number(conn, offer.owner)
        owners.keep(conn, offer.owner, size)
        if offer.kind is OfferKind.MENDING:
            return Admitted(sized)
        objections = tuple(self._over(conn, offer, graph.name, asks))
        return Admitted(replace(sized, asks={}) if objections else sized, objections)

    def _check_number(self, conn: sa.Connection, owner: str) -> None:
        most = self._quota.cloudnets
        if most and cloudnets.number_of(conn, owner) >= most:
            raise Busy(f"you may have {most} CloudNets at a time", _WAIT_S)

    def _over(self, conn: sa.Connection, offer: Offer, name: str, asks: Asks) -> Iterator[Reason]:
        """What the owner would have more of than it may, by this request."""
        limits = _limits(self._quota)
        if not limits:
            return
        most: dict[str, dict[str, float]] = {}
        for claim in owners.claims(conn, offer.owner):
            mine = most.setdefault(claim.cloudnet, {})
            told = claim.asks
            if told is None:
                text = offers.graph(conn, claim.offer, GraphLayer.OL0)
                told = {} if text is None else asked(documents.graph(text))
                owners.say(conn, claim.offer, told)
            _raise(mine, told)
        before = _sums(most)
        _raise(most.setdefault(offer.cloudnet, {}), asks)
        after = _sums(most)
        for what, limit in limits.items():
            has, wants = before.get(what, 0.0), after.get(what, 0.0)
            if wants > limit and wants > has:
                text = (
                    f"{what}: you would have {human(Fraction(wants), what)} here in all, "
                    f"{human(Fraction(limit), what)} at most are yours"
                )
                yield Reason(name, Code.QUOTA, text)


def asked(graph: Graph) -> dict[str, float]:
    """What a request counts for: its own elements, as they are asked for."""
    nodes = [e for e in graph.nodes() if not e.is_stub]
    links = [e for e in graph.links() if not e.is_stub]
    return {
        "VNodes": float(len(nodes)),
        "VLinks": float(len(links)),
        **{r: float(sum(e.amount(r) for e in nodes)) for r in _RESOURCES},
        "bandwidth": float(sum(e.amount("bandwidth") for e in links)),
    }


def _limits(quota: Quota) -> dict[str, float]:
    """What is limited."""
    every = {
        "VNodes": float(quota.total_vnodes),
        "VLinks": float(quota.total_vlinks),
        "cpu": quota.cpu,
        "memory": quota.memory_gib * 2**30,
        "storage": quota.storage_gib * 2**30,
        "bandwidth": quota.bandwidth_mbps * 1e6,
    }
    return {what: limit for what, limit in every.items() if limit}


def _raise(mine: dict[str, float], asks: Asks) -> None:
    """The greater of two, for each."""
    for what, amount in asks.items():
        mine[what] = max(mine.get(what, 0.0), amount)


def _sums(most: Mapping[str, Asks]) -> dict[str, float]:
    total: dict[str, float] = {}
    for mine in most.values():
        for what, amount in mine.items():
            total[what] = total.get(what, 0.0) + amount
    return total
