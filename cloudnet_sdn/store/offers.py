"""Offers and the graphs that belong to them."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from cloudnet_sdn.model.states import SETTLED, CloudnetState, OfferKind, OfferState, Wanted, before
from cloudnet_sdn.ports import CloudnetId, Json, OfferId
from cloudnet_sdn.store.chunks import in_chunks
from cloudnet_sdn.store.schema import cloudnets, graphs, offers, tasks


class GraphLayer(enum.StrEnum):
    """Which graph of an offer a document is."""

    OL0 = "OL0"
    OL1 = "OL1"
    ML = "ML"


@dataclass(frozen=True)
class Offer:
    """The negotiation of one generation of a CloudNet, as stored.

    Attributes:
        kind: what it negotiates.
        round: the round it came to, or is in.
        kept: what it keeps of the generation before: ids of tasks and of tags; and the round
            of its own that this one is to take the place of.
        expires: the hold's end, None until it is held.
        lease_until: the end of the lease that confirming would begin.
        asks: what it counts for in its owner's quota, None where an earlier version stored it.
        size: the bytes of the document as asked, 0 once it isn't kept any more.
    """

    id: OfferId
    cloudnet: CloudnetId
    owner: str
    request_id: str
    digest: str
    options: Json
    state: OfferState
    lease_until: dt.datetime
    created: dt.datetime
    expires: dt.datetime | None = None
    price: float = 0.0
    currency: str = ""
    reasons: tuple[Mapping[str, str], ...] = ()
    choices: Mapping[str, Any] = field(default_factory=dict)
    kind: OfferKind = OfferKind.CREATION
    round: int = 0
    kept: Mapping[str, Any] = field(default_factory=dict)
    asks: Mapping[str, float] | None = None
    size: int = 0

    @property
    def kept_tasks(self) -> Sequence[int]:
        """The tasks it keeps."""
        return list(self.kept.get("tasks", []))

    @property
    def kept_tags(self) -> Sequence[int]:
        """The tags it keeps."""
        return list(self.kept.get("tags", []))

    @property
    def rounds(self) -> frozenset[int]:
        """Its rounds that are whole or worked on."""
        return frozenset([self.round, *self.kept.get("rounds", [])])

    @property
    def replaces(self) -> str:
        """The offer whose hold it takes over, '' for none."""
        return str(self.options.get("replaces", ""))


def _offer(row: sa.Row[tuple[object, ...]]) -> Offer:
    return Offer(
        id=OfferId(row.id),
        cloudnet=CloudnetId(row.cloudnet),
        owner=row.owner,
        request_id=row.request_id,
        digest=row.digest,
        options=row.options,
        state=OfferState(row.state),
        lease_until=row.lease_until,
        created=row.created,
        expires=row.expires,
        price=row.price,
        currency=row.currency,
        reasons=tuple(row.reasons),
        choices=row.choices,
        kind=OfferKind(row.kind),
        round=row.round,
        kept=row.kept or {},
        asks=row.asks,
        size=row.size,
    )


def insert(conn: sa.Connection, offer: Offer) -> None:
    """Add one; (owner, request id) must be new (else `IntegrityError`)."""
    conn.execute(
        offers.insert().values(
            id=offer.id,
            cloudnet=offer.cloudnet,
            owner=offer.owner,
            request_id=offer.request_id,
            digest=offer.digest,
            options=offer.options,
            state=offer.state.value,
            expires=offer.expires,
            lease_until=offer.lease_until,
            price=offer.price,
            currency=offer.currency,
            reasons=list(offer.reasons),
            choices=dict(offer.choices),
            created=offer.created,
            kind=offer.kind.value,
            round=offer.round,
            kept=dict(offer.kept),
            asks=None if offer.asks is None else dict(offer.asks),
            size=offer.size,
        )
    )


def get(conn: sa.Connection, offer: str) -> Offer | None:
    """By id."""
    row = conn.execute(sa.select(offers).where(offers.c.id == offer)).first()
    return None if row is None else _offer(row)


def requested(conn: sa.Connection, owner: str, request_id: str) -> Offer | None:
    """By the caller's request id."""
    row = conn.execute(
        sa.select(offers).where(offers.c.owner == owner, offers.c.request_id == request_id)
    ).first()
    return None if row is None else _offer(row)


def unsettled(conn: sa.Connection, cloudnet: str) -> list[Offer]:
    """Those of a CloudNet that haven't come to their end, oldest first."""
    rows = conn.execute(
        sa.select(offers)
        .where(
            offers.c.cloudnet == cloudnet,
            offers.c.state.not_in([s.value for s in SETTLED]),
        )
        .order_by(offers.c.created, offers.c.id)
    )
    return [_offer(row) for row in rows]


def shown(conn: sa.Connection, cloudnet: str) -> Offer | None:
    """The one whose graphs show what a CloudNet is: in force, else held, else the youngest."""
    in_force = conn.scalar(sa.select(cloudnets.c.offer).where(cloudnets.c.id == cloudnet))
    if in_force:
        return get(conn, in_force)
    row = conn.execute(
        sa.select(offers)
        .where(offers.c.cloudnet == cloudnet)
        .order_by(
            offers.c.state.in_([OfferState.HELD.value, OfferState.CONFIRMING.value]).desc(),
            offers.c.created.desc(),
            offers.c.id.desc(),
        )
        .limit(1)
    ).first()
    return None if row is None else _offer(row)


