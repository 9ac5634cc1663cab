"""What a role's work costs by what stands: over fake machines, ratios of one run.

    python bench/roles.py [--standing N] [--tries N] [--hosts N...] [--part NAME]... [--full]

Parts are growth, broker, release, vlinks, restart, hung and providers; those with a limit say
`ok` or `MISS`.
`--full` takes three times as many tries, and restarts over 2,000 hosts too.

No figure here is of a switch or a host: machines answer at once, or as slowly as is said. The
solver runs in this process and is counted apart. What stands was asked for, held and confirmed
like anything else, but its places were dealt out in turn instead of being solved. Figures that are
compared are taken by turns, so that other work on the machine hits both.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from fakes.world import Machine, request  # noqa: E402
from role_machines import (  # noqa: E402
    FEW,
    GRAPHS,
    OPERATOR,
    OTHER,
    PAIR,
    TENANT,
    Machines,
    dealing,
    embed,
    solver,
    vnp,
)

from cloudnet_sdn.store import cloudnets, tasks  # noqa: E402
from cloudnet_sdn.wire.faults import TimedOut  # noqa: E402
from cloudnet_sdn.wire.identity import Caller  # noqa: E402

# -- what is asked and measured


def timed(action: Callable[[], Any]) -> float:
    """The seconds that `action` takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


Medians = dict[str, list[float]]
"""By what was measured, its medians: one for each that was compared."""


def by_turns(
    actions: Mapping[str, list[Callable[[], float]]], tries: int, *, warm: int = 1
) -> Medians:
    """The medians of figures that are taken by turns."""
    found: dict[str, list[list[float]]] = {w: [[] for _ in a] for w, a in actions.items()}
    for number in range(-warm, tries):
        for what, several in actions.items():
            for place, action in enumerate(several):
                figure = action()
                if number >= 0:
                    found[what][place].append(figure)
    return {w: [statistics.median(f) for f in figures] for w, figures in found.items()}


def verdict(name: str, value: float, most: float, told: str = "", unit: str = "") -> None:
    """Say whether a figure is what it has to be."""
    word = "ok  " if value <= most else "MISS"
    print(f"{word} {name}: {value:.2f}{unit} (at most {most:g}{unit}){told}")


class Asking:
    """Requests that are cancelled as soon as they are held, without the time of the solve."""

    def __init__(self, machine: Machine, caller: Caller, graph: str = PAIR) -> None:
        self._machine, self._caller, self._graph = machine, caller, graph
        self._number = 0

    def __call__(self) -> float:
        """The seconds of one."""
        machine, mapper = self._machine, solver(self._machine)
        self._number += 1
        name = f"x-{self._caller.name}-{self._number}-{id(self)}"
        before, begun = mapper.seconds, time.perf_counter()
        text = self._graph.format(name=name)
        offer = request(machine, text, name, caller=self._caller)
        assert offer["state"] == "held", offer["reasons"]
        machine.call("negotiation.cancel", offer["offer"], caller=self._caller)
        return time.perf_counter() - begun - (mapper.seconds - before)


def calling(
    machine: Machine, method: str, *args: Any, caller: Caller, each: bool = False
) -> Callable[[], float]:
    """A call to be timed; `each` per entry of the list that it answers."""

    def call() -> float:
        begun = time.perf_counter()
        answer = machine.call(method, *args, caller=caller)
        return (time.perf_counter() - begun) / (len(answer) if each else 1)

    return call


# -- parts


def growth(machines: Machines, options: argparse.Namespace) -> None:
    """A provider's calls at 10 and at many CloudNets."""
    for hosts in options.hosts:
        _compare(machines, options, "pip", hosts)


def broker(machines: Machines, options: argparse.Namespace) -> None:
    """A broker's calls at 10 and at many CloudNets; nothing is solved for its plain providers."""
    for count in (FEW, options.standing):
        solver(machines.with_standing("vnp", 10, count)).dealing = True
    _compare(machines, options, "vnp", 10)


