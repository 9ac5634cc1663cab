"""The controller's service over switches that obey OpenFlow, frames traced through their tables."""

from __future__ import annotations

import contextlib
import itertools
import threading
from typing import Any

import pytest
from controller_fakes import World, at, s
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudnet_sdn.wire.faults import BadRequest, Conflict, NotFound
from ryu_apps.reconcile import FlowAdd, FlowModify, FlowRemove, MeterModify
from ryu_apps.rules import Key, match
from ryu_apps.spec import VLinkId
from ryu_apps.topology import Capacities

TRIANGLE = ((1, 2), (2, 3), (1, 3))
RING = ((1, 2), (2, 3), (3, 4), (4, 1))


def ends_reached(world: World, *ends: tuple[int, int, int]) -> None:
    """Each end's frames come out at all the other ends, with their tags, and nowhere else."""
    frames = [(at(number, port), vlan) for number, port, vlan in ends]
    for place, vlan in frames:
        assert world.network.send(place, vlan) == {f for f in frames if f != (place, vlan)}


class TestPut:
    def test_two_ends_by_the_shortest_path(self) -> None:
        world = World(TRIANGLE)
        answer = world.put("a", (1, 1, 0), (3, 2, 0))
        assert (answer["state"], answer["reason"]) == ("up", "")
        assert answer["path"] == [s(1), s(3)]
        ends_reached(world, (1, 1, 0), (3, 2, 0))

    def test_a_given_path_with_its_tags(self) -> None:
        world = World(TRIANGLE)
        path = [world.hop(1, 2, 100), world.hop(2, 3, 200)]
        answer = world.put("a", (1, 1, 0), (3, 2, 30), path=path)
        assert answer["tags"] == path
        assert answer["path"] == [s(1), s(2), s(3)]
        ends_reached(world, (1, 1, 0), (3, 2, 30))
        assert world.network.send(at(2, world.port(2, 1)), 100) == {(at(3, 2), 30)}

    def test_a_path_may_name_its_last_step_or_run_backwards(self) -> None:
        world = World(TRIANGLE)
        path = [world.hop(2, 1, 100), world.hop(3, 2, 200), [s(3), 2, 30]]
        answer = world.put("a", (1, 1, 0), (3, 2, 30), path=path)
        assert answer["tags"] == [world.hop(1, 2, 100), world.hop(2, 3, 200)]

    def test_a_path_of_switches_alone(self) -> None:
        world = World(TRIANGLE)
        answer = world.put("a", (1, 1, 0), (3, 2, 0), path=[s(1), s(2), s(3)])
        assert answer["path"] == [s(1), s(2), s(3)]
        ends_reached(world, (1, 1, 0), (3, 2, 0))

    def test_ends_on_one_switch_and_even_on_one_port(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 10), (1, 1, 20), path=[s(1)])
        world.put("b", (1, 2, 0), (1, 3, 7))
        ends_reached(world, (1, 1, 10), (1, 1, 20))
        ends_reached(world, (1, 2, 0), (1, 3, 7))

    def test_a_tree(self) -> None:
        world = World(RING)
        ends = ((1, 1, 0), (2, 1, 5), (3, 1, 0), (3, 2, 9))
        world.put("tree", *ends)
        ends_reached(world, *ends)

    def test_a_tree_by_its_links(self) -> None:
        world = World(RING)
        ends = ((2, 1, 0), (4, 1, 0), (3, 1, 0))
        path = [world.hop(1, 2, 11), world.hop(1, 4, 12), world.hop(3, 4, 13)]
        answer = world.put("tree", *ends, path=path)
        assert answer["path"] == [s(2), s(1), s(4), s(3)]
        ends_reached(world, *ends)

    def test_ports_by_name_follow_their_numbers(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, "s1-eth1", 0), (3, 2, 0))
        world.leave(s(1))
        ports = world.network.switches[s(1)].ports
        ports[1], ports[4] = (
            ports[4].__class__(1, "s1-eth4", up=True),
            ports[1].__class__(4, "s1-eth1", up=True),
        )
        world.come(s(1))
        world.later(1.0)
        assert world.service.get(VLinkId("a"))["state"] == "up"
        ends_reached(world, (1, 4, 0), (3, 2, 0))
        assert world.network.send(at(1, 1)) == set()

    def test_the_same_again_changes_nothing(self) -> None:
        world = World(TRIANGLE)
        first = world.put("a", (1, 1, 0), (3, 2, 0), bandwidth=5e6)
        done = [list(switch.log) for switch in world.network.switches.values()]
        assert world.put("a", (1, 1, 0), (3, 2, 0), bandwidth=5e6) == first
        assert [switch.log for switch in world.network.switches.values()] == done

    def test_other_bandwidth_changes_the_meters_alone(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 2, 0), bandwidth=5e6)
        before = {dpid: len(switch.log) for dpid, switch in world.network.switches.items()}
        world.put("a", (1, 1, 0), (3, 2, 0), bandwidth=9e6)
        for dpid, switch in world.network.switches.items():
            assert all(isinstance(c, MeterModify) for c in switch.log[before[dpid] :])
        (meter,) = world.network.switches[s(1)].observed.meters.values()
        assert 9000 <= meter.rate <= 9500

    def test_another_path_is_built_before_the_old_one_goes(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 2, 0), path=[world.hop(1, 3, 50)])
        log = world.network.switches[s(1)].log
        start = len(log)
        world.put("a", (1, 1, 0), (3, 2, 0), path=[world.hop(1, 2, 60), world.hop(2, 3, 61)])
        kinds = [type(change) for change in log[start:]]
        assert kinds == [FlowAdd, FlowModify, FlowRemove]
        ends_reached(world, (1, 1, 0), (3, 2, 0))
        world.put("b", (1, 2, 0), (3, 3, 0), path=[world.hop(1, 3, 50)])

    def test_what_is_wrong_is_said_and_nothing_is_done(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 2, 0), path=[world.hop(1, 3, 50)])
        held = world.network.residue()
        for error, text, ends, more in (
            (Conflict, "is an end of VLink a", ((1, 1, 0), (2, 1, 0)), {}),
            (
                Conflict,
                "in use by VLink a",
                ((1, 2, 0), (3, 3, 0)),
                {"path": [world.hop(3, 1, 50)]},
            ),
            (Conflict, "can't be an end", ((1, world.port(1, 3), 9), (3, 3, 0)), {}),
            (Conflict, "no path can lead", ((2, 1, 0), (3, 3, 0)), {"path": [[s(3), 2, 9]]}),
            (Conflict, "no link is known", ((2, 1, 0), (3, 3, 0)), {"path": [[s(2), 3, 9]]}),
            (BadRequest, "has no port", ((1, 99, 0), (3, 3, 0)), {}),
            (BadRequest, "twice", ((1, 2, 0), (1, "s1-eth2", 0)), {}),
            (BadRequest, "leaves out", ((1, 2, 0), (3, 3, 0)), {"path": [s(1), s(2)]}),
            (BadRequest, "doesn't lead", ((1, 2, 0), (3, 3, 0)), {"path": [world.hop(1, 2, 9)]}),
            (BadRequest, "tagged", ((1, 2, 0), (3, 3, 0)), {"path": [world.hop(1, 3, 0)]}),
            (
                BadRequest,
                "twice",
                ((1, 2, 0), (3, 3, 0)),
                {"path": [world.hop(1, 2, 9), world.hop(2, 3, 9), world.hop(3, 1, 9)]},
            ),
            (
                BadRequest,
                "one of the ends",
                ((1, world.port(1, 2), 9), (2, 3, 0)),
                {"path": [world.hop(1, 2, 5)]},
            ),
            (
                BadRequest,
                "isn't joined",
                ((1, 2, 0), (1, 3, 0)),
                {"path": [world.hop(2, 3, 9)]},
            ),
        ):
            with pytest.raises(error, match=text):
                world.put("b", *ends, **more)
        assert world.service.ids() == ["a"]
        assert world.network.residue() == held

    def test_many_are_all_or_none(self) -> None:
        world = World(TRIANGLE)
        good = world.put("x", (1, 4, 0), (2, 4, 0))
        assert good["state"] == "up"
        from controller_fakes import spec

        wanted = {
            VLinkId("a"): spec((1, 1, 0), (2, 1, 0)),
            VLinkId("b"): spec((1, 1, 0), (3, 1, 0)),
        }
        with pytest.raises(Conflict):
            world.service.put_many(wanted)
        assert world.service.ids() == ["x"]
        assert world.put("b", (1, 1, 0), (3, 1, 0))["state"] == "up"


