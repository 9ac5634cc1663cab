"""CloudNets and what happened to them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.model.states import LIVE, CloudnetState, cloudnet_before
from cloudnet_sdn.ports import CloudnetId
from cloudnet_sdn.store.engine import NEWS
from cloudnet_sdn.store.schema import cloudnets, history, names


@dataclass(frozen=True, slots=True)
class Cloudnet:
    """A CloudNet as stored.

    Attributes:
        expires: the end of its lease.
        generation: the round in force, 0 while there is none.
        offer: the offer whose round that is, '' while there is none.
    """

    id: CloudnetId
    owner: str
    name: str
    state: CloudnetState
    expires: dt.datetime
    created: dt.datetime
    generation: int = 0
    offer: str = ""

    @property
    def live(self) -> bool:
        """Whether it keeps its name and may still use the substrate."""
        return self.state in LIVE


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history: of a CloudNet, or of the role where `cloudnet` is ''."""

    id: int
    time: dt.datetime
    cloudnet: str
    element: str
    event: str
    text: str


def _cloudnet(row: sa.Row[tuple[object, ...]]) -> Cloudnet:
    return Cloudnet(
        CloudnetId(row.id),
        row.owner,
        row.name,
        CloudnetState(row.state),
        row.expires,
        row.created,
        row.generation,
        row.offer,
    )


def insert(conn: sa.Connection, cloudnet: Cloudnet) -> None:
    """Add a live one; the owner's name must be free (else `IntegrityError`)."""
    take_name(conn, cloudnet.owner, cloudnet.name, cloudnet.id)
    conn.execute(
        cloudnets.insert().values(
            id=cloudnet.id,
            owner=cloudnet.owner,
            name=cloudnet.name,
            state=cloudnet.state.value,
            expires=cloudnet.expires,
            created=cloudnet.created,
        )
    )


def get(conn: sa.Connection, cloudnet: str) -> Cloudnet | None:
    """By id."""
    row = conn.execute(sa.select(cloudnets).where(cloudnets.c.id == cloudnet)).first()
    return None if row is None else _cloudnet(row)


def lock(conn: sa.Connection, cloudnet: str) -> Cloudnet | None:
    """By id; no other transaction that locks it goes on before this one ends.

    Steps that depend on all of a CloudNet's tasks lock it first, before any other row: elsewhere
    than on SQLite two that run at a time don't see each other's changes.
    """
    query = sa.select(cloudnets).where(cloudnets.c.id == cloudnet).with_for_update()
    row = conn.execute(query).first()
    return None if row is None else _cloudnet(row)


def named(conn: sa.Connection, owner: str, name: str) -> Cloudnet | None:
    """The owner's live one of that name, else the youngest that had it."""
    holder = conn.scalar(
        sa.select(names.c.cloudnet).where(names.c.owner == owner, names.c.name == name)
    )
    if holder is not None:
        return get(conn, holder)
    row = conn.execute(
        sa.select(cloudnets)
        .where(cloudnets.c.owner == owner, cloudnets.c.name == name)
        .order_by(cloudnets.c.created.desc())
        .limit(1)
    ).first()
    return None if row is None else _cloudnet(row)


def take_name(conn: sa.Connection, owner: str, name: str, cloudnet: str) -> None:
    """Give a CloudNet a name; nobody else of the owner's may have it (else `IntegrityError`).

    Only a request takes names, and only it can fail for one.
    """
    mine = conn.scalar(
        sa.select(names.c.cloudnet).where(names.c.owner == owner, names.c.name == name)
    )
    if mine != cloudnet:
        conn.execute(names.insert().values(owner=owner, name=name, cloudnet=cloudnet))


def keep_name(conn: sa.Connection, cloudnet: str, name: str) -> None:
    """Go by `name`, which it has taken, and free what else it is called."""
    conn.execute(names.delete().where(names.c.cloudnet == cloudnet, names.c.name != name))
    conn.execute(cloudnets.update().where(cloudnets.c.id == cloudnet).values(name=name))


def free_names(conn: sa.Connection, cloudnet: str) -> None:
    """Let others have its names."""
    conn.execute(names.delete().where(names.c.cloudnet == cloudnet))


def of_owner(conn: sa.Connection, owner: str) -> list[Cloudnet]:
    """The live ones of `owner`, oldest first."""
    live = cloudnets.c.state.in_([s.value for s in LIVE])
    query = sa.select(cloudnets).where(live, cloudnets.c.owner == owner)
    return [_cloudnet(row) for row in conn.execute(query.order_by(cloudnets.c.created))]


