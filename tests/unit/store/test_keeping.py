"""What is long over is dropped, and what stands on an index is found by it however much is over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from cloudnet_sdn.model.states import CloudnetState, OfferState
from cloudnet_sdn.store import cloudnets, keeping, offers, owners, tags, tasks, usage
from cloudnet_sdn.store.engine import Store, create_engine
from cloudnet_sdn.store.schema import cloudnets as CLOUDNETS
from cloudnet_sdn.store.schema import offers as OFFERS
from cloudnet_sdn.store.upgrade import upgrade_engine

NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
OWNER = "cloudnet:tenant:acme"
_NOTHING = ("SCAN CONSTANT ROW", "SCAN (")
"""What stands for no rows at all."""
QUESTIONS: dict[str, Callable[[sa.Connection], object]] = {
    "named": lambda c: cloudnets.named(c, OWNER, "n5"),
    "number_of": lambda c: cloudnets.number_of(c, OWNER),
    "in_force": lambda c: tasks.in_force(c, {"old5": "o5"}),
    "taken": lambda c: tags.taken(c, ["a", "b"]),
    "in_use": lambda c: usage.free(c, "old5"),
    "of_owner": lambda c: cloudnets.of_owner(c, OWNER),
    "leases_ended": lambda c: cloudnets.leases_ended(c, NOW),
    "releasing": lambda c: cloudnets.in_state(c, CloudnetState.RELEASING),
    "requested": lambda c: offers.requested(c, OWNER, "r5"),
    "unsettled": lambda c: offers.unsettled(c, "old5"),
    "lapsed": lambda c: offers.lapsed(c, NOW),
    "working": lambda c: offers.in_state(c, OfferState.WORKING),
    "claims": lambda c: owners.claims(c, OWNER),
    "history": lambda c: cloudnets.events(c, "old5"),
    "events": lambda c: cloudnets.events_after(c, 5, 10, owner=OWNER, limit=100),
    "over": lambda c: keeping.drop_cloudnets(c, NOW - dt.timedelta(days=90), 100),
    "documents": lambda c: keeping.drop_documents(c, NOW - dt.timedelta(days=90), 100),
}


@pytest.fixture
def engine(tmp_path) -> Iterator[sa.Engine]:
    made = create_engine(f"sqlite:///{tmp_path / 'role.db'}")
    upgrade_engine(made)
    yield made
    made.dispose()


def fill(store: Store, count: int) -> None:
    with store.write() as conn:
        rows: list[dict[str, Any]] = [
            {
                "id": f"old{n}",
                "owner": OWNER,
                "name": f"n{n}",
                "state": "released",
                "expires": NOW,
                "created": NOW,
            }
            for n in range(count)
        ]
        conn.execute(CLOUDNETS.insert(), rows)
        for n in range(0, count, 10):
            cloudnets.record(conn, f"old{n}", NOW, "released", "")


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_reads_a_whole_table(engine, question):
    store = Store(engine)
    fill(store, 2_000)
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, text: str, parameters: Any, *_more: Any) -> None:
        if text.lstrip().startswith("SELECT"):
            asked.append((text, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    with store.write() as conn:
        QUESTIONS[question](conn)
        mine, asked = asked, []
        for text, parameters in mine:
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
            for row in plan.all():
                scans = row[3].startswith("SCAN") and not row[3].startswith(_NOTHING)
                assert not scans, (text, row[3])
    assert mine


def test_what_is_over_is_dropped_in_batches_and_the_newest_line_stays(engine):
    store = Store(engine)
    fill(store, 250)
    late = NOW + dt.timedelta(days=1)
    with store.write() as conn:
        counts = [keeping.drop_cloudnets(conn, late, 100) for _ in range(4)]
        left = list(conn.scalars(sa.select(CLOUDNETS.c.id)))
        assert counts == [100, 100, 49, 0]
        assert left == ["old240"]
        assert conn.scalar(sa.select(sa.func.count()).select_from(OFFERS)) == 0
        cloudnets.record(conn, "", late, "drained", "")
        assert keeping.drop_cloudnets(conn, late, 100) == 1
        assert keeping.drop_events(conn, late + dt.timedelta(days=1), 100) == 0
        cloudnets.record(conn, "", late, "undrained", "")
        assert keeping.drop_events(conn, late + dt.timedelta(days=1), 100) == 1
