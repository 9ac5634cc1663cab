"""Random small problems that between them cover all that the RDL can say."""

from __future__ import annotations

import random
from dataclasses import replace

from mip_graphs import (
    ETHERNET,
    GENERIC,
    GIB,
    HOST,
    MBPS,
    PIP,
    SWITCH,
    VLINK,
    apart,
    different,
    element,
    join,
    not_on,
    on,
    same,
    together,
    underlay,
)

from mip.problem.statement import Embedded, Options, Problem, Status
from mip.verify.verifier import verify
from rdl.graph import Amount, Constraint, Element, Graph, Interface, NotIn, Range

OBJECTIVES = ("cost", "balance", "compact")


def case(seed: int) -> tuple[Problem, str]:
    """Problem number `seed`, and the objective to solve it for."""
    rng = random.Random(seed)
    if seed % 10 == 9:
        return providers(rng), rng.choice(OBJECTIVES)
    objective = OBJECTIVES[seed % 3]
    extras = {
        e
        for e in ("latency", "pool", "vlans", "protection", "tree", "price", "anchor")
        if rng.random() < 0.3
    }
    substrate = hosts_and_switches(rng, extras)
    request = wanted(rng, substrate, extras)
    problem = Problem(substrate, request)
    if "anchor" in extras:
        problem = anchored(rng, problem)
    if rng.random() < 0.3:
        problem = replace(problem, embedded=background(rng, substrate))
    if rng.random() < 0.15:
        gone = rng.choice([e.id for e in substrate.elements.values()])
        problem = replace(problem, unavailable=frozenset((gone,)))
    if rng.random() < 0.15:
        problem = replace(problem, keep={"a": rng.choice(["h0", "h1", "h2"])})
    return problem, objective


def hosts_and_switches(rng: random.Random, extras: set[str]) -> Graph:
    """Three hosts, one of them on two switches, on a ring or tree of three switches."""
    elements = []
    for k in range(3):
        resources: dict[str, float | Amount] = {
            "cpu": rng.choice([1.5, 2.5, 4, 5]),
            "memory": rng.choice([3, 4, 8]) * GIB,
        }
        features: dict[str, object] = {
            "arch": rng.choice(["x86_64", ("x86_64", "aarch64"), ("x86_64", "aarch64"), "aarch64"]),
            "site": rng.choice(["berlin", "munich"]),
        }
        if "price" in extras:
            features["price"] = rng.choice([1, 2.5])
            features["price_cpu"] = rng.choice([0, 3])
            features["price_memory"] = rng.choice([0, 2])
        if "pool" in extras and k < 2:
            resources["storage"] = Amount(5 * GIB, "san")
        kind = rng.choice([HOST, HOST, HOST, "/node/host/server/xen"])
        elements.append(element(f"h{k}", kind, resources, **features))
    elements += [element(f"s{k}", SWITCH) for k in range(3)]
    ends = {"h0-s0": ("h0", "s0"), "h1-s1": ("h1", "s1"), "h2-s2": ("h2", "s2")}
    ends |= {"s0-s1": ("s0", "s1"), "s1-s2": ("s1", "s2")}
    if rng.random() < 0.8:
        ends["s0-s2"] = ("s0", "s2")
    if rng.random() < 0.7 or "protection" in extras:
        ends["h0-s1"] = ("h0", "s1")
        ends["h1-s2"] = ("h1", "s2")
    for name in ends:
        resources = {"bandwidth": rng.choice([20, 50, 100]) * MBPS}
        if "pool" in extras and name in {"s0-s1", "s1-s2"}:
            resources["bandwidth"] = Amount(60 * MBPS, "uplink")
        if "vlans" in extras:
            resources["vlans"] = rng.choice([1, 2, 3])
        features = {"latency": rng.choice([0.001, 0.002, 0.005])} if "latency" in extras else {}
        elements.append(element(name, ETHERNET, resources, **features))
    return underlay(elements, ends)


def wanted(rng: random.Random, substrate: Graph, extras: set[str]) -> Graph:
    """Two or three VNodes, up to three VLinks, up to three constraints."""
    names = ["a", "b", "c"][: rng.choice([2, 3, 3])]
    elements: list[Element] = []
    for name in names:
        resources = {"cpu": rng.choice([0.5, 1, 2]), "memory": rng.choice([1, 2]) * GIB}
        if "pool" in extras and rng.random() < 0.5:
            resources["storage"] = 2 * GIB
        features: dict[str, object] = {}
        if rng.random() < 0.2:
            features["arch"] = rng.choice(["x86_64", ("aarch64", "x86_64"), NotIn(("x86_64",))])
        if rng.random() < 0.1:
            features["site"] = rng.choice(["berlin", NotIn(("berlin",))])
        if rng.random() < 0.1:
            features["virtualization"] = rng.choice(["kvm", "xen"])
        kind = rng.choice([GENERIC, GENERIC, GENERIC, HOST])
        elements.append(element(name, kind, resources, **features))
    ends: dict[str, tuple[str, ...]] = {}
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    for a, b in rng.sample(pairs, rng.randint(1, len(pairs))):
        ends[f"{a}{b}"] = (a, b)
    if "tree" in extras and len(names) == 3:
        ends = {"abc": ("a", "b", "c"), **dict(list(ends.items())[:1])}
    for name in ends:
        features = {}
        if "latency" in extras and rng.random() < 0.7:
            features["latency"] = Range(max=rng.choice([0.006, 0.01, 0.015]))
            if rng.random() < 0.1:
                features["latency"] = Range(min=0.003, max=0.012)
        if "protection" in extras and len(ends[name]) == 2 and rng.random() < 0.7:
            features["protection"] = rng.choice(["link", "node"])
        bandwidth = rng.choice([5, 10, 20, 30]) * MBPS
        elements.append(element(name, VLINK, {"bandwidth": bandwidth}, **features))
    rules = [rule(rng, names) for _ in range(rng.choice([0, 0, 1, 1, 2]))]
    return join("ol", elements, ends, rules)


