"""What CloudNets take of the substrate, as amounts that SQL can add up.

A CloudNet has a row per round, holder and resource. Where it has several rounds, such as the
generation in force and one that is staged, the greatest counts: they are never used at a time
beyond that. Amounts are whole numbers of a small unit, as sums of doubles wouldn't fit exactly
what was shared out exactly; what is finer is rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import sqlalchemy as sa

from cloudnet_sdn.model.states import CloudnetState, OfferState
from cloudnet_sdn.store.schema import cloudnets, offers, usage

Key = tuple[str, str]
"""A holder (substrate element, end point or `pool NAME`) and a resource."""

VNODES = "vnodes"
"""The resource that counts the VNodes on a host."""
_PER_UNIT = {"bandwidth": 1_000, "memory": 1, "storage": 1}
_PER_UNIT_OF_OTHERS = 1_000_000


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


def totals(conn: sa.Connection, *, without: str = "") -> Totals:
    """What is taken; `without` names a CloudNet whose use counts as free."""
    most = (
        sa.select(usage.c.holder, usage.c.resource, sa.func.max(usage.c.amount).label("amount"))
        .where(usage.c.cloudnet != without)
        .group_by(usage.c.cloudnet, usage.c.holder, usage.c.resource)
        .subquery()
    )
    rows = conn.execute(
        sa.select(
            most.c.holder, most.c.resource, sa.func.sum(most.c.amount).label("amount")
        ).group_by(most.c.holder, most.c.resource)
    )
    amounts: dict[Key, Fraction | int] = {}
    hosts = set()
    for row in rows:
        if row.resource == VNODES:
            hosts.add(row.holder)
        else:
            amounts[row.holder, row.resource] = _plain(int(row.amount), _scale(row.resource))
    return Totals(amounts, frozenset(hosts))


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
    conn.execute(
        usage.delete().where(usage.c.cloudnet == cloudnet, usage.c.round.not_in(list(but)))
    )


def _scale(resource: str) -> int:
    return _PER_UNIT.get(resource, _PER_UNIT_OF_OTHERS)


def _plain(amount: int, scale: int) -> Fraction | int:
    return amount // scale if amount % scale == 0 else Fraction(amount, scale)
