"""The single demands of a request, each of which can be taken away to see if the rest fits."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rdl.graph import Amount, Element, Graph


class Wish(enum.IntEnum):
    """What kind of demand; in the order in which they are tried without."""

    PROTECTION = 0
    LATENCY = 1
    BANDWIDTH = 2
    PATH = 3
    RULE = 4
    FEATURE = 5
    RESOURCE = 6


@dataclass(frozen=True, slots=True)
class Demand:
    """One demand.

    Attributes:
        wish: what kind.
        element: the VNode or VLink that has it; of a constraint its first member.
        name: the resource's or feature's; of a constraint its number in the document.
    """

    wish: Wish
    element: str
    name: str


def demands(request: Graph) -> Iterator[Demand]:
    """Every demand of `request`, in the order of `Wish`."""
    found: list[Demand] = []
    for element in request.elements.values():
        if element.is_stub:
            continue
        found.extend(_of_link(element) if element.is_link else _of_node(element))
    for number, rule in enumerate(request.constraints):
        found.append(Demand(Wish.RULE, rule.of[0] if rule.of else "", str(number)))
    yield from sorted(found, key=lambda d: d.wish)


def _of_link(vlink: Element) -> Iterator[Demand]:
    yield Demand(Wish.PATH, vlink.id, "path")
    for resource, amount in vlink.resources.items():
        if amount.amount:
            yield Demand(Wish.BANDWIDTH, vlink.id, resource)
    if "latency" in vlink.features:
        yield Demand(Wish.LATENCY, vlink.id, "latency")
    if vlink.features.get("protection", "none") != "none":
        yield Demand(Wish.PROTECTION, vlink.id, "protection")


def _of_node(vnode: Element) -> Iterator[Demand]:
    for resource, amount in vnode.resources.items():
        if amount.amount:
            yield Demand(Wish.RESOURCE, vnode.id, resource)
    for feature in vnode.features:
        yield Demand(Wish.FEATURE, vnode.id, feature)


def without(request: Graph, dropped: Iterable[Demand]) -> Graph:
    """`request` without the demands `dropped`."""
    gone = set(dropped)
    paths = {d.element for d in gone if d.wish is Wish.PATH}
    names: dict[str, set[str]] = {}
    for demand in gone:
        if demand.wish is not Wish.RULE:
            names.setdefault(demand.element, set()).add(demand.name)
    elements = {
        e.id: _lighter(e, names[e.id]) if e.id in names else e
        for e in request.elements.values()
        if e.id not in paths
    }
    connections = tuple(
        c for c in request.connections if not paths & {i.partition(".")[0] for i in c}
    )
    rules = {int(d.name) for d in gone if d.wish is Wish.RULE}
    kept = tuple(
        replace(c, of=tuple(m for m in c.of if m not in paths))
        for n, c in enumerate(request.constraints)
        if n not in rules
    )
    return replace(request, elements=elements, connections=connections, constraints=kept)


def _lighter(element: Element, names: set[str]) -> Element:
    return replace(
        element,
        resources={r: a for r, a in element.resources.items() if r not in names},
        features={f: v for f, v in element.features.items() if f not in names},
    )


def with_amount(request: Graph, demand: Demand, amount: float) -> Graph:
    """`request` with one amount changed."""
    element = request.elements[demand.element]
    resources = {**element.resources, demand.name: Amount(amount)}
    changed = replace(element, resources=resources)
    return replace(request, elements={**request.elements, element.id: changed})
