"""Offers and the graphs that belong to them."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from cloudnet_sdn.model.states import OfferState, Wanted, before
from cloudnet_sdn.ports import CloudnetId, Json, OfferId
from cloudnet_sdn.store.schema import graphs, offers, tasks


class GraphLayer(enum.StrEnum):
    """Which graph of an offer a document is."""

    OL0 = "OL0"
    OL1 = "OL1"
    ML = "ML"


@dataclass(frozen=True)
class Offer:
    """The negotiation of one creation, as stored.

    Attributes:
        expires: the hold's end, None until it is held.
        lease_until: the end of the lease that confirming would begin.
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


def of_cloudnet(conn: sa.Connection, cloudnet: str) -> Offer | None:
    """The youngest offer of a CloudNet."""
    row = conn.execute(
        sa.select(offers)
        .where(offers.c.cloudnet == cloudnet)
        .order_by(offers.c.created.desc())
        .limit(1)
    ).first()
    return None if row is None else _offer(row)


def in_state(conn: sa.Connection, state: OfferState) -> list[Offer]:
    """All in `state`."""
    return [_offer(r) for r in conn.execute(sa.select(offers).where(offers.c.state == state.value))]


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


def in_use(conn: sa.Connection, *, without: str = "") -> list[tuple[OfferId, str, str]]:
    """(offer, OL1, ML) of every offer that may still use the substrate.

    Those are the ones with a task that isn't known to be absent; `without` names an offer
    whose use is to count as free.
    """
    active = (
        sa.select(tasks.c.offer)
        .where(sa.or_(tasks.c.state != Wanted.ABSENT.value, tasks.c.wanted != Wanted.ABSENT.value))
        .distinct()
    )
    rows = conn.execute(
        sa.select(graphs.c.offer, graphs.c.layer, graphs.c.graph)
        .where(graphs.c.offer.in_(active), graphs.c.layer != GraphLayer.OL0.value)
        .where(graphs.c.offer != without)
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row.offer, {})[row.layer] = row.graph
    return [
        (OfferId(offer), layers[GraphLayer.OL1.value], layers[GraphLayer.ML.value])
        for offer, layers in sorted(found.items())
        if len(layers) == 2
    ]
