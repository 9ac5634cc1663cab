"""The numbers of the history's lines: which of them are there for good."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from cloudnet_sdn.store.schema import history

_RECENT = 1_000
_SETTLED = dt.timedelta(seconds=5)
"""A transaction that hasn't ended after so long never will."""


def newest(conn: sa.Connection) -> int:
    """The number of the last line, 0 where there is none."""
    return int(conn.scalar(sa.select(sa.func.max(history.c.id))) or 0)


def settled(conn: sa.Connection, now: dt.datetime) -> int:
    """The number up to which no line can come any more.

    Databases with several writers number lines before they are there: one that isn't yet may
    follow later, with a lower number than what is seen already.
    """
    recent = conn.execute(
        sa.select(history.c.id, history.c.time).order_by(history.c.id.desc()).limit(_RECENT)
    ).all()
    last = 0
    for row in reversed(recent):
        if last and row.id != last + 1 and now - row.time < _SETTLED:
            return last
        last = int(row.id)
    return last