def in_state(conn: sa.Connection, state: OfferState) -> list[Offer]:
    """All in `state`."""
    return [_offer(r) for r in conn.execute(sa.select(offers).where(offers.c.state == state.value))]


def of_kind(conn: sa.Connection, kind: OfferKind, state: OfferState) -> list[Offer]:
    """All of a kind in `state`."""
    rows = conn.execute(
        sa.select(offers).where(offers.c.state == state.value, offers.c.kind == kind.value)
    )
    return [_offer(row) for row in rows]


def cut_short(conn: sa.Connection) -> list[CloudnetId]:
    """The CloudNets that stand, and whose youngest offer is a mending that failed."""
    found = []
    for failed in of_kind(conn, OfferKind.MENDING, OfferState.FAILED):
        younger = sa.and_(offers.c.cloudnet == failed.cloudnet, offers.c.created > failed.created)
        stands = _in_force().where(cloudnets.c.id == failed.cloudnet)
        if conn.scalar(stands) and not conn.scalar(sa.select(offers.c.id).where(younger).limit(1)):
            found.append(failed.cloudnet)
    return sorted(set(found))


def lapsed(conn: sa.Connection, now: dt.datetime) -> list[Offer]:
    """The held ones whose hold is over."""
    rows = conn.execute(
        sa.select(offers).where(offers.c.state == OfferState.HELD.value, offers.c.expires <= now)
    )
    return [_offer(row) for row in rows]


def step(conn: sa.Connection, offer: str, state: OfferState, **values: Any) -> bool:
    """Move to `state` where the state machine allows it; whether it did."""
    done = conn.execute(
        offers.update()
        .where(offers.c.id == offer, offers.c.state.in_([s.value for s in before(state)]))
        .values(state=state.value, **values)
    )
    return bool(done.rowcount)


def put_graph(conn: sa.Connection, offer: str, layer: GraphLayer, text: str) -> None:
    """Store a graph's document, in place of an older one of that layer."""
    conn.execute(graphs.delete().where(graphs.c.offer == offer, graphs.c.layer == layer.value))
    conn.execute(graphs.insert().values(offer=offer, layer=layer.value, graph=text))


def graph(conn: sa.Connection, offer: str, layer: GraphLayer) -> str | None:
    """A graph's document, None where there is none (yet)."""
    return conn.scalar(
        sa.select(graphs.c.graph).where(graphs.c.offer == offer, graphs.c.layer == layer.value)
    )


def graphs_of(conn: sa.Connection, several: Iterable[str], layer: GraphLayer) -> dict[str, str]:
    """One layer's documents of several offers."""
    found: dict[str, str] = {}
    for some in in_chunks(sorted(set(several))):
        query = sa.select(graphs.c.offer, graphs.c.graph)
        rows = conn.execute(query.where(graphs.c.layer == layer.value, graphs.c.offer.in_(some)))
        found |= {row.offer: row.graph for row in rows}
    return found


def changing(conn: sa.Connection, several: Sequence[str]) -> frozenset[str]:
    """The CloudNets among these with an offer that hasn't come to its end."""
    found: set[str] = set()
    for some in in_chunks(several):
        unsettled_ = offers.c.state.not_in([s.value for s in SETTLED])
        query = sa.select(offers.c.cloudnet).where(offers.c.cloudnet.in_(some), unsettled_)
        found |= set(conn.scalars(query))
    return frozenset(found)


def in_round(conn: sa.Connection, offer: str, round_: int, kept: Json) -> None:
    """Note the round that an offer is in, and what that keeps of the generation before."""
    conn.execute(offers.update().where(offers.c.id == offer).values(round=round_, kept=kept))


def keep(conn: sa.Connection, offer: str, kept: Mapping[str, Any]) -> None:
    """Note what an offer's generation keeps of another's."""
    conn.execute(offers.update().where(offers.c.id == offer).values(kept=dict(kept)))


def _in_force() -> sa.Select[tuple[str]]:
    """The offers that are CloudNets; one that was given back keeps its generation's number."""
    ready = cloudnets.c.state == CloudnetState.READY.value
    return sa.select(cloudnets.c.offer).where(cloudnets.c.generation > 0, ready)


def in_use(conn: sa.Connection) -> list[tuple[OfferId, str, str]]:
    """(offer, OL1, ML) of every offer that may still use the substrate.

    Those are the ones with a task that isn't known to be absent, and those in force.
    """
    active = (
        sa.select(tasks.c.offer)
        .where(sa.or_(tasks.c.state != Wanted.ABSENT.value, tasks.c.wanted != Wanted.ABSENT.value))
        .union(_in_force())
    )
    rows = conn.execute(
        sa.select(graphs.c.offer, graphs.c.layer, graphs.c.graph).where(
            graphs.c.offer.in_(active), graphs.c.layer != GraphLayer.OL0.value
        )
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row.offer, {})[row.layer] = row.graph
    return [
        (OfferId(offer), layers[GraphLayer.OL1.value], layers[GraphLayer.ML.value])
        for offer, layers in sorted(found.items())
        if len(layers) == 2
    ]
