"""The substrate (UL) graph by revision, what is drained, and the counters."""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.store.schema import counters, drained, substrate

REVISION = "revision"
MACS = "macs"


class Source(enum.StrEnum):
    """Where a substrate document came from."""

    FILE = "file"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A substrate document as it was loaded."""

    revision: int
    graph: str
    digest: str


def digest_of(text: str) -> str:
    """What tells one document from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def newest(conn: sa.Connection, source: Source | None = None, *, but: str = "") -> Loaded | None:
    """The substrate loaded last (from `source`, with another digest than `but`), if any."""
    query = sa.select(substrate).order_by(substrate.c.revision.desc()).limit(1)
    if source is not None:
        query = query.where(substrate.c.source == source.value)
    if but:
        query = query.where(substrate.c.digest != but)
    row = conn.execute(query).first()
    return None if row is None else Loaded(row.revision, row.graph, row.digest)


def newest_digest(conn: sa.Connection) -> str | None:
    """What tells the substrate loaded last from others, None before the first load."""
    query = sa.select(substrate.c.digest).order_by(substrate.c.revision.desc())
    return conn.scalar(query.limit(1))


def load(conn: sa.Connection, graph: str, now: dt.datetime, *, source: Source) -> int:
    """Put `graph` in force; answers its revision."""
    last = newest(conn)
    revision = 1 if last is None else last.revision + 1
    conn.execute(
        substrate.insert().values(
            revision=revision,
            graph=graph,
            digest=digest_of(graph),
            source=source.value,
            loaded=now,
        )
    )
    bump(conn)
    return revision


def revision(conn: sa.Connection) -> int:
    """The number that moves whenever free capacity may have changed."""
    return conn.scalar(sa.select(counters.c.value).where(counters.c.name == REVISION)) or 0


def lock(conn: sa.Connection) -> int:
    """As `revision`, and nobody else reserves until this transaction ends."""
    return (
        conn.scalar(
            sa.select(counters.c.value).where(counters.c.name == REVISION).with_for_update()
        )
        or 0
    )


def begin(conn: sa.Connection) -> None:
    """Have a revision that can be locked, before anything has been loaded."""
    if conn.scalar(sa.select(counters.c.value).where(counters.c.name == REVISION)) is None:
        conn.execute(counters.insert().values(name=REVISION, value=0))


def bump(conn: sa.Connection) -> None:
    """Say that free capacity changed."""
    take(conn, REVISION, 1)


def take(conn: sa.Connection, name: str, count: int) -> int:
    """The first of `count` numbers that nobody else is given."""
    done = conn.execute(
        counters.update().where(counters.c.name == name).values(value=counters.c.value + count)
    )
    if not done.rowcount:
        conn.execute(counters.insert().values(name=name, value=count))
        return 0
    after = conn.scalar(sa.select(counters.c.value).where(counters.c.name == name))
    return int(after or 0) - count


def drain(conn: sa.Connection, element: str, now: dt.datetime) -> None:
    """`element` may carry nothing new."""
    if element not in all_drained(conn):
        conn.execute(drained.insert().values(element=element, since=now))
    bump(conn)


def forget(conn: sa.Connection, element: str, now: dt.datetime) -> None:
    """`element` is gone for good: nothing waits for it, and it carries nothing."""
    drain(conn, element, now)
    conn.execute(drained.update().where(drained.c.element == element).values(gone=True))


def is_gone(conn: sa.Connection, element: str) -> bool:
    """Whether an element is known to be gone for good."""
    return bool(conn.scalar(sa.select(drained.c.gone).where(drained.c.element == element)))


def undrain(conn: sa.Connection, element: str) -> None:
    """`element` may carry again."""
    conn.execute(drained.delete().where(drained.c.element == element))
    bump(conn)


def all_drained(conn: sa.Connection) -> frozenset[str]:
    """What is drained."""
    return frozenset(conn.scalars(sa.select(drained.c.element)))