def rule(rng: random.Random, names: list[str]) -> Constraint:
    """One constraint of any kind."""
    some = rng.sample(names, 2 if rng.random() < 0.7 else len(names))
    one = rng.choice(names)
    host = rng.choice(["h0", "h1", "h2"])
    return rng.choice(
        [
            same("arch", *some),
            same("site", *some),
            different("arch", *some),
            different("site", *some),
            together(*some),
            together(*some, by="site"),
            apart(*some),
            apart(*some, by="site"),
            apart(*some, by="provider"),
            on([host, HOST], one),
            on([host], one),
            not_on([host], one),
            not_on(["/node/host/server/xen"], one),
            not_on(["elsewhere"], one) if rng.random() < 0.1 else not_on([host], *some),
        ]
    )


def anchored(rng: random.Random, problem: Problem) -> Problem:
    """One VNode's further VLink ends at a transit interface of the first switch."""
    at = rng.choice(["s0", "s2"])
    elements = dict(problem.substrate.elements)
    held = {"bandwidth": Amount(rng.choice([10, 40]) * MBPS)}
    port = Interface(f"{at}.t1", resources=held)
    elements[at] = replace(elements[at], interfaces=(*elements[at].interfaces, port))
    asked = dict(problem.request.elements)
    asked["_t1-out"] = Element("_t1-out", "/link/transit", interfaces=(Interface("_t1-out.0"),))
    asked["out"] = Element(
        "out",
        VLINK,
        {"bandwidth": Amount(rng.choice([5, 20]) * MBPS)},
        interfaces=(Interface("out.0"), Interface("out.1")),
    )
    asked["a"] = replace(asked["a"], interfaces=(*asked["a"].interfaces, Interface("a.out")))
    connections = (
        *problem.request.connections,
        ("a.out", "out.0"),
        ("out.1", "_t1-out.0"),
    )
    return replace(
        problem,
        substrate=replace(problem.substrate, elements=elements),
        request=replace(problem.request, elements=asked, connections=connections),
        anchors={"_t1-out": f"{at}.t1"},
    )


def background(rng: random.Random, substrate: Graph) -> tuple[Embedded, ...]:
    """A CloudNet that is there already, where it fits."""
    from mip.mapping import map_request, mapping_graph

    features = {"protection": "link"} if rng.random() < 0.4 else {}
    elements = [
        element("p", GENERIC, {"cpu": 0.5, "memory": GIB}),
        element("q", GENERIC, {"cpu": 0.5}),
        element("pq", VLINK, {"bandwidth": 10 * MBPS}, **features),
    ]
    request = join("old", elements, {"pq": ("p", "q")}, [apart("p", "q")])
    problem = Problem(substrate, request)
    result = map_request(problem, Options(time_limit=20))
    if result.status is not Status.OPTIMAL or verify(problem, result):
        return ()
    return (Embedded(request, mapping_graph(result, problem)),)


def providers(rng: random.Random) -> Problem:
    """What a VNP solves: VNodes on providers, VLinks over transit links, also through others."""
    elements = []
    for k in range(3):
        sites = rng.choice([("s1", "s2"), f"s{k}", ("s1", "s3")])
        elements.append(
            element(
                f"p{k}",
                PIP,
                {"cpu": rng.choice([2, 4])},
                types=rng.choice([(HOST, "/node/host/server/xen"), HOST]),
                arch=rng.choice(["x86_64", ("x86_64", "aarch64")]),
                site=sites,
                level=Range(1, rng.choice([1, 2, 3])),
                price_cpu=rng.choice([1, 2, 4]),
            )
        )
    ends = {"t01": ("p0", "p1"), "t12": ("p1", "p2")}
    if rng.random() < 0.5:
        ends["t02"] = ("p0", "p2")
    for name in ends:
        resources = {"bandwidth": rng.choice([20, 40]) * MBPS, "vlans": rng.choice([1, 2, 4])}
        latency = rng.choice([0.005, 0.01])
        elements.append(element(name, "/link/transit/openvpn", resources, latency=latency))
    names = ["a", "b", "c"]
    asked: list[Element] = [
        element(n, rng.choice([GENERIC, HOST]), {"cpu": rng.choice([1, 2])}) for n in names
    ]
    features = {"latency": Range(max=0.012)} if rng.random() < 0.5 else {}
    links = {"ab": ("a", "b"), "bc": ("b", "c")}
    asked += [
        element(n, VLINK, {"bandwidth": rng.choice([10, 20]) * MBPS}, **features) for n in links
    ]
    rules = rng.sample(
        [
            apart("a", "b"),
            apart("a", "b", by="provider"),
            together("a", "c"),
            different("site", "a", "b", "c"),
            same("arch", "a", "b"),
            different("level", "a", "b"),
            same("level", "a", "c"),
            on(["p1", "p2"], "a"),
            not_on(["/node/host/server/xen"], "b"),
        ],
        rng.choice([1, 2, 3]),
    )
    return Problem(underlay(elements, ends), join("ol", asked, links, rules))
