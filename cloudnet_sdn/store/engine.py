"""The connection to the database: short transactions, one writer at a time where it matters.

Reading transactions see a snapshot. Writing ones take SQLite's write lock when they begin, so
they never fail half-way for want of it; on MariaDB and PostgreSQL rows are locked instead, in one
order: the CloudNet (`store.cloudnets.lock`), its owner, the revision
(`store.substrate.lock`), then whatever else.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloudnet_sdn.store.contention import Contended, StoreAway, meaning_of
from cloudnet_sdn.store.turns import Turns
from cloudnet_sdn.wire.configuration import folder_trouble

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 30.0
_LOCK_TIMEOUT_S = 10
"""How long a transaction waits for a row that another one has locked."""
_IDLE_TIMEOUT_S = 60
"""A process that stands still (stopped, swapped out) keeps its locks for no longer."""
_CONNECT_TIMEOUT_S = 10
_ANSWER_TIMEOUT_S = 60
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
        return _engine_of_server(parsed)
    if parsed.database in (None, "", ":memory:"):
        raise StoreError("a store outlives its process: name a file, sqlite:////PATH")
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, **_POOL)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _engine_of_server(url: sa.URL) -> sa.Engine:
    args: dict[str, Any] = {"connect_timeout": _CONNECT_TIMEOUT_S}
    postgresql = url.get_backend_name() == "postgresql"
    if postgresql:
        settings = {
            "lock_timeout": f"{_LOCK_TIMEOUT_S}s",
            "idle_in_transaction_session_timeout": f"{_IDLE_TIMEOUT_S}s",
        }
        args["options"] = " ".join(f"-c {k}={v}" for k, v in settings.items())
    else:
        args |= {"read_timeout": _ANSWER_TIMEOUT_S, "write_timeout": _ANSWER_TIMEOUT_S}
    args = {k: v for k, v in args.items() if k not in url.query}
    engine = sa.create_engine(
        url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=args, **_POOL
    )
    if not postgresql:
        sa.event.listen(engine, "connect", _prepare_mariadb)
    return engine


def _prepare_mariadb(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        # What stands in /*M! */ is MariaDB's alone: MySQL has no such limit.
        cursor.execute(
            f"SET SESSION innodb_lock_wait_timeout={_LOCK_TIMEOUT_S}"
            f" /*M!100300 , idle_transaction_timeout={_IDLE_TIMEOUT_S} */"
        )


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.execute("PRAGMA journal_mode=WAL")
    # What has been answered must survive a power cut, not only the end of the process.
    connection.execute("PRAGMA synchronous=FULL")
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

    What goes wrong in a transaction leaves it as `StoreAway` or `Contended` where another try
    makes sense (`store/contention.py`), and else as it came.

    Attributes:
        bell: rings after each transaction that has added to the history.
    """

    shared: bool
    """Whether other processes of the role may use the database at the same time."""
    worker: str
    """This process, as `store/workers.py` knows it."""

    def __init__(self, engine: sa.Engine, ends: Sequence[Callable[[], None]] = ()) -> None:
        """Put together.

        Args:
            engine: the connections; `close` ends them.
            ends: what else `close` calls.
        """
        self._engine = engine
        self.bell = Bell()
        self._ends = ends
        self._closed = False
        # SQLite lets writers wait for each other by sleeping; ours wake each other up.
        sqlite = engine.dialect.name == "sqlite"
        self.shared = not sqlite
        self.worker = secrets.token_hex(8)
        self._turn: contextlib.AbstractContextManager[object] = (
            Turns() if sqlite else contextlib.nullcontext()
        )

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that reads."""
        with _told(), self._connected() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes: all of it or, when an exception leaves it, none."""
        with (
            _told(),
            self._turn,
            self._connected(**{_WRITES: True}) as connection,
            connection.begin(),
        ):
            yield connection
            news = connection.info.pop(NEWS, False)
        if news:
            self.bell.ring()

    @contextlib.contextmanager
    def _connected(self, **options: bool) -> Iterator[sa.Connection]:
        if self._closed:
            raise StoreAway("the role is shutting down")
        with self._engine.connect().execution_options(**options) as connection:
            try:
                yield connection
            finally:
                if self._closed and not connection.invalidated:
                    connection.detach()  # the pool it came from is gone: closed, not given back

    def close(self) -> None:
        """Close all connections; those in use as soon as their transaction ends."""
        self._closed = True
        self._engine.dispose()
        for end in self._ends:
            end()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """The errors of databases and their drivers as what they mean."""
    try:
        yield
    except sa.exc.SQLAlchemyError as exc:
        meaning = meaning_of(exc)
        if meaning is None:
            raise
        if meaning is Contended:
            log.info("a transaction had to give way: %s", exc)
            raise meaning("too many are at this at once; try again") from exc
        log.warning("the database doesn't answer: %s", exc)
        raise meaning("the database doesn't answer; try again") from exc
