"""VLAN tags in use: (place, tag) is unique, whoever reserves and however many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.store.schema import tags

Taken = Mapping[str, frozenset[int]]
"""The tags in use, by place."""


@dataclass(frozen=True, slots=True)
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


def free(conn: sa.Connection, cloudnet: str, round_: int) -> None:
    """Give back those of one round of a CloudNet."""
    conn.execute(tags.delete().where(tags.c.cloudnet == cloudnet, tags.c.round == round_))


def taken(conn: sa.Connection) -> Taken:
    """The tags in use, by place."""
    found: dict[str, set[int]] = {}
    for row in conn.execute(sa.select(tags.c.link, tags.c.tag)):
        found.setdefault(row.link, set()).add(row.tag)
    return {place: frozenset(numbers) for place, numbers in found.items()}
