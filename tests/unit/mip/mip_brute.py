"""The optimum by trying everything, from the contract's sentences; for very small problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, combinations, product

from mip.problem.statement import Problem, Result, Status
from mip.verify.verifier import verify
from rdl import types
from rdl.compare.match import ABSENT, feature_of
from rdl.graph import Element, Graph, NotIn, Range

TOLERANCE = 1e-9


def optimum(problem: Problem, objective: str) -> Result | None:
    """A mapping of least value, None if there is none."""
    best: Result | None = None
    for nodes, chosen in placements(problem):
        routes = [list(routes_of(problem, nodes, e)) for e in vlinks(problem.request)]
        names = [e.id for e in vlinks(problem.request)]
        for choice in product(*routes):
            result = Result(
                Status.OPTIMAL,
                objective,
                nodes=nodes,
                links={n: on for n, (on, _) in zip(names, choice, strict=True)},
                backups={n: b for n, (_, b) in zip(names, choice, strict=True) if b is not None},
                chosen=chosen,
            )
            worth = value(problem, result, objective)
            beaten = best is not None and worth >= best.value - TOLERANCE
            if not beaten and not verify(problem, result):
                best = replace(result, value=worth)
    return best


def vlinks(graph: Graph) -> list[Element]:
    return [e for e in graph.links() if not e.is_stub]


def placements(problem: Problem) -> Iterator[tuple[dict[str, str], dict[str, dict[str, object]]]]:
    """Every placement of the VNodes that is right without the VLinks, with chosen values."""
    request = problem.request
    vnodes = [e for e in request.nodes() if not e.is_stub]
    bare = without_links(request)
    hosts = [e.id for e in problem.substrate.nodes()]
    for places in product(hosts, repeat=len(vnodes)):
        nodes = {v.id: h for v, h in zip(vnodes, places, strict=True)}
        for chosen in choices(problem, nodes):
            result = Result(Status.OPTIMAL, "", nodes=nodes, chosen=chosen)
            if not verify(replace(problem, request=bare), result):
                yield nodes, chosen
                break


def without_links(request: Graph, keep: Iterable[str] = ()) -> Graph:
    """The request with those links alone that `keep` names, and the constraints on nodes."""
    kept = set(keep)
    elements = {i: e for i, e in request.elements.items() if e.is_node or i in kept or e.is_stub}
    connections = tuple(
        (a, b)
        for a, b in request.connections
        if a.partition(".")[0] in elements and b.partition(".")[0] in elements
    )
    return replace(request, elements=elements, connections=connections)


def choices(problem: Problem, nodes: dict[str, str]) -> Iterator[dict[str, dict[str, object]]]:
    """Every way to settle what the constraints bind."""
    wanted: dict[tuple[str, str], list[object]] = {}
    for rule in problem.request.constraints:
        feature = rule.feature or rule.by
        if feature is not None:
            for member in rule.of:
                host = problem.substrate.elements[nodes[member]]
                wanted[member, feature] = list(offers(host, feature, problem))
    for values in product(*wanted.values()):
        out: dict[str, dict[str, object]] = {}
        for (member, feature), chosen in zip(wanted, values, strict=True):
            out.setdefault(member, {})[feature] = chosen
        yield out


def offers(host: Element, feature: str, problem: Problem) -> Iterable[object]:
    found = feature_of(host, feature)
    if found is ABSENT or isinstance(found, NotIn):
        return [problem.substrate.name] if feature == "provider" else []
    if isinstance(found, Range):
        return range(int(found.min or 0), int(found.max or 0) + 1)
    return found if isinstance(found, tuple) else [found]


def routes_of(
    problem: Problem, nodes: dict[str, str], vlink: Element
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...] | None]]:
    """Every route (and backup) of one VLink that is right if it is alone."""
    alone = replace(
        problem, request=replace(without_links(problem.request, [vlink.id]), constraints=())
    )
    protected = vlink.features.get("protection", "none") != "none"
    paths = list(paths_of(problem, nodes, vlink))
    for on in paths:
        for backup in paths if protected else [None]:
            result = Result(
                Status.OPTIMAL,
                "",
                nodes=nodes,
                links={vlink.id: on},
                backups={} if backup is None else {vlink.id: backup},
            )
            if not verify(alone, result):
                yield on, backup


def paths_of(problem: Problem, nodes: dict[str, str], vlink: Element) -> Iterator[tuple[str, ...]]:
    hosts: list[str] = []
    fixed: list[str] = []
    for near in problem.request.neighbours(vlink.id):
        if near in nodes:
            hosts.append(nodes[near])
        else:
            fixed.append(problem.anchors[near].partition(".")[0])
    if len(hosts) + len(fixed) > 2:
        yield from trees_of(problem, hosts)
        return
    start, end = [*hosts, *fixed]
    for path in simple_paths(problem.substrate, start, end):
        yield tuple(
            e
            for k, e in enumerate(path)
            if 0 < k < len(path) - 1 or (e in fixed and e not in hosts)
        )


def simple_paths(substrate: Graph, start: str, end: str) -> Iterator[tuple[str, ...]]:
    def extend(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if path[-1] == end:
            yield path
            return
        last = substrate.elements[path[-1]]
        if len(path) > 1 and not (last.is_link or types.forwards(last.type)):
            return
        for near in substrate.neighbours(path[-1]):
            if near not in path:
                yield from extend((*path, near))

    return extend((start,))


def trees_of(problem: Problem, hosts: list[str]) -> Iterator[tuple[str, ...]]:
    links = [e.id for e in problem.substrate.links()]
    for chosen in chain.from_iterable(combinations(links, k) for k in range(len(links) + 1)):
        nodes = {n for link in chosen for n in problem.substrate.neighbours(link)}
        yield tuple(sorted({*chosen, *(nodes - set(hosts))}))


# --- what a mapping is worth -------------------------------------------------------------------


def value(problem: Problem, result: Result, objective: str) -> float:
    """The contract's value of a mapping."""
    return {"cost": cost, "balance": balance, "compact": compact}[objective](problem, result)


