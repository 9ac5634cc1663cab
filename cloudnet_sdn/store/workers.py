"""The processes of a role that share a store: which of them live, and who is at what.

A process that works on something says so before it begins. What a process was at is taken over by
another one once its beat is old, and by nobody before that. Where a role has one process only
(`Store.shared` is false), nothing of this is written: what it isn't at nobody is at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudnet_sdn.model.states import OfferState
from cloudnet_sdn.ports import OfferId
from cloudnet_sdn.store.contention import Contended
from cloudnet_sdn.store.schema import leases, offers, owners, tasks, workers

BEAT_S = 3.0
PATIENCE = dt.timedelta(seconds=20)
"""A process that hasn't told of itself for so long is dead, or as good as dead."""
CLAIM = dt.timedelta(minutes=10)
"""A task that takes longer is taken over even from a process that lives."""
_KEPT = dt.timedelta(days=1)


def beat(conn: sa.Connection, worker: str, now: dt.datetime) -> None:
    """`worker` lives."""
    if not conn.execute(
        workers.update().where(workers.c.id == worker).values(beat=now)
    ).rowcount and not _there(conn, workers.c.id == worker):
        _insert(conn, workers.insert().values(id=worker, beat=now))
    conn.execute(workers.delete().where(workers.c.beat < now - _KEPT))


def retire(conn: sa.Connection, worker: str) -> None:
    """`worker` ends, and is at nothing any more."""
    conn.execute(workers.delete().where(workers.c.id == worker))
    conn.execute(leases.delete().where(leases.c.holder == worker))


def _living(now: dt.datetime) -> sa.Select[tuple[str]]:
    return sa.select(workers.c.id).where(workers.c.beat >= now - PATIENCE)


def lease(
    conn: sa.Connection, name: str, worker: str, now: dt.datetime, length: dt.timedelta
) -> bool:
    """Have or prolong the right to do `name` for `length`; False where another process has it."""
    values = {"holder": worker, "until": now + length}
    free = sa.or_(
        leases.c.holder == worker, leases.c.until < now, leases.c.holder.not_in(_living(now))
    )
    if conn.execute(leases.update().where(leases.c.name == name, free).values(**values)).rowcount:
        return True
    if _there(conn, leases.c.name == name):
        return False
    _insert(conn, leases.insert().values(name=name, **values))
    return True


def claim(conn: sa.Connection, task: int, worker: str, now: dt.datetime) -> bool:
    """Have a task to oneself; False where another process is at it."""
    free = sa.or_(
        tasks.c.claimed_by.in_(["", worker]),
        tasks.c.claimed_until < now,
        tasks.c.claimed_by.not_in(_living(now)),
    )
    update = tasks.update().where(tasks.c.id == task, free)
    values = {"claimed_by": worker, "claimed_until": now + CLAIM}
    return bool(conn.execute(update.values(**values)).rowcount)


def claimed(conn: sa.Connection, task: int, worker: str) -> bool:
    """Whether a task is still one's own, or over; it stays so until this transaction ends."""
    query = sa.select(tasks.c.claimed_by).where(tasks.c.id == task).with_for_update()
    return conn.scalar(query) in (worker, None)


def unclaim(conn: sa.Connection, task: int, worker: str) -> None:
    """Leave a task to whoever wants it."""
    mine = (tasks.c.id == task, tasks.c.claimed_by == worker)
    conn.execute(tasks.update().where(*mine).values(claimed_by="", claimed_until=None))


def work_on(conn: sa.Connection, offer: str, worker: str, until: dt.datetime) -> None:
    """`worker` works on an offer, until `until` at most."""
    update = offers.update().where(offers.c.id == offer)
    conn.execute(update.values(worked_by=worker, worked_until=until))


def orphaned(
    conn: sa.Connection,
    worker: str,
    now: dt.datetime,
    *,
    at: Callable[[], Collection[OfferId]],
    shared: bool,
) -> list[OfferId]:
    """The offers that are `working` although nobody is at them.

    Args:
        conn: the transaction.
        worker: who asks.
        now: the time.
        at: answers the offers that `worker` is at.
        shared: whether other processes may be at others.
    """
    query = sa.select(offers.c.id, offers.c.worked_by, offers.c.worked_until)
    query = query.where(offers.c.state == OfferState.WORKING.value)
    living = {worker, *conn.scalars(_living(now))} if shared else {worker}
    rows = conn.execute(query).all()
    mine = at()  # after the rows were read: whoever wrote one was at it before
    return [
        OfferId(row.id)
        for row in rows
        if (row.worked_until is not None and row.worked_until < now)
        or row.worked_by not in living
        or (row.worked_by == worker and row.id not in mine)
    ]


def lock_owner(conn: sa.Connection, owner: str) -> None:
    """Nobody else takes anything on for `owner` until this transaction ends."""
    query = sa.select(owners.c.owner).where(owners.c.owner == owner).with_for_update()
    if conn.scalar(query) is None:
        _insert(conn, owners.insert().values(owner=owner))


def _there(conn: sa.Connection, which: sa.ColumnElement[bool]) -> bool:
    return conn.scalar(sa.select(sa.literal(1)).where(which)) is not None


def _insert(conn: sa.Connection, insert: sa.Insert) -> None:
    try:
        conn.execute(insert)
    except IntegrityError as exc:
        raise Contended("somebody else was faster; try again") from exc
