"""Roles over fake machines, with CloudNets that stand, for `roles.py`.

Machines answer at once, or as slowly as is said. What stands was asked for, held and confirmed like
anything else, but its places were dealt out in turn instead of being solved.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from fakes.databases import Files  # noqa: E402
from fakes.loopback import Loopback  # noqa: E402
from fakes.shells import FakeAgent, FakeController, claims  # noqa: E402
from fakes.world import DirectMapper, FakeClock, Machine, request, switch_ports  # noqa: E402

from cloudnet_sdn.model.settings import parse  # noqa: E402
from cloudnet_sdn.wire.faults import NotFound  # noqa: E402
from cloudnet_sdn.wire.identity import Caller, Kind  # noqa: E402
from mip.problem.statement import Options, Problem, Result, Status  # noqa: E402
from rdl.language.load import load_graph  # noqa: E402
from ryu_apps.spec import parse_id, parse_spec  # noqa: E402

PAIR = """\
rdl: 1
graph: {name}
nodes:
  a: {{cpu: 0.5, memory: 256MiB}}
  b: {{cpu: 0.5, memory: 256MiB}}
links:
  l: {{ends: [a, b], bandwidth: 1Mbps}}
constraints:
  - {{apart: [a, b]}}
"""
TOGETHER = PAIR.partition("constraints")[0]
GRAPHS = {"pip": PAIR, "vnp": TOGETHER}
TENANT = Caller(Kind.TENANT, "acme")
OTHER = Caller(Kind.TENANT, "rival")
OPERATOR = Caller(Kind.OPERATOR, "olga")
FEW = 10
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
"""Where stores are kept: what a disk takes is the same however much stands, and hides the rest."""
QUOTA = {"cloudnets": 100_000, "total_vnodes": 1_000_000, "cpu": 1e6, "stored_mib": 1e6}
"""Out of reach, so that what owners have is counted."""
PER_LEAF, SPINES = 40, 4


# -- substrates and machines


def fabric(hosts: int) -> str:
    """RDL of hosts on leaf switches, each leaf joined to each spine switch."""
    leaves = -(-hosts // PER_LEAF)
    lines, joined = ["rdl: 1", "graph: berlin", "layer: underlay", "elements:"], ["connections:"]

    def switch(name: str, dpid: int, ports: Iterable[str]) -> None:
        told = ", ".join(f"{{id: {name}.{p}, features: {{port: {p[1:]}}}}}" for p in ports)
        lines.append(
            f"  - {{id: {name}, type: /node/switch/openflow,"
            f' features: {{dpid: "{dpid:016x}"}}, interfaces: [{told}]}}'
        )

    def link(name: str, bandwidth: str, *ends: str) -> None:
        lines.append(
            f"  - {{id: {name}, type: /link/ethernet, resources: {{bandwidth: {bandwidth}}},"
            f" features: {{latency: 1ms}}, interfaces: [{name}.0, {name}.1]}}"
        )
        joined.extend(f"  - [{end}, {name}.{i}]" for i, end in enumerate(ends))

    for leaf in range(leaves):
        switch(f"leaf{leaf}", leaf + 1, (f"p{1 + i}" for i in range(PER_LEAF + SPINES)))
        for spine in range(SPINES):
            ends = (f"leaf{leaf}.p{PER_LEAF + 1 + spine}", f"spine{spine}.p{leaf + 1}")
            link(f"up{leaf}-{spine}", "100Gbps", *ends)
    for spine in range(SPINES):
        switch(f"spine{spine}", 10_000 + spine, (f"p{1 + i}" for i in range(leaves)))
    for host in range(hosts):
        lines.append(
            f"  - {{id: h{host}, type: /node/host/server/namespace,"
            " resources: {cpu: 16, memory: 64GiB, storage: 1TiB},"
            " features: {site: berlin, price.cpu: 0.1, currency: EUR},"
            f" interfaces: [{{id: h{host}.up, features: {{port: up}}}}]}}"
        )
        leaf, port = divmod(host, PER_LEAF)
        link(f"w{host}", "10Gbps", f"h{host}.up", f"leaf{leaf}.p{port + 1}")
    return "\n".join([*lines, *joined]) + "\n"


@dataclass
class Controller(FakeController):
    """One that finds a port and tag in use without looking through all VLinks."""

    users: dict[tuple[str, Any, int], str] = field(default_factory=dict)

    def put(self, name: str, raw: dict[str, Any]) -> dict[str, Any]:
        """See `FakeController.put`."""
        spec, vlink = parse_spec(raw), parse_id(name)
        self.delete(vlink)
        for claim in claims(spec):
            if self.users.setdefault(claim, vlink) != vlink:
                raise AssertionError(f"{claim} is in use by {self.users[claim]}")
        self.vlinks[vlink] = spec
        return self.get(vlink)

    def delete(self, name: str) -> dict[str, Any]:
        """See `FakeController.delete`."""
        if name in self.vlinks:
            for claim in claims(self.vlinks[name]):
                self.users.pop(claim, None)
        return super().delete(name)


class Solver(DirectMapper):
    """The solver, with the seconds that it has taken; or places dealt out in turn.

    Attributes:
        dealing: whether places are dealt out.
        spared: hosts that nothing is dealt to.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.dealing = False
        self.spared: frozenset[str] = frozenset()
        self._turn = 0

    def map(self, problem: Problem, options: Options) -> Result:
        """See `DirectMapper.map`."""
        begun = time.perf_counter()
        try:
            return self._dealt(problem) if self.dealing else super().map(problem, options)
        finally:
            self.seconds += time.perf_counter() - begun

    def _dealt(self, problem: Problem) -> Result:
        """Each VNode on the next host, each VLink by the next spine switch."""
        graph = problem.substrate
        hosts = [
            e.id
            for e in graph.nodes()
            if e.type.startswith("/node/host/") and e.id not in self.spared
        ]
        if "pip" in graph.elements[hosts[0]].type:
            self._turn += 1
            one = hosts[self._turn % len(hosts)]
            nodes = {vnode.id: one for vnode in problem.request.nodes()}
            links: dict[str, tuple[str, ...]] = {v.id: () for v in problem.request.links()}
            return Result(Status.OPTIMAL, "cost", 0.0, 0.0, nodes, links)
        nodes = {}
        for vnode in problem.request.nodes():
            # Hosts of several leaves, in an order that leaves no host out.
            nodes[vnode.id] = hosts[(self._turn * 61) % len(hosts)]
            self._turn += 1
        spine, links = self._turn % SPINES, {}
        for vlink in problem.request.links():
            one, two = (int(nodes[n][1:]) for n in problem.request.neighbours(vlink.id))
            a, b = one // PER_LEAF, two // PER_LEAF
            middle = (f"leaf{a}",)
            if a != b:
                up, down = f"up{a}-{spine}", f"up{b}-{spine}"
                middle = (f"leaf{a}", up, f"spine{spine}", down, f"leaf{b}")
            links[vlink.id] = (f"w{one}", *middle, f"w{two}") if one != two else ()
        return Result(Status.OPTIMAL, "cost", 0.0, 0.0, nodes, links)


