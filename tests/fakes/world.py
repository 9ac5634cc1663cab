"""Providers and a broker in one process: real roles and stores, fake machines, a fake clock."""

from __future__ import annotations

import datetime as dt
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fakes.databases import Databases, Files
from fakes.life import Life, Line
from fakes.loopback import Loopback
from fakes.shells import Fabric, FakeAgent, FakeController, Site

from cloudnet_sdn.model.settings import Settings, parse
from cloudnet_sdn.model.states import OfferKind, OfferState
from cloudnet_sdn.ports import Mapper, Rpc
from cloudnet_sdn.roles.facade import Facade
from cloudnet_sdn.roles.serve import Role
from cloudnet_sdn.store import offers, schema, tasks
from cloudnet_sdn.wire.exposing import EVERYWHERE, entries
from cloudnet_sdn.wire.faults import CloudnetError
from cloudnet_sdn.wire.identity import Caller, Kind, Peer
from cloudnet_sdn.wire.tls import TlsFiles
from mip.mapping import map_request
from mip.problem.statement import Options, Problem, Result
from rdl.graph import Amount, Element, Graph, Interface
from rdl.language.dump import dump
from rdl.language.load import load_graph

TENANT = Caller(Kind.TENANT, "acme")
OTHER = Caller(Kind.TENANT, "rival")
OPERATOR = Caller(Kind.OPERATOR, "olga")
BROKER = Caller(Kind.ROLE, "vnp")
START = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)

SUBSTRATE = Path(__file__).with_name("site.rdl.yaml.in").read_text()

PAIR = """\
rdl: 1
graph: pair
nodes:
  web: {cpu: 2, memory: 1GiB}
  db: {cpu: 2, memory: 1GiB}
links:
  web-db: {ends: [web, db], bandwidth: 10Mbps, addresses: [10.0.0.1/24, 10.0.0.2/24]}
constraints:
  - {apart: [web, db]}
"""

PART = """\
rdl: 1
graph: part
elements:
  - {id: web, type: /node/host/generic, resources: {cpu: 1}, interfaces: [web.web-db]}
  - {id: web-db, type: /link/generic, resources: {bandwidth: 10Mbps},
     interfaces: [web-db.0, web-db.1]}
  - {id: _tr-web-db, type: /link/transit, resources: {bandwidth: 10Mbps},
     features: {vlan: 2001, endpoint: berlin.t1}, interfaces: [_tr-web-db.0, _tr-web-db.1]}
  - {id: _munich, type: /node/host/pip, interfaces: [_munich.0]}
connections:
  - [web.web-db, web-db.0]
  - [web-db.1, _tr-web-db.0]
  - [_tr-web-db.1, _munich.0]
"""

SPLIT = """\
rdl: 1
graph: shop
nodes:
  web: {cpu: 1, memory: 1GiB, site: berlin}
  app: {cpu: 1, memory: 1GiB, site: berlin}
  db: {cpu: 1, memory: 1GiB, site: munich}
links:
  web-app: {ends: [web, app], bandwidth: 10Mbps}
  app-db: {ends: [app, db], bandwidth: 10Mbps, addresses: [10.0.0.1/24, 10.0.0.2/24]}
  web-db: {ends: [web, db], bandwidth: 10Mbps}
constraints:
  - {apart: [web, app]}
"""


@dataclass
class FakeClock:
    """Time that passes when the test says so. Sleeping takes a moment, but no time."""

    time: dt.datetime = START

    def now(self) -> dt.datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.01))

    def advance(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)


class DirectMapper:
    """The real solver, in this process."""

    def map(self, problem: Problem, options: Options) -> Result:
        return map_request(problem, options)


TIMING = {
    "tick_s": 0.05,
    "inventory_s": 0.0,
    "shell_s": 5.0,
    "peer_s": 2.0,
    "hold_try_s": 0.5,
    "clean_s": 0.5,
    "confirm_s": 3.0,
    "solve_s": 20.0,
    "retry_longest_s": 2.0,
    "quarantine_s": 0.0,
}