class TestCapacity:
    def test_no_more_than_there_is(self) -> None:
        world = World(((1, 2),), capacities=Capacities(default=10e6))
        world.put("a", (1, 1, 0), (2, 1, 0), bandwidth=6e6)
        with pytest.raises(Conflict, match="bandwidth left"):
            world.put("b", (1, 2, 0), (2, 2, 0), bandwidth=5e6)
        with pytest.raises(Conflict, match="has 4 of 10 Mbit/s left"):
            world.put("b", (1, 2, 0), (2, 2, 0), bandwidth=5e6, path=[world.hop(1, 2, 5)])
        world.put("c", (1, 2, 0), (2, 2, 0))
        world.put("a", (1, 1, 0), (2, 1, 0), bandwidth=10e6)

    def test_the_controller_goes_where_there_is_room(self) -> None:
        world = World(TRIANGLE, capacities=Capacities(default=10e6))
        world.put("a", (1, 1, 0), (3, 1, 0), bandwidth=6e6)
        answer = world.put("b", (1, 2, 0), (3, 2, 0), bandwidth=6e6)
        assert answer["path"] == [s(1), s(2), s(3)]

    def test_parallel_links_share(self) -> None:
        world = World(((1, 2), (1, 2)), capacities=Capacities(default=10e6))
        tags = [world.put(f"v{n}", (1, n, 0), (2, n, 0), bandwidth=6e6)["tags"][0] for n in (1, 2)]
        assert tags[0][1] != tags[1][1]


