"""What a database's errors mean while a role runs: it is away, or two were in each other's way.

Of two transactions that wait for each other, or that change the same at a time, the database lets
one go on and undoes the other. Whoever was undone begins again: `repeatable` does that.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import sqlalchemy as sa

from cloudnet_sdn.wire.faults import PeerAway

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST_S = 30.0
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.5


class StoreAway(PeerAway):
    """The database doesn't answer now.

    Nothing of the transaction under way is left, unless it was just being committed.
    """


class Contended(StoreAway):
    """Another transaction was let go on instead of this one, of which nothing is left."""


def repeatable(step: Callable[P, T]) -> Callable[P, T]:
    """A step that begins again where its transaction was undone, for half a minute at most.

    What it does before it writes must bear being done twice; it has one transaction, or what
    comes before the last one is found done already.

    Raises:
        Contended: it never got through.
    """

    @functools.wraps(step)
    def taken(*args: P.args, **kwargs: P.kwargs) -> T:
        deadline, pause = time.monotonic() + _LONGEST_S, _FIRST_PAUSE_S
        while True:
            try:
                return step(*args, **kwargs)
            except Contended:
                if time.monotonic() > deadline:
                    raise
            # By chance, so that those who were in each other's way don't meet again.
            time.sleep(random.uniform(0.0, pause))  # noqa: S311
            pause = min(_LONGEST_PAUSE_S, 2 * pause)

    return taken


def meaning_of(error: sa.exc.SQLAlchemyError) -> type[StoreAway] | None:
    """Which of the two an error of the database or its driver is, None for neither."""
    if isinstance(error, sa.exc.TimeoutError):
        return StoreAway  # no connection became free in time
    if not isinstance(error, sa.exc.DBAPIError):
        return None
    for told, contended, away in (
        (_mariadb(error), _MARIADB_CONTENDED, _MARIADB_AWAY),
        (_sqlstate(error), _SQLSTATE_CONTENDED, _SQLSTATE_AWAY),
        (_sqlite(error), _SQLITE_CONTENDED, _SQLITE_AWAY),
    ):
        if told in contended:
            return Contended
        if told in away:
            return StoreAway
    if error.connection_invalidated:
        return StoreAway
    connecting = isinstance(error, sa.exc.OperationalError) and _sqlstate(error) == ""
    return StoreAway if connecting else None


_MARIADB_CONTENDED = frozenset({1020, 1205, 1213})
"""Changed since it was read, waited too long for a lock, deadlock."""
_MARIADB_AWAY = frozenset({1040, 1053, 1077, 1079, 1927, 2002, 2003, 2006, 2013, 2055, 4031})
"""Too many connections, shutting down, killed, can't be reached, gone, lost."""
_SQLSTATE_CONTENDED = frozenset({"40001", "40P01", "55P03"})
_SQLSTATE_AWAY = frozenset(
    {
        "08000", "08001", "08003", "08004", "08006", "25P03",
        "53300", "57P01", "57P02", "57P03", "57P05",
    }
)  # fmt: skip
"""No connection, idle for too long, too many connections, shutting down or starting."""
_SQLITE_CONTENDED = frozenset({5, 6})
"""SQLITE_BUSY and SQLITE_LOCKED."""
_SQLITE_AWAY = frozenset({8, 10, 13, 14})
"""SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL and SQLITE_CANTOPEN."""


def _mariadb(error: sa.exc.DBAPIError) -> object:
    args = getattr(error.orig, "args", ())
    return args[0] if args and isinstance(args[0], int) else None


def _sqlstate(error: sa.exc.DBAPIError) -> object:
    """PostgreSQL's, '' where psycopg has none because there was no answer, None of others."""
    found = getattr(error.orig, "sqlstate", 0)
    return None if found == 0 else found or ""


def _sqlite(error: sa.exc.DBAPIError) -> object:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
