"""What CloudNets take of the substrate, as amounts that SQL can add up.

A CloudNet has a row per round, holder and resource. Where it has several rounds, such as the
generation in force and one that is staged, the greatest counts: they are never used at a time
beyond that. Amounts are whole numbers of a small unit, as sums of doubles wouldn't fit exactly
what was shared out exactly; what is finer is rounded up.

What all CloudNets take together is kept beside that, and changed in the same transactions: what a
request costs doesn't depend on how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sqlalchemy as sa

from cloudnet_sdn.model.states import CloudnetState, OfferState
from cloudnet_sdn.store import substrate
from cloudnet_sdn.store.schema import cloudnets, offers, totals, usage

Key = tuple[str, str]
"""A holder (substrate element, end point or `pool NAME`) and a resource."""

VNODES = "vnodes"
"""The resource that counts the VNodes on a host."""
_PER_UNIT = {"bandwidth": 1_000, "memory": 1, "storage": 1}
_PER_UNIT_OF_OTHERS = 1_000_000
_AT_ONCE = 500
"""Few enough for every database."""


@dataclass(frozen=True)
class Totals:
    """What all together take.

    Attributes:
        amounts: by holder and resource.
        hosts: the hosts that carry a VNode.
    """

    amounts: Mapping[Key, Fraction | int] = field(default_factory=dict)
    hosts: frozenset[str] = frozenset()


def put(
    conn: sa.Connection, cloudnet: str, round_: int, amounts: Mapping[Key, Fraction | int | float]
) -> None:
    """Write down what a round takes, in place of what was written before."""
    before = _most(conn, [cloudnet])
    conn.execute(usage.delete().where(usage.c.cloudnet == cloudnet, usage.c.round == round_))
    rows = [
        {
            "cloudnet": cloudnet,
            "round": round_,
            "holder": holder,
            "resource": resource,
            "amount": math.ceil(Fraction(amount) * _scale(resource)),
        }
        for (holder, resource), amount in amounts.items()
        if amount
    ]
    if rows:
        conn.execute(usage.insert(), rows)
    _move(conn, before, _most(conn, [cloudnet]))


def in_use(conn: sa.Connection, *, without: str = "") -> Totals:
    """What is taken; `without` names a CloudNet whose use counts as free."""
    rows = conn.execute(sa.select(totals.c.holder, totals.c.resource, totals.c.amount))
    found = {(holder, resource): amount for holder, resource, amount in rows}
    for key, amount in _most(conn, [without] if without else []).items():
        found[key] -= amount
    hosts = frozenset(h for (h, r), amount in found.items() if r == VNODES and amount)
    amounts = {k: _plain(a, _scale(k[1])) for k, a in found.items() if a and k[1] != VNODES}
    return Totals(amounts, hosts)


def added_up(conn: sa.Connection) -> dict[Key, int]:
    """What is taken as the CloudNets say, one by one, in the units of the store."""
    return _most(conn, conn.scalars(sa.select(usage.c.cloudnet).distinct()))


def kept(conn: sa.Connection) -> dict[Key, int]:
    """What is taken as it is kept, in the units of the store."""
    return {(row.holder, row.resource): int(row.amount) for row in conn.execute(sa.select(totals))}


def _most(conn: sa.Connection, several: Iterable[str]) -> dict[Key, int]:
    """What some CloudNets take together, of each the greatest of its rounds."""
    found: dict[Key, int] = {}
    for cloudnet in several:
        rows = conn.execute(
            sa.select(usage.c.holder, usage.c.resource, sa.func.max(usage.c.amount))
            .where(usage.c.cloudnet == cloudnet)
            .group_by(usage.c.holder, usage.c.resource)
        )
        for holder, resource, amount in rows:
            found[holder, resource] = found.get((holder, resource), 0) + int(amount)
    return found


def _move(conn: sa.Connection, before: Mapping[Key, int], after: Mapping[Key, int]) -> None:
    """What some CloudNets take is something else from now on."""
    keys = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    if not keys:
        return
    substrate.lock(conn)  # two that are at this at once would count from the same amounts
    holders = sorted({holder for holder, _ in keys})
    known: dict[Key, int] = {}
    for first in range(0, len(holders), _AT_ONCE):
        some = holders[first : first + _AT_ONCE]
        query = sa.select(totals).where(totals.c.holder.in_(some))
        known |= {(row.holder, row.resource): int(row.amount) for row in conn.execute(query)}
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    for key in keys:
        amount = known.get(key, 0) + after.get(key, 0) - before.get(key, 0)
        row = {"of": key[0], "what": key[1], "amount": amount}
        (gone if amount <= 0 else changed if key in known else new).append(row)
    of = sa.and_(totals.c.holder == sa.bindparam("of"), totals.c.resource == sa.bindparam("what"))
    if new:
        rows = [{"holder": r["of"], "resource": r["what"], "amount": r["amount"]} for r in new]
        conn.execute(totals.insert(), rows)
    if changed:
        conn.execute(totals.update().where(of).values(amount=sa.bindparam("amount")), changed)
    if gone:
        conn.execute(totals.delete().where(of), [{k: r[k] for k in ("of", "what")} for r in gone])


def shares(conn: sa.Connection) -> dict[Key, tuple[Fraction | int, Fraction | int]]:
    """By holder and resource: what generations in force take, and what is held besides."""
    in_force = sa.case((usage.c.round == cloudnets.c.generation, usage.c.amount), else_=0)
    rows = conn.execute(
        sa.select(
            usage.c.holder,
            usage.c.resource,
            sa.func.max(in_force).label("used"),
            sa.func.max(usage.c.amount).label("most"),
        )
        .join(cloudnets, cloudnets.c.id == usage.c.cloudnet)
        .group_by(usage.c.cloudnet, usage.c.holder, usage.c.resource)
    )
    found: dict[Key, list[int]] = {}
    for row in rows:
        sums = found.setdefault((row.holder, row.resource), [0, 0])
        sums[0] += int(row.used)
        sums[1] += int(row.most) - int(row.used)
    return {
        key: (_plain(used, _scale(key[1])), _plain(held, _scale(key[1])))
        for key, (used, held) in found.items()
    }


def untold(conn: sa.Connection) -> frozenset[str]:
    """The offers that stand or are held and of whose rounds nothing is written down."""
    told = sa.select(usage.c.cloudnet).where(
        usage.c.cloudnet == offers.c.cloudnet, usage.c.round == offers.c.round
    )
    standing = sa.select(cloudnets.c.offer).where(
        cloudnets.c.generation > 0, cloudnets.c.state == CloudnetState.READY.value
    )
    held = offers.c.state.in_([OfferState.HELD.value, OfferState.CONFIRMING.value])
    found = conn.scalars(
        sa.select(offers.c.id).where(sa.or_(held, offers.c.id.in_(standing)), ~told.exists())
    )
    return frozenset(found)


def free(conn: sa.Connection, cloudnet: str, *, but: Collection[int] = ()) -> None:
    """Drop a CloudNet's rounds, those named in `but` excepted."""
    before = _most(conn, [cloudnet])
    if not before:
        return
    conn.execute(
        usage.delete().where(usage.c.cloudnet == cloudnet, usage.c.round.not_in(list(but)))
    )
    _move(conn, before, _most(conn, [cloudnet]))


def forget(conn: sa.Connection, several: Collection[str]) -> None:
    """Drop what is left of CloudNets that are over."""
    left = sa.select(usage.c.cloudnet).where(usage.c.cloudnet.in_(list(several))).distinct()
    for cloudnet in conn.scalars(left).all():
        free(conn, cloudnet)


def _scale(resource: str) -> int:
    return _PER_UNIT.get(resource, _PER_UNIT_OF_OTHERS)


def _plain(amount: int, scale: int) -> Fraction | int:
    return amount // scale if amount % scale == 0 else Fraction(amount, scale)
