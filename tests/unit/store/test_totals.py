"""What all take together is what each takes, whatever has been written down and given back."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from cloudnet_sdn.store import substrate, usage
from cloudnet_sdn.store.engine import Store, create_engine
from cloudnet_sdn.store.upgrade import upgrade_engine

HOLDERS = ("sn1", "sn2", "tbr.t1")
TAKES = st.dictionaries(
    st.tuples(st.sampled_from(HOLDERS), st.sampled_from(["cpu", "bandwidth", usage.VNODES])),
    st.integers(0, 3),
)
STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 2), st.none() | TAKES), max_size=12
)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    engine = create_engine(f"sqlite:///{tmp_path / 'role.db'}")
    upgrade_engine(engine)
    made = Store(engine)
    yield made
    made.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_totals_are_the_sums_of_the_greatest_rounds(store, steps):
    most: dict[str, dict[int, dict[usage.Key, int]]] = {}
    with store.write() as conn:
        for cloudnet, round_, takes in steps:
            rounds = most.setdefault(cloudnet, {})
            if takes is None:
                usage.free(conn, cloudnet, but=[round_])
                most[cloudnet] = {r: t for r, t in rounds.items() if r == round_}
            else:
                usage.put(conn, cloudnet, round_, takes)
                rounds[round_] = takes
            assert usage.kept(conn) == usage.added_up(conn)
        for without in ("", "a"):
            wanted: dict[usage.Key, int] = {}
            for cloudnet, rounds in most.items():
                for key in {k for t in rounds.values() for k in t}:
                    amount = max(t.get(key, 0) for t in rounds.values())
                    if cloudnet != without and amount:
                        wanted[key] = wanted.get(key, 0) + amount
            found = usage.Tally().in_use(conn, without=without)
            hosts = {holder for holder, what in wanted if what == usage.VNODES}
            assert found.amounts == {k: v for k, v in wanted.items() if k[1] != usage.VNODES}
            assert found.hosts == hosts
        for cloudnet in "abc":
            usage.free(conn, cloudnet)
        assert usage.kept(conn) == {}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_who_has_read_before_sees_what_has_changed_since(store, steps):
    tally = usage.Tally()
    for cloudnet, round_, takes in steps:
        with store.write() as conn:
            if takes is None:
                usage.free(conn, cloudnet, but=[round_])
            else:
                usage.put(conn, cloudnet, round_, takes)
            substrate.bump(conn)
        with store.read() as conn:
            for without in ("", "a"):
                anew = usage.Tally().in_use(conn, without=without)
                assert tally.in_use(conn, without=without) == anew
    with store.write() as conn:
        for cloudnet in "abc":
            usage.free(conn, cloudnet)
    with store.read() as conn:
        assert tally.in_use(conn) == usage.Totals()


def test_amounts_finer_than_is_kept_are_rounded_up(store):
    with store.write() as conn:
        usage.put(conn, "a", 1, {("sn1", "cpu"): Fraction(1, 3)})
        assert usage.Tally().in_use(conn).amounts == {("sn1", "cpu"): Fraction(333_334, 1_000_000)}
