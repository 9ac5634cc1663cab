"""Scenarios in which a process is killed at a point of one's choice, and what must come of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.accounts import faults, faults_of, owners_cloudnets
from fakes.loopback import Killed
from fakes.shells import Fabric
from fakes.world import FakeClock, Federation, Machine, provider, request, settle

from cloudnet_sdn.wire.faults import CloudnetError
from rdl.graph import Graph
from rdl.language.dump import to_data
from rdl.language.load import load_graph

HOLD_S = 60.0


class Stopped(Exception):
    """The tenant got no answer, and gives up."""


class World:
    """A PIP, or a VNP over two, with a tenant.

    Attributes:
        clock: of all.
        front: whom the tenant asks.
        machines: all, by name.
    """

    def __init__(self, folder: Path, *, broker: bool) -> None:
        folder.mkdir()
        self.clock = FakeClock()
        self._federation = Federation(folder, self.clock) if broker else None
        self._lock = threading.RLock()
        self.machines: dict[str, Machine]
        if self._federation is None:
            arch = {"arch1": "x86_64", "arch2": "arm64"}
            self.front = provider(folder, "berlin", "munich", "b", self.clock, **arch)
            self.machines = {"berlin": self.front}
        else:
            self.front = self._federation.vnp
            self.machines = {"vnp": self.front, **self._federation.pips}

    def restart_at_once(self, name: str) -> None:
        """Whoever calls a process that ends finds the next one there when it calls again."""
        assert self._federation is not None
        self._federation.wires[name].bury = self.revive

    def revive(self) -> None:
        """Start again whoever has been killed."""
        with self._lock:
            for name, machine in self.machines.items():
                if not machine.life.over:
                    continue
                if self._federation is not None and name in self._federation.pips:
                    self._federation.restart(name)
                else:
                    machine.kill()
                    machine.boot()

    def settle(self, *, quiet: bool = False) -> None:
        """Let everybody finish, whoever is killed meanwhile."""
        while True:
            try:
                settle(list(self.machines.values()), 0.0 if quiet else 1.0)
            except (Killed, CancelledError):
                # A process may end while it is at it, in another thread of its own or a peer's.
                self.revive()
            else:
                if not any(m.life.over for m in self.machines.values()):
                    return

    def faults(self) -> list[str]:
        """What doesn't agree."""
        return faults(self.front) if self._federation is None else faults_of(self._federation)

    def misled(self, graph: Graph) -> list[str]:
        """VLinks of a graph in force whose frames don't go where they are to."""
        fabric = Fabric(m.site for m in self.machines.values() if m.site)
        found = []
        for vlink in graph.links():
            ends = graph.neighbours(vlink.id)
            for end in ends:
                wanted = {(other, vlink.id) for other in ends if other != end}
                if fabric.reached((end, vlink.id)) != wanted:
                    found.append(f"{vlink.id} doesn't join {', '.join(ends)}")
        return found

    def empty(self) -> bool:
        """Whether nothing is on any machine."""
        return all(m.site.empty() for m in self.machines.values() if m.site)

    def stop(self) -> None:
        """End it."""
        for machine in self.machines.values():
            machine.stop()