class TestAbsence:
    def test_put_and_delete_with_a_switch_away(self) -> None:
        world = World(TRIANGLE)
        via2 = {"path": [world.hop(1, 2, 5), world.hop(2, 3, 5)]}
        world.put("old", (1, 1, 0), (3, 1, 0), **via2)
        world.leave(s(2))
        assert world.service.get(VLinkId("old"))["state"] == "degraded"
        gone = world.delete("old")
        assert gone["state"] == "pending"
        assert s(2) in gone["reason"]
        with pytest.raises(Conflict):
            world.put("new", (1, 1, 0), (2, 1, 0), path=[world.hop(1, 2, 5)])
        new = world.put("new", (1, 2, 0), (3, 2, 0), path=[world.hop(1, 2, 6), world.hop(2, 3, 6)])
        assert new["state"] == "pending"
        assert s(2) in new["reason"]
        world.come(s(2))
        world.later(1.0)
        assert world.service.ids() == ["new"]
        assert world.service.get(VLinkId("new"))["state"] == "up"
        ends_reached(world, (1, 2, 0), (3, 2, 0))
        world.delete("new")
        assert world.network.residue() == []

    def test_a_switch_never_seen(self) -> None:
        world = World(TRIANGLE)
        world.leave(s(3))
        world.start()
        answer = world.put("a", (1, 1, 0), (3, 1, 0))
        assert answer["state"] == "pending"
        assert answer["path"] == []
        world.come(s(3))
        world.discover()
        world.later(1.0)
        assert world.service.get(VLinkId("a"))["state"] == "up"
        ends_reached(world, (1, 1, 0), (3, 1, 0))

    def test_moving_off_an_absent_switch_keeps_its_tags_until_it_is_clear(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 1, 0), path=[world.hop(1, 2, 5), world.hop(2, 3, 5)])
        world.leave(s(2))
        moved = world.put("a", (1, 1, 0), (3, 1, 0), path=[world.hop(1, 3, 5)])
        assert moved["state"] == "up"
        ends_reached(world, (1, 1, 0), (3, 1, 0))
        with pytest.raises(Conflict):
            world.put("b", (1, 2, 0), (3, 2, 0), path=[world.hop(1, 2, 5), world.hop(2, 3, 6)])
        world.come(s(2))
        world.later(1.0)
        assert world.put("b", (1, 2, 0), (2, 2, 0), path=[world.hop(1, 2, 5)])["state"] == "up"

    def test_a_path_that_cannot_be_built_leaves_the_old_one_working(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 1, 0), path=[world.hop(1, 3, 5)])
        world.network.switches[s(2)].room = 1
        answer = world.put("a", (1, 1, 0), (3, 1, 0), path=[world.hop(1, 2, 6), world.hop(2, 3, 6)])
        assert answer["state"] == "failed"
        assert "table full" in answer["reason"]
        ends_reached(world, (1, 1, 0), (3, 1, 0))
        world.network.switches[s(2)].room = 2  # one of two flows fits
        world.later(100.0)  # audits of the others meanwhile
        ends_reached(world, (1, 1, 0), (3, 1, 0))
        world.start()
        ends_reached(world, (1, 1, 0), (3, 1, 0))
        world.network.switches[s(2)].room = 9
        world.later(11.0)
        world.later(1.0)
        assert world.service.get(VLinkId("a"))["state"] == "up"
        ends_reached(world, (1, 1, 0), (3, 1, 0))
        assert world.put("b", (1, 2, 0), (3, 2, 0), path=[world.hop(1, 3, 5)])["state"] == "up"

    def test_waiting_ends_when_the_link_is_discovered(self) -> None:
        world = World(TRIANGLE, wait_s=5.0)
        world.service = type(world.service)(
            world.network, world.store, world.policy, lambda: world.time
        )
        for dpid in world.network.switches:
            world.come(dpid)
        threading.Timer(0.2, world.discover).start()
        path = [world.hop(1, 2, 5), world.hop(2, 3, 5)]
        assert world.put("a", (1, 1, 0), (3, 1, 0), path=path)["state"] == "up"


