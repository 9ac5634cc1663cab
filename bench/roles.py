"""What a role's work costs by what stands: over fake machines, ratios of one run.

    python bench/roles.py [--standing N] [--part growth|release|vlinks|restart|hung|providers]

No figure here is of a switch or a host: machines answer at once, or as slowly as is said. The
solver runs in this process and is counted apart.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from fakes.loopback import Loopback  # noqa: E402
from fakes.world import OTHER, TENANT, DirectMapper, FakeClock, Machine, provider, request  # noqa: E402

from cloudnet_sdn.model.settings import parse  # noqa: E402
from cloudnet_sdn.wire.faults import TimedOut  # noqa: E402
from cloudnet_sdn.wire.identity import Caller, Kind  # noqa: E402
from mip.problem.statement import Options, Problem, Result  # noqa: E402

PAIR = """\
rdl: 1
graph: {name}
nodes:
  a: {{cpu: 0.002}}
  b: {{cpu: 0.002}}
links:
  l: {{ends: [a, b], bandwidth: 1kbps}}
constraints:
  - {{apart: [a, b]}}
"""
VLANS = {"vlans": {"min": 2, "max": 3999}}
TRIES = 7


class TimedMapper(DirectMapper):
    """The solver, with the seconds that it has taken."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def map(self, problem: Problem, options: Options) -> Result:
        """See `DirectMapper.map`."""
        begun = time.perf_counter()
        try:
            return super().map(problem, options)
        finally:
            self.seconds += time.perf_counter() - begun


def timed(action: Callable[[], Any]) -> float:
    """The seconds that `action` takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def median(action: Callable[[], float], tries: int = TRIES) -> float:
    """The median of several figures."""
    return statistics.median(action() for _ in range(tries))


@contextmanager
def pip(
    settings: dict[str, Any] | None = None, archs: dict[str, str] | None = None
) -> Iterator[Machine]:
    """A provider over fake machines, its solver timed."""
    with tempfile.TemporaryDirectory() as folder:
        machine = provider(
            Path(folder),
            "berlin",
            "munich",
            "b",
            FakeClock(),
            settings=settings or VLANS,
            **archs or {},
        )
        machine.role.mapping._mapper = machine.embedder = TimedMapper()  # type: ignore[assignment]
        yield machine
        machine.stop()


def embed(machine: Machine, name: str, graph: str = PAIR, caller: Caller = TENANT) -> str:
    """A CloudNet that stands; answers its id."""
    until = "2030-01-25T00:00:00Z"
    offer = request(machine, graph.format(name=name), name, caller=caller, until=until)
    assert offer["state"] == "held", offer["reasons"]
    machine.call("negotiation.confirm", offer["offer"], caller=caller)
    return str(offer["cloudnet"])


def growth(standing: int) -> None:
    """Request and cancel, list, status: at 10 and at many embedded CloudNets."""
    with pip() as machine:
        found: dict[int, dict[str, float]] = {}
        for number in range(5):
            embed(machine, f"o{number}", caller=OTHER)
        for number in range(1, standing + 1):
            embed(machine, f"g{number}")
            if number in (10, standing):
                found[number] = _costs(machine, number)
    print(f"\nstanding CloudNets: 10 and {standing} (ms, ratio)")
    for what, few in found[10].items():
        many = found[standing][what]
        print(f"  {what:24} {few * 1e3:8.1f} {many * 1e3:8.1f}   {many / few:5.2f}")


def _costs(machine: Machine, count: int) -> dict[str, float]:
    mapper = machine.embedder
    assert isinstance(mapper, TimedMapper)
    numbers = iter(range(10**6))

    def asked() -> float:
        before = mapper.seconds

        def run() -> None:
            name = f"x{count}-{next(numbers)}"
            offer = request(machine, PAIR.format(name=name), name)
            assert offer["state"] == "held", offer["reasons"]
            machine.call("negotiation.cancel", offer["offer"])

        return timed(run) - (mapper.seconds - before)

    one = machine.call("negotiation.list")[0]["cloudnet"]
    return {
        "request + cancel, no solve": median(asked),
        "list of one with 5": median(
            lambda: timed(lambda: machine.call("negotiation.list", caller=OTHER))
        ),
        "list of all these": median(lambda: timed(lambda: machine.call("negotiation.list"))),
        "status of one": median(lambda: timed(lambda: machine.call("negotiation.status", one))),
        "substrate": median(lambda: timed(lambda: machine.call("negotiation.substrate"))),
    }


def release() -> None:
    """Release of 100 and of 400 VNodes, and somebody else's request meanwhile."""
    seconds, others, alone = {}, [], 0.0
    for count in (100, 400):
        graph = "rdl: 1\ngraph: big\nnodes:\n"
        graph += "".join(f"  v{i}: {{cpu: 0.01}}\n" for i in range(count))
        with pip() as machine:
            big = embed(machine, "big", graph.replace("{", "{{").replace("}", "}}"))
            ask = iter(range(1000))

            def other(machine: Machine = machine, ask: Iterator[int] = ask) -> float:
                name = f"o{next(ask)}"
                return timed(lambda: request(machine, PAIR.format(name=name), name, caller=OTHER))

            alone = median(other)
            begun = time.perf_counter()
            machine.call("negotiation.release", big)
            while machine.call("negotiation.status", big)["state"] != "released":
                if count == 400:
                    others.append(other())
                time.sleep(0.01)
            seconds[count] = time.perf_counter() - begun
    print(f"\nrelease: 100 VNodes {seconds[100]:.2f} s, 400 VNodes {seconds[400]:.2f} s,", end=" ")
    print(f"ratio {seconds[400] / seconds[100]:.2f}")
    if others:
        print(
            f"  others' requests meanwhile: {statistics.median(others) / alone:.2f} times", end=" "
        )
        print(f"as long as alone, {max(others) / alone:.2f} at most")


