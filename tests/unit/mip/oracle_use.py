"""What a mapping uses up, in whole numbers: each resource in the smallest unit that occurs.

Questions that the contract leaves open, and how they are answered:

- What is over already is no reason against a CloudNet that takes nothing there.
- A failure of the path is one of its links and, for `protection: node`, of its inner nodes too.
  What the path itself takes stays taken while it is down.
- A capacity of 0 has no utilisation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from oracle_routes import Ends, Route, protection
from oracle_values import exact

from mip.problem.statement import Problem
from rdl.graph import Element, Graph

Key = tuple[str, str]
"""Who has it (an element, an interface, or `pool NAME`), and the resource."""


class Stock:
    """The capacities of a substrate, and who draws on which."""

    def __init__(self, problem: Problem) -> None:
        graphs = [problem.substrate, problem.request, *(e.overlay for e in problem.embedded)]
        self._elements = problem.substrate.elements
        self.scale = _scales(graphs)
        self.capacity: dict[Key, int] = {}
        self.interfaces: set[Key] = set()
        for element in self._elements.values():
            for resource, held in element.resources.items():
                self.capacity[self.key(element, resource)] = self.whole(resource, held.amount)
            for interface in element.interfaces:
                for resource, held in interface.resources.items():
                    key = (interface.id, resource)
                    self.capacity[key] = self.whole(resource, held.amount)
                    self.interfaces.add(key)

    def whole(self, resource: str, amount: float) -> int:
        """An amount in the smallest unit."""
        return int(exact(amount) * self.scale.get(resource, 1))

    def key(self, element: Element, resource: str) -> Key:
        """Where an element takes a resource from."""
        held = element.resources.get(resource)
        pooled = held is not None and held.pool is not None
        return (f"pool {held.pool}" if pooled and held else element.id, resource)

    def of_node(self, vnode: Element, host: str) -> dict[Key, int]:
        """What a VNode takes on its host."""
        out: dict[Key, int] = {}
        for resource, held in vnode.resources.items():
            key = self.key(self._elements[host], resource)
            out[key] = out.get(key, 0) + self.whole(resource, held.amount)
        return out

    def of_route(self, vlink: Element, on: Iterable[str]) -> dict[Key, int]:
        """What a VLink takes along a route.

        Its resources on each link, and on other elements that state them; one tag where tags are
        stated. A link has none of what it doesn't state.
        """
        out: dict[Key, int] = {}
        for name in on:
            element = self._elements[name]
            asked = {r: self.whole(r, a.amount) for r, a in vlink.resources.items()}
            asked.pop("vlans", None)
            for resource, amount in asked.items():
                if element.is_link or resource in element.resources:
                    key = self.key(element, resource)
                    out[key] = out.get(key, 0) + amount
            if "vlans" in element.resources:
                key = self.key(element, "vlans")
                out[key] = out.get(key, 0) + self.whole("vlans", 1)
        return out


def _scales(graphs: Iterable[Graph]) -> dict[str, int]:
    out: dict[str, int] = {}
    for graph in graphs:
        for element in graph.elements.values():
            held = [element.resources, *(i.resources for i in element.interfaces)]
            for resource, amount in ((r, a) for some in held for r, a in some.items()):
                unit = exact(amount.amount).denominator
                out[resource] = math.lcm(out.get(resource, 1), unit)
    return out


@dataclass
class Use:
    """What is used: always, and while a single element is down."""

    always: dict[Key, int] = field(default_factory=dict)
    failing: dict[Key, dict[str, int]] = field(default_factory=dict)

    def add(self, amounts: Mapping[Key, int], times: int = 1) -> None:
        for key, amount in amounts.items():
            self.always[key] = self.always.get(key, 0) + times * amount

    def add_backup(
        self, amounts: Mapping[Key, int], failures: Iterable[str], times: int = 1
    ) -> None:
        """Bandwidth for when one of `failures` is down; all else is taken always."""
        for key, amount in amounts.items():
            if key[1] != "bandwidth":
                self.add({key: amount}, times)
                continue
            at = self.failing.setdefault(key, {})
            for element in failures:
                at[element] = at.get(element, 0) + times * amount

    def most(self, key: Key) -> int:
        """The most that is used at `key` under any single failure."""
        spare = self.failing.get(key)
        return self.always.get(key, 0) + (max(spare.values(), default=0) if spare else 0)


def failures(vlink: Element, working: Route) -> frozenset[str]:
    """The elements whose failure sends a VLink to its backup."""
    return working.links | (working.inner if protection(vlink) == "node" else frozenset())


def embedded_use(problem: Problem, stock: Stock) -> Use:
    """What the CloudNets that are there use."""
    use = Use()
    for one in problem.embedded:
        for name, placed in one.mapping.mapping.items():
            element = one.overlay.elements[name]
            if element.is_node:
                use.add(stock.of_node(element, placed.on[0]))
                continue
            fixed = [p.partition(".")[0] for p in anchors(one.overlay, element, one.anchors)]
            use.add(stock.of_route(element, placed.on))
            use.add(of_anchors(stock, element, anchors(one.overlay, element, one.anchors)))
            links = frozenset(e for e in placed.on if problem.substrate.elements[e].is_link)
            working = Route(placed.on, links, frozenset(placed.on) - links - set(fixed))
            down = failures(element, working)
            use.add_backup(stock.of_route(element, placed.backup), down)
    return use


def anchors(request: Graph, vlink: Element, named: Mapping[str, str]) -> list[str]:
    """The substrate interfaces where a VLink of a partial graph ends."""
    stubs = [request.elements[n] for n in request.neighbours(vlink.id)]
    return [
        str(named.get(s.id) or s.features["endpoint"]) for s in stubs if s.is_stub and s.is_link
    ]


def of_anchors(stock: Stock, vlink: Element, interfaces: Iterable[str]) -> dict[Key, int]:
    """What a VLink takes at the interfaces where it is anchored; unlimited where none is stated."""
    out: dict[Key, int] = {}
    for interface in interfaces:
        key = (interface, "bandwidth")
        if key in stock.interfaces:
            out[key] = out.get(key, 0) + stock.whole("bandwidth", vlink.amount("bandwidth"))
    return out


def ends_of(problem: Problem, vlink: Element, nodes: Mapping[str, str]) -> Ends:
    """Where a VLink ends under a placement."""
    near = list(dict.fromkeys(problem.request.neighbours(vlink.id)))
    hosts = [nodes[n] for n in near if n in nodes]
    fixed = [i.partition(".")[0] for i in anchors(problem.request, vlink, problem.anchors)]
    return Ends(tuple(hosts), tuple(fixed))


def utilisation(stock: Stock, use: Use, keys: Iterable[Key]) -> Fraction:
    """The highest share in use of the capacities `keys`; interfaces are no elements."""
    return max(
        (
            Fraction(use.most(key), stock.capacity[key])
            for key in keys
            if stock.capacity.get(key) and key not in stock.interfaces
        ),
        default=Fraction(0),
    )


def vlinks(graph: Graph) -> Iterator[Element]:
    return (e for e in graph.links() if not e.is_stub)


def vnodes(graph: Graph) -> Iterator[Element]:
    return (e for e in graph.nodes() if not e.is_stub)
