"""Who asked for what changes something, and how it ended. Append-only but for the end."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.store.schema import NAME, audit

TEXT = 1_000
"""Characters of a text that are kept."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        about: the CloudNet, offer, element or request that it was about.
        outcome: `done`, the state that it came to, or `fault CODE`; '' while it isn't known.
        text: its arguments in short, and what a fault said.
    """

    id: int
    time: dt.datetime
    caller: str
    method: str
    about: str
    outcome: str
    text: str


def begin(
    conn: sa.Connection, now: dt.datetime, *, caller: str, method: str, about: str, text: str
) -> int:
    """Write down that somebody calls; answers its number."""
    done = conn.execute(
        audit.insert().values(
            time=now,
            caller=plain(caller, NAME),
            method=plain(method, 64),
            about=plain(about, NAME),
            outcome="",
            text=plain(text, TEXT),
        )
    )
    key = done.inserted_primary_key
    return 0 if key is None else int(key[0])


def end(conn: sa.Connection, call: int, *, about: str, outcome: str, text: str) -> None:
    """Write down how a call ended."""
    values = {
        "about": plain(about, NAME),
        "outcome": plain(outcome, 64),
        "text": plain(text, TEXT),
    }
    conn.execute(audit.update().where(audit.c.id == call).values(**values))


def newer(conn: sa.Connection, after: int, limit: int) -> list[Call]:
    """The first calls after the number `after`."""
    rows = conn.execute(
        sa.select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(limit)
    )
    return [Call(r.id, r.time, r.caller, r.method, r.about, r.outcome, r.text) for r in rows]


def plain(text: str, most: int) -> str:
    """`text` in at most so many characters, none of which a database or terminal minds."""
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(c if c.isprintable() else " " for c in short)