def _compare(machines: Machines, options: argparse.Namespace, kind: str, size: int) -> None:
    unit = {"pip": "hosts", "vnp": "providers"}[kind]
    print(f"\n{kind} of {size} {unit}: {FEW} and {options.standing} CloudNets (ms, ratio)")
    few, many = (machines.with_standing(kind, size, n) for n in (FEW, options.standing))
    one = [m.call("negotiation.list", caller=TENANT)[0]["cloudnet"] for m in (few, many)]
    both: Any = list(zip((few, many), one, strict=True))
    graph = GRAPHS[kind]
    asking = [Asking(m, TENANT, graph) for m in (few, many)]
    figures = by_turns(
        {
            "request + cancel": [asking[0], asking[1]],
            "request + cancel of who has the others": [asking[0], Asking(many, OTHER, graph)],
            "list of who has 10": [
                calling(m, "negotiation.list", caller=TENANT) for m in (few, many)
            ],
            "list of who has the others, per entry": [
                calling(few, "negotiation.list", caller=TENANT, each=True),
                calling(many, "negotiation.list", caller=OTHER, each=True),
            ],
            "operator.list, per entry": [
                calling(m, "operator.list", caller=OPERATOR, each=True) for m in (few, many)
            ],
            "status of one": [calling(m, "negotiation.status", c, caller=TENANT) for m, c in both],
            "substrate": [calling(m, "negotiation.substrate", caller=TENANT) for m in (few, many)],
            "a tick": [_tick(m) for m in (few, many)],
        },
        options.tries,
    )
    for what, (least, most) in figures.items():
        told = f"  {least * 1e3:.2f} → {most * 1e3:.2f} ms"
        if what in ("substrate", "a tick"):
            print(f"     {what}: {most / least:.2f}{told}")
        else:
            verdict(what, most / least, 1.5 if "request" in what else 2.0, told)


def _tick(machine: Machine) -> Callable[[], float]:
    """A tick to be timed; if it compares the shells, that is waited for and isn't."""

    def tick() -> float:
        seconds = timed(machine.role.reconciler.tick)
        machine.role.reconciler.wait_for_inventory()
        return seconds

    return tick


