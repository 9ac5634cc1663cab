"""Whether limits are kept on every kind of instance of the benchmarks, and what that takes.

Each solve is a process of its own, forked with the problem, so that what it has in memory can be
seen, the solver that it starts included. A limit is kept when `map_request` ends within 10 % and
0.5 s of it, its reasons for a refusal included. A mapping is missing where a solve ends without one
although a solve under another limit found one; where none did and nothing is proven, that is told.
Larger limits are tried only where the one before hasn't closed the gap.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from embed_fabrics import ASKED, LOADS, fabrics
from embed_instances import offline
from embed_objectives import thinned
from embed_report import verdict
from fabric_instances import leaf_spine
from fabric_instances import problem as on_fabric

from mip.mapping import map_request
from mip.problem.statement import Options, Problem, Status
from mip.workers.handle import resident
from rdl.graph import Element, Graph, Interface

_SHARE, _MORE_S = 1.1, 0.5
"""A limit is kept up to this share of it, and so many seconds more."""

_SURE_S = 2.0
"""From this limit on a mapping is found wherever there is one."""

_LOOK_S = 0.01
PLAIN = Options()
_MIB = 1 << 20


@dataclass(frozen=True)
class Case:
    """An instance by name, how it is made, and what is asked beside the limit."""

    name: str
    made: Callable[[], Problem]
    options: Options = PLAIN


@dataclass(frozen=True)
class Seen:
    """How one solve ended: its status, seconds, gap, and the most bytes it had in memory."""

    status: str
    seconds: float
    gap: float | None
    memory: int


# --- what is asked ------------------------------------------------------------------------------


def protected(problem: Problem, kind: str) -> Problem:
    """The same with every second VLink protected, and each host on a second switch as well."""
    problem = replace(problem, substrate=double_homed(problem.substrate))
    request = problem.request
    links = [e.id for e in request.links()][::2]
    elements = {
        e.id: replace(e, features={**e.features, "protection": kind}) if e.id in links else e
        for e in request.elements.values()
    }
    return replace(problem, request=replace(request, elements=elements))


def double_homed(substrate: Graph) -> Graph:
    """The same with a link as wide as its first from each host to a second switch with hosts.

    That is one next to its own where there is one, else the one that is listed next.
    """
    elements = dict(substrate.elements)
    plugs = list(substrate.connections)
    near: dict[str, list[str]] = {}
    for link in substrate.links():
        a, b = (peer.partition(".")[0] for _, peer in substrate.ends(link.id))
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    homes = [s for s in near if s.startswith("s") and any(n.startswith("h") for n in near[s])]
    after = dict(zip(homes, (*homes[1:], homes[0]), strict=True))
    for link in list(substrate.links()):
        host, switch = sorted(p.partition(".")[0] for _, p in substrate.ends(link.id))
        if not host.startswith("h"):
            continue
        second = next((s for s in near[switch] if s in after), after[switch])
        name = f"b{host[1:]}"
        ends = (Interface(f"{name}.0"), Interface(f"{name}.1"))
        elements[name] = replace(link, id=name, interfaces=ends)
        for k, end in enumerate((host, second)):
            plug = Interface(f"{end}.{name}")
            elements[end] = replace(elements[end], interfaces=(*elements[end].interfaces, plug))
            plugs.append((plug.id, f"{name}.{k}"))
    return replace(substrate, elements=elements, connections=tuple(plugs))


def treed(problem: Problem) -> Problem:
    """The same with two VLinks that meet at one VNode made one with three ends."""
    request = problem.request
    met = [e.id for e in request.links()]
    ends = {link: [near for _, near in request.ends(link)] for link in met}
    owner = {link: [p.partition(".")[0] for p in ends[link]] for link in met}
    first = met[0]
    second = next(link for link in met[1:] if len(set(owner[link]) & set(owner[first])) == 1)
    (k,) = [k for k in range(2) if owner[second][k] not in owner[first]]
    far = ends[second][k]
    elements: dict[str, Element] = {i: e for i, e in request.elements.items() if i != second}
    tree = elements[first]
    elements[first] = replace(tree, interfaces=(*tree.interfaces, Interface(f"{first}.2")))
    gone = {p for p in ends[second] if p != far}
    for name in {p.partition(".")[0] for p in gone}:
        kept = tuple(i for i in elements[name].interfaces if i.id not in gone)
        elements[name] = replace(elements[name], interfaces=kept)
    plugs = [c for c in request.connections if not any(p.startswith(f"{second}.") for p in c)]
    graph: Graph = replace(request, elements=elements, connections=(*plugs, (far, f"{first}.2")))
    return replace(problem, request=graph)


def _offline(name: str, change: Callable[[Problem], Problem] | None = None, **more: Any) -> Case:
    options = Options(**more.pop("options", {}))
    sizes: tuple[int, int] = (more.pop("n"), more.pop("seed"))

    def made() -> Problem:
        plain = offline(*sizes, **more)
        return plain if change is None else change(plain)

    return Case(f"{name}, N={sizes[0]}, {sizes[1]}", made, options)


def families(seeds: int) -> Mapping[str, Callable[[], Iterator[Case]]]:
    """For each family its instances, `seeds` of each kind."""
    some = range(seeds)
    large = {"vnodes": 10, "vlinks": 13}

    def everyday() -> Iterator[Case]:
        for n in (50, 100, 200, 500, 1000):
            for seed in some:
                for apart in (True, False):
                    name = "apart" if apart else "shared"
                    yield _offline(name, n=n, seed=seed, apart=apart)
                yield _offline("cbc", n=n, seed=seed, options={"solver": "cbc"})
                yield _offline("fast", n=n, seed=seed, options={"method": "fast"})

    def hard() -> Iterator[Case]:
        for n in (50, 100):
            for seed in some:
                for load in ((50, 90), (60, 90)):
                    yield _offline(f"{load[0]} to 90", n=n, seed=seed, share=None, load=load)

    def growth() -> Iterator[Case]:
        for n in (100, 200, 500, 1000):
            for seed in some:
                yield _offline("20 each", n=n, seed=seed, count=20, **large)
                yield _offline("10 %", n=n, seed=seed, share=0.1, **large)

    def objectives() -> Iterator[Case]:
        for n in (100, 500):
            for seed in some:
                for objective in ("balance", "compact"):
                    for apart in (True, False):
                        change = (
                            (lambda p, s=seed: thinned(p, s))
                            if objective == "compact" and n == 100
                            else None
                        )
                        name = f"{objective}, {'apart' if apart else 'shared'}"
                        asked = {"load": (0, 20), "shown": True, "apart": apart}
                        options = {"objective": objective}
                        yield _offline(name, change, n=n, seed=seed, options=options, **asked)

    def routes() -> Iterator[Case]:
        for n in (50, 100, 200, 500):
            for seed in some:
                for kind in ("link", "node"):
                    yield _offline(
                        f"protection {kind}", lambda p, k=kind: protected(p, k), n=n, seed=seed
                    )
                yield _offline("tree", treed, n=n, seed=seed)

    def shapes(wanted: str) -> Callable[[], Iterator[Case]]:
        def found() -> Iterator[Case]:
            for shape in fabrics([2000, 5000]):
                if not shape.name.startswith(wanted):
                    continue
                for load, amounts in LOADS.items():
                    for name, wish in ASKED.items():
                        for seed in some:
                            more: dict[str, Any] = {"bound": 0.006} if load == "latency" else {}
                            made = partial(on_fabric, shape, amounts, seed, **wish, **more)
                            yield Case(f"{shape.name}, {load}, {name}, {seed}", made)

        return found

    def whole() -> Iterator[Case]:
        """What only the program as a whole can do, on fabrics."""
        for shape in (leaf_spine(2000), *fabrics([])[:2]):
            for objective in ("balance", "compact"):
                yield Case(
                    f"{shape.name}, {objective}",
                    lambda s=shape: on_fabric(s, LOADS["loaded"], 0),
                    Options(objective=objective),
                )
            yield Case(
                f"{shape.name}, protection",
                lambda s=shape: protected(on_fabric(s, LOADS["loaded"], 0), "link"),
            )
            yield Case(
                f"{shape.name}, tree", lambda s=shape: treed(on_fabric(s, LOADS["loaded"], 0))
            )

    return {
        "everyday": everyday,
        "hard": hard,
        "growth": growth,
        "objectives": objectives,
        "routes": routes,
        "leaf-spine 2000": shapes("leaf-spine 2000"),
        "leaf-spine 5000": shapes("leaf-spine 5000"),
        "fat-tree k=8": shapes("fat-tree k=8"),
        "fat-tree k=16": shapes("fat-tree k=16"),
        "jellyfish": shapes("jellyfish"),
        "waxman": shapes("waxman"),
        "zoo": shapes("zoo"),
        "whole": whole,
    }


# --- solving ------------------------------------------------------------------------------------


def _solve(pipe: Connection, problem: Problem, options: Options) -> None:
    began = time.monotonic()
    result = map_request(problem, options)
    seconds = time.monotonic() - began
    pipe.send((result.status.value, seconds, result.gap))


def watched(problem: Problem, options: Options) -> Seen:
    """Solve in a process of its own, and watch what it has in memory."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_solve, args=(theirs, problem, options))
    began = time.monotonic()
    process.start()
    theirs.close()
    most = 0
    while not ours.poll(_LOOK_S):
        most = max(most, resident(process.pid or 0))
    try:
        status, seconds, gap = ours.recv()
    except EOFError:
        status, seconds, gap = "died", time.monotonic() - began, None
    process.join()
    return Seen(status, seconds, gap, most)


