"""The store: migrations, transactions, and what its constraints promise."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import IntegrityError

from cloudnet_sdn.model.states import CloudnetState, OfferState, TaskState, Wanted
from cloudnet_sdn.ports import CloudnetId, OfferId, PlannedTask
from cloudnet_sdn.store import cloudnets, offers, substrate, tags, tasks
from cloudnet_sdn.store.engine import Store, create_engine
from cloudnet_sdn.store.schema import metadata
from cloudnet_sdn.store.upgrade import upgrade, upgrade_engine

NOW = dt.datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=1)


@pytest.fixture
def url(tmp_path, stores):
    """Of an empty database."""
    return stores.url(tmp_path, "role", empty=True)


@pytest.fixture
def store(url):
    engine = create_engine(url)
    upgrade_engine(engine)
    made = Store(engine)
    yield made
    made.close()


def cloudnet(name="shop", ident="c1", owner="acme") -> cloudnets.Cloudnet:
    return cloudnets.Cloudnet(CloudnetId(ident), owner, name, CloudnetState.PRELIMINARY, LATER, NOW)


def offer(ident="o1", request_id="r1", of="c1") -> offers.Offer:
    return offers.Offer(
        OfferId(ident), CloudnetId(of), "acme", request_id, "d", {}, OfferState.WORKING, LATER, NOW
    )


def test_migrations_lead_to_the_schema_the_code_speaks(url):
    upgrade(url)
    engine = create_engine(url)
    with engine.connect() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []
    engine.dispose()


def test_upgrading_says_from_where_to_where_and_may_be_repeated(url):
    before, after = upgrade(url)
    assert before == ""
    assert upgrade(url) == (after, after)


def test_the_schema_compiles_for_the_other_databases():
    for dialect in (mysql.dialect(), postgresql.dialect()):
        for table in metadata.sorted_tables:
            text = str(sa.schema.CreateTable(table).compile(dialect=dialect))
            assert "CREATE TABLE" in text


def test_times_come_back_as_they_went_in(store):
    with store.write() as conn:
        cloudnets.insert(conn, cloudnet())
    with store.read() as conn:
        found = cloudnets.get(conn, "c1")
    assert found is not None
    assert found.created == NOW
    assert found.created.tzinfo is dt.UTC


def test_a_transaction_is_whole_or_nothing(store):
    with pytest.raises(RuntimeError), store.write() as conn:
        cloudnets.insert(conn, cloudnet())
        raise RuntimeError
    with store.read() as conn:
        assert cloudnets.get(conn, "c1") is None


def test_a_name_is_live_once_per_owner(store):
    with store.write() as conn:
        cloudnets.insert(conn, cloudnet())
        cloudnets.insert(conn, cloudnet(ident="c2", owner="rival"))
    with pytest.raises(IntegrityError), store.write() as conn:
        cloudnets.insert(conn, cloudnet(ident="c3"))
    with store.write() as conn:
        assert cloudnets.step(conn, "c1", CloudnetState.RELEASING)
        assert cloudnets.step(conn, "c1", CloudnetState.RELEASED)
        cloudnets.insert(conn, cloudnet(ident="c3"))
        found = cloudnets.named(conn, "acme", "shop")
        assert found is not None
        assert found.id == "c3"


def test_a_step_the_machine_does_not_have_is_not_taken(store):
    with store.write() as conn:
        cloudnets.insert(conn, cloudnet())
        offers.insert(conn, offer())
        assert not offers.step(conn, "o1", OfferState.CONFIRMED)
        assert offers.step(conn, "o1", OfferState.HELD, expires=LATER)
        assert not offers.step(conn, "o1", OfferState.HELD)
        assert not cloudnets.step(conn, "c1", CloudnetState.RELEASED)


def test_of_many_that_take_a_step_one_does(store):
    with store.write() as conn:
        offers.insert(conn, offer())
    won = []

    def run() -> None:
        with store.write() as conn:
            if offers.step(conn, "o1", OfferState.CANCELLED):
                won.append(1)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [1]


def test_a_request_id_is_used_once_per_owner(store):
    with store.write() as conn:
        offers.insert(conn, offer())
    with pytest.raises(IntegrityError), store.write() as conn:
        offers.insert(conn, offer("o2"))


def test_a_tag_has_one_owner_per_place(store):
    with store.write() as conn:
        tags.reserve(
            conn, "c1", 1, [tags.Reservation("a", 100, "l"), tags.Reservation("b", 100, "l")]
        )
    with pytest.raises(IntegrityError), store.write() as conn:
        tags.reserve(
            conn, "c2", 1, [tags.Reservation("c", 100, "l"), tags.Reservation("a", 100, "l")]
        )
    with store.write() as conn:
        assert tags.taken(conn) == {"a": frozenset({100}), "b": frozenset({100})}
        tags.reserve(conn, "c1", 2, [tags.Reservation("a", 101, "l")])
        tags.free(conn, "c1", rounds=[2], kept=[])
        assert tags.taken(conn) == {"a": frozenset({101})}


def test_numbers_are_given_out_once(store):
    taken: list[int] = []

    def run() -> None:
        for _ in range(5):
            with store.write() as conn:
                first = substrate.take(conn, substrate.MACS, 3)
                taken.extend(range(first, first + 3))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(60))


def test_the_journal_keeps_what_is_wanted_apart_from_what_came_of_it(store):
    with store.write() as conn:
        planned = [PlannedTask("host", "sn1", ("web",), {"key": "c1.web"})]
        tasks.plan(conn, "c1", "o1", round_=1, planned=planned, now=NOW)
        (entry,) = tasks.due(conn, NOW)
        tasks.want(conn, "c1", Wanted.ABSENT, NOW)
        tasks.outcome(conn, entry, TaskState.PRESENT, answer={"x": 1})
        (after,) = tasks.of_cloudnet(conn, "c1")
        assert after.wanted is Wanted.ABSENT
        assert after.state is TaskState.PRESENT
        assert tasks.due(conn, NOW) == [after]
        assert tasks.want(conn, "c1", Wanted.CONFIRMED, NOW) == 0  # absent stays absent
        tasks.outcome(conn, after, TaskState.ABSENT)
        assert tasks.due(conn, NOW) == []


def test_what_was_refused_rests_until_it_is_to_go(store):
    with store.write() as conn:
        tasks.plan(conn, "c1", "o1", round_=1, planned=[PlannedTask("p", "t", ("w",))], now=NOW)
        (entry,) = tasks.due(conn, NOW)
        tasks.outcome(conn, entry, TaskState.FAILED)
        assert tasks.due(conn, NOW) == []
        tasks.want(conn, "c1", Wanted.ABSENT, NOW)
        assert len(tasks.due(conn, NOW)) == 1


def test_power_wanted_is_work_until_it_is_reached(store):
    with store.write() as conn:
        tasks.plan(conn, "c1", "o1", round_=1, planned=[PlannedTask("p", "t", ("w",))], now=NOW)
        (entry,) = tasks.due(conn, NOW)
        tasks.outcome(conn, entry, TaskState.PRESENT)
        (entry,) = tasks.of_cloudnet(conn, "c1")
        tasks.want_power(conn, entry, {"w": "running"}, NOW)
        (entry,) = tasks.due(conn, NOW)
        tasks.powered(conn, entry, {"w": "running"})
        assert tasks.due(conn, NOW) == []
        tasks.outcome(conn, entry, TaskState.PLANNED)  # lost: it will have to boot again
        assert tasks.of_cloudnet(conn, "c1")[0].powered == {}


def test_use_counts_until_its_last_task_is_absent(store):
    with store.write() as conn:
        offers.insert(conn, offer())
        offers.put_graph(conn, "o1", offers.GraphLayer.OL0, "zero")
        offers.put_graph(conn, "o1", offers.GraphLayer.OL1, "one")
        offers.put_graph(conn, "o1", offers.GraphLayer.ML, "map")
        assert offers.in_use(conn) == []
        tasks.plan(conn, "c1", "o1", round_=1, planned=[PlannedTask("p", "t", ("w",))], now=NOW)
        assert offers.in_use(conn) == [("o1", "one", "map")]
        (entry,) = tasks.due(conn, NOW)
        tasks.want(conn, "c1", Wanted.ABSENT, NOW)
        assert len(offers.in_use(conn)) == 1
        tasks.outcome(conn, entry, TaskState.ABSENT)
        assert offers.in_use(conn) == []


def test_a_substrate_in_force_is_the_last_one_loaded(store):
    with store.write() as conn:
        assert substrate.newest(conn) is None
        first = substrate.revision(conn)
        assert substrate.load(conn, "a", NOW, source=substrate.Source.FILE) == 1
        assert substrate.load(conn, "b", NOW, source=substrate.Source.OPERATOR) == 2
        found = substrate.newest(conn)
        assert found is not None
        assert (found.revision, found.graph) == (2, "b")
        assert substrate.revision(conn) > first
        last_file = substrate.newest(conn, substrate.Source.FILE)
        assert last_file is not None
        assert last_file.graph == "a"


def test_draining_may_be_repeated(store):
    with store.write() as conn:
        substrate.drain(conn, "sn1", NOW)
        substrate.drain(conn, "sn1", NOW)
        assert substrate.all_drained(conn) == {"sn1"}
        substrate.undrain(conn, "sn1")
        substrate.undrain(conn, "sn1")
        assert substrate.all_drained(conn) == frozenset()
