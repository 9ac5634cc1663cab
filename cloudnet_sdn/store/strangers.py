"""Things on shells that have a key of ours and no task: seen, and taken away slowly if at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa

from cloudnet_sdn.store.schema import cloudnets, strangers


def note(
    conn: sa.Connection, plugin: str, target: str, keys: Collection[str], now: dt.datetime
) -> None:
    """These are there now; of others nothing is remembered but removals."""
    here = sa.and_(strangers.c.plugin == plugin, strangers.c.target == target)
    conn.execute(
        strangers.delete().where(
            here, strangers.c.removed.is_(None), strangers.c.key.not_in(list(keys))
        )
    )
    known = set(conn.scalars(sa.select(strangers.c.key).where(here, strangers.c.removed.is_(None))))
    fresh = [
        {"plugin": plugin, "target": target, "key": key, "seen": now}
        for key in sorted(set(keys) - known)
    ]
    if fresh:
        conn.execute(strangers.insert(), fresh)


def seen(conn: sa.Connection, plugin: str, target: str) -> dict[str, dt.datetime]:
    """Those of a shell that are there, with the time at which they were first seen."""
    rows = conn.execute(
        sa.select(strangers.c.key, strangers.c.seen).where(
            strangers.c.plugin == plugin,
            strangers.c.target == target,
            strangers.c.removed.is_(None),
        )
    )
    return {row.key: row.seen for row in rows}


def removed(conn: sa.Connection, plugin: str, target: str, key: str, now: dt.datetime) -> None:
    """One has been removed."""
    conn.execute(
        strangers.update()
        .where(
            strangers.c.plugin == plugin,
            strangers.c.target == target,
            strangers.c.key == key,
            strangers.c.removed.is_(None),
        )
        .values(removed=now)
    )


def removals(conn: sa.Connection, plugin: str, target: str, since: dt.datetime) -> int:
    """How many of a shell's have been removed since then; what was earlier is forgotten."""
    here = sa.and_(strangers.c.plugin == plugin, strangers.c.target == target)
    conn.execute(strangers.delete().where(here, strangers.c.removed < since))
    query = sa.select(sa.func.count()).select_from(strangers)
    return int(conn.scalar(query.where(here, strangers.c.removed >= since)) or 0)


def known(conn: sa.Connection, ids: Collection[str]) -> frozenset[str]:
    """The CloudNets among these ids that this store has ever had."""
    return frozenset(conn.scalars(sa.select(cloudnets.c.id).where(cloudnets.c.id.in_(list(ids)))))