def pip(folder: Path, hosts: int) -> Machine:
    """A provider of so many hosts over fake machines."""
    file = folder / "berlin.rdl.yaml"
    file.write_text(fabric(hosts))
    role = Caller(Kind.ROLE, "berlin")
    names = [f"h{i}" for i in range(hosts)]
    peers = {f"http://{n}/RPC2": Loopback(FakeAgent().service(), role) for n in names}
    controller = Controller(ports=switch_ports(load_graph(fabric(hosts))))
    peers["http://controller/RPC2"] = Loopback(controller.service(), role)
    table = {
        "kind": "pip",
        "name": "berlin",
        "operators": [OPERATOR.name],
        "api": {"listen": "127.0.0.1:0"},
        "store": {"url": Files().url(folder, "berlin")},
        "substrate": {"file": str(file)},
        "agents": {n: f"http://{n}/RPC2" for n in names},
        "controller": {"url": "http://controller/RPC2"},
        "vlans": {"min": 2, "max": 3999},
        "quota": QUOTA,
    }
    return Machine(parse(table, folder), FakeClock(), peers, mapper=Solver())


class Provider(Loopback):
    """A provider that takes all on, and its time."""

    def __init__(self, name: str, seconds: float = 0.0) -> None:
        super().__init__(None, Caller(Kind.ROLE, "vnp"))
        self._name, self._seconds = name, seconds
        self._offers: dict[str, dict[str, Any]] = {}

    def call(self, method: str, *args: Any, **_: Any) -> Any:
        """The answer of a facade."""
        time.sleep(self._seconds)
        match method:
            case "negotiation.substrate":
                return (
                    f"rdl: 1\ngraph: {self._name}\nlayer: underlay\nnodes:\n"
                    f"  {self._name}: {{type: /node/host/pip, cpu: 4096, memory: 8TiB}}\n"
                )
            case "negotiation.describe":
                return {"role": "pip", "name": self._name, "api": 1, "rdl": 1, "capabilities": []}
            case "negotiation.request":
                known = f"{self._name}-{args[0]}"
                self._offers[known] = {
                    "offer": known,
                    "cloudnet": known,
                    "state": "held",
                    "expires_in": 600.0,
                    "lease_until": "2030-01-25T00:00:00Z",
                    "price": 1.0,
                    "currency": "EUR",
                    "reasons": [],
                    "choices": {},
                    "graph": args[1],
                }
                return self._offers[known]
            case "negotiation.confirm":
                return self._of(args[0], "confirmed")
            case "negotiation.cancel":
                return self._of(args[0], "released")
            case "negotiation.status":
                seen = {v: {"state": "stopped", "reason": ""} for v in ("a", "b")}
                return {**self._of(args[0]), "elements": seen}
            case "negotiation.list":
                return [{**o, "name": o["cloudnet"]} for o in self._offers.values()]
        raise AssertionError(method)

    def _of(self, offer: str, state: str = "") -> dict[str, Any]:
        if offer not in self._offers:
            raise NotFound("no such offer")
        if state:
            self._offers[offer]["state"] = state
        return self._offers[offer]