def number_of(conn: sa.Connection, owner: str) -> int:
    """How many live ones `owner` has."""
    live = cloudnets.c.state.in_([s.value for s in LIVE])
    query = sa.select(sa.func.count()).where(live, cloudnets.c.owner == owner)
    return int(conn.scalar(query) or 0)


def in_state(conn: sa.Connection, state: CloudnetState) -> list[Cloudnet]:
    """All in `state`."""
    rows = conn.execute(sa.select(cloudnets).where(cloudnets.c.state == state.value))
    return [_cloudnet(row) for row in rows]


def leases_ended(conn: sa.Connection, now: dt.datetime) -> list[Cloudnet]:
    """The ready ones whose lease is over."""
    rows = conn.execute(
        sa.select(cloudnets).where(
            cloudnets.c.state == CloudnetState.READY.value, cloudnets.c.expires <= now
        )
    )
    return [_cloudnet(row) for row in rows]


def step(
    conn: sa.Connection,
    cloudnet: str,
    state: CloudnetState,
    *,
    expires: dt.datetime | None = None,
) -> bool:
    """Move to `state` where the state machine allows it; whether it did."""
    values: dict[str, object] = {"state": state.value}
    if expires is not None:
        values["expires"] = expires
    done = conn.execute(
        cloudnets.update()
        .where(
            cloudnets.c.id == cloudnet,
            cloudnets.c.state.in_([s.value for s in cloudnet_before(state)]),
        )
        .values(**values)
    )
    if done.rowcount and state not in LIVE:
        free_names(conn, cloudnet)
    return bool(done.rowcount)


def next_round(conn: sa.Connection, cloudnet: str) -> int:
    """A number that no round of this CloudNet has had."""
    conn.execute(
        cloudnets.update().where(cloudnets.c.id == cloudnet).values(rounds=cloudnets.c.rounds + 1)
    )
    return int(conn.scalar(sa.select(cloudnets.c.rounds).where(cloudnets.c.id == cloudnet)) or 0)


def put_in_force(conn: sa.Connection, cloudnet: str, generation: int, offer: str) -> None:
    """The generation that `offer` came to is the CloudNet from now on."""
    conn.execute(
        cloudnets.update()
        .where(cloudnets.c.id == cloudnet)
        .values(generation=generation, offer=offer)
    )


def renew(conn: sa.Connection, cloudnet: str, expires: dt.datetime) -> bool:
    """Set the lease's end of one that is ready; whether it was."""
    done = conn.execute(
        cloudnets.update()
        .where(cloudnets.c.id == cloudnet, cloudnets.c.state == CloudnetState.READY.value)
        .values(expires=expires)
    )
    return bool(done.rowcount)


def record(conn: sa.Connection, cloudnet: str, now: dt.datetime, event: str, text: str) -> None:
    """Append to the history, about the CloudNet as a whole."""
    record_of(conn, cloudnet, now, [("", event, text)])


def record_of(
    conn: sa.Connection,
    cloudnet: str,
    now: dt.datetime,
    events: Iterable[tuple[str, str, str]],
) -> None:
    """Append (element, event, text) lines to the history."""
    lines = [
        {"cloudnet": cloudnet, "time": now, "element": e, "event": v, "text": t}
        for e, v, t in events
    ]
    if lines:
        conn.execute(history.insert(), lines)
        conn.info[NEWS] = True


def events(conn: sa.Connection, cloudnet: str) -> list[Event]:
    """The history, oldest first."""
    rows = conn.execute(
        sa.select(history).where(history.c.cloudnet == cloudnet).order_by(history.c.id)
    )
    return [_event(row) for row in rows]


def events_after(
    conn: sa.Connection, after: int, upto: int, *, owner: str | None, limit: int
) -> list[Event]:
    """The first lines from `after` (excluded) to `upto`: an owner's, or all of the role's."""
    query = sa.select(history).where(history.c.id > after, history.c.id <= upto)
    if owner is not None:
        mine = sa.and_(cloudnets.c.id == history.c.cloudnet, cloudnets.c.owner == owner)
        query = query.where(sa.select(cloudnets.c.id).where(mine).exists())
    return [_event(row) for row in conn.execute(query.order_by(history.c.id).limit(limit))]


def _event(row: sa.Row[tuple[object, ...]]) -> Event:
    return Event(row.id, row.time, row.cloudnet, row.element, row.event, row.text)


def all_live(conn: sa.Connection) -> list[Cloudnet]:
    """Everybody's, oldest first."""
    live = cloudnets.c.state.in_([s.value for s in LIVE])
    query = sa.select(cloudnets).where(live).order_by(cloudnets.c.created)
    return [_cloudnet(row) for row in conn.execute(query)]
