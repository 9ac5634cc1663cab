"""Scenarios in which a process is killed at a point of one's choice, and what must come of them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fakes.world
from fakes.accounts import faults, faults_of, owners_cloudnets
from fakes.life import Life
from fakes.loopback import Killed, Loopback
from fakes.shells import Fabric
from fakes.world import (
    BROKER,
    OPERATOR,
    TIMING,
    FakeClock,
    Federation,
    Machine,
    provider,
    request,
    settle,
)

from cloudnet_sdn.wire.faults import CloudnetError, PeerAway
from cloudnet_sdn.wire.identity import Caller
from rdl.graph import Graph
from rdl.language.dump import to_data
from rdl.language.load import load_graph

HOLD_S = 60.0
_TIMING = {**TIMING, "hold_try_s": 0.2, "clean_s": 0.1, "confirm_s": 0.3}
"""What is away stays away until somebody looks: who waits for it waits in vain."""
_HEAL = {"enabled": True, "after_s": 5.0, "every_s": 10.0}
_PATIENCE_S = 30.0
_ENDED = (Killed, CancelledError)
"""What comes of a process that ends, or that is started again meanwhile."""
_OPERATORS_TRIES = 5


class Stopped(Exception):
    """The tenant got no answer, and gives up."""


class World:
    """A PIP, or a VNP over two or three, with a tenant.

    Attributes:
        clock: of all.
        front: whom the tenant asks.
        machines: all, by name.
    """

    def __init__(
        self,
        folder: Path,
        *,
        broker: bool,
        third: bool = False,
        heals: bool = False,
        alike: bool = False,
    ) -> None:
        folder.mkdir()
        self.clock = FakeClock()
        own: dict[str, Any] = {"timing": _TIMING, **({"heal": _HEAL} if heals else {})}
        every = ("vnp", "berlin", "munich", "hamburg")
        settings = dict.fromkeys(every, own)
        self._federation = (
            Federation(folder, self.clock, settings=settings, third=third) if broker else None
        )
        self._lock = threading.RLock()
        self.machines: dict[str, Machine]
        if self._federation is None:
            arch = {"arch1": "x86_64", "arch2": "x86_64" if alike else "arm64"}
            self.front = provider(folder, "berlin", "munich", "b", self.clock, settings=own, **arch)
            self.machines = {"berlin": self.front}
        else:
            self.front = self._federation.vnp
            self.machines = {"vnp": self.front, **self._federation.pips}

    def cut(self, machine: str, host: str = "") -> Loopback:
        """Nobody reaches a provider any more, or its own role a host; answers the wire."""
        if host:
            wire = self.machines[machine].peers[f"http://{machine}.{host}/RPC2"]
        else:
            assert self._federation is not None
            wire = self._federation.wires[machine]
        wire.down = True
        return wire

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
            except _ENDED:
                self.revive()
            else:
                if not any(m.life.over for m in self.machines.values()):
                    return

    def step(self) -> None:
        """Let everybody do what is due, and some time pass, whoever is killed meanwhile."""
        for machine in self.machines.values():
            with contextlib.suppress(*_ENDED):
                machine.busy()
        self.revive()
        self.clock.advance(3.0)
        time.sleep(0.02)

    def places(self, vnode: str) -> set[tuple[str, str]]:
        """Where a VNode runs: (provider, host)."""
        return {
            (name, host)
            for name, machine in self.machines.items()
            if machine.site is not None
            for host, agent in machine.site.agents.items()
            for key, there in list(agent.vnodes.items())
            if key.partition(".")[2] == vnode and there.state == "running"
        }

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
        fakes.world.databases.forget()


@dataclass
class Tenant:
    """Asks, and remembers what it was told.

    Attributes:
        told: by offer, the last state that it was told of.
        cloudnet: its CloudNet.
        gave_up: why it did, if it did.
        missed: what it waited for in vain.
    """

    world: World
    told: dict[str, str] = field(default_factory=dict)
    cloudnet: str = ""
    gave_up: Stopped | None = None
    missed: list[str] = field(default_factory=list)
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

    def await_(self, what: str, true: Callable[[], bool]) -> None:
        """Let time pass until something is so."""
        self.told.clear()
        deadline = time.monotonic() + _PATIENCE_S
        while not self._so(true):
            if time.monotonic() > deadline:
                self.missed.append(f"it never came to be: {what}")
                return
            self.world.step()

    def _so(self, true: Callable[[], bool]) -> bool:
        try:
            return true()
        except CloudnetError:  # whom it asks has been killed
            return False

    def state(self) -> str:
        """How its CloudNet is said to be."""
        told = self.world.front.call("negotiation.status", self.cloudnet)
        return str(told["state"])

    def operate(self, machine: str, method: str, *args: Any) -> Any:
        """What the operator does, again where there is no answer."""
        return self._insist(machine, f"operator.{method}", args, OPERATOR)

    def give_up(self, provider: str) -> str:
        """The provider gives up its part of the CloudNet; answers which one that was."""
        (part,) = self.world.machines[provider].call("negotiation.list", caller=BROKER)
        self._insist(provider, "negotiation.release", (part["cloudnet"],), BROKER)
        return str(part["cloudnet"])

    def _insist(self, machine: str, method: str, args: tuple[Any, ...], caller: Caller) -> Any:
        for _ in range(_OPERATORS_TRIES):
            try:
                return self.world.machines[machine].call(method, *args, caller=caller)
            except PeerAway:
                self.world.revive()
        raise AssertionError(f"{method} is never answered")

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
class Kill:
    """What came of killing somebody.

    Attributes:
        done: whether it was: threads share the points out differently in each run, and the last
            ones may not be met.
        point: where, '' for nowhere.
        wrong: what is wrong afterwards.
    """

    done: bool
    point: str
    wrong: list[str]


@dataclass(frozen=True)
class Scenario:
    """What a tenant does, or an operator, or what happens; and what may come of it.

    Attributes:
        name: of it.
        broker: whether the tenant asks a VNP over PIPs, not a PIP.
        act: what happens.
        before: the graph that stands before, '' for none.
        ends: the graphs that may stand afterwards, '' for none; where nobody was killed, the last.
        victims: who takes part, each of whom is killed.
        created: the graph that became `before` by a change, '' for none.
        third: whether the VNP has a third PIP.
        heals: whether the roles map anew by themselves what is broken.
        alike: whether the PIP's two hosts are of one architecture.
    """

    name: str
    broker: bool
    act: Callable[[Tenant], None]
    before: str
    ends: tuple[str, ...]
    victims: tuple[str, ...] = ()
    created: str = ""
    third: bool = False
    heals: bool = False
    alike: bool = False

    def points(self, folder: Path) -> dict[str, list[str]]:
        """Where each machine may be killed.

        Raises:
            AssertionError: something is wrong although nobody was.
        """
        world, tenant, lives = self._acted(folder)
        points = {name: list(life.points) for name, life in lives.items()}
        wrong = self._wrong(world, tenant, killed=False)
        world.stop()
        assert not wrong
        return points

    def kill(self, folder: Path, victim: str, number: int, *, at_once: bool = False) -> Kill:
        """Kill `victim` at its `number`-th point.

        Args:
            folder: for the stores.
            victim: who is killed.
            number: at which of its points.
            at_once: whether it is there again before whoever called it calls again.
        """
        world, tenant, lives = self._acted(folder, victim, number, at_once=at_once)
        life = lives[victim]
        wrong = self._wrong(world, tenant, killed=life.over)
        world.stop()
        return Kill(life.over, life.points[-1] if life.over else "", wrong)

    def _acted(
        self, folder: Path, victim: str = "", number: int = 0, *, at_once: bool = False
    ) -> tuple[World, Tenant, dict[str, Life]]:
        world = World(
            folder, broker=self.broker, third=self.third, heals=self.heals, alike=self.alike
        )
        tenant = Tenant(world)
        for graph in filter(None, (self.created, self.before)):
            ask = tenant.modify if tenant.cloudnet else tenant.request
            tenant.confirm(ask(graph, start=True))
            world.settle()
        if at_once:
            world.restart_at_once(victim)
        lives = {name: machine.life for name, machine in world.machines.items()}
        for name, life in lives.items():
            life.count(number if name == victim else 0)
        try:
            self.act(tenant)
        except Stopped as exc:
            tenant.gave_up = exc
        world.settle()
        for life in lives.values():
            life.spare()
        world.settle()
        return world, tenant, lives

    def _wrong(self, world: World, tenant: Tenant, *, killed: bool) -> list[str]:
        """What is wrong: at once, once all holds are over, and once all is given back."""
        wrong = [*tenant.missed, *tenant.lies(), *world.faults()]
        if tenant.gave_up is not None and not killed:
            wrong.append(f"it gave up: {tenant.gave_up!r}")
        world.clock.advance(2 * HOLD_S)
        world.settle()
        wrong += world.faults()
        graphs = owners_cloudnets(world.front)
        for name, graph in graphs.items():
            wrong += world.misled(graph)
            told = world.front.call("negotiation.status", name)
            if told["state"] == "degraded":
                wrong.append(f"{name} is degraded: {told['elements']}")
        there = [to_data(g) for g in graphs.values()]
        ends = self.ends if killed else self.ends[-1:]
        if there not in [[to_data(load_graph(text))] if text else [] for text in ends]:
            wrong.append(f"neither whole nor gone: {there}")
        for name in graphs:
            world.front.call("negotiation.release", name)
        world.settle()
        wrong += world.faults()
        if not world.empty():
            wrong.append("something is left on the machines")
        return wrong