class TestReconciling:
    def test_a_restart_changes_nothing(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 2, 0), bandwidth=5e6)
        world.put("tree", (1, 2, 0), (2, 2, 0), (3, 3, 0))
        done = [list(switch.log) for switch in world.network.switches.values()]
        world.start()
        assert [switch.log for switch in world.network.switches.values()] == done
        assert {world.service.get(VLinkId(v))["state"] for v in ("a", "tree")} == {"up"}

    def test_a_lost_store_leaves_no_residue(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 2, 0), bandwidth=5e6)
        other = World(TRIANGLE)
        other.network = world.network
        other.start()
        assert world.network.residue() == []

    def test_what_others_take_away_is_put_back(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 2, 0))
        held = world.network.switches[s(1)].observed
        key, rule = next((k, r) for k, r in held.flows.items() if "in_port" in dict(r.match))
        del held.flows[key]
        assert not world.service.validate(VLinkId("a"))["ok"]
        world.service.flow_removed(s(1), rule.cookie, key)
        assert world.service.get(VLinkId("a"))["state"] == "pending"
        world.later(2.0)
        assert held.flows[key] == rule
        assert world.service.get(VLinkId("a"))["state"] == "up"

    def test_an_audit_finds_what_nobody_told(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 2, 0))
        world.network.switches[s(3)].observed.meters.clear()
        for rule in list(world.network.switches[s(3)].observed.flows.values()):
            if rule.meter:
                del world.network.switches[s(3)].observed.flows[rule.key]
        found = world.service.validate(None)
        assert len(found["differences"]) == 2
        world.later(61.0)
        world.discover()
        assert world.service.validate(None) == {"ok": True, "differences": []}

    def test_others_flows_are_left_alone_even_in_our_way(self) -> None:
        world = World(TRIANGLE)
        key = Key(0xC100, match(in_port=1, vlan_vid=0))
        world.network.switches[s(1)].observed.foreign |= {key, Key(5, ())}
        world.come(s(1))
        world.discover()
        answer = world.put("a", (1, 1, 0), (3, 2, 0))
        assert answer["state"] == "failed"
        assert "another application's flow" in answer["reason"]
        world.network.switches[s(1)].observed.foreign.remove(key)
        assert world.put("a", (1, 1, 0), (3, 2, 0))["state"] == "up"
        ends_reached(world, (1, 1, 0), (3, 2, 0))


