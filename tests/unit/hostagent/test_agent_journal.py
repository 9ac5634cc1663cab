"""VNodes across crashes: an agent killed at any point is taken up by the next one."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudnet_sdn.wire.faults import BadRequest, Conflict, NotFound
from hostagent.command import CommandFailedError
from hostagent.drivers import Seen, SeenPort
from hostagent.records import Records
from hostagent.spec import InterfaceSpec, Key, VNodeSpec
from hostagent.vnodes import VNodes

WEB, DB = Key("shop.web"), Key("shop.db")
ODD = 7.0
"""A bandwidth that this machine can't do."""


class Killed(BaseException):
    """`kill -9`: nothing of ours catches it."""


class Fuse:
    """Blows at the nth effect."""

    def __init__(self) -> None:
        self.left: int | None = None

    def burn(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1


class Machine:
    """A driver whose machine is a dictionary: parts appear and vanish one by one."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.parts: dict[Key, set[object]] = {}
        self.on: set[Key] = set()
        self.cycles = 0
        self.broken = False
        self.unbootable = ""

    def check(self, spec):
        if any(i.bandwidth == ODD for i in spec.interfaces):
            raise BadRequest("not that", "e.bandwidth")

    def ensure(self, key, spec):
        have = self.parts.setdefault(key, set())
        for part in {*have} - {*spec.interfaces}:
            self.effect()
            have.discard(part)
        for part in spec.interfaces:
            self.effect()
            have.add(part)

    def remove(self, key):
        self.effect()
        self.on.discard(key)
        for part in list(self.parts.get(key, ())):
            self.effect()
            self.parts[key].discard(part)
        self.effect()
        self.parts.pop(key, None)

    def power(self, key, spec, *, on):
        self.effect()
        if on and self.unbootable:
            raise CommandFailedError(["ip"], "cv1234: no", self.unbootable)
        if on and key not in self.on:
            self.on.add(key)
            self.cycles += 1
        elif not on:
            self.on.discard(key)

    def observe(self, key, spec):
        have = self.parts.get(key)
        faults = () if have == {*spec.interfaces} else ("something is missing",)
        ports = tuple(SeenPort(i.name, i.name, i.vlan, key in self.on) for i in spec.interfaces)
        return Seen(power=key in self.on, faults=faults, ports=ports, netns="here")

    def owned(self, known):
        return set(self.parts)

    def shell(self, key):
        return ["sh"]

    def effect(self):
        if self.broken:
            raise CommandFailedError(["ip"], "broken")
        self.fuse.burn()


class FusedRecords(Records):
    """A journal that may be cut off before or after a write, never within."""

    def __init__(self, directory, fuse: Fuse) -> None:
        super().__init__(directory)
        self.fuse = fuse

    def put(self, key, document):
        self.fuse.burn()
        super().put(key, document)
        self.fuse.burn()

    def remove(self, key):
        self.fuse.burn()
        super().remove(key)


class World:
    """A machine with a journal, on which agents come and go."""

    def __init__(self, directory) -> None:
        self.directory = directory
        self.fuse = Fuse()
        self.machine = Machine(self.fuse)
        self.boot = "first"

    def agent(self) -> VNodes:
        records = FusedRecords(self.directory, self.fuse)
        return VNodes(records, self.machine, uplinks=["up"], boot=self.boot)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def vnode(*vlans: int) -> VNodeSpec:
    return VNodeSpec(interfaces=tuple(InterfaceSpec(f"e{v}", vlan=v) for v in vlans))


def adopt(agent: VNodes) -> list[Key]:
    return agent.adopt(agent.journalled())


OPERATIONS = {
    "put": lambda agent: agent.put(WEB, vnode(5, 7)),
    "start": lambda agent: agent.start(WEB),
    "stop": lambda agent: agent.stop(WEB),
    "powercycle": lambda agent: agent.powercycle(WEB),
    "delete": lambda agent: agent.delete(WEB),
}


@pytest.mark.parametrize("before", ["stopped", "running"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_cut_off_anywhere_is_completed_or_never_was(tmp_path, name, before):
    """Each effect in turn is the last one; the next agent leaves no half of anything."""
    for point in itertools.count():
        world = World(tmp_path / str(point))
        prepared = world.agent()
        prepared.put(WEB, vnode(5, 6))
        if before == "running":
            prepared.start(WEB)
        old = view(world, prepared)
        world.fuse.left = point
        try:
            OPERATIONS[name](prepared)
            finished = True
        except Killed:
            finished = False
        world.fuse.left = None
        after = world.agent()
        assert adopt(after) == []
        seen = view(world, after)
        OPERATIONS[name](after)
        assert seen in (old, view(world, after))
        assert not adopt(world.agent())
        if finished:
            assert seen == view(world, after)
            return


def view(world: World, agent: VNodes) -> object:
    """All there is to see, but for how often it was started."""
    got = [agent.get(key) for key in agent.all_keys()]
    assert all(one["state"] in ("running", "stopped") for one in got)
    return got, {k: {*v} for k, v in world.machine.parts.items()}, set(world.machine.on)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 9)), max_size=8))
def test_any_story_with_crashes_ends_whole(tmp_path_factory, story):
    """Operations, each cut off somewhere; every agent that follows sees a whole machine."""
    world = World(tmp_path_factory.mktemp("journal"))
    for name, point in story:
        agent = world.agent()
        adopt(agent)
        world.fuse.left = point
        with contextlib.suppress(Killed, NotFound):
            OPERATIONS[name](agent)
        world.fuse.left = None
    agent = world.agent()
    assert adopt(agent) == []
    view(world, agent)
    assert set(world.machine.parts) == set(agent.all_keys())


def test_a_reboot_of_the_machine_brings_back_what_ran(world):
    agent = world.agent()
    agent.put(WEB, vnode(5))
    agent.put(DB, vnode(6))
    agent.start(WEB)
    world.machine.parts.clear()
    world.machine.on.clear()
    world.boot = "second"
    after = world.agent()
    adopt(after)
    assert after.get(WEB)["state"] == "running"
    assert after.get(DB)["state"] == "stopped"


def test_a_vnode_that_ended_while_nobody_looked_is_not_started_again(world):
    agent = world.agent()
    agent.put(WEB, vnode(5))
    agent.start(WEB)
    world.machine.on.clear()
    after = world.agent()
    adopt(after)
    assert (after.get(WEB)["state"], after.get(WEB)["reason"]) == (
        "failed",
        "it has ended by itself",
    )


def test_what_can_not_be_done_now_is_said_and_tried_again(world):
    agent = world.agent()
    agent.put(WEB, vnode(5))
    world.machine.parts.clear()
    world.machine.broken = True
    after = world.agent()
    assert adopt(after) == [WEB]
    assert after.get(WEB)["state"] == "failed"
    world.machine.broken = False
    assert after.adopt([WEB]) == []
    assert after.get(WEB)["state"] == "stopped"


def test_a_start_that_fails_leaves_a_failed_vnode_not_one_that_starts_for_ever(world):
    agent = world.agent()
    agent.put(WEB, vnode(5))
    world.machine.broken = True
    with pytest.raises(CommandFailedError):
        agent.start(WEB)
    assert agent.get(WEB)["state"] == "failed"
    world.machine.broken = False
    assert agent.start(WEB)["state"] == "running"


def test_why_a_vnode_was_not_started_is_kept_until_it_is(world):
    agent = world.agent()
    agent.put(WEB, vnode(5))
    world.machine.unbootable = "its address can't be set"
    with pytest.raises(CommandFailedError):
        agent.start(WEB)
    got = world.agent().get(WEB)
    assert (got["state"], got["reason"], got["told"]) == (
        "failed",
        "its address can't be set",
        "its address can't be set",
    )
    world.machine.unbootable = ""
    got = agent.start(WEB)
    assert (got["state"], got["told"]) == ("running", "")
    world.machine.on.clear()
    assert agent.get(WEB)["told"] == "it has ended by itself"


def test_what_the_driver_cannot_do_is_refused_before_anything_is_written(world):
    agent = world.agent()
    odd = VNodeSpec(interfaces=(InterfaceSpec("e", vlan=5, bandwidth=ODD),))
    with pytest.raises(BadRequest) as refused:
        agent.put(WEB, odd)
    assert refused.value.about == "e.bandwidth"
    assert world.agent().all_keys() == []


def test_a_leftover_is_listed_failed_and_deletable(world):
    world.machine.parts[DB] = set()
    agent = world.agent()
    assert agent.all_keys() == [DB]
    assert agent.get(DB)["state"] == "failed"
    agent.delete(DB)
    assert agent.all_keys() == []


def test_unknown_vnodes_are_not_found_but_deleted(world):
    agent = world.agent()
    agent.delete(WEB)
    for call in (agent.get, agent.start, agent.stop, agent.powercycle, agent.shell):
        with pytest.raises(NotFound):
            call(WEB)


def test_there_is_no_shell_in_what_does_not_run(world):
    agent = world.agent()
    agent.put(WEB, vnode(5))
    with pytest.raises(Conflict):
        agent.shell(WEB)
    agent.start(WEB)
    assert agent.shell(WEB) == ["sh"]


def test_a_tag_is_free_again_once_its_vnode_is_gone(world):
    agent = world.agent()
    agent.put(WEB, vnode(5))
    with pytest.raises(Conflict):
        agent.put(Key("bank.web"), vnode(5))
    agent.delete(WEB)
    assert agent.put(Key("bank.web"), vnode(5))["state"] == "stopped"


def test_a_put_keeps_a_running_vnode_running(world):
    agent = world.agent()
    agent.put(WEB, vnode(5))
    agent.start(WEB)
    again = agent.put(WEB, replace(vnode(5, 6), cpu=2.0))
    assert again["state"] == "running"
    assert world.machine.cycles == 1


def test_records_survive_and_half_written_ones_do_not(tmp_path):
    records = Records(tmp_path / "journal")
    records.put(WEB, {"a": 1})
    records.put(WEB, {"a": 2})
    records.put(DB, {})
    (tmp_path / "journal" / ".half").write_text('{"a":')
    records.remove(DB)
    records.remove(DB)
    assert Records(tmp_path / "journal").load() == {WEB: {"a": 2}}
    assert [p.name for p in (tmp_path / "journal").iterdir()] == ["shop.web.json"]
