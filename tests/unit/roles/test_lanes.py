"""A shell that hangs holds up its own work alone; a wish is granted once."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Iterator

import pytest
from fakes.world import OPERATOR, OTHER, PAIR, request

from cloudnet_sdn.roles.effects.lanes import Job, Lanes
from cloudnet_sdn.wire.faults import TimedOut

MANY = "rdl: 1\ngraph: many\nnodes:\n" + "".join(f"  v{i}: {{cpu: 0.05}}\n" for i in range(120))
ONE = "rdl: 1\ngraph: one\nnodes:\n  v: {cpu: 0.05}\n"


@pytest.fixture
def lanes() -> Iterator[Lanes[str]]:
    made: Lanes[str] = Lanes(width=2, name="test")
    yield made
    made.close()


def hanging(shell: threading.Event) -> Job[str]:
    """A call that takes long and comes to nothing."""

    def run() -> tuple[str, bool]:
        shell.wait(10)
        time.sleep(1.1)
        return "tried", True

    return Job(run, lambda: "turned back")


def well() -> Job[str]:
    return Job(lambda: ("done", False), lambda: "turned back")


def test_what_waits_for_a_shell_that_hangs_is_turned_back_and_others_go_on(lanes):
    shell = threading.Event()
    waiting = [lanes.submit("hung", hanging(shell)) for _ in range(6)]
    assert lanes.submit("other", well()).result(5) == "done"
    shell.set()
    assert sorted(f.result(10) for f in waiting) == ["tried"] * 2 + ["turned back"] * 4
    assert lanes.hangs("hung")


def test_one_try_at_a_time_until_one_succeeds(lanes):
    shell = threading.Event()
    shell.set()
    lanes.submit("hung", hanging(shell)).result(10)
    shell.clear()
    trying = lanes.submit("hung", hanging(shell))
    assert lanes.submit("hung", well()).result(5) == "turned back"
    shell.set()
    assert trying.result(10) == "tried"
    assert lanes.submit("hung", well()).result(5) == "done"
    assert not lanes.hangs("hung")


def test_errors_reach_who_waits_and_leave_the_lane_free(lanes):
    def broken() -> tuple[str, bool]:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        lanes.submit("a", Job(broken, str)).result(5)
    assert lanes.submit("a", well()).result(5) == "done"


def test_a_hung_host_of_one_tenant_costs_another_nothing(pip):
    pip.call("operator.drain", "sn2", caller=OPERATOR)
    offer = request(pip, MANY, start=True)
    pip.call("negotiation.confirm", offer["offer"])
    pip.settle()
    pip.call("operator.undrain", "sn2", caller=OPERATOR)
    pip.call("operator.drain", "sn1", caller=OPERATOR)
    wire = pip.peers["http://berlin.sn1/RPC2"]
    wire.call = hung(pip)
    pip.call("negotiation.release", "many")
    calls = len(wire.calls)
    other = request(pip, ONE, "r2", caller=OTHER)
    assert other["state"] == "held"
    assert len(wire.calls) == calls


def test_a_host_that_hung_carries_again_once_it_has_answered_a_comparison(pip):
    pip.call("operator.drain", "sn2", caller=OPERATOR)
    wire = pip.peers["http://berlin.sn1/RPC2"]
    answering = wire.call
    wire.call = too_late
    compare(pip)
    wire.call = answering
    assert request(pip, ONE)["state"] == "refused"
    compare(pip)
    assert request(pip, ONE, "r2")["state"] == "held"


def too_late(method: str, *args: object, timeout_s: float | None = None) -> object:
    """A shell whose time to answer is over."""
    raise TimedOut(f"{method}{args} took too long ({timeout_s} s)")


def compare(pip):
    pip.role.reconciler.tick()
    pip.role.reconciler.wait_for_inventory()


def test_what_nobody_waits_for_is_removed_all_the_same(pip):
    offer = request(pip, MANY)
    pip.call("negotiation.confirm", offer["offer"])
    pip.call("negotiation.release", "many")
    pip.settle()
    assert pip.site.empty()
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "released"


def hung(pip):
    """A shell that accepts calls and doesn't answer in time."""
    ended = threading.Event()

    def call(method: str, *args: object, timeout_s: float | None = None) -> object:
        ended.wait(timeout_s)
        raise TimedOut(f"{method}{args} took too long")

    return call


def test_starting_a_vnode_that_ended_by_itself_boots_it_again(pip):
    offer = request(pip, PAIR, start=True)
    pip.call("negotiation.confirm", offer["offer"])
    pip.settle()
    pip.site.vnode("web").state = "failed"
    assert pip.call("provisioning.status", "pair")["web"] == "failed"
    pip.call("provisioning.start", "pair", ["web"])
    pip.settle()
    assert pip.call("provisioning.status", "pair") == {"web": "running", "db": "running"}
    assert (pip.site.vnode("web").boots, pip.site.vnode("db").boots) == (2, 1)


def test_a_powercycle_whose_answers_are_lost_boots_once(pip):
    offer = request(pip, PAIR, start=True)
    pip.call("negotiation.confirm", offer["offer"])
    pip.settle()
    for host in ("sn1", "sn2"):
        pip.peers[f"http://berlin.{host}/RPC2"].lost["vnode.powercycle"] = 2
    pip.call("provisioning.powercycle", "pair", ["web"])
    pip.settle()
    assert pip.site.vnode("web").boots == 2


def test_nobody_waits_for_what_was_not_begun_when_lanes_close():
    lanes: Lanes[str] = Lanes(width=1, name="test", threads=1)
    shell, begun = threading.Event(), threading.Event()

    def run() -> tuple[str, bool]:
        begun.set()
        shell.wait(10)
        return "done", False

    running = lanes.submit("one", Job(run, lambda: ""))
    begun.wait(10)
    waits = [lanes.submit("one", well()), lanes.submit("other", well())]  # for a turn; for a thread
    lanes.close()
    shell.set()
    done, _ = concurrent.futures.wait([running, *waits], timeout=10)
    assert done == {running, *waits}
    assert running.result() == "done"
    assert all(future.cancelled() for future in waits)
    with pytest.raises(concurrent.futures.CancelledError):
        lanes.submit("one", well())


def test_an_offer_that_a_slow_provider_holds_up_is_left_to_the_next_process(federation, caplog):
    wire = federation.wires["munich"]
    call, asked, shell = wire.call, threading.Event(), threading.Event()

    def slow(method, *args, timeout_s=None):
        if method == "negotiation.request":
            asked.set()
            shell.wait(10)
        return call(method, *args, timeout_s=timeout_s)

    wire.call = slow
    offer = request(federation.vnp, AT_MUNICH, wait_s=0)
    assert asked.wait(5)
    federation.vnp.kill()
    shell.set()
    wire.call = call
    federation.vnp.boot()
    federation.settle()
    assert federation.vnp.call("negotiation.offer", offer["offer"])["state"] == "failed"
    assert federation.empty()
    assert "cannot schedule new futures" not in caplog.text
    assert "broke down" not in caplog.text


AT_MUNICH = "rdl: 1\ngraph: one\nnodes:\n  a: {cpu: 1, provider: munich}\n"
