"""Whose store this is.

A role that is started on a wrong or empty store would take everything on its shells for left-overs.
So a store is made a role's by an operator (`cloudnet db init`), and no other one is served.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store, StoreError, create_engine, trouble
from cloudnet_sdn.store.schema import cloudnets, identity
from cloudnet_sdn.store.upgrade import upgrade_engine

_FIRST_WITHOUT = "0001"
"""The schema of releases that knew no identity: what they wrote is a role's all the same."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose a store is; `epoch` tells it from every other store that the role had."""

    role: str
    epoch: str
    created: dt.datetime


def get(conn: sa.Connection) -> Identity | None:
    """Whose the store is, None where nobody has said."""
    row = conn.execute(sa.select(identity)).first()
    return None if row is None else Identity(row.role, row.epoch, row.created)


def put(conn: sa.Connection, role: str, now: dt.datetime) -> Identity:
    """Make the store a role's."""
    made = Identity(role, secrets.token_hex(8), now)
    conn.execute(
        identity.insert().values(id=1, role=made.role, epoch=made.epoch, created=made.created)
    )
    return made


def secret(conn: sa.Connection) -> str:
    """What nobody but this store knows; made when it is first asked for."""
    found = conn.scalar(sa.select(identity.c.secret).with_for_update())
    if found is None:
        raise StoreError("it is no role's store")
    if not found:
        found = secrets.token_hex(32)
        conn.execute(identity.update().values(secret=found))
    return str(found)


@repeatable
def initialise(url: str, role: str, now: dt.datetime) -> tuple[Identity, bool]:
    """Make the database at `url` the store of `role`; whether it wasn't yet. May be repeated.

    Raises:
        StoreError: it can't be used, or is another role's.
    """
    engine = create_engine(url)
    store = Store(engine)
    try:
        upgrade_engine(engine)
        with store.write() as conn:
            found = get(conn)
            if found is not None:
                return _checked(found, role), False
            return put(conn, role, now), True
    except sa.exc.DBAPIError as exc:
        raise trouble(engine, exc) from exc
    finally:
        store.close()


@repeatable
def check(store: Store, role: str, before: str, now: dt.datetime) -> Identity:
    """Whose a store is that a role is to be served on.

    Args:
        store: the store, its schema up to date.
        role: the role's name.
        before: the schema's version before it was upgraded just now.
        now: the time.

    Raises:
        StoreError: nobody has made it a store, or it is another role's.
    """
    with store.write() as conn:
        found = get(conn)
        if found is None and before == _FIRST_WITHOUT:
            found = put(conn, role, now)
        used = found is None and conn.scalar(sa.select(cloudnets.c.id).limit(1)) is not None
        if used:
            found = put(conn, role, now)
    if found is None:
        text = (
            "it is no role's store yet: if it is the right one and new, say so with "
            "`cloudnet db init --config FILE`"
        )
        raise StoreError(text)
    return _checked(found, role)


def _checked(found: Identity, role: str) -> Identity:
    if found.role != role:
        raise StoreError(f"it is the store of {found.role}, not of {role}")
    return found
