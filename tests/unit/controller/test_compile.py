"""Rules and meters of VLinks: which, and in which order they change."""

from __future__ import annotations

from controller_fakes import World, s
from hypothesis import given
from hypothesis import strategies as st

from ryu_apps.compile import Guard
from ryu_apps.reconcile import (
    FlowAdd,
    FlowRemove,
    MeterAdd,
    MeterRemove,
    changes,
    note,
)
from ryu_apps.rules import (
    BASE_COOKIE,
    Desired,
    FlowRule,
    MeterRule,
    Observed,
    Output,
    cookie_of,
    is_ours,
    match,
)
from ryu_apps.spec import VLinkId


def test_our_cookies_carry_the_mark() -> None:
    assert cookie_of(VLinkId("a.b")) >> 48 == 0xC10D
    assert cookie_of(VLinkId("a.b")) != cookie_of(VLinkId("a.c"))
    assert is_ours(BASE_COOKIE)
    assert not is_ours(0xC10C << 48)


def test_a_meter_lets_a_shaped_sender_pass_and_no_more_than_five_percent() -> None:
    for bandwidth in (1e6, 10e6, 1e9):
        meter = Guard().meter(1, bandwidth)
        assert bandwidth < meter.rate * 1e3 <= 1.05 * bandwidth
        assert meter.burst * 1e3 >= 10 * 1500 * 8


def test_best_effort_has_a_ceiling() -> None:
    assert Guard(best_effort=2e6).meter(1, 0.0) == Guard().meter(1, 2e6)


def test_only_the_ends_are_metered() -> None:
    world = World(((1, 2), (2, 3)))
    world.put("a", (1, 1, 0), (3, 1, 0), bandwidth=1e6)
    metered = [len(switch.observed.meters) for switch in world.network.switches.values()]
    assert metered == [1, 0, 1]
    flows = world.network.switches[s(2)].observed.flows.values()
    assert all(rule.meter == 0 for rule in flows)


def test_meters_come_before_their_flows_and_go_after_them() -> None:
    rule = FlowRule(BASE_COOKIE | 1, 9, match(in_port=1), (Output(2),), meter=5)
    wanted = Desired({rule.key: rule}, {5: MeterRule(5, 1, 1)})
    come = changes(wanted, Observed())
    assert [type(change) for change in come.all] == [MeterAdd, FlowAdd]
    held = Observed()
    for change in come.all:
        note(held, change)
    gone = changes(Desired(), held)
    assert [type(change) for change in gone.all] == [FlowRemove, MeterRemove]


RULES = st.builds(
    FlowRule,
    cookie=st.sampled_from([BASE_COOKIE | 1, BASE_COOKIE | 2]),
    priority=st.integers(1, 2),
    match=st.builds(lambda port: match(in_port=port), st.integers(1, 4)),
    actions=st.builds(lambda port: (Output(port),), st.integers(1, 3)),
)
METERS = st.builds(MeterRule, st.integers(1, 4), st.integers(1, 3), st.just(1))


def tables(rules: list[FlowRule], meters: list[MeterRule]) -> Desired:
    return Desired({r.key: r for r in rules}, {m.meter: m for m in meters})


TABLES = st.builds(tables, st.lists(RULES), st.lists(METERS))


@given(TABLES, TABLES)
def test_changes_lead_from_anything_to_what_is_desired_and_then_there_are_none(
    wanted: Desired, there: Desired
) -> None:
    held = Observed(dict(there.flows), set(), dict(there.meters))
    for change in changes(wanted, held).all:
        note(held, change)
    assert held.flows == wanted.flows
    assert held.meters == wanted.meters
    assert not changes(wanted, held)


@given(TABLES, TABLES, TABLES)
def test_foreign_keys_are_never_touched(wanted: Desired, there: Desired, others: Desired) -> None:
    held = Observed(
        {key: rule for key, rule in there.flows.items() if key not in others.flows},
        set(others.flows),
    )
    plan = changes(wanted, held)
    touched = {c.rule.key for c in plan.all if isinstance(c.rule, FlowRule)}
    assert not touched & held.foreign
    assert {rule.key for rule in plan.blocked} == wanted.flows.keys() & held.foreign
