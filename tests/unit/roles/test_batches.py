"""What waits for one shell is asked for at once, and comes to what it would have come to alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from fakes.killing import Scenario, Tenant
from fakes.world import Machine, provider, request

from cloudnet_sdn.roles.effects.lanes import Job, Lanes
from cloudnet_sdn.wire.faults import Conflict, NoSuchMethod
from ryu_apps.spec import parse_spec

LEAVES = 24
STAR = (
    "rdl: 1\ngraph: star\nnodes:\n  hub: {cpu: 0.1, arch: x86_64}\n"
    + "".join(f"  v{n}: {{cpu: 0.1, arch: arm64}}\n" for n in range(LEAVES))
    + "links:\n"
    + "".join(f"  l{n}: {{ends: [hub, v{n}], bandwidth: 1Mbps}}\n" for n in range(LEAVES))
)
"""The hub is on one host and the rest on the other: each VLink crosses the switches."""


@pytest.fixture
def star(tmp_path, clock) -> Iterator[Machine]:
    """A provider whose controller takes a moment for each call."""
    archs = {"arch1": "x86_64", "arch2": "arm64"}
    machine = provider(tmp_path, "berlin", "munich", "b", clock, **archs)
    wire = machine.peers["http://berlin.controller/RPC2"]
    call = wire.call

    def slow(method: str, *args: object, timeout_s: float | None = None) -> object:
        if method.startswith("vlinks"):
            time.sleep(0.05)
        return call(method, *args, timeout_s=timeout_s)

    # So that what comes meanwhile has to wait.
    wire.call = slow
    yield machine
    machine.stop()


def controller(machine: Machine):
    return machine.peers["http://berlin.controller/RPC2"]


def standing(machine: Machine) -> str:
    offer = request(machine, STAR)
    assert offer["state"] == "held", offer["reasons"]
    machine.call("negotiation.confirm", offer["offer"])
    machine.settle()
    return str(offer["cloudnet"])


def states(machine: Machine) -> set[str]:
    elements = machine.call("negotiation.status", "star")["elements"]
    return {elements[f"l{n}"]["state"] for n in range(LEAVES)}


def test_many_vlinks_come_and_go_with_few_calls(star):
    standing(star)
    assert len(star.site.controller.vlinks) == LEAVES
    assert states(star) == {"up"}
    made = [c for c in controller(star).calls if c in ("vlinks.put", "vlinks.put_many")]
    assert len(made) <= LEAVES / 2
    star.call("negotiation.release", "star")
    star.settle()
    assert star.site.empty()
    gone = [c for c in controller(star).calls if c.startswith("vlinks.delete")]
    assert len(gone) <= LEAVES / 2


def test_of_several_the_one_that_is_refused_is_told_alone(star):
    ends = [{"dpid": "00000000000000b1", "port": p, "vlan": 110} for p in (1, 2)]
    spec = {"ends": ends, "bandwidth": 0.0, "protection": "none", "path": [], "backup": []}
    star.site.controller.vlinks["somebody.else"] = parse_spec(spec)
    offer = request(star, STAR)
    assert offer["state"] == "refused"
    # One each has that tag at the two ports.
    assert {r["element"][0] for r in offer["reasons"]} == {"l"}
    assert 1 <= len({r["element"] for r in offer["reasons"]}) <= 2
    star.settle()
    assert set(star.site.controller.vlinks) == {"somebody.else"}


def test_of_several_that_are_made_again_one_may_have_to_wait(star):
    cloudnet = standing(star)
    late = f"{cloudnet}.l7"
    star.site.controller.vlinks.clear()
    star.site.controller.broken.add(late)
    deadline = time.monotonic() + 20
    while len(star.site.controller.vlinks) < LEAVES or states(star) != {"up", "failed"}:
        assert time.monotonic() < deadline
        star.busy()
        star.clock.advance(1)
        time.sleep(0.01)
    star.site.controller.broken.clear()
    star.settle()
    assert states(star) == {"up"}


@pytest.mark.parametrize("method", ["put_many", "delete_many"])
def test_an_answer_for_many_that_is_lost_is_asked_for_again(star, method):
    controller(star).lost[f"vlinks.{method}"] = 2
    standing(star)
    assert states(star) == {"up"}
    star.call("negotiation.release", "star")
    star.settle()
    assert star.site.empty()


@pytest.mark.parametrize("fault", [NoSuchMethod("no such method"), Conflict("not like that")])
def test_a_controller_that_takes_no_many_is_asked_for_each(star, fault):
    controller(star).refused |= {"vlinks.put_many": fault, "vlinks.delete_many": fault}
    standing(star)
    assert states(star) == {"up"}
    star.call("negotiation.release", "star")
    star.settle()
    assert star.site.empty()


def comes_and_goes(tenant: Tenant) -> None:
    tenant.confirm(tenant.request(STAR))
    tenant.release()


def test_killed_at_a_call_for_many_all_is_whole_or_gone(tmp_path):
    scenario = Scenario("star", False, comes_and_goes, "", (STAR, ""))
    points = scenario.points(tmp_path / "whole")["berlin"]
    calls = [n for n, name in enumerate(points, 1) if "_many" in name]
    assert calls, "nothing was asked for at once"
    wrong = {}
    # At the call, once it is answered, and while what came of it is written down.
    for number in sorted({n + more for n in calls[:2] + calls[-2:] for more in (0, 1, 4)}):
        kill = scenario.kill(tmp_path / str(number), "berlin", number)
        if kill.wrong:
            wrong[number, points[number - 1]] = kill.wrong
    assert not wrong


# -- lanes


class Shell:
    """What it was asked for at once, and what alone; jobs end when they may."""

    def __init__(self) -> None:
        self.together: list[list[int]] = []
        self.alone: list[int] = []
        self.may_end = threading.Event()

    def ask(self, joins: str, subjects: list[int]) -> None:
        assert joins == "make"
        self.together.append(list(subjects))

    def job(self, number: int, *, joins: str | None = "make", vain: bool = False) -> Job[str]:
        def run() -> tuple[str, bool]:
            self.may_end.wait(10)
            if not any(number in some for some in self.together):
                self.alone.append(number)
            if vain:
                time.sleep(1.1)
            return "done", vain

        return Job(run, lambda: "turned back", joins=joins, subject=number)


@pytest.fixture
def shell() -> Shell:
    return Shell()


@pytest.fixture
def lanes(shell) -> Iterator[Lanes[str]]:
    made: Lanes[str] = Lanes(width=16, name="test", together=shell.ask)
    yield made
    made.close()


def test_what_waits_and_joins_is_asked_for_at_once_in_its_order(lanes, shell):
    futures = [lanes.submit("one", shell.job(n)) for n in range(20)]
    other = lanes.submit("one", shell.job(99, joins=None))
    shell.may_end.set()
    assert {f.result(10) for f in (*futures, other)} == {"done"}
    assert shell.together == [list(range(4, 20))]
    assert sorted(shell.alone) == [0, 1, 2, 3, 99]


def test_what_goes_alone_does_not_wait_for_what_joins(lanes, shell):
    shell.may_end.clear()
    joining = [lanes.submit("one", shell.job(n)) for n in range(20)]
    free = Job(lambda: ("passed", False), lambda: "turned back")
    assert lanes.submit("one", free).result(10) == "passed"
    shell.may_end.set()
    assert {f.result(10) for f in joining} == {"done"}


def test_once_a_shell_hangs_the_rest_of_what_was_taken_is_turned_back(lanes, shell):
    first = [lanes.submit("one", shell.job(n)) for n in range(4)]
    rest = [lanes.submit("one", shell.job(n, vain=n == 6)) for n in range(4, 10)]
    shell.may_end.set()
    assert {f.result(10) for f in first} == {"done"}
    assert [f.result(10) for f in rest] == ["done"] * 3 + ["turned back"] * 3
    assert lanes.hangs("one")


def test_what_goes_wrong_with_asking_for_all_keeps_none_from_being_asked_for(shell):
    def broken(_: object, __: object) -> None:
        raise RuntimeError("broken")

    lanes: Lanes[str] = Lanes(width=16, name="test", together=broken)
    futures = [lanes.submit("one", shell.job(n)) for n in range(20)]
    shell.may_end.set()
    assert {f.result(10) for f in futures} == {"done"}
    lanes.close()
