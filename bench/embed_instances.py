"""Instances for the embedding benchmarks, as RDL graphs."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import topohub

from mip.mapping import map_request, mapping_graph
from mip.problem.statement import Embedded, Options, Problem
from rdl.graph import (
    Amount,
    Constraint,
    ConstraintKind,
    Element,
    Graph,
    Interface,
    Layer,
    MappingGraph,
    Placement,
)

HOST = "/node/host/server/kvm"
SWITCH = "/node/switch/openflow"
ETHERNET = "/link/ethernet"
MBPS = 10**6


def gabriel(n: int) -> list[tuple[int, int]]:
    """The edges of topohub's Gabriel graph with `n` nodes; above 500 one of our own."""
    if n <= 500:
        graph = json.loads(json.dumps(topohub.get(f"gabriel/{n}/0")))
        edges = graph.get("edges") or graph["links"]
        return [(int(e["source"]), int(e["target"])) for e in edges]
    points = np.random.default_rng(n).random((n, 2))
    square = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    return [
        (a, b)
        for a in range(n)
        for b in range(a + 1, n)
        if square[a, b] < 40 / n and not np.any(square[a] + square[b] < square[a, b] - 1e-12)
    ]


def waxman(n: int, seed: int, alpha: float = 0.5, beta: float = 0.2) -> list[tuple[int, int]]:
    """A connected Waxman graph, as the literature's online traces use."""
    rng = random.Random(seed)
    points = [(rng.random(), rng.random()) for _ in range(n)]
    edges = set()
    for a in range(n):
        for b in range(a + 1, n):
            away = ((points[a][0] - points[b][0]) ** 2 + (points[a][1] - points[b][1]) ** 2) ** 0.5
            if rng.random() < alpha * 2.718281828 ** (-away / (beta * 2**0.5)):
                edges.add((a, b))
    seen = {0}
    for a in range(1, n):
        if not any((min(a, s), max(a, s)) in edges for s in seen):
            edges.add((min(a, s := rng.choice(sorted(seen))), max(a, s)))
        seen.add(a)
    return sorted(edges)


def underlay(
    edges: Sequence[tuple[int, int]],
    n: int,
    free_cpu: Sequence[int],
    free_link: Sequence[int],
    access: int = 1000,
) -> Graph:
    """Switches `s0…`, hosts `h0…` on them; what is free is installed (background load is gone).

    Args:
        edges: between switches.
        n: how many switches.
        free_cpu: of each host.
        free_link: of each edge, in Mbit/s.
        access: of each host's own link, in Mbit/s.
    """
    elements: dict[str, Element] = {}
    ports: dict[str, list[str]] = {f"s{k}": [] for k in range(n)} | {f"h{k}": [] for k in range(n)}
    connections = []
    joined = [
        (f"l{a}-{b}", f"s{a}", f"s{b}", w) for (a, b), w in zip(edges, free_link, strict=True)
    ]
    joined += [(f"a{k}", f"h{k}", f"s{k}", access) for k in range(n)]
    for name, u, v, room in joined:
        for k, end in enumerate((u, v)):
            ports[end].append(name)
            connections.append((f"{end}.{name}", f"{name}.{k}"))
        both = (Interface(f"{name}.0"), Interface(f"{name}.1"))
        elements[name] = Element(
            name, ETHERNET, {"bandwidth": Amount(room * MBPS)}, interfaces=both
        )
    for k in range(n):
        plugs = tuple(Interface(f"s{k}.{p}") for p in ports[f"s{k}"])
        elements[f"s{k}"] = Element(f"s{k}", SWITCH, interfaces=plugs)
        plugs = tuple(Interface(f"h{k}.{p}") for p in ports[f"h{k}"])
        held = {"cpu": Amount(free_cpu[k])}
        elements[f"h{k}"] = Element(f"h{k}", HOST, held, interfaces=plugs)
    return Graph(f"gabriel{n}", Layer.UNDERLAY, elements, tuple(connections))


