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
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sqlalchemy as sa

from cloudnet_sdn.model.states import CloudnetState, OfferState
from cloudnet_sdn.store import substrate
from cloudnet_sdn.store.chunks import in_chunks
from cloudnet_sdn.store.schema import cloudnets, offers, totals, usage

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


class Tally:
    """What all take together, as a process has last read it: it reads what has changed since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._revision = -1
        self._whole: dict[Key, int] = {}
        self._amounts: dict[Key, Fraction | int] = {}
        self._hosts: set[str] = set()

    def in_use(self, conn: sa.Connection, *, without: str = "") -> Totals:
        """What is taken now, or a moment later.

        Args:
            conn: a transaction that has changed nothing of it.
            without: a CloudNet whose use counts as free.
        """
        with self._lock:
            # First: what is newer than this is read once more the next time.
            revision = substrate.revision(conn)
            query = sa.select(totals.c.holder, totals.c.resource, totals.c.amount)
            for holder, resource, amount in conn.execute(
                query.where(totals.c.revision > self._revision)
            ):
                self._note((holder, resource), int(amount))
            self._revision = max(self._revision, revision)
            whole, amounts, hosts = self._whole, dict(self._amounts), set(self._hosts)
            for key, amount in _most(conn, [without] if without else []).items():
                _put(amounts, hosts, key, whole.get(key, 0) - amount)
        return Totals(amounts, frozenset(hosts))

    def _note(self, key: Key, amount: int) -> None:
        self._whole[key] = amount
        _put(self._amounts, self._hosts, key, amount)


def _put(amounts: dict[Key, Fraction | int], hosts: set[str], key: Key, amount: int) -> None:
    holder, resource = key
    if resource == VNODES:
        (hosts.add if amount > 0 else hosts.discard)(holder)
    elif amount > 0:
        amounts[key] = _plain(amount, _scale(resource))
    else:
        amounts.pop(key, None)


def added_up(conn: sa.Connection) -> dict[Key, int]:
    """What is taken as the CloudNets say, one by one, in the units of the store."""
    return _most(conn, conn.scalars(sa.select(usage.c.cloudnet).distinct()))


def kept(conn: sa.Connection) -> dict[Key, int]:
    """What is taken as it is kept, in the units of the store."""
    rows = conn.execute(sa.select(totals).where(totals.c.amount > 0))
    return {(row.holder, row.resource): int(row.amount) for row in rows}


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
    # Two that are at this at once would count from the same amounts.
    revision = substrate.lock(conn) + 1
    known: dict[Key, int] = {}
    for some in in_chunks(sorted({holder for holder, _ in keys})):
        query = sa.select(totals).where(totals.c.holder.in_(some))
        known |= {(row.holder, row.resource): int(row.amount) for row in conn.execute(query)}
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for key in keys:
        holder, resource = key
        amount = known.get(key, 0) + after.get(key, 0) - before.get(key, 0)
        if key in known:
            changed.append({"of": holder, "what": resource, "amount": amount})
        else:
            new.append({"holder": holder, "resource": resource, "amount": amount})
    if new:
        conn.execute(totals.insert(), [{**row, "revision": revision} for row in new])
    if changed:
        # What comes to nothing stays as a 0: who has read it before has to see that.
        this = (totals.c.holder == sa.bindparam("of"), totals.c.resource == sa.bindparam("what"))
        values = {"amount": sa.bindparam("amount"), "revision": revision}
        conn.execute(totals.update().where(*this).values(**values), changed)


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