def release(machines: Machines, options: argparse.Namespace) -> None:
    """Release of 100 and of 400 VNodes, and somebody else's requests meanwhile."""
    print("\nrelease of a ring of 100 and of 400 VNodes, on 200 hosts")
    machine = machines.with_standing("pip", 200, FEW)
    seconds: dict[int, list[float]] = {100: [], 400: []}
    alone: list[float] = []
    meanwhile: list[float] = []
    other = Asking(machine, OTHER)
    for number in range(max(3, options.tries // 5)):
        for count, figures in seconds.items():
            name = f"ring{count}-{number}"
            with dealing(machine):
                ring = embed(machine, name, _ring(count))
            alone += [other() for _ in range(10)]
            # Once with nobody else about, once with somebody who asks all the time.
            figures.append(_released(machine, ring, lambda: time.sleep(0.002)))
        with dealing(machine):
            ring = embed(machine, f"ring-{number}", _ring(400))
        taken: list[float] = []
        _released(machine, ring, lambda: taken.append(other()))  # noqa: B023
        meanwhile += taken
    few, many = (statistics.median(s) for s in seconds.values())
    verdict("400 VNodes to 100", many / few, 5.0, f"  {few:.2f} → {many:.2f} s")
    least, most = statistics.median(alone), statistics.median(meanwhile)
    told = f"  {least * 1e3:.0f} → {most * 1e3:.0f} ms, {len(meanwhile)} of them"
    verdict("request + cancel of others meanwhile", most / least, 2.0, told)
    slowest = max(meanwhile) / max(alone)
    print(f"     the slowest of each: {slowest:.2f}  {max(alone):.3f} → {max(meanwhile):.3f} s")


def _ring(count: int) -> str:
    lines = ["rdl: 1", "graph: {name}", "nodes:"]
    lines += [f"  v{i}: {{{{cpu: 0.1}}}}" for i in range(count)]
    lines += ["links:"]
    ends = ((i, (i + 1) % count) for i in range(count))
    lines += [f"  l{a}: {{{{ends: [v{a}, v{b}], bandwidth: 1kbps}}}}" for a, b in ends]
    return "\n".join(lines) + "\n"


def _released(machine: Machine, cloudnet: str, meanwhile: Callable[[], None]) -> float:
    """The seconds until a CloudNet is given back."""
    begun = time.perf_counter()
    machine.call("negotiation.release", cloudnet)
    while True:
        with machine.role.store.read() as conn:
            found = cloudnets.get(conn, cloudnet)
        if found is not None and found.state == "released":
            return time.perf_counter() - begun
        meanwhile()


def vlinks(machines: Machines, _: argparse.Namespace) -> None:
    """Calls of a controller that takes 10 ms for each, for 50 and for 200 VLinks."""
    print("\na ring comes and goes, over a controller that takes 10 ms for each call")
    for count in (50, 200):
        machine = machines.new("pip", 200)
        wire = next(peer for url, peer in machine.peers.items() if "controller/" in url)
        call = wire.call

        def slow(*args: Any, call: Callable[..., Any] = call, **options: Any) -> Any:
            time.sleep(0.01)
            return call(*args, **options)

        wire.call = slow  # type: ignore[method-assign]
        with dealing(machine):
            ring = embed(machine, "ring", _ring(count))
        seconds = _released(machine, ring, lambda: time.sleep(0.002))
        made, gone = (
            sum(method.startswith(f"vlinks.{verb}") for method in wire.calls)
            for verb in ("put", "delete")
        )
        told = f"made with {made} calls, removed with {gone}"
        print(f"     {count} VLinks: {told}; released in {seconds:.2f} s")


def restart(machines: Machines, options: argparse.Namespace) -> None:
    """A role that is killed and started again with many CloudNets."""
    imports = timed(
        lambda: subprocess.run(
            [sys.executable, "-c", "import cloudnet_sdn.roles.serve"],
            check=True,
            cwd=Path(__file__).parents[1],
        )
    )
    for hosts in options.hosts if options.full else options.hosts[:1]:
        print(f"\nrestart with {options.standing} CloudNets on {hosts} hosts")
        machine = machines.with_standing("pip", hosts, options.standing)
        serves, compared = [], []
        for number in range(3):
            machine.kill()
            begun = time.perf_counter()
            machine.boot()
            machine.role.start()
            one = machine.call("negotiation.list")[0]["cloudnet"]
            machine.call("negotiation.status", one)
            name = f"again{number}"
            offer = request(machine, PAIR.format(name=name), name)
            assert offer["state"] == "held", offer["reasons"]
            serves.append(time.perf_counter() - begun + imports)
            machine.call("negotiation.cancel", offer["offer"])
            machine.role.reconciler.take_inventory()
            machine.role.reconciler.wait_for_inventory()
            compared.append(time.perf_counter() - begun + imports)
        told = f"  {imports:.1f} s of it to load the code; all compared after {max(compared):.1f} s"
        verdict("until a request of two VNodes is held", max(serves), 10.0, told, " s")


def hung(machines: Machines, options: argparse.Namespace) -> None:
    """One of 50 shells accepts and doesn't answer: requests elsewhere, and what is told."""
    print("\none hung agent of 50")
    well, ill = machines.new("pip", 50), machines.new("pip", 50)
    ids: dict[str, str] = {}
    for machine in (well, ill):
        with dealing(machine):
            # By the order of dealing, one in 25 has a VNode on `h0`.
            ids = {f"n{i}": embed(machine, f"n{i}") for i in range(50)}
    released = threading.Event()

    def call(*_: Any, timeout_s: float | None = None) -> Any:
        released.wait(timeout_s)
        raise TimedOut("it took too long")

    wire = ill.peers["http://h0/RPC2"]
    wire.call = call  # type: ignore[method-assign]
    for machine in (well, ill):
        machine.role.reconciler.start()
        solver(machine).spared = frozenset({"h0"})
    # One more agent that is merely said to hang: whoever asks before anybody has found out.
    begun = time.monotonic()
    asking = [Asking(m, TENANT) for m in (well, ill)]
    with dealing(well), dealing(ill):
        early = by_turns({"": [asking[0], asking[1]]}, options.tries, warm=0)[""]
        verdict("requests elsewhere, at once", early[1] / early[0], 1.2, _ms(early))
        while not ill.role.mapping.health.all_away():
            assert time.monotonic() < begun + 60, "nobody has found out"
            time.sleep(0.1)
        print(f"     found out after {time.monotonic() - begun:.0f} s")
        late = by_turns({"": [asking[0], asking[1]]}, 2 * options.tries, warm=0)[""]
        verdict("requests elsewhere, once it is found out", late[1] / late[0], 1.2, _ms(late))
    _states(ill, ids)
    released.set()


def _ms(figures: list[float]) -> str:
    return f"  {figures[0] * 1e3:.1f} → {figures[1] * 1e3:.1f} ms"


def _states(machine: Machine, ids: Mapping[str, str]) -> None:
    """Whether only what is at the hung shell is told of as not seen, and why."""
    wrong, blind = [], 0
    listed = {c["name"]: c["state"] for c in machine.call("negotiation.list")}
    for name, cloudnet in ids.items():
        with machine.role.store.read() as conn:
            here = {
                e
                for entry in tasks.of_cloudnet(conn, cloudnet)
                if entry.task.target == "h0"
                for e in entry.task.elements
            }
        told = machine.call("negotiation.status", cloudnet)
        for element, seen in told["elements"].items():
            blind += element in here
            unseen = seen["state"] == "unknown" and "doesn't answer" in seen["reason"]
            if unseen != (element in here):
                wrong.append(f"{name}.{element}: {seen}")
        if {told["state"], listed[name]} != {"degraded" if here else "ready"}:
            wrong.append(f"{name}: {told['state']}, {listed[name]}, {here}")
    verdict("elements told of wrongly", len(wrong), 0.0, f"  {blind} are at the hung agent")
    for line in wrong[:10]:
        print(f"       {line}")


def providers(_: Machines, __: argparse.Namespace) -> None:
    """A broker's look at its providers: wall time against the slowest, processor time."""
    print("\na broker's synchronisation (wall time in times of one provider's, CPU)")
    for count, seconds in ((8, 0.3), (50, 0.01), (200, 0.3)):
        with tempfile.TemporaryDirectory() as folder:
            machine = vnp(Path(folder), count, seconds)
            machine.role.mapping.view()
            begun = time.process_time()
            walls = [timed(machine.role.mapping.view) for _ in range(3)]
            cpu, wall = (time.process_time() - begun) / 3, statistics.median(walls)
            print(
                f"  {count:3} providers of {seconds * 1e3:.0f} ms: {wall:.2f} s,"
                f" {wall / seconds:.2f} times; CPU {cpu * 1e3:.0f} ms"
            )
            machine.stop()


PARTS: Mapping[str, Callable[[Machines, argparse.Namespace], None]] = {
    "hung": hung,
    "release": release,
    "vlinks": vlinks,
    "growth": growth,
    "broker": broker,
    "restart": restart,
    "providers": providers,
}


def main() -> None:
    """Run all, or some parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--standing", type=int, default=1000)
    parser.add_argument("--hosts", type=int, nargs="+", default=[200, 2_000])
    parser.add_argument("--tries", type=int, default=15)
    parser.add_argument("--part", action="append", choices=list(PARTS))
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    if options.full:
        options.tries *= 3
    # What a killed or closed role still says isn't of interest here.
    threading.excepthook = lambda _: None
    logging.disable()
    begun = time.monotonic()
    with Machines() as machines:
        for name, run in PARTS.items():
            if options.part is None or name in options.part:
                run(machines, options)
    print(f"\n{time.monotonic() - begun:.0f} s in all")


if __name__ == "__main__":
    main()
