"""Data-centre and wide-area substrates of any size, with loads, for the embedding benchmarks."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import networkx as nx
import topohub
from embed_instances import ETHERNET, HOST, MBPS, SWITCH, request, waxman

from mip.problem.statement import Problem
from rdl.graph import Amount, Element, Graph, Interface, Layer, Range


@dataclass(frozen=True)
class Fabric:
    """Switches joined by links, and the switch on which each host hangs.

    Attributes:
        name: its shape and size.
        switches: how many switches.
        links: pairs of switches.
        hosts: for each host its switch.
    """

    name: str
    switches: int
    links: Sequence[tuple[int, int]]
    hosts: Sequence[int]


def leaf_spine(hosts: int, per_leaf: int = 20, spines: int = 8) -> Fabric:
    """Every leaf switch joined to every spine switch, hosts on leaves."""
    leaves = -(-hosts // per_leaf)
    links = [(leaf, leaves + spine) for leaf in range(leaves) for spine in range(spines)]
    return Fabric(
        f"leaf-spine {hosts}", leaves + spines, links, [h // per_leaf for h in range(hosts)]
    )


def fat_tree(k: int) -> Fabric:
    """A fat-tree of switches with `k` ports: k pods of k/2 edge and k/2 aggregation switches."""
    half = k // 2
    edge = [[pod * half + i for i in range(half)] for pod in range(k)]
    above = [[k * half + pod * half + i for i in range(half)] for pod in range(k)]
    core = [2 * k * half + i for i in range(half * half)]
    links = [(e, a) for pod in range(k) for e in edge[pod] for a in above[pod]]
    links += [
        (above[pod][i], core[i * half + j])
        for pod in range(k)
        for i in range(half)
        for j in range(half)
    ]
    hosts = [e for pod in range(k) for e in edge[pod] for _ in range(half)]
    return Fabric(f"fat-tree k={k}", 2 * k * half + half * half, links, hosts)


def jellyfish(switches: int, degree: int, per_switch: int, seed: int) -> Fabric:
    """A random regular graph of switches, the same number of hosts on each."""
    graph = nx.random_regular_graph(degree, switches, seed=seed)
    hosts = [s for s in range(switches) for _ in range(per_switch)]
    return Fabric(f"jellyfish {len(hosts)}", switches, sorted(graph.edges), hosts)


def waxman_fabric(n: int, seed: int) -> Fabric:
    """A connected Waxman graph with a host on each switch."""
    return Fabric(f"waxman {n}", n, waxman(n, seed, alpha=0.4, beta=0.1), range(n))


def zoo_largest(count: int = 3) -> list[Fabric]:
    """The largest networks of the Topology Zoo, a host on each switch."""
    found = []
    for name in ("TataNld", "Uninett2010", "VtlWavenet2011")[:count]:
        graph = topohub.get(f"topozoo/{name}")
        nodes = {node["id"]: k for k, node in enumerate(graph["nodes"])}
        edges = graph.get("edges") or graph["links"]
        links = {
            (min(a, b), max(a, b))
            for a, b in ((nodes[e["source"]], nodes[e["target"]]) for e in edges)
            if a != b
        }
        found.append(
            Fabric(f"zoo {name} {len(nodes)}", len(nodes), sorted(links), range(len(nodes)))
        )
    return found


@dataclass(frozen=True)
class Load:
    """What is left free, each a least and a most.

    Attributes:
        cpu: of each host, in cores.
        access: of each host's own link, in Mbit/s.
        core: of each link between switches, in Mbit/s.
        pools: how many racks, next to each other, share one pool of cores; 0 for none.
        latency: of every link, in seconds; 0 says nothing.
    """

    cpu: tuple[int, int] = (100, 100)
    access: tuple[int, int] = (1000, 1000)
    core: tuple[int, int] = (1000, 1000)
    pools: int = 0
    latency: float = 0.0


ALIKE = Load()
LOADED = Load((10, 80), (100, 800), (100, 800))
SCARCE = Load((2, 100), (5, 1000), (5, 1000))


def substrate(fabric: Fabric, load: Load, seed: int) -> Graph:
    """The fabric as a UL graph; what is free is installed."""
    rng = random.Random(seed)
    elements: dict[str, Element] = {}
    ports: dict[str, list[str]] = {}
    connections = []
    joined = [(f"l{a}-{b}", f"s{a}", f"s{b}", rng.randint(*load.core)) for a, b in fabric.links]
    joined += [
        (f"a{h}", f"h{h}", f"s{s}", rng.randint(*load.access)) for h, s in enumerate(fabric.hosts)
    ]
    told = {"latency": load.latency} if load.latency else {}
    for name, u, v, room in joined:
        for k, end in enumerate((u, v)):
            ports.setdefault(end, []).append(name)
            connections.append((f"{end}.{name}", f"{name}.{k}"))
        both = (Interface(f"{name}.0"), Interface(f"{name}.1"))
        amount = {"bandwidth": Amount(room * MBPS)}
        elements[name] = Element(name, ETHERNET, amount, told, interfaces=both)
    for s in range(fabric.switches):
        plugs = tuple(Interface(f"s{s}.{p}") for p in ports.get(f"s{s}", ()))
        elements[f"s{s}"] = Element(f"s{s}", SWITCH, interfaces=plugs)
    pooled: dict[int, int] = {}
    for h, s in enumerate(fabric.hosts):
        cores = rng.randint(*load.cpu)
        held = {"cpu": Amount(cores)}
        if load.pools:
            share = pooled.setdefault(s // load.pools, rng.randint(*load.cpu) * 4)
            held["memory"] = Amount(share, f"rack{s // load.pools}")
        plugs = tuple(Interface(f"h{h}.{p}") for p in ports[f"h{h}"])
        elements[f"h{h}"] = Element(f"h{h}", HOST, held, interfaces=plugs)
    return Graph(fabric.name, Layer.UNDERLAY, elements, tuple(connections))


def problem(
    fabric: Fabric,
    load: Load,
    seed: int,
    *,
    vnodes: int = 10,
    vlinks: int = 14,
    apart: bool = True,
    demand: tuple[int, int] = (10, 30),
    bound: float | None = None,
) -> Problem:
    """A random connected request on a loaded fabric; `bound` limits each VLink's latency."""
    rng = random.Random(seed)
    asked = request(rng, vnodes, vlinks, None, apart=apart, demand=demand)
    changed: Mapping[str, Element] = {
        e.id: _adapted(e, load, bound) for e in asked.elements.values()
    }
    return Problem(substrate(fabric, load, seed), replace(asked, elements=changed))


def _adapted(element: Element, load: Load, bound: float | None) -> Element:
    """VNodes take memory as well where hosts have it in pools; VLinks are bounded."""
    if element.is_link:
        limit = {} if bound is None else {"latency": Range(None, bound)}
        return replace(element, features={**element.features, **limit})
    more = {"memory": Amount(8)} if load.pools else {}
    return replace(element, resources={**element.resources, **more})