def request(
    rng: random.Random,
    vnodes: int,
    vlinks: int,
    candidates: Sequence[Sequence[int]] | None,
    *,
    apart: bool = True,
    demand: tuple[int, int] = (10, 30),
) -> Graph:
    """A random connected request; cpu and Mbit/s drawn from `demand`; hosts from `candidates`."""
    pairs = {(rng.randrange(k), k) for k in range(1, vnodes)}
    while len(pairs) < min(vlinks, vnodes * (vnodes - 1) // 2):
        a, b = sorted(rng.sample(range(vnodes), 2))
        pairs.add((a, b))
    room = {pair: rng.randint(*demand) for pair in sorted(pairs)}
    cpu = [rng.randint(*demand) for _ in range(vnodes)]
    return overlay(room, cpu, candidates, apart=apart)


def overlay(
    room: Mapping[tuple[int, int], int],
    cpu: Sequence[int],
    candidates: Sequence[Sequence[int]] | None = None,
    *,
    apart: bool = True,
) -> Graph:
    """VNodes `v0…` with `cpu` each, VLinks between them with `room` in Mbit/s."""
    elements: dict[str, Element] = {}
    connections = []
    ports: dict[str, list[Interface]] = {f"v{k}": [] for k in range(len(cpu))}
    for (a, b), width in room.items():
        name = f"e{a}-{b}"
        for k, end in enumerate((f"v{a}", f"v{b}")):
            ports[end].append(Interface(f"{end}.{name}"))
            connections.append((f"{end}.{name}", f"{name}.{k}"))
        elements[name] = Element(
            name,
            "/link/generic",
            {"bandwidth": Amount(width * MBPS)},
            interfaces=(Interface(f"{name}.0"), Interface(f"{name}.1")),
        )
    for k, cores in enumerate(cpu):
        elements[f"v{k}"] = Element(
            f"v{k}",
            "/node/host/generic",
            {"cpu": Amount(cores)},
            interfaces=tuple(ports[f"v{k}"]),
        )
    rules = []
    if apart:
        names = tuple(f"v{k}" for k in range(len(cpu)))
        rules.append(Constraint(ConstraintKind.APART, names))
    for k, some in enumerate(candidates or ()):
        targets = tuple(f"h{h}" for h in some)
        rules.append(Constraint(ConstraintKind.ON, (f"v{k}",), targets=targets))
    return Graph("request", Layer.OVERLAY, elements, tuple(connections), tuple(rules))


def carrying(
    edges: Sequence[tuple[int, int]], n: int, cpu: Sequence[int], link: Sequence[int]
) -> Embedded:
    """A CloudNet that uses `cpu` of each host and `link` Mbit/s of each core link."""
    elements = {
        f"b{k}": Element(f"b{k}", "/node/host/generic", {"cpu": Amount(cpu[k])}) for k in range(n)
    }
    mapping = {f"b{k}": Placement(on=(f"h{k}",)) for k in range(n)}
    for (a, b), used in zip(edges, link, strict=True):
        name = f"k{a}-{b}"
        elements[name] = Element(name, "/link/generic", {"bandwidth": Amount(used * MBPS)})
        mapping[name] = Placement(on=(f"l{a}-{b}",))
    graph = Graph("background", Layer.OVERLAY, elements)
    return Embedded(graph, MappingGraph("background", f"gabriel{n}", mapping))


def offline(
    n: int,
    seed: int,
    *,
    vnodes: int = 8,
    vlinks: int = 11,
    share: float | None = 0.3,
    count: int | None = None,
    apart: bool = True,
    load: tuple[int, int] = (20, 80),
    shown: bool = False,
) -> Problem:
    """The standard instance: `load` % of 100 taken on hosts and core links before.

    With `shown` the load is an embedded CloudNet that objectives count, else it is just gone.
    Each VNode accepts a random `share` of the hosts, or `count` of them; all where both are None.
    """
    rng = random.Random(1000 * n + seed)
    edges = gabriel(n)
    cpu = [100 - rng.randint(*load) for _ in range(n)]
    link = [100 - rng.randint(*load) for _ in edges]
    some = None
    if share is not None or count is not None:
        size = count if count is not None else max(vnodes, round(n * float(share or 1)))
        some = [sorted(rng.sample(range(n), size)) for _ in range(vnodes)]
    asked = request(rng, vnodes, vlinks, some, apart=apart)
    if shown:
        full = underlay(edges, n, [100] * n, [100] * len(edges))
        used = carrying(edges, n, [100 - c for c in cpu], [100 - w for w in link])
        return Problem(full, asked, (used,))
    return Problem(underlay(edges, n, cpu, link), asked)


def populated(
    hosts: int, cloudnets: int, seed: int, *, memory: tuple[int, int] = (1, 8)
) -> tuple[Graph, tuple[Embedded, ...]]:
    """A substrate of `hosts` hosts with `cloudnets` CloudNets of 2 to 5 VNodes spread over it.

    Each is placed by `balance`-like hand: at random on hosts with room, then routed.
    """
    rng = random.Random(seed)
    switches = max(4, hosts // 4)
    ring = [(k, (k + 1) % switches) for k in range(switches)]
    chords = [(k, (k + switches // 2) % switches) for k in range(switches // 2)]
    elements: dict[str, Element] = {}
    ports: dict[str, list[str]] = {}
    connections = []
    joined = [(f"l{a}-{b}", f"s{a}", f"s{b}", 10_000) for a, b in ring + chords]
    joined += [(f"a{k}", f"h{k}", f"s{k % switches}", 10_000) for k in range(hosts)]
    for name, u, v, room in joined:
        for k, end in enumerate((u, v)):
            ports.setdefault(end, []).append(name)
            connections.append((f"{end}.{name}", f"{name}.{k}"))
        both = (Interface(f"{name}.0"), Interface(f"{name}.1"))
        elements[name] = Element(
            name, ETHERNET, {"bandwidth": Amount(room * MBPS)}, interfaces=both
        )
    for name, plugs in ports.items():
        held = {"cpu": Amount(16), "memory": Amount(64 * 2**30)} if name[0] == "h" else {}
        kind = HOST if name[0] == "h" else SWITCH
        interfaces = tuple(Interface(f"{name}.{p}") for p in plugs)
        elements[name] = Element(name, kind, held, interfaces=interfaces)
    substrate = Graph(f"ring{hosts}", Layer.UNDERLAY, elements, tuple(connections))
    used: tuple[Embedded, ...] = ()
    for number in range(cloudnets):
        size = rng.randint(2, 5)
        asked = request(rng, size, size, None, apart=rng.random() < 0.5, demand=(10, 50))
        sized = {
            e.id: replace(
                e,
                resources={
                    "cpu": Amount(rng.randint(1, 4)),
                    "memory": Amount(rng.randint(*memory) * 2**30),
                },
            )
            if e.is_node
            else e
            for e in asked.elements.values()
        }
        asked = replace(asked, name=f"net{number}", elements=sized)
        for _ in range(20):
            keep = {e.id: f"h{rng.randrange(hosts)}" for e in asked.nodes()}
            problem = Problem(substrate, asked, used, keep=keep)
            result = map_request(problem, Options(method="fast", explain=False))
            if result.nodes:
                used = (*used, Embedded(asked, mapping_graph(result, problem)))
                break
    return substrate, used
