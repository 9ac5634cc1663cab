"""Where the roles under test keep their state: SQLite files, or a database server of our own.

`pytest --store postgresql` (or `mariadb`) starts a server that nobody else reaches: its data and
its socket are in a temporary folder, it listens on no port, and it ends with the run.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from cloudnet_sdn.store.engine import create_engine
from cloudnet_sdn.store.identity import initialise
from cloudnet_sdn.store.upgrade import upgrade

KINDS = ("sqlite", "postgresql", "mariadb")
_MADE = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
_STARTS_S = 60.0
_ENDS_S = 30.0


class Databases(Protocol):
    """Gives out databases."""

    def url(self, folder: Path, name: str, *, empty: bool = False) -> str:
        """Of the database of role `name` in `folder`, or an `empty` one; made at the first call."""

    def forget(self) -> None:
        """Nobody uses any of those given out so far any more."""


class Files:
    """SQLite."""

    def url(self, folder: Path, name: str, *, empty: bool = False) -> str:
        file = folder / f"{name}.db"
        if not empty and not file.exists():
            file.write_bytes(_migrated_file())
            initialise(f"sqlite:///{file}", name, _MADE)
        return f"sqlite:///{file}"

    def forget(self) -> None:
        """The files end with their folder."""


@functools.cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "new.db"
        upgrade(f"sqlite:///{file}")
        return file.read_bytes()


class Server:
    """A running server; databases are copies of one that was migrated once."""

    def __init__(self, template: str) -> None:
        """Put together.

        Args:
            template: the URL of a database, with `{name}`.
        """
        self._template = template
        self._numbers = itertools.count(1)
        self._given: dict[tuple[Path, str], str] = {}
        self._engine = sa.create_engine(
            template.format(name=self._first), isolation_level="AUTOCOMMIT"
        )
        self._run("CREATE DATABASE migrated")
        upgrade(template.format(name="migrated"))

    _first = ""

    def url(self, folder: Path, name: str, *, empty: bool = False) -> str:
        if (folder, name) not in self._given:
            database = f"t{next(self._numbers)}_{name}"
            self._make(database, empty=empty)
            self._given[folder, name] = database
            if not empty:
                initialise(self._template.format(name=database), name, _MADE)
        return self._template.format(name=self._given[folder, name])

    def forget(self) -> None:
        for database in self._given.values():
            self._drop(database)
        self._given.clear()

    def close(self) -> None:
        """Let go of the server."""
        self._engine.dispose()

    def _run(self, *statements: str) -> None:
        with self._engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def _make(self, database: str, *, empty: bool) -> None:
        raise NotImplementedError

    def _drop(self, database: str) -> None:
        raise NotImplementedError


class PostgreSql(Server):
    """PostgreSQL copies a database by itself."""

    _first = "postgres"

    def _make(self, database: str, *, empty: bool) -> None:
        source = "template0" if empty else "migrated"
        self._run(f"CREATE DATABASE {database} TEMPLATE {source}")

    def _drop(self, database: str) -> None:
        self._run(f"DROP DATABASE {database} WITH (FORCE)")


class MariaDb(Server):
    """MariaDB is told each table of the migrated database again."""

    def _make(self, database: str, *, empty: bool) -> None:
        self._run(f"CREATE DATABASE {database}")
        if not empty:
            self._run(f"USE {database}", *self._tables, "USE information_schema")

    def _drop(self, database: str) -> None:
        self._run(f"DROP DATABASE {database}")

    @functools.cached_property
    def _tables(self) -> list[str]:
        engine = create_engine(self._template.format(name="migrated"))
        try:
            with engine.connect() as connection:
                names = list(connection.exec_driver_sql("SHOW TABLES").scalars())
                found = [
                    str(connection.exec_driver_sql(f"SHOW CREATE TABLE `{n}`").one()[1])
                    for n in names
                ]
        finally:
            engine.dispose()
        return [*found, "INSERT INTO alembic_version SELECT * FROM migrated.alembic_version"]


# -- servers ------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(kind: str, *, durable: bool = False) -> Iterator[Databases]:
    """Databases of a kind, while a server of our own runs where one is needed.

    Args:
        kind: one of `KINDS`.
        durable: whether what is committed must survive a power cut, as in production.

    Raises:
        LookupError: its programs aren't installed.
    """
    if kind == "sqlite":
        yield Files()
        return
    with tempfile.TemporaryDirectory(
        prefix="databases-", dir=None if durable else memory()
    ) as folder:
        home = Path(folder)
        home.chmod(0o711)
        made, template = (_postgresql if kind == "postgresql" else _mariadb)(home, durable=durable)
        with _running(made, home):
            listening = home / "data" / (".s.PGSQL.5432" if kind == "postgresql" else "socket")
            first = template.format(name="postgres" if kind == "postgresql" else "")
            _wait_for(listening, first, home)
            server = PostgreSql(template) if kind == "postgresql" else MariaDb(template)
            try:
                yield server
            finally:
                server.close()


def memory() -> str | None:
    """Where what may be lost is kept: MariaDB makes ten times as many tables a second there."""
    folder = Path("/dev/shm")
    return str(folder) if folder.is_dir() else None


def _postgresql(home: Path, *, durable: bool) -> tuple[list[str], str]:
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    path = os.pathsep.join([*map(str, bins), os.environ.get("PATH", os.defpath)])
    initdb, postgres = _program("initdb", path), _program("postgres", path)
    data = _data(home)
    _as_nobody_much([initdb, "-D", str(data), "-U", "cloudnet", "-A", "trust", "-E", "UTF8", "-N"])
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(data),
        "max_connections": "400",
        "fsync": "on" if durable else "off",
    }
    settings = [word for k, v in options.items() for word in ("-c", f"{k}={v}")]
    template = f"postgresql+psycopg://cloudnet@/{{name}}?host={data}"
    return [postgres, "-D", str(data), *settings], template


def _mariadb(home: Path, *, durable: bool) -> tuple[list[str], str]:
    install, server = _program("mariadb-install-db"), _program("mariadbd")
    data = _data(home)
    _as_nobody_much(
        [
            install, "--no-defaults", f"--datadir={data}", "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ]
    )  # fmt: skip
    options = {
        "datadir": str(data),
        "socket": str(data / "socket"),
        "pid-file": str(data / "pid"),
        "max-connections": "400",
        "innodb-flush-log-at-trx-commit": "1" if durable else "0",
    }
    settings = [f"--{k}={v}" for k, v in options.items()]
    template = f"mysql+pymysql://root@localhost/{{name}}?unix_socket={data / 'socket'}"
    return [server, "--no-defaults", "--skip-networking", *settings], template


def _program(name: str, path: str | None = None) -> str:
    found = shutil.which(name, path=path)
    if found is None:
        raise LookupError(f"{name} is not installed; see scripts/set-up")
    return found


def _user() -> str | None:
    """Whom servers run as: neither of them wants to be root."""
    return "nobody" if os.geteuid() == 0 else None


def _data(home: Path) -> Path:
    data = home / "data"
    data.mkdir(mode=0o700)
    if user := _user():
        found = pwd.getpwnam(user)
        os.chown(data, found.pw_uid, found.pw_gid)
    return data


def _as_nobody_much(command: list[str]) -> None:
    done = subprocess.run(
        command, user=_user(), group=_group(), extra_groups=_groups(), cwd="/",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}")


def _group() -> int | None:
    user = _user()
    return pwd.getpwnam(user).pw_gid if user else None


def _groups() -> list[int] | None:
    return [] if _user() else None


@contextlib.contextmanager
def _running(command: list[str], home: Path) -> Iterator[None]:
    """A server until the block ends; a Ctrl-C at the terminal doesn't reach it before that."""
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command, user=_user(), group=_group(), extra_groups=_groups(), cwd="/",
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        # PostgreSQL waits for its clients at SIGTERM, not at SIGINT; MariaDB ignores SIGINT.
        process.send_signal(signal.SIGINT if "postgres" in command[0] else signal.SIGTERM)
        try:
            process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(listening: Path, url: str, home: Path) -> None:
    deadline = time.monotonic() + _STARTS_S
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    while not (_listens(listening) and _answers(engine)):
        if time.monotonic() > deadline:
            log = (home / "log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the server doesn't start: {log}")
        time.sleep(0.1)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _answers(engine: sa.Engine) -> bool:
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
