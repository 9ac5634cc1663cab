"""What is counted per owner, under a lock on the owner's row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.model.states import LIVE, SETTLED
from cloudnet_sdn.store import workers
from cloudnet_sdn.store.schema import cloudnets, offers, owners

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Owner:
    """What is counted of an owner.

    Attributes:
        refusals: requests of this hour that were refused.
        stored: the bytes of documents that are kept for it.
    """

    refusals: int
    stored: int


@dataclass(frozen=True, slots=True)
class Claim:
    """An offer that counts: in force, or not at its end; `asks` is None where nobody has said."""

    offer: str
    cloudnet: str
    asks: Mapping[str, float] | None


def lock(conn: sa.Connection, owner: str, now: dt.datetime) -> Owner:
    """What is counted of an owner; nobody else counts before this transaction ends."""
    workers.lock_owner(conn, owner)
    row = conn.execute(sa.select(owners).where(owners.c.owner == owner)).one()
    refusals = int(row.refusals) if int(row.hour) == hour_of(now) else 0
    return Owner(refusals, int(row.stored))


def refused(conn: sa.Connection, owner: str, now: dt.datetime) -> None:
    """Count a request that was refused."""
    before = lock(conn, owner, now)
    values = {"hour": hour_of(now), "refusals": before.refusals + 1}
    conn.execute(owners.update().where(owners.c.owner == owner).values(**values))


def keep(conn: sa.Connection, owner: str, size: int) -> None:
    """Count so many bytes more (or less, below 0) that are kept for an owner."""
    stored = owners.c.stored + size
    after = sa.case((stored < 0, 0), else_=stored)
    conn.execute(owners.update().where(owners.c.owner == owner).values(stored=after))


def claims(conn: sa.Connection, owner: str) -> list[Claim]:
    """The offers of an owner that count."""
    live = cloudnets.c.state.in_([s.value for s in LIVE])
    counts = sa.or_(
        offers.c.state.not_in([s.value for s in SETTLED]), offers.c.id == cloudnets.c.offer
    )
    rows = conn.execute(
        sa.select(offers.c.id, offers.c.cloudnet, offers.c.asks)
        .join(cloudnets, cloudnets.c.id == offers.c.cloudnet)
        .where(cloudnets.c.owner == owner, live, counts)
    )
    return [Claim(row.id, row.cloudnet, row.asks) for row in rows]


def say(conn: sa.Connection, offer: str, asks: Mapping[str, float]) -> None:
    """Note what an offer of an earlier version counts for."""
    conn.execute(offers.update().where(offers.c.id == offer).values(asks=dict(asks)))


def hour_of(now: dt.datetime) -> int:
    """The hour, since 1970."""
    return int(now.timestamp()) // _HOUR_S


def left_of_hour(now: dt.datetime) -> float:
    """Seconds until the next hour begins."""
    return _HOUR_S - now.timestamp() % _HOUR_S
