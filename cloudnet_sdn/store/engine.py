"""The connection to the database: short transactions, one writer at a time where it matters.

Reading transactions see a snapshot. Writing ones take SQLite's write lock when they begin, so
they never fail half-way for want of it; on MariaDB and PostgreSQL rows are locked instead
(`store.substrate.lock`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloudnet_sdn.wire.configuration import folder_trouble

BUSY_TIMEOUT_S = 30.0
_POOL: dict[str, Any] = {"pool_size": 16, "max_overflow": 48}
"""As many connections as threads may want at a time; transactions are short."""
_WRITES = "cloudnet_writes"
NEWS = "cloudnet_news"
"""In a connection's `info`, once its transaction has added to the history."""


class StoreError(Exception):
    """The database can't be used; says why in plain words, without its password."""


def create_engine(url: str) -> sa.Engine:
    """An engine for `url`, such as `sqlite:////var/lib/cloudnet/berlin.db`.

    Raises:
        StoreError: it is no URL of a database that can be used here.
    """
    try:
        return _engine(url)
    except (sa.exc.ArgumentError, ValueError) as exc:
        text = (
            "a store's URL is wanted: sqlite:////PATH, mysql+pymysql://… or postgresql+psycopg://…"
        )
        raise StoreError(text) from exc
    except ModuleNotFoundError as exc:
        text = f"the driver {exc.name} isn't installed (pip install 'cloudnet-sdn[mariadb]', …)"
        raise StoreError(text) from exc


def trouble(engine: sa.Engine, error: sa.exc.DBAPIError) -> StoreError:
    """What a driver's error means, in plain words."""
    url = engine.url
    if url.get_backend_name() != "sqlite":
        said = str(error.orig.args[-1]) if error.orig is not None and error.orig.args else ""
        return StoreError(f"{url.render_as_string(hide_password=True)}: {said.strip()}")
    file = Path(url.database or "")
    if why := folder_trouble(file.parent):
        return StoreError(why)
    if file.is_dir():
        return StoreError(f"{file}: a file is wanted, this is a directory")
    return StoreError(f"{file}: {error.orig}")


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED", **_POOL)
    if parsed.database in (None, "", ":memory:"):
        raise StoreError("a store outlives its process: name a file, sqlite:////PATH")
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, **_POOL)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Bell:
    """Wakes those who wait for news of this process."""

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._times = 0

    @property
    def times(self) -> int:
        """How often it has rung."""
        return self._times

    def ring(self) -> None:
        """There is news."""
        with self._rung:
            self._times += 1
            self._rung.notify_all()

    def wait(self, heard: int, timeout_s: float) -> int:
        """Wait until it has rung more often than `heard`; how often it has then."""
        with self._rung:
            self._rung.wait_for(lambda: self._times > heard, timeout_s)
            return self._times


class Store:
    """A role's database.

    Attributes:
        bell: rings after each transaction that has added to the history.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.bell = Bell()
        # SQLite lets writers wait for each other by sleeping; ours wake each other up.
        sqlite = engine.dialect.name == "sqlite"
        self._turn: contextlib.AbstractContextManager[object] = (
            threading.Lock() if sqlite else contextlib.nullcontext()
        )

    @property
    def one_writer(self) -> bool:
        """Whether transactions that write are one after the other, so that none sees gaps."""
        return self._engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that reads."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes: all of it or, when an exception leaves it, none."""
        with (
            self._turn,
            self._engine.connect().execution_options(**{_WRITES: True}) as connection,
            connection.begin(),
        ):
            yield connection
            news = connection.info.pop(NEWS, False)
        if news:
            self.bell.ring()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
