"""A store that the first schema's release wrote, with 50 live CloudNets, is taken up."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from fakes.world import FakeClock, Machine, provider, request

from cloudnet_sdn.store.engine import create_engine
from cloudnet_sdn.store.upgrade import alembic_config
from rdl.language.load import load_graph

WRITTEN = Path(__file__).parents[2] / "data" / "store-0001.json.gz"
"""Every row of a provider's tables: 46 CloudNets ready, 4 held, one released, one refused."""


@pytest.fixture
def written() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(WRITTEN.read_bytes()))
    return found


@pytest.fixture
def pip(tmp_path, written, stores):
    """A provider on that store; its machines have lost everything."""
    fill(stores.url(tmp_path, "berlin", empty=True), written)
    vlans = {"vlans": {"min": 100, "max": 1999}}
    machine = provider(tmp_path, "berlin", "munich", "b", FakeClock(), settings=vlans)
    yield machine
    machine.stop()


def fill(url: str, written: dict[str, Any]) -> None:
    """Make a database of the first schema and put the rows into it."""
    engine = create_engine(url)
    with engine.connect().execution_options(cloudnet_writes=True) as conn, conn.begin():
        config = alembic_config()
        config.attributes["connection"] = conn
        command.upgrade(config, "0001")
        conn.execute(sa.text("DELETE FROM counters"))
        for name in [n for n in written if f"{n}:columns" in written]:
            table = sa.table(name, *map(sa.column, written[f"{name}:columns"]))
            rows = [
                dict(zip(written[f"{name}:columns"], row, strict=True)) for row in written[name]
            ]
            if rows:
                conn.execute(_typed(name, table).insert(), rows)
            if rows and "id" in rows[0] and conn.dialect.name == "postgresql":
                _count_on(conn, name)
    engine.dispose()


def _typed(name: str, table: sa.TableClause) -> sa.TableClause:
    """With the one type that the rows' JSON doesn't tell: SQLite wrote 0 and 1."""
    if name != "tasks":
        return table
    columns = [sa.column(c.name, sa.Boolean() if c.name == "open" else None) for c in table.c]
    return sa.table(name, *columns)


def _count_on(conn: sa.Connection, table: str) -> None:
    """Have PostgreSQL give out ids after those that were put in."""
    sequence = conn.scalar(sa.func.pg_get_serial_sequence(table, "id"))
    if sequence is not None:
        most = conn.scalar(sa.text(f"SELECT max(id) FROM {table}"))
        conn.execute(sa.select(sa.func.setval(sequence, most)))


def test_everything_that_stood_stands(pip: Machine, written):
    assert load_graph(pip.call("negotiation.substrate")) == load_graph(written["substrate_free"])
    pip.settle(quiet=True)
    listed = {c["name"]: c["state"] for c in pip.call("negotiation.list")}
    assert len(listed) == 50
    assert [listed[f"net{i}"] for i in (0, 1, 46, 49)] == ["running", "ready"] + 2 * ["preliminary"]
    assert pip.site is not None
    assert sum(len(a.vnodes) for a in pip.site.agents.values()) == 100
    assert len(pip.site.controller.vlinks) == 50


def test_it_can_be_confirmed_changed_and_given_back(pip: Machine):
    held = next(c for c in pip.call("negotiation.list") if c["name"] == "net47")
    offer = f"offer-{held['cloudnet']}"
    assert pip.call("negotiation.confirm", offer)["state"] == "confirmed"
    graph = pip.call("negotiation.offer", f"offer-{cloudnet(pip, 'net3')}")["graph"]
    change = pip.call("negotiation.modify", "m1", "net3", graph.replace("100kbps", "200kbps"), {})
    assert change["state"] == "held", change["reasons"]
    pip.call("negotiation.confirm", change["offer"])
    for number in range(50):
        pip.call("negotiation.release", f"net{number}")
    pip.settle()
    assert pip.site is not None
    assert pip.site.empty()
    big = "rdl: 1\ngraph: big\nnodes:\n  a: {cpu: 8}\n  b: {cpu: 8}\n"
    assert request(pip, big, "all")["state"] == "held"


def cloudnet(pip: Machine, name: str) -> str:
    return next(str(c["cloudnet"]) for c in pip.call("negotiation.list") if c["name"] == name)
