"""A mapping between compiled points and the network: what solvers hand each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mip.instance.capacity import Backup, Key, Use, hit_by
from mip.instance.constraints import settle
from mip.instance.instance import Instance, Kind, VLink
from mip.objectives import Weights
from mip.problem.amounts import Exact
from mip.problem.statement import Problem
from rdl.graph import Scalar


@dataclass(frozen=True)
class Route:
    """The elements of a VLink's path (or tree), and those between its ends proper.

    Attributes:
        on: as the contract's `links` lists them.
        inner: `on` without the fixed ends of a partial VLink: what `protection` keeps disjoint.
        edges: the edges crossed.
    """

    on: tuple[str, ...]
    inner: frozenset[str]
    edges: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Draft:
    """A complete mapping.

    Attributes:
        places: for each point its vertex.
        working: for each VLink its route.
        backup: for each protected VLink its backup route.
    """

    places: tuple[int, ...]
    working: tuple[Route, ...]
    backup: Mapping[int, Route]


def path_route(instance: Instance, vlink: VLink, vertices: list[int], edges: list[int]) -> Route:
    """The route along `vertices`, joined by `edges`, from the first end to the last."""
    network = instance.network
    kinds = [instance.points[p].kind for p in vlink.points]
    on: list[str] = []
    inner: list[str] = []
    last = len(vertices) - 1
    for place, vertex in enumerate(vertices):
        element = network.ids[vertex]
        if 0 < place < last:
            on.append(element)
            inner.append(element)
        elif _end_counts(kinds, place, last):
            on.append(element)
        if place < last:
            link = network.edges[edges[place]].link
            if link is not None:
                on.append(link)
                inner.append(link)
    return Route(tuple(on), frozenset(inner), frozenset(edges))


def _end_counts(kinds: list[Kind], place: int, last: int) -> bool:
    """Whether an end is on the path: fixed ends are, VNodes' hosts never."""
    first, final = kinds[0] is not Kind.VNODE, kinds[-1] is not Kind.VNODE
    if last == 0:
        return first and final
    return first if place == 0 else final


def tree_route(
    instance: Instance, vlink: VLink, edges: Iterable[int], ends: Sequence[int]
) -> Route:
    """The route of a multi-point VLink that crosses `edges`; its points are at `ends`, in order."""
    network = instance.network
    chosen = list(edges)
    touched = {v for e in chosen for v in (network.edges[e].u, network.edges[e].v)}
    links = {network.edges[e].link for e in chosen}
    inner = {e for e in links if e is not None} | {network.ids[v] for v in touched - set(ends)}
    kinds = [instance.points[p].kind for p in vlink.points]
    hosts = {v for v, kind in zip(ends, kinds, strict=True) if kind is Kind.VNODE}
    fixed = {network.ids[v] for v in ends if v not in hosts}
    return Route(tuple(sorted(inner | fixed)), frozenset(inner), frozenset(chosen))


def draft_use(instance: Instance, draft: Draft) -> Use:
    """Everything used once `draft` is added to what is embedded."""
    fixed: dict[Key, Exact] = defaultdict(int, instance.use.fixed)
    backups = list(instance.use.backups)
    substrate = instance.network.substrate
    for index, point in enumerate(instance.points):
        host = instance.network.element(draft.places[index])
        for resource, amount in point.demand.items():
            amounts = host.resources.get(resource)
            owner = host.id if amounts is None or amounts.pool is None else f"pool {amounts.pool}"
            fixed[(owner, resource)] += amount
    for index, vlink in enumerate(instance.vlinks):
        for element in draft.working[index].on:
            for key, amount in instance.keys_of(element, vlink):
                fixed[key] += amount
        if index in draft.backup:
            shared: dict[Key, Exact] = defaultdict(int)
            for element in draft.backup[index].on:
                for key, amount in instance.keys_of(element, vlink):
                    (shared if key[1] == "bandwidth" else fixed)[key] += amount
            path = sorted(draft.working[index].inner)
            backups.append(Backup(hit_by(substrate, path, vlink.protection), dict(shared)))
    return Use(dict(fixed), tuple(backups), instance.use.hosts)


def is_element(key: Key) -> bool:
    """Whether a capacity is an element's or a pool's, not an interface's."""
    return key[0].startswith("pool ") or "." not in key[0]


def peak(instance: Instance, use: Use) -> float:
    """The highest utilisation of any resource of any substrate element."""
    shares = [
        float(use.peak(key) / capacity)
        for key, capacity in instance.capacity.items()
        if capacity and is_element(key)
    ]
    return max(shares, default=0.0)


def value_of(instance: Instance, weights: Weights, draft: Draft) -> float:
    """The objective's value of `draft`.

    Model: (1).
    """
    request = instance.problem.request
    elements = instance.network.substrate.elements
    total = weights.constant
    opened: set[int] = set()
    for index, point in enumerate(instance.points):
        if point.kind is Kind.VNODE:
            vertex = draft.places[index]
            opened.add(vertex)
            total += weights.place(request.elements[point.id], instance.network.element(vertex))
    total += sum(weights.open(instance.network.element(v)) for v in opened)
    for vlink, route in zip(instance.vlinks, draft.working, strict=True):
        wanted = request.elements[vlink.id]
        total += sum(weights.carry(wanted, elements[e]) for e in route.on)
    if weights.peak:
        total += weights.peak * peak(instance, draft_use(instance, draft))
    return total


def chosen_values(instance: Instance, draft: Draft) -> dict[str, dict[str, Scalar]] | None:
    """What the constraints settle, None if they can't all be kept.

    A VLink that no substrate link carries has no value of any feature.
    """
    rules = instance.rules
    places: dict[str, tuple[str, ...]] = {
        p.id: (instance.network.ids[draft.places[i]],) for i, p in enumerate(instance.points)
    }
    for index, vlink in enumerate(instance.vlinks):
        links = [e for e in draft.working[index].on if _is_link(instance.problem, e)]
        places[vlink.id] = tuple(links)
    found = settle(rules, places)
    if found is None:
        return None
    out: dict[str, dict[str, Scalar]] = {}
    for (element, feature), k in found.items():
        out.setdefault(element, {})[feature] = rules.domain[feature][k]
    return out


def _is_link(problem: Problem, element: str) -> bool:
    return problem.substrate.elements[element].is_link