databases: Databases = Files()
"""Where new machines keep their state; `pytest --store` says."""


FAULTS = {entry.name: entry.faults for entry in entries(Facade)}


@dataclass
class Machine:
    """A role with what it reaches; killed and started again as often as a test wants.

    Attributes:
        role: the running one.
        life: of its process.
        peers: by URL, how its shells and providers are reached.
        mapper: what the next process solves with.
    """

    settings: Settings
    clock: FakeClock
    peers: dict[str, Loopback]
    site: Site | None = None
    mapper: Mapper = field(default_factory=DirectMapper)
    role: Role = field(init=False)
    life: Life = field(init=False)

    def __post_init__(self) -> None:
        self.boot()

    def boot(self) -> None:
        """Start a process on the store that is there, or on a new one."""
        if hasattr(self, "role"):
            self._outlive()

        self.life = life = Life()

        def connect(url: str, tls: TlsFiles | None, peer: Peer) -> Rpc:
            return Line(life, self.peers[url])

        self.role = Role(self.settings, clock=self.clock, mapper=self.mapper, connect=connect)
        life.watch(self.role.store)
        self.role.reconciler.recover()

    def _outlive(self) -> None:
        """The process before has been dead for so long that others may take its work over."""
        with sa.create_engine(self.settings.store.url, poolclass=sa.pool.NullPool).begin() as conn:
            conn.execute(schema.workers.delete())
            conn.execute(schema.leases.delete())

    def kill(self) -> None:
        """End the process without a word; threads of it that still run come to nothing."""
        self.life.end()
        self.role.effects.close()
        self.role.negotiation.close()
        self.role.store.close()

    def call(self, method: str, *args: Any, caller: Caller = TENANT) -> Any:
        """Call the facade over the wire format; what it answers is what its table says."""
        try:
            return Loopback(self.role.service, caller).call(method, *args)
        except CloudnetError as exc:
            told = EVERYWHERE + FAULTS.get(method, ())
            if not any(kind.code == exc.code for kind in told) and exc.code > 0:
                raise AssertionError(f"{method} isn't said to answer {exc.code}") from exc
            raise

    def busy(self) -> bool:
        """Tick once; whether something is left to do then."""
        self.role.reconciler.tick()
        self.role.reconciler.wait_for_inventory()
        with self.role.store.read() as conn:
            left = tasks.due(conn, self.clock.now() + dt.timedelta(days=1))
            states = (OfferState.WORKING, OfferState.CONFIRMING)
            working = [o for state in states for o in offers.in_state(conn, state)]
            # A role confirms by itself what it has mended.
            working += offers.of_kind(conn, OfferKind.MENDING, OfferState.HELD)
        return bool(left or working)

    def settle(self, *, quiet: bool = False) -> None:
        """Tick until nothing is left to do; `quiet` lets no time pass."""
        settle([self], 0.0 if quiet else 1.0)

    def stop(self) -> None:
        """End it properly."""
        self.role.stop()


def settle(machines: Sequence[Machine], step_s: float = 1.0) -> None:
    """Tick all until none has anything left to do."""
    deadline = time.monotonic() + 60
    while True:
        busy = [machine.busy() for machine in machines]
        if not any(busy):
            return
        if time.monotonic() > deadline:
            raise AssertionError("there is still something to do")
        machines[0].clock.advance(step_s)
        time.sleep(0.02)


def request(
    machine: Machine, graph: str, request_id: str = "r1", caller: Caller = TENANT, **options: Any
) -> Any:
    """Stage one."""
    return machine.call("negotiation.request", request_id, graph, options, caller=caller)


