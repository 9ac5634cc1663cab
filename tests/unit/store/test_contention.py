"""Transactions that are in each other's way, and databases that go away."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
import sqlalchemy as sa
from fakes.databases import Files

from cloudnet_sdn.store import substrate
from cloudnet_sdn.store.contention import Contended, StoreAway, repeatable
from cloudnet_sdn.store.engine import StoreError
from cloudnet_sdn.store.opening import open_store
from cloudnet_sdn.store.schema import counters

NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def store(tmp_path, stores):
    made = open_store(stores.url(tmp_path, "role"), "role", NOW)
    yield made
    made.close()


@pytest.fixture
def remote(tmp_path, shared_server):
    """A store behind a connection: SQLite has none that could be cut."""
    made = open_store(shared_server.url(tmp_path, "role"), "role", NOW)
    yield made
    made.close()
    shared_server.forget()


def test_of_two_that_wait_for_each_other_both_get_through(store):
    """PostgreSQL 40P01, MariaDB 1213; on SQLite one goes after the other."""
    with store.write() as conn:
        conn.execute(counters.insert(), [{"name": n, "value": 0} for n in "ab"])
    both_in = threading.Barrier(2)
    tries: list[str] = []

    @repeatable
    def both(first: str, second: str) -> None:
        tries.append(first)
        again = tries.count(first) > 1
        with store.write() as conn:
            substrate.take(conn, first, 1)
            if store.shared and not again:
                both_in.wait(10)
            substrate.take(conn, second, 1)

    threads = [threading.Thread(target=both, args=names) for names in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with store.read() as conn:
        rows = conn.execute(sa.select(counters).where(counters.c.name.in_(["a", "b"])))
        assert {r.name: r.value for r in rows} == {"a": 2, "b": 2}
    assert len(tries) == (3 if store.shared else 2)


def test_whoever_never_gets_through_is_told(store, monkeypatch):
    # The real limit, shortened.
    monkeypatch.setattr("cloudnet_sdn.store.contention._LONGEST_S", 0.0)

    @repeatable
    def never() -> None:
        raise Contended("no")

    with pytest.raises(Contended):
        never()


def test_a_connection_that_is_cut_is_the_stores_absence_and_the_next_one_works(remote):
    kill = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}
    mine = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
    dialect = remote._engine.dialect.name
    with pytest.raises(StoreAway):
        with remote.write() as conn:
            substrate.bump(conn)
            me = conn.exec_driver_sql(mine[dialect]).scalar()
            with remote.write() as other:
                other.exec_driver_sql(kill[dialect].format(me))
            substrate.bump(conn)
    with remote.write() as conn:
        assert substrate.revision(conn) == 0
        substrate.bump(conn)


def test_a_store_is_closed_for_those_that_still_use_it(store):
    with store.read() as conn:
        store.close()
        assert conn.scalar(sa.select(sa.literal(1))) == 1
    with pytest.raises(StoreAway):
        with store.read():
            pass


def test_a_sqlite_file_is_one_processs_until_it_ends(tmp_path, monkeypatch):
    # The real wait, shortened.
    monkeypatch.setattr("cloudnet_sdn.store.sole._WAIT_S", 0.1)
    url = Files().url(tmp_path, "a")
    first = open_store(url, "a", NOW)
    with pytest.raises(StoreError, match=r"a\.db: another process"):
        open_store(url, "a", NOW)
    first.close()
    open_store(url, "a", NOW).close()
