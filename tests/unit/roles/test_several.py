"""What several callers, or several processes of one role, do at the same time to one store."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time

import pytest
import sqlalchemy as sa
from fakes.loopback import Killed
from fakes.world import PAIR, DirectMapper, Machine, provider, request

from cloudnet_sdn.store import tags, tasks
from cloudnet_sdn.store.contention import StoreAway
from cloudnet_sdn.store.engine import StoreError
from cloudnet_sdn.wire.faults import Busy, PeerAway


class Gate:
    """A mapper that waits."""

    def __init__(self) -> None:
        self.inside, self.go = threading.Event(), threading.Event()

    def map(self, problem, options):
        self.inside.set()
        assert self.go.wait(20)
        return DirectMapper().map(problem, options)


def tick(machine: Machine, times: int = 10) -> None:
    for _ in range(times):
        machine.role.reconciler.tick()
        machine.role.reconciler.wait_for_inventory()
        time.sleep(0.02)


def until_settled(machine: Machine, offer: str) -> dict:
    deadline = time.monotonic() + 20
    while (found := machine.call("negotiation.offer", offer))["state"] == "working":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.mark.usefixtures("file_of_its_own")
def test_a_second_process_on_sqlite_is_turned_away(pip):
    with pytest.raises(StoreError, match="another process of this role uses it"):
        Machine(pip.settings, pip.clock, pip.peers, pip.site)
    assert request_state(pip) == "held"


def killed(*_: object) -> None:
    """The process ends here: kill -9."""
    raise Killed


def request_state(machine: Machine) -> str:
    return str(request(machine, PAIR)["state"])


def test_an_offer_cancelled_while_it_is_reserved_leaves_nothing(pip, clock):
    """Also where the process ends right after it has reserved."""
    reserving = pip.role.negotiation._worker.__self__._reservations
    take, inside, go = reserving._take, threading.Event(), threading.Event()

    def slow(*args, **kwargs):
        inside.set()
        go.wait(20)
        return take(*args, **kwargs)

    ended = threading.Event()

    def killed(*_):
        ended.wait(60)  # kill -9 comes before
        raise Killed

    reserving._take = slow
    pip.role.effects.make_all = killed
    offer = request(pip, PAIR, wait_s=0)
    assert inside.wait(10)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        cancelled = pool.submit(pip.call, "negotiation.cancel", offer["offer"])
        time.sleep(0.1)
        go.set()
        assert cancelled.result(20)["state"] == "cancelled"
    pip.kill()
    ended.set()
    pip.boot()
    pip.settle()
    assert pip.site.empty()
    with pip.role.store.read() as conn:
        assert tags.taken(conn) == {}
        assert tasks.of_cloudnet(conn, offer["cloudnet"]) == []
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "released"


def test_what_is_left_of_a_cloudnet_that_is_over_is_swept(pip):
    """As an earlier version could leave it."""
    offer = request(pip, PAIR)
    with pip.role.store.write() as conn:
        conn.execute(sa.text("UPDATE cloudnets SET state = 'released'"))
        conn.execute(sa.text("UPDATE offers SET state = 'cancelled'"))
    pip.settle()
    assert pip.site.empty()
    with pip.role.store.read() as conn:
        assert tags.taken(conn) == {}
        assert tasks.of_cloudnet(conn, offer["cloudnet"]) == []


@pytest.mark.parametrize("failing", [sa.exc.OperationalError("", {}, Exception()), StoreAway("")])
def test_an_offer_whose_store_failed_for_a_moment_comes_to_an_end(pip, failing):
    write, fails = pip.role.store.write, threading.Event()
    hold = pip.role.negotiation._lifecycle.hold

    def holding(*args):
        fails.set()
        return hold(*args)

    @contextlib.contextmanager
    def writing():
        if fails.is_set():
            raise failing
        with write() as conn:
            yield conn

    pip.role.negotiation._lifecycle.hold = holding
    pip.role.store.write = writing
    offer = request(pip, PAIR, wait_s=0)
    deadline = time.monotonic() + 20
    while pip.role.negotiation.attended():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pip.role.store.write = write
    pip.settle()
    found = pip.call("negotiation.offer", offer["offer"])
    assert found["state"] == "failed"
    assert found["reasons"][0]["code"] == "peer-away"
    assert pip.site.empty()


def test_a_store_that_is_away_is_told_as_such(pip):
    @contextlib.contextmanager
    def away():
        raise StoreAway("the database doesn't answer; try again")
        yield

    pip.role.store.read, read = away, pip.role.store.read
    with pytest.raises(PeerAway, match="database"):
        pip.call("negotiation.list")
    pip.role.store.read = read


def test_a_quota_holds_however_many_ask_at_once(tmp_path, clock):
    pip = provider(tmp_path, "berlin", "munich", "b", clock, settings={"quota": {"cloudnets": 3}})
    text = "rdl: 1\ngraph: q{}\nnodes:\n  a: {{cpu: 0.1}}\n"

    def ask(number: int) -> bool:
        try:
            request(pip, text.format(number), f"q{number}", wait_s=0)
        except Busy:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(16))) == 3
    pip.settle()
    pip.stop()


@pytest.mark.usefixtures("shared")
def test_a_second_process_leaves_the_first_one_its_work(pip, clock):
    gate = Gate()
    pip.role.mapping._mapper, mapper = gate, pip.role.mapping._mapper
    offer = request(pip, PAIR, wait_s=0)
    assert gate.inside.wait(10)
    second = Machine(pip.settings, clock, pip.peers, pip.site)
    tick(second)
    assert second.call("negotiation.offer", offer["offer"])["state"] == "working"
    pip.role.mapping._mapper = mapper
    gate.go.set()
    assert until_settled(second, offer["offer"])["state"] == "held"
    second.stop()


@pytest.mark.usefixtures("shared")
def test_work_of_a_dead_process_is_taken_over_once_its_beat_is_old(pip, clock):
    gate = Gate()
    pip.role.mapping._mapper = gate
    offer = request(pip, PAIR, wait_s=0, hold_s=600)
    assert gate.inside.wait(10)
    second = Machine(pip.settings, clock, pip.peers, pip.site)
    pip.kill()
    tick(second)
    assert second.call("negotiation.offer", offer["offer"])["state"] == "working"
    clock.advance(25)
    tick(second)
    assert second.call("negotiation.offer", offer["offer"])["state"] == "failed"
    gate.go.set()  # it was only slow after all: what it came to isn't written any more
    assert request(second, PAIR, "r2")["state"] == "held"
    second.stop()


@pytest.mark.usefixtures("shared")
def test_one_powercycle_boots_once(pip, clock):
    offer = request(pip, PAIR, start=True)
    pip.call("negotiation.confirm", offer["offer"])
    pip.settle()
    second = Machine(pip.settings, clock, pip.peers, pip.site)
    boots = [pip.site.vnode(v).boots for v in ("web", "db")]
    with second.role.store.read() as conn:
        every = tasks.of_cloudnet(conn, offer["cloudnet"])
    pip.call("provisioning.powercycle", "pair", [])
    both = [m.role.effects.dispatch(entry) for entry in every for m in (pip, second)]
    concurrent.futures.wait(both)
    tick(pip)
    tick(second)
    after = [pip.site.vnode(v).boots for v in ("web", "db")]
    assert [b - a for a, b in zip(boots, after, strict=True)] == [1, 1]
    second.stop()


def test_what_was_released_takes_nothing_after_a_restart(pip):
    before = pip.call("negotiation.substrate")
    offer = request(pip, PAIR)
    pip.call("negotiation.confirm", offer["offer"])
    pip.call("negotiation.release", offer["cloudnet"])
    pip.settle()
    pip.kill()
    pip.boot()
    pip.settle()
    assert pip.call("negotiation.substrate") == before