def site(name: str, peer: str, n: str, arch1: str = "x86_64", arch2: str = "x86_64") -> Site:
    """A provider's machines."""
    text = SUBSTRATE.format(name=name, peer=peer, n=n, arch1=arch1, arch2=arch2)
    graph = load_graph(text)
    agents = {h: FakeAgent() for h in ("sn1", "sn2", "tbr")}
    return Site(graph, agents, FakeController(ports=switch_ports(graph)))


def switch_ports(graph: Graph) -> dict[str, frozenset[int]]:
    """By dpid, the ports that a substrate's switches have."""
    return {
        str(e.features["dpid"]): frozenset(
            int(str(i.features["port"])) for i in e.interfaces if "port" in i.features
        )
        for e in graph.nodes()
        if "dpid" in e.features
    }


def meshed(graph: Graph, tunnels: Sequence[str]) -> Graph:
    """A provider's substrate with further tunnels, each like `t1`."""
    bridge = graph.elements["tbr"]
    first = next(i for i in bridge.interfaces if i.id == "tbr.t1")
    more = tuple(
        replace(first, id=f"tbr.{t}", features={**first.features, "tunnel": t}) for t in tunnels
    )
    widened = replace(bridge, interfaces=bridge.interfaces + more)
    return replace(graph, elements={**graph.elements, "tbr": widened})


def ringed(graph: Graph) -> Graph:
    """A provider's substrate with a third switch: `sw1` and `sw2` are joined by `m` and by it."""
    dpid = str(graph.elements["sw1"].features["dpid"])[:-1] + "3"
    switch = Element(
        "sw3",
        graph.elements["sw1"].type,
        features={"dpid": dpid},
        interfaces=tuple(Interface(f"sw3.p{n}", features={"port": n}) for n in (1, 2)),
    )
    like = graph.elements["m"]
    sides = {"m1": ("sw1.p4", "sw3.p1"), "m2": ("sw3.p2", "sw2.p3")}
    links = {
        link: replace(like, id=link, interfaces=(Interface(f"{link}.0"), Interface(f"{link}.1")))
        for link in sides
    }
    joined = tuple((end, f"{k}.{n}") for k, ends in sides.items() for n, end in enumerate(ends))
    return replace(
        graph,
        elements={**graph.elements, "sw3": switch, **links},
        connections=(*graph.connections, *joined),
    )


def roomy(graph: Graph, cores: int, price: float) -> Graph:
    """A provider's substrate with a first host of `cores` cores, each at `price`."""
    host = graph.elements["sn1"]
    resources = {**host.resources, "cpu": Amount(cores)}
    wide = replace(host, resources=resources, features={**host.features, "price.cpu": price})
    return replace(graph, elements={**graph.elements, "sn1": wide})


def provider(
    folder: Path,
    name: str,
    peer: str,
    n: str,
    clock: FakeClock,
    *,
    settings: Mapping[str, Any] | None = None,
    tunnels: Sequence[str] = (),
    changed: Callable[[Graph], Graph] = lambda graph: graph,
    **archs: str,
) -> Machine:
    """A PIP over fake machines.

    Args:
        folder: for its files.
        name: its name.
        peer: who is behind its tunnel `t1`.
        n: a letter or digit of its own, for its switches' dpids.
        clock: time.
        settings: tables of its file to set or replace.
        tunnels: further ones.
        changed: what else is different about its substrate.
        **archs: of its hosts, as `arch1`, `arch2`.
    """
    machines = site(name, peer, n, **archs)
    machines = replace(machines, substrate=changed(meshed(machines.substrate, tunnels)))
    machines.controller.ports = switch_ports(machines.substrate)
    file = folder / f"{name}.rdl.yaml"
    file.write_text(dump(machines.substrate))
    role = Caller(Kind.ROLE, name)
    peers = {
        f"http://{name}.{h}/RPC2": Loopback(a.service(), role) for h, a in machines.agents.items()
    }
    peers[f"http://{name}.controller/RPC2"] = Loopback(machines.controller.service(), role)
    table = {
        "kind": "pip",
        "name": name,
        "operators": ["olga"],
        "api": {"listen": "127.0.0.1:0"},
        "store": {"url": databases.url(folder, name)},
        "substrate": {"file": str(file)},
        "agents": {h: f"http://{name}.{h}/RPC2" for h in machines.agents},
        "controller": {"url": f"http://{name}.controller/RPC2"},
        "vlans": {"min": 100, "max": 199},
        "grant": [
            {"caller": "cloudnet:role:vnp", "endpoint": t, "vlan": {"min": 2000, "max": 2049}}
            for t in ("t1", *tunnels)
        ],
        "timing": TIMING,
        **(settings or {}),
    }
    return Machine(parse(table, folder), clock, peers, machines)


