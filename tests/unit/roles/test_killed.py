"""`kill -9` at every step: before and after each of a role's writes to its store.

What the shells were told in between stays told, as it would. The next process must bring everything
to a whole end: what was promised is kept until its time, nothing else is left anywhere.
"""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from fakes.world import PAIR, SPLIT, Federation, Killed, Machine, provider, request

from cloudnet_sdn.wire.faults import CloudnetError


class Crash:
    """Kills a role at its `number`-th write, before or after it is committed."""

    def __init__(self, machine: Machine, number: int, *, before: bool) -> None:
        self._left = number
        self._before = before
        self._dead = False
        self._lock = threading.Lock()
        store = machine.role.store
        self._write, self._read = store.write, store.read
        store.write, store.read = self.write, self.read  # type: ignore[method-assign]

    @property
    def happened(self) -> bool:
        return self._dead

    @contextlib.contextmanager
    def read(self):
        if self._dead:
            raise Killed
        with self._read() as conn:
            yield conn

    @contextlib.contextmanager
    def write(self):
        with self._lock:
            self._left -= 1
            now = self._left == 0
            if self._dead:
                raise Killed
            if now and self._before:
                self._dead = True
        with self._write() as conn:
            yield conn
            if now and self._before:
                raise Killed
        if now:
            self._dead = True
            raise Killed


def live(machine: Machine, graph: str) -> None:
    """A CloudNet's whole life, as far as it gets."""
    try:
        offer = request(machine, graph, wait_s=0, hold_s=60)
        deadline = time.monotonic() + 5
        while offer["state"] == "working" and time.monotonic() < deadline:
            time.sleep(0.01)
            offer = machine.call("negotiation.offer", offer["offer"])
        machine.call("negotiation.confirm", offer["offer"])
        machine.call("provisioning.start", offer["cloudnet"], [])
        machine.role.reconciler.tick()
        machine.call("negotiation.release", offer["cloudnet"])
        for _ in range(20):
            machine.role.reconciler.tick()
            time.sleep(0.01)
    except (Killed, CloudnetError):
        return


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 19))
def test_a_killed_provider_comes_to_a_whole_end(tmp_path, clock, number, before):
    pip = provider(tmp_path, "berlin", "munich", "b", clock)
    crash = Crash(pip, number, before=before)
    live(pip, PAIR)
    assert crash.happened
    pip.kill()
    pip.boot()
    pip.settle(quiet=True)
    for cloudnet in pip.call("negotiation.list"):
        assert cloudnet["state"] in ("preliminary", "ready", "running")
        if cloudnet["state"] != "preliminary":
            pip.call("negotiation.release", cloudnet["cloudnet"])
    clock.advance(61)
    pip.settle()
    assert pip.call("negotiation.list") == []
    assert pip.site.empty()
    assert request(pip, PAIR, "r2")["state"] == "held"
    pip.stop()


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6, 7, 9, 11, 13, 15])
def test_a_killed_broker_comes_to_a_whole_end(tmp_path, clock, number):
    federation = Federation(tmp_path, clock)
    vnp = federation.vnp
    crash = Crash(vnp, number, before=number % 2 == 0)
    live(vnp, SPLIT)
    assert crash.happened
    vnp.kill()
    vnp.boot()
    federation.settle()
    for cloudnet in vnp.call("negotiation.list"):
        vnp.call("negotiation.release", cloudnet["cloudnet"])
    clock.advance(61)
    federation.settle()
    assert vnp.call("negotiation.list") == []
    assert federation.empty()
    federation.stop()