def vlinks() -> None:
    """A CloudNet of 50 and of 200 VLinks comes and goes; the controller takes 10 ms for a call."""
    print("\nVLinks over a controller that takes 10 ms for each call")
    for count in (50, 200):
        graph = "rdl: 1\ngraph: star\nnodes:\n  hub: {cpu: 0.001, arch: x86_64}\n"
        graph += (
            "".join(f"  v{i}: {{cpu: 0.001, arch: arm64}}\n" for i in range(count)) + "links:\n"
        )
        graph += "".join(f"  l{i}: {{ends: [hub, v{i}], bandwidth: 1kbps}}\n" for i in range(count))
        with pip(archs={"arch1": "x86_64", "arch2": "arm64"}) as machine:
            wire = machine.peers["http://berlin.controller/RPC2"]
            call = wire.call

            def slow(*args: Any, call: Callable[..., Any] = call, **options: Any) -> Any:
                time.sleep(0.01)
                return call(*args, **options)

            wire.call = slow  # type: ignore[method-assign]
            star = embed(machine, "star", graph.replace("{", "{{").replace("}", "}}"))
            begun = time.perf_counter()
            machine.call("negotiation.release", star)
            while machine.call("negotiation.status", star)["state"] != "released":
                time.sleep(0.01)
            seconds = time.perf_counter() - begun
            made = sum(method.startswith("vlinks.put") for method in wire.calls)
            gone = sum(method.startswith("vlinks.delete") for method in wire.calls)
        print(
            f"  {count:3}: made with {made} calls, removed with {gone}; released in {seconds:.2f} s"
        )


def restart(standing: int) -> None:
    """A role that starts with many CloudNets, until all is compared and it answers."""
    with pip() as machine:
        for number in range(standing):
            embed(machine, f"r{number}")
        machine.kill()

        def start() -> None:
            machine.boot()
            machine.role.reconciler.tick()
            machine.role.reconciler.wait_for_inventory()
            machine.call("negotiation.list")

        print(f"\nrestart with {standing} CloudNets: {timed(start):.2f} s")


def hung() -> None:
    """One of the shells accepts and doesn't answer: requests elsewhere."""
    with pip() as machine:
        for number in range(10):
            embed(machine, f"h{number}")
        machine.call("operator.drain", "sn1", caller=Caller(Kind.OPERATOR, "olga"))
        single = "rdl: 1\ngraph: {name}\nnodes:\n  a: {{cpu: 0.01}}\n"
        numbers = iter(range(1000))

        def ask() -> float:
            name = f"e{next(numbers)}"
            return timed(lambda: request(machine, single.format(name=name), name))

        well = median(ask)
        wire = machine.peers["http://berlin.sn1/RPC2"]

        def call(*_: Any, timeout_s: float | None = None) -> Any:
            time.sleep(timeout_s or 5.0)
            raise TimedOut("took too long")

        wire.call = call  # type: ignore[method-assign]
        machine.role.reconciler.tick()
        time.sleep(0.5)
        print(f"\none hung shell: requests elsewhere {median(ask) / well:.2f} times as long")


class _Provider(Loopback):
    """A provider that offers and takes its time."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(None, Caller(Kind.ROLE, "vnp"))
        self._name, self._seconds = name, seconds

    def call(self, method: str, *_: Any, **__: Any) -> Any:
        time.sleep(self._seconds)
        if method == "negotiation.substrate":
            return (
                f"rdl: 1\ngraph: {self._name}\nlayer: underlay\nnodes:\n"
                f"  {self._name}: {{type: /node/host/pip, cpu: 64, memory: 256GiB}}\n"
            )
        return {}


def providers() -> None:
    """A broker's look at its providers: wall time against the slowest, processor time."""
    print("\na broker's synchronisation (wall time in times of one provider's, CPU)")
    for count, seconds in ((8, 0.3), (50, 0.01), (200, 0.3)):
        with tempfile.TemporaryDirectory() as folder:
            names = [f"p{number}" for number in range(count)]
            table = {
                "kind": "vnp",
                "name": "vnp",
                "api": {"listen": "127.0.0.1:0"},
                "store": {"url": f"sqlite:///{folder}/vnp.db"},
                "pip": [{"name": n, "url": f"http://{n}/RPC2"} for n in names],
            }
            peers: dict[str, Loopback] = {f"http://{n}/RPC2": _Provider(n, seconds) for n in names}
            machine = Machine(parse(table, Path(folder)), FakeClock(), peers)
            machine.role.mapping.view()
            begun = time.process_time()
            wall = median(lambda m=machine: timed(m.role.mapping.view), 3)  # type: ignore[misc]
            cpu = (time.process_time() - begun) / 3
            print(
                f"  {count:3} providers of {seconds * 1e3:.0f} ms: {wall:.2f} s,"
                f" {wall / seconds:.2f} times; CPU {cpu * 1e3:.0f} ms"
            )
            machine.stop()


def main() -> None:
    """Run all, or one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--standing", type=int, default=1000)
    parser.add_argument("--part", default="")
    options = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "growth": lambda: growth(options.standing),
        "release": release,
        "vlinks": vlinks,
        "restart": lambda: restart(options.standing),
        "hung": hung,
        "providers": providers,
    }
    for name, run in parts.items():
        if options.part in ("", name):
            run()
    threading.excepthook = lambda _: None


if __name__ == "__main__":
    main()