class Federation:
    """A VNP over two PIPs, berlin and munich, joined by the transit link `tr`.

    With `third` there is hamburg besides, joined to both: it has a host of 16 cores where the
    others have two of 8, and is dearer.

    Attributes:
        wires: by provider, how the VNP reaches it.
    """

    def __init__(
        self,
        folder: Path,
        clock: FakeClock,
        *,
        archs: Mapping[str, Mapping[str, str]] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        third: bool = False,
        changed: Mapping[str, Callable[[Graph], Graph]] | None = None,
    ) -> None:
        self.clock = clock
        given: Mapping[str, Mapping[str, Any]] = archs or {}
        own = settings or {}
        more = {"berlin": ("t2",), "munich": ("t3",)} if third else {}

        def made(name: str, peer: str, n: str, **options: Any) -> Machine:
            options = {"tunnels": more.get(name, ()), **options, **given.get(name, {})}
            options |= {"changed": changed[name]} if changed and name in changed else {}
            return provider(folder, name, peer, n, clock, settings=own.get(name), **options)

        self.berlin = made("berlin", "munich", "b")
        self.munich = made("munich", "berlin", "a")
        self.pips = {"berlin": self.berlin, "munich": self.munich}
        transits = [{"id": "tr", "ends": ["berlin.t1", "munich.t1"]}]
        if third:
            wide = functools.partial(roomy, cores=16, price=0.2)
            self.pips["hamburg"] = made(
                "hamburg", "nobody", "c", tunnels=("t2", "t3"), changed=wide
            )
            transits += [
                {"id": "trb", "ends": ["berlin.t2", "hamburg.t2"]},
                {"id": "trm", "ends": ["munich.t3", "hamburg.t3"]},
            ]
        me = Caller(Kind.ROLE, "vnp")
        self.wires = {n: Loopback(p.role.service, me) for n, p in self.pips.items()}
        table = {
            "kind": "vnp",
            "name": "vnp",
            "operators": ["olga"],
            "api": {"listen": "127.0.0.1:0"},
            "store": {"url": databases.url(folder, "vnp")},
            "pip": [{"name": n, "url": f"http://{n}/RPC2"} for n in self.pips],
            "transit": transits,
            "timing": TIMING,
            **own.get("vnp", {}),
        }
        peers = {f"http://{n}/RPC2": w for n, w in self.wires.items()}
        self.vnp = Machine(parse(table, folder), clock, peers)

    def fabric(self) -> Fabric:
        """Where frames go now."""
        return Fabric(p.site for p in self.pips.values() if p.site)

    def restart(self, name: str) -> None:
        """Kill a PIP and start it again."""
        self.pips[name].kill()
        self.pips[name].boot()
        self.wires[name].service = self.pips[name].role.service
        self.wires[name].down = False

    def settle(self) -> None:
        """Let everybody finish."""
        settle((self.vnp, *self.pips.values()))

    def empty(self) -> bool:
        """Whether nothing is left on any machine."""
        return all(p.site is not None and p.site.empty() for p in self.pips.values())

    def stop(self) -> None:
        """End all processes."""
        for machine in (self.vnp, *self.pips.values()):
            machine.stop()
