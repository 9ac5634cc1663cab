"""Bring a database to the schema this version speaks, by Alembic."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

import cloudnet_sdn.store.migrations
from cloudnet_sdn.store.engine import StoreError, create_engine, trouble

_MIGRATES_S = 600


def alembic_config() -> Config:
    """What Alembic is told: where the versions are."""
    config = Config()
    folder = Path(cloudnet_sdn.store.migrations.__file__).parent
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def upgrade(url: str) -> tuple[str, str]:
    """Run the missing migrations on the database at `url`, creating it where that is possible.

    Returns:
        The schema's version before ('' for a new database) and after.

    Raises:
        StoreError: as `upgrade_engine`.
    """
    engine = create_engine(url)
    try:
        return upgrade_engine(engine)
    finally:
        engine.dispose()


def upgrade_engine(engine: sa.Engine) -> tuple[str, str]:
    """As `upgrade`, on an engine.

    Raises:
        StoreError: the database can't be reached or written, or isn't one of this version's.
    """
    try:
        return _upgrade(engine)
    except sa.exc.DBAPIError as exc:
        raise trouble(engine, exc) from exc
    except CommandError as exc:
        shown = engine.url.render_as_string(hide_password=True)
        text = f"{shown}: its schema is of another version than this cloudnet-sdn"
        raise StoreError(text) from exc


@contextlib.contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """Nobody else migrates meanwhile: processes of one role may start at once.

    SQLite lets one write at a time; MariaDB ends a transaction at each change of a table, so it
    takes a lock that has nothing to do with transactions.
    """
    if connection.dialect.name not in ("mysql", "mariadb", "postgresql"):
        yield
        return
    postgresql = connection.dialect.name == "postgresql"
    name = f"cloudnet:{connection.engine.url.database}"[:64]
    lock, unlock = (
        (sa.func.pg_advisory_lock(sa.func.hashtext(name)), sa.func.pg_advisory_unlock)
        if postgresql
        else (sa.func.get_lock(name, _MIGRATES_S), sa.func.release_lock)
    )
    if postgresql:
        connection.exec_driver_sql(f"SET lock_timeout = '{_MIGRATES_S}s'")
    connection.execute(sa.select(lock))
    connection.commit()
    try:
        yield
    finally:
        key = sa.func.hashtext(name) if postgresql else name
        connection.execute(sa.select(unlock(key)))
        if postgresql:
            connection.exec_driver_sql("RESET lock_timeout")
        connection.commit()


def _upgrade(engine: sa.Engine) -> tuple[str, str]:
    config = alembic_config()
    options = {"cloudnet_writes": True}
    with (
        engine.connect().execution_options(**options) as connection,
        _alone(connection),
        connection.begin(),
    ):
        before = MigrationContext.configure(connection).get_current_revision() or ""
        newest = ScriptDirectory.from_config(config).get_current_head() or ""
        if before != newest:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return before, newest
