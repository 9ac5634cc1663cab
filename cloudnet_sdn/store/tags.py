"""VLAN tags in use: (place, tag) is unique, whoever reserves and however many at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.ports import CloudnetId
from cloudnet_sdn.store.chunks import in_chunks
from cloudnet_sdn.store.offers import Offer
from cloudnet_sdn.store.schema import tags

Taken = Mapping[str, frozenset[int]]
"""The tags in use, by place."""


@dataclass(frozen=True, slots=True, order=True)
class Reservation:
    """The tag of one VLink at one place: a substrate link, a host's bridge or an end point."""

    place: str
    tag: int
    vlink: str


def reserve(
    conn: sa.Connection, cloudnet: str, round_: int, reservations: Iterable[Reservation]
) -> None:
    """Take them all; `IntegrityError` where one is taken."""
    rows = [
        {"link": r.place, "tag": r.tag, "cloudnet": cloudnet, "round": round_, "vlink": r.vlink}
        for r in reservations
    ]
    if rows:
        conn.execute(tags.insert(), rows)


def of_offer(conn: sa.Connection, offer: Offer) -> dict[int, Reservation]:
    """What an offer's generation has, by id: its own, and what it keeps of another's."""
    own = sa.and_(tags.c.cloudnet == offer.cloudnet, tags.c.round == offer.round)
    rows = conn.execute(sa.select(tags).where(sa.or_(own, tags.c.id.in_(offer.kept_tags))))
    return {row.id: Reservation(row.link, row.tag, row.vlink) for row in rows}


def put_in_force(conn: sa.Connection, offer: Offer) -> None:
    """What an offer's generation keeps of another's is its own."""
    conn.execute(tags.update().where(tags.c.id.in_(offer.kept_tags)).values(round=offer.round))


def free(
    conn: sa.Connection, cloudnet: str, *, rounds: Collection[int], kept: Collection[int]
) -> None:
    """Give back a CloudNet's, those of some rounds and those kept excepted."""
    conn.execute(
        tags.delete().where(
            tags.c.cloudnet == cloudnet,
            tags.c.round.not_in(list(rounds)),
            tags.c.id.not_in(list(kept)),
        )
    )


def users(conn: sa.Connection, places: Collection[str]) -> frozenset[CloudnetId]:
    """The CloudNets with a tag at one of these, also of what is yet to be removed."""
    found: set[str] = set()
    for some in in_chunks(sorted(places)):
        found.update(conn.scalars(sa.select(tags.c.cloudnet).where(tags.c.link.in_(some))))
    return frozenset(map(CloudnetId, found))


def taken(conn: sa.Connection, places: Iterable[str] | None = None) -> Taken:
    """The tags in use by place: at some places, or all there are."""
    query = sa.select(tags.c.link, tags.c.tag)
    if places is None:
        return _by_place(conn.execute(query))
    found: dict[str, frozenset[int]] = {}
    for some in in_chunks(sorted(set(places))):
        found |= _by_place(conn.execute(query.where(tags.c.link.in_(some))))
    return found


def _by_place(rows: Iterable[sa.Row[tuple[object, ...]]]) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for row in rows:
        found.setdefault(row.link, set()).add(row.tag)
    return {place: frozenset(numbers) for place, numbers in found.items()}
