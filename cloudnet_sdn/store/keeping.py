"""What is long over is dropped, a few rows at a time.

The newest lines of history and audit stay whatever their age: who follows either goes on from the
number of the last one, and a number must never be given twice.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from cloudnet_sdn.model.states import LIVE, SETTLED, CloudnetState, OfferState
from cloudnet_sdn.store import owners, usage
from cloudnet_sdn.store.schema import audit, cloudnets, graphs, history, offers, tags, tasks

_OVER = (CloudnetState.RELEASED, CloudnetState.FAILED)
_IN_VAIN = (OfferState.REFUSED, OfferState.FAILED, OfferState.EXPIRED, OfferState.CANCELLED)


def drop_documents(conn: sa.Connection, before: dt.datetime, limit: int) -> int:
    """Drop the graphs of offers that came to nothing and were made before; of how many."""
    query = (
        sa.select(offers.c.id, offers.c.owner, offers.c.size)
        .where(
            offers.c.state.in_([s.value for s in _IN_VAIN]),
            offers.c.created < before,
            offers.c.size > 0,
            ~_with_tasks(),
        )
        .limit(limit)
    )
    rows = conn.execute(query).all()
    ids = [row.id for row in rows]
    conn.execute(graphs.delete().where(graphs.c.offer.in_(ids)))
    conn.execute(offers.update().where(offers.c.id.in_(ids)).values(size=0))
    _uncount(conn, [(row.owner, row.size) for row in rows])
    return len(rows)


def drop_cloudnets(conn: sa.Connection, before: dt.datetime, limit: int) -> int:
    """Drop CloudNets of which nothing has been heard since, with all that is theirs; how many."""
    heard = sa.select(history.c.id).where(
        history.c.cloudnet == cloudnets.c.id, history.c.time >= before
    )
    last = sa.select(sa.func.max(history.c.id)).scalar_subquery()
    newest = sa.select(history.c.cloudnet).where(history.c.id == last)
    query = (
        sa.select(cloudnets.c.id)
        .where(
            cloudnets.c.state.in_([s.value for s in _OVER]),
            cloudnets.c.created < before,
            ~heard.exists(),
            cloudnets.c.id != sa.func.coalesce(newest.scalar_subquery(), ""),
        )
        .limit(limit)
    )
    ids = list(conn.scalars(query))
    _drop_offers(conn, offers.c.cloudnet.in_(ids))
    usage.forget(conn, ids)
    for table in (history, tags):
        conn.execute(table.delete().where(table.c.cloudnet.in_(ids)))
    conn.execute(cloudnets.delete().where(cloudnets.c.id.in_(ids)))
    return len(ids)


def drop_offers(conn: sa.Connection, before: dt.datetime, limit: int) -> int:
    """Drop offers of live CloudNets that another generation has followed; how many."""
    query = (
        sa.select(offers.c.id)
        .join(cloudnets, cloudnets.c.id == offers.c.cloudnet)
        .where(
            offers.c.state.in_([s.value for s in SETTLED]),
            offers.c.created < before,
            cloudnets.c.state.in_([s.value for s in LIVE]),
            cloudnets.c.offer != offers.c.id,
            cloudnets.c.offer != "",
            ~_with_tasks(),
        )
        .limit(limit)
    )
    ids = list(conn.scalars(query))
    _drop_offers(conn, offers.c.id.in_(ids))
    return len(ids)


def drop_events(conn: sa.Connection, before: dt.datetime, limit: int) -> int:
    """Drop what happened to the role itself; how many lines."""
    newest = sa.select(sa.func.max(history.c.id)).scalar_subquery()
    query = (
        sa.select(history.c.id)
        .where(history.c.cloudnet == "", history.c.time < before, history.c.id < newest)
        .limit(limit)
    )
    ids = list(conn.scalars(query))
    conn.execute(history.delete().where(history.c.id.in_(ids)))
    return len(ids)


def drop_calls(conn: sa.Connection, before: dt.datetime, limit: int) -> int:
    """Drop who asked for what; how many calls."""
    newest = sa.select(sa.func.max(audit.c.id)).scalar_subquery()
    query = sa.select(audit.c.id).where(audit.c.time < before, audit.c.id < newest).limit(limit)
    ids = list(conn.scalars(query))
    conn.execute(audit.delete().where(audit.c.id.in_(ids)))
    return len(ids)


def _with_tasks() -> sa.Exists:
    """Whether something of an offer is or may be anywhere."""
    return (
        sa.select(tasks.c.id)
        .where(tasks.c.cloudnet == offers.c.cloudnet, tasks.c.offer == offers.c.id)
        .exists()
    )


def _drop_offers(conn: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    rows = conn.execute(sa.select(offers.c.id, offers.c.owner, offers.c.size).where(which)).all()
    ids = [row.id for row in rows]
    conn.execute(graphs.delete().where(graphs.c.offer.in_(ids)))
    conn.execute(offers.delete().where(offers.c.id.in_(ids)))
    _uncount(conn, [(row.owner, row.size) for row in rows])


def _uncount(conn: sa.Connection, sizes: Sequence[tuple[str, int]]) -> None:
    """So many bytes less are kept for these owners."""
    total: Counter[str] = Counter()
    for owner, size in sizes:
        total[owner] += size
    for owner in sorted(o for o, size in total.items() if size):
        owners.keep(conn, owner, -total[owner])