def vnp(folder: Path, count: int, seconds: float = 0.0) -> Machine:
    """A broker over so many fake providers."""
    names = [f"p{number}" for number in range(count)]
    table = {
        "kind": "vnp",
        "name": "vnp",
        "operators": [OPERATOR.name],
        "api": {"listen": "127.0.0.1:0"},
        "store": {"url": Files().url(folder, "vnp")},
        "quota": QUOTA,
        "pip": [{"name": n, "url": f"http://{n}/RPC2"} for n in names],
    }
    peers: dict[str, Loopback] = {f"http://{n}/RPC2": Provider(n, seconds) for n in names}
    return Machine(parse(table, folder), FakeClock(), peers, mapper=Solver())


def solver(machine: Machine) -> Solver:
    """The machine's."""
    assert isinstance(machine.mapper, Solver)
    return machine.mapper


@contextlib.contextmanager
def dealing(machine: Machine) -> Iterator[None]:
    """Places are dealt out in turn meanwhile."""
    before, solver(machine).dealing = solver(machine).dealing, True
    try:
        yield
    finally:
        solver(machine).dealing = before


def embed(machine: Machine, name: str, graph: str = PAIR, caller: Caller = TENANT) -> str:
    """A CloudNet that stands; answers its id."""
    until = "2030-01-25T00:00:00Z"
    offer = request(machine, graph.format(name=name), name, caller=caller, until=until)
    assert offer["state"] == "held", offer["reasons"]
    state = machine.call("negotiation.confirm", offer["offer"], caller=caller)["state"]
    assert state == "confirmed", state
    return str(offer["cloudnet"])


class Machines:
    """Those that parts share, each made when it is first asked for."""

    def __init__(self) -> None:
        self._ends = contextlib.ExitStack()
        self._made: dict[tuple[str, int, int], Machine] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.close()

    def new(self, kind: str, size: int) -> Machine:
        """One of nobody's."""
        folder = Path(self._ends.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        machine = {"pip": pip, "vnp": vnp}[kind](folder, size)
        self._ends.callback(machine.stop)
        return machine

    def with_standing(self, kind: str, size: int, count: int) -> Machine:
        """One with so many CloudNets: `FEW` of `TENANT`'s, all else of `OTHER`'s."""
        key = kind, size, count
        if key not in self._made:
            begun = time.perf_counter()
            self._made[key] = machine = self.new(kind, size)
            with dealing(machine):
                for number in range(count):
                    caller = TENANT if number < FEW else OTHER
                    embed(machine, f"n{number}", GRAPHS[kind], caller)
            seconds = time.perf_counter() - begun
            print(f"  ({kind} of {size} with {count} CloudNets made in {seconds:.0f} s)")
        return self._made[key]