def cost(problem: Problem, result: Result) -> float:
    ul, ol = problem.substrate.elements, problem.request.elements
    total = sum(
        ol[v].amount("bandwidth") / 1e6 * sum(1 for e in on if ul[e].is_link)
        for v, on in result.links.items()
    )
    for vnode, host in result.nodes.items():
        features = ul[host].features
        total += float(features.get("price", 0))
        total += float(features.get("price.cpu", 0)) * ol[vnode].amount("cpu")
        total += float(features.get("price.memory", 0)) * ol[vnode].amount("memory") / 2**30
    return total


def compact(problem: Problem, result: Result) -> float:
    busy = set(result.nodes.values())
    for one in problem.embedded:
        for vnode in one.overlay.nodes():
            busy |= set(one.mapping.mapping[vnode.id].on)
    return float(len(busy))


def balance(problem: Problem, result: Result) -> float:
    ul = problem.substrate
    loads: dict[tuple[str, str], float] = {}
    shared: dict[tuple[str, str], dict[str, float]] = {}

    def owner(e: str, resource: str) -> tuple[str, str]:
        held = ul.elements[e].resources.get(resource)
        return (f"pool {held.pool}" if held is not None and held.pool else e, resource)

    def add(key: tuple[str, str], amount: float) -> None:
        loads[key] = loads.get(key, 0) + amount

    def link(element: Element, on: Iterable[str], backup: Iterable[str]) -> None:
        hit = [
            e for e in on if ul.elements[e].is_link or element.features.get("protection") == "node"
        ]
        for path, spare in ((on, False), (backup, True)):
            for e in path:
                if ul.elements[e].is_link and spare:
                    by = shared.setdefault(owner(e, "bandwidth"), {})
                    for failed in hit:
                        by[failed] = by.get(failed, 0) + element.amount("bandwidth")
                elif ul.elements[e].is_link:
                    add(owner(e, "bandwidth"), element.amount("bandwidth"))
                if "vlans" in ul.elements[e].resources:
                    add(owner(e, "vlans"), 1)

    def node(element: Element, host: str) -> None:
        for resource, amount in element.resources.items():
            add(owner(host, resource), amount.amount)

    for one in problem.embedded:
        for name, placed in one.mapping.mapping.items():
            element = one.overlay.elements[name]
            if element.is_node:
                node(element, placed.on[0])
            else:
                link(element, placed.on, placed.backup)
    for name, host in result.nodes.items():
        node(problem.request.elements[name], host)
    for name, on in result.links.items():
        link(problem.request.elements[name], on, result.backups.get(name, ()))
    caps = {owner(e.id, r): a.amount for e in ul.elements.values() for r, a in e.resources.items()}
    return max(
        (
            (loads.get(k, 0) + max(shared.get(k, {}).values(), default=0)) / cap
            for k, cap in caps.items()
            if cap
        ),
        default=0.0,
    )