class TestStates:
    def test_ports_and_links_that_go_down(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 2, 0))
        world.put("tree", (1, 2, 0), (2, 2, 0), (3, 3, 0))
        port = world.network.switches[s(1)].ports[2]
        world.service.port_changed(s(1), port.__class__(2, port.name, up=False))
        assert world.service.get(VLinkId("tree"))["state"] == "degraded"
        world.service.port_changed(s(1), port)
        assert world.service.get(VLinkId("tree"))["state"] == "up"
        world.service.port_gone(s(3), 2)
        answer = world.service.get(VLinkId("a"))
        assert (answer["state"], answer["reason"]) == ("failed", f"port {s(3)}:2 isn't there")

    def test_a_link_gone_silent_is_down(self) -> None:
        world = World(TRIANGLE)
        world.put("a", (1, 1, 0), (3, 2, 0))
        world.later(25.0)
        assert "is down" in world.service.get(VLinkId("a"))["reason"]
        world.discover()
        assert world.service.get(VLinkId("a"))["state"] == "up"

    def test_what_is_not_there(self) -> None:
        world = World(TRIANGLE)
        assert world.delete("a")["state"] == "gone"
        for question in (world.service.get, world.service.validate):
            with pytest.raises(NotFound):
                question(VLinkId("a"))

    def test_the_topology(self) -> None:
        world = World(((1, 2),), capacities=Capacities(ports={(s(1), "s1-eth11"): 5e6}))
        found = world.service.topology()
        link = {"a": [s(1), 11], "b": [s(2), 11], "up": True, "capacity": 5e6}
        assert found["links"] == [link]
        assert found["switches"][0]["ports"][0] == {"port": 1, "name": "s1-eth1", "up": True}
        world.put("a", (1, 11, 0), (1, 2, 0))
        assert world.service.topology()["links"] == []


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "delete", "leave", "come", "later", "restart", "full"]),
        st.integers(0, 3),
        st.integers(1, 4),
        st.integers(1, 4),
        st.sampled_from([0, 1, 3]),
    ),
    max_size=14,
)


def around(a: int, b: int, way: int) -> list[str]:
    """The switches of the ring from one to another, one way round or the other; 0: whichever."""
    if not way:
        return []
    steps = (b - a) * (1 if way == 1 else -1) % 4
    return [s((a - 1 + step * way) % 4 + 1) for step in range(steps + 1)]


@settings(max_examples=60)
@given(EVENTS)
def test_whatever_happens_the_switches_end_up_as_wanted(
    events: list[tuple[str, int, int, int, int]],
) -> None:
    """After any wishes, absences and full tables, with all well again: exactly what is wanted."""
    world = World(RING)
    wanted: dict[str, tuple[tuple[int, int, int], ...]] = {}
    for kind, which, a, b, way in events:
        name = f"v{which}"
        ends = ((a, 1 + which % 4, which), (b, 2 + which % 3, 100 + which))
        if kind == "put" and ends[0] != ends[1]:
            with contextlib.suppress(Conflict, BadRequest):
                world.put(name, *ends, path=around(a, b, way))
                wanted[name] = ends
        elif kind == "delete":
            world.delete(name)
            wanted.pop(name, None)
        elif kind == "leave":
            world.leave(s(a))
        elif kind == "come":
            world.come(s(a))
            world.discover()
        elif kind == "later":
            world.later(2.0)
            world.discover()
        elif kind == "full":
            world.network.switches[s(a)].room = b
        elif kind == "restart":
            world.start()
    for dpid, switch in world.network.switches.items():
        switch.room = 1000
        if not switch.connected:
            world.come(dpid)
    world.discover()
    for _ in range(4):
        world.later(11.0)
        world.discover()
    assert set(world.service.ids()) == set(wanted)
    for ends in wanted.values():
        ends_reached(world, *ends)
    assert world.service.validate(None) == {"ok": True, "differences": []}
    for name in wanted:
        world.delete(name)
    assert world.network.residue() == []


def test_calls_at_the_same_time_do_not_get_in_each_others_way() -> None:
    """Sixteen callers put and delete at once; all get their answers, and nothing is left."""
    world = World(RING)
    trouble: list[Any] = []

    def work(number: int) -> None:
        try:
            for _ in range(5):
                ends = ((1 + number % 4, 1, number + 1), (1 + (number + 1) % 4, 2, number + 1))
                if world.put(f"v{number}", *ends)["state"] != "up":
                    trouble.append(number)
                world.delete(f"v{number}")
        except Exception as exc:
            trouble.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert world.network.residue() == []


def test_no_two_vlinks_share_a_port_and_tag() -> None:
    """Many VLinks over few links: every tag on every link belongs to one."""
    world = World(RING)
    pairs = itertools.combinations(range(1, 5), 2)
    for number, (a, b) in enumerate(itertools.product(pairs, range(4))):
        answer = world.put(f"v{number}", (a[0], 1, 1000 + number), (a[1], 1, 1000 + number))
        assert answer["state"] == "up", b
    for number, (a, _) in enumerate(
        itertools.product(itertools.combinations(range(1, 5), 2), range(4))
    ):
        ends_reached(world, (a[0], 1, 1000 + number), (a[1], 1, 1000 + number))