def _told(limit: float, seen: Seen) -> str:
    gap = "" if seen.gap is None else f" gap {seen.gap:.3f}"
    return f"{limit:g} s: {seen.status}{gap} {seen.seconds:.2f} s {seen.memory // _MIB} MiB"


def run(cases: Iterator[Case], limits: list[float]) -> None:
    """Print a line for each instance, then what is worst at each limit."""
    late: dict[float, float] = {}
    lacking: dict[float, int] = {}
    unknown, memory, count = 0, 0, 0
    for case in cases:
        problem = case.made()
        count += 1
        seen: dict[float, Seen] = {}
        for limit in limits:
            seen[limit] = watched(problem, replace(case.options, time_limit=limit))
            if seen[limit].status in {Status.OPTIMAL, Status.INFEASIBLE}:
                break
        told = "; ".join(_told(limit, s) for limit, s in seen.items())
        print(f"  {case.name}: {told}", flush=True)
        mapped = any(s.status in {Status.OPTIMAL, Status.FEASIBLE} for s in seen.values())
        unknown += not mapped and all(s.status != Status.INFEASIBLE for s in seen.values())
        for limit, one in seen.items():
            late[limit] = max(late.get(limit, 0.0), one.seconds - _SHARE * limit)
            memory = max(memory, one.memory)
            missing = mapped and one.status not in {Status.OPTIMAL, Status.FEASIBLE}
            lacking[limit] = lacking.get(limit, 0) + missing
    for limit, beyond in sorted(late.items()):
        name = f"limit {limit:g} s, seconds beyond it and 10 %"
        print(verdict(name, beyond, _MORE_S, at_least=False))
        name = f"limit {limit:g} s, mappings missing"
        if limit >= _SURE_S:
            print(verdict(name, lacking[limit], 0, at_least=False))
        else:
            print(f"     {name}: {lacking[limit]}")
    print(f"     {count} instances, {unknown} neither mapped nor disproven")
    print(f"     in memory at most {memory // _MIB} MiB, the solver included")


def main() -> None:
    """A table for each family."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="instances of each kind")
    parser.add_argument("--limits", default="1,5", help="seconds for a solve, with commas")
    parser.add_argument("--family", action="append", help="one of the families; all by default")
    parser.add_argument("--only", default="", help="instances with this in their name")
    given = parser.parse_args()
    limits = sorted(float(s) for s in given.limits.split(","))
    for name, cases in families(given.seeds).items():
        if not given.family or name in given.family:
            print(f"{name}:", flush=True)
            run((c for c in cases() if given.only in c.name), limits)


if __name__ == "__main__":
    main()