@dataclass
class Tenant:
    """Asks, and remembers what it was told.

    Attributes:
        told: by offer, the last state that it was told of.
        cloudnet: its CloudNet.
    """

    world: World
    told: dict[str, str] = field(default_factory=dict)
    cloudnet: str = ""
    gave_up: Stopped | None = None
    _number: int = 0

    def request(self, graph: str, **options: Any) -> str:
        """Stage one; answers the offer."""
        self._number += 1
        front = self.world.front
        ask = lambda: request(front, graph, f"r{self._number}", hold_s=HOLD_S, **options)  # noqa: E731
        return self._offered(ask)

    def modify(self, graph: str, **options: Any) -> str:
        """Stage one of a change; answers the offer."""
        self._number += 1
        method, front = "negotiation.modify", self.world.front
        identifier, all_options = f"m{self._number}", {"hold_s": HOLD_S, **options}
        return self._offered(
            lambda: front.call(method, identifier, self.cloudnet, graph, all_options)
        )

    def confirm(self, offer: str) -> None:
        """Stage two."""
        self.told[offer] = ""
        got = self._asked(lambda: self.world.front.call("negotiation.confirm", offer))
        self.told[offer] = got["state"]

    def cancel(self, offer: str) -> None:
        """No stage two."""
        self.told[offer] = ""
        got = self._asked(lambda: self.world.front.call("negotiation.cancel", offer))
        self.told[offer] = got["state"]

    def release(self) -> None:
        """Give it back."""
        self.told.clear()
        self._asked(lambda: self.world.front.call("negotiation.release", self.cloudnet))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.told = {o: s for o, s in self.told.items() if s != "held"}
        self.world.settle()
        self.world.clock.advance(seconds)
        self.world.settle()

    def _offered(self, ask: Callable[[], Any]) -> str:
        self.told.clear()
        got = self._asked(ask)
        offer: str = got["offer"]
        self.told[offer], self.cloudnet = got["state"], got["cloudnet"]
        if got["state"] != "held":
            raise Stopped(got["reasons"])
        return offer

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except CloudnetError as exc:
            raise Stopped from exc
        finally:
            self.world.revive()

    def lies(self) -> list[str]:
        """What it was told that isn't so."""
        found = []
        for offer, state in self.told.items():
            now = self.world.front.call("negotiation.offer", offer)["state"]
            if state in ("held", "confirmed", "cancelled") and now != state:
                found.append(f"it was told that {offer} is {state}, and it is {now}")
        return found


@dataclass(frozen=True)
class Scenario:
    """What a tenant does, and what may come of it.

    Attributes:
        name: of it.
        broker: whether it asks a VNP over two PIPs, not a PIP.
        act: what it does.
        before: the graph that stands before, '' for none.
        ends: the graphs that may stand afterwards, '' for none; where nobody was killed, the last.
    """

    name: str
    broker: bool
    act: Callable[[Tenant], None]
    before: str
    ends: tuple[str, ...]

    def points(self, folder: Path, victim: str) -> list[str]:
        """Where `victim` may be killed.

        Raises:
            AssertionError: something is wrong although it wasn't.
        """
        world, tenant = self._acted(folder, victim, 0)
        points = list(world.machines[victim].life.points)
        wrong = self._wrong(world, tenant, self.ends[-1:])
        world.stop()
        assert not wrong, (wrong, tenant.gave_up)
        return points

    def killed(self, folder: Path, victim: str, number: int, *, at_once: bool = False) -> list[str]:
        """What is wrong after `victim` was killed at its `number`-th point.

        Args:
            folder: for the stores.
            victim: who is killed.
            number: at which of its points.
            at_once: whether it is there again before whoever called it calls again.
        """
        world, tenant = self._acted(folder, victim, number, at_once=at_once)
        wrong = self._wrong(world, tenant, self.ends)
        world.stop()
        return wrong

    def _acted(
        self, folder: Path, victim: str, number: int, *, at_once: bool = False
    ) -> tuple[World, Tenant]:
        world = World(folder, broker=self.broker)
        tenant = Tenant(world)
        if self.before:
            tenant.confirm(tenant.request(self.before, start=True))
            world.settle()
        if at_once:
            world.restart_at_once(victim)
        world.machines[victim].life.count(number)
        try:
            self.act(tenant)
        except Stopped as exc:
            tenant.gave_up = exc
        world.settle()
        # Threads share the points out differently in each run: the last ones may not be met.
        world.machines[victim].life.spare()
        world.settle()
        return world, tenant

    def _wrong(self, world: World, tenant: Tenant, ends: Collection[str]) -> list[str]:
        """What is wrong: at once, once all holds are over, and once all is given back."""
        wrong = [*tenant.lies(), *world.faults()]
        world.clock.advance(2 * HOLD_S)
        world.settle()
        wrong += world.faults()
        graphs = owners_cloudnets(world.front)
        for graph in graphs.values():
            wrong += world.misled(graph)
        there = [to_data(g) for g in graphs.values()]
        if there not in [[to_data(load_graph(text))] if text else [] for text in ends]:
            wrong.append(f"neither whole nor gone: {there}")
        for name in graphs:
            world.front.call("negotiation.release", name)
        world.settle()
        wrong += world.faults()
        if not world.empty():
            wrong.append("something is left on the machines")
        return wrong
