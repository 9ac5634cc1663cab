"""A problem compiled: points to place on vertices, VLinks to route between them, rules to keep.

Everything is filtered here that can't be part of any mapping: hosts by type, feature, `on` and
`not_on`, `keep` and what is free; substrate links by type, feature and what is free.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

from mip.instance.candidates import candidates, demand_of, lacking
from mip.instance.capacity import (
    Key,
    Stock,
    Use,
    key_of,
    limits,
    link_demand,
    protection_of,
    used_in,
)
from mip.instance.carriers import Carriers
from mip.instance.constraints import Rules, compile_rules, target_refusals
from mip.instance.ground import Ground
from mip.instance.network import Network
from mip.problem.amounts import Exact, exact, human
from mip.problem.statement import Code, Problem, Reason
from rdl.compare.match import hosts
from rdl.graph import Element, Range


class Kind(enum.Enum):
    """What a point of a VLink is."""

    VNODE = "vnode"
    ANCHOR = "anchor"
    JUNCTION = "junction"


@dataclass(frozen=True)
class Point:
    """Where VLinks end: a VNode, the fixed end of a partial VLink, or where VLinks are joined.

    Attributes:
        id: the VNode's or stub's id, or the two link ids joined.
        kind: which of the three.
        candidates: the vertices where it may be, in order.
        demand: what it takes from its host.
    """

    id: str
    kind: Kind
    candidates: tuple[int, ...]
    demand: Mapping[str, Exact]


@dataclass(frozen=True)
class VLink:
    """A VLink between two or more points.

    Attributes:
        id: its id in the request.
        points: indexes of its ends.
        demand: what it takes from each substrate link on its path (bandwidth in bit/s, one tag).
        latency_min: and `latency_max`: bounds on each path's sum, in seconds.
        protection: `none`, `link` or `node`.
        edges: the edges it may cross.
        vertices: the vertices it may pass through.
    """

    id: str
    points: tuple[int, ...]
    demand: Mapping[str, Exact]
    latency_min: Exact | None
    latency_max: Exact | None
    protection: str
    edges: tuple[int, ...]
    vertices: frozenset[int]

    @property
    def bandwidth(self) -> Exact:
        """In bit/s."""
        return self.demand.get("bandwidth", 0)

    @property
    def bounded(self) -> bool:
        """Whether latency matters to it."""
        return self.latency_max is not None or self.latency_min is not None


@dataclass(frozen=True)
class Instance:
    """All a solver needs; `refusals` says why none needs to be asked."""

    problem: Problem
    network: Network
    points: tuple[Point, ...]
    vlinks: tuple[VLink, ...]
    stock: Stock
    rules: Rules
    refusals: tuple[Reason, ...]

    @cached_property
    def point_index(self) -> dict[str, int]:
        """Point id to index."""
        return {p.id: i for i, p in enumerate(self.points)}

    def free(self, key: Key) -> Exact:
        """What is left at `key` whatever single element fails; never below 0."""
        return self.stock.free(key)

    @property
    def capacity(self) -> Mapping[Key, Exact]:
        """Everything the substrate has."""
        return self.stock.capacity

    @property
    def use(self) -> Use:
        """What embedded CloudNets use."""
        return self.stock.use

    def keys_of(self, element_id: str, vlink: VLink) -> tuple[tuple[Key, Exact], ...]:
        """The capacities a VLink draws on when it crosses an element, with the amounts."""
        known = self._limits.setdefault(element_id, {})
        found = []
        for resource, amount in vlink.demand.items():
            if resource not in known:
                known[resource] = self._limit(element_id, resource)
            key = known[resource]
            if key is not None and (amount or key in self.capacity):
                found.append((key, amount))
        return tuple(found)

    def _limit(self, element_id: str, resource: str) -> Key | None:
        element = self.network.substrate.elements[element_id]
        return key_of(element, resource) if limits(element, resource) else None

    @cached_property
    def _limits(self) -> dict[str, dict[str, Key | None]]:
        """For elements met before, where each resource is taken from; None: not limited."""
        return {}


def compile_instance(problem: Problem, ground: Ground | None = None) -> Instance:
    """Compile `problem`; what can be told at once to be impossible is in `refusals`.

    `ground` is the problem's own substrate; who compiles many problems on one gives it.
    """
    ground = ground or Ground(problem.substrate, problem.unavailable)
    network = ground.network(problem.keep.values())
    stock = Stock(ground.capacity, used_in(problem))
    refusals = list(target_refusals(problem))
    points: dict[str, Point] = {}
    typed = cache(lambda kind: [v for v, e in network.nodes if hosts(e, kind)])
    for element in problem.request.nodes():
        if not element.is_stub:
            kept = network.index.get(problem.keep.get(element.id, ""))
            able = kept is not None and hosts(network.element(kept), element.type)
            usable = [kept] if able and kept is not None else typed(element.type)
            fitting, why = candidates(problem, network, stock, element, usable)
            refusals.extend(why)
            points[element.id] = Point(element.id, Kind.VNODE, fitting, demand_of(element))
    links = [e for e in problem.request.links() if not e.is_stub]
    ends = {e.id: _ends(problem, network, e, points, refusals) for e in links}
    numbers = {point: i for i, point in enumerate(points)}
    carriers = Carriers(network, stock)
    every = tuple(points.values())
    vlinks = tuple(_vlink(carriers, e, tuple(numbers[p] for p in ends[e.id]), every) for e in links)
    refusals.extend(_short_anchors(problem, stock, links))
    rules, broken = compile_rules(problem, network, list(points.values()), [v.id for v in vlinks])
    refusals.extend(broken)
    hidden = [r for r in refusals if r.code is Code.UNKNOWN_TARGET]
    refusals = hidden or refusals  # beside them, others would tell what is there
    return Instance(problem, network, tuple(points.values()), vlinks, stock, rules, tuple(refusals))


def _ends(
    problem: Problem,
    network: Network,
    vlink: Element,
    points: dict[str, Point],
    refusals: list[Reason],
) -> tuple[str, ...]:
    """The points a VLink ends at; anchors and junctions are added to `points` as met."""
    request = problem.request
    out: list[str] = []
    for _, peer in request.ends(vlink.id):
        near = request.elements[peer.partition(".")[0]]
        if near.is_stub and near.is_link:
            vertex = _anchor(problem, network, near, refusals)
            point = Point(near.id, Kind.ANCHOR, () if vertex is None else (vertex,), {})
        elif near.is_stub:
            continue
        elif near.is_link:
            free = tuple(v for v in range(len(network.ids)) if network.element(v).is_node)
            point = Point(" ".join(sorted((vlink.id, near.id))), Kind.JUNCTION, free, {})
        else:
            point = Point(near.id, Kind.VNODE, (), {})
        points.setdefault(point.id, point)
        out.append(point.id)
    return tuple(dict.fromkeys(out))


def _anchor(
    problem: Problem, network: Network, stub: Element, refusals: list[Reason]
) -> int | None:
    """The vertex where a transit stub ends a VLink; a refusal where there is none."""
    endpoint = problem.anchors.get(stub.id) or stub.features.get("endpoint")
    element = str(endpoint).partition(".")[0]
    known = {i.id for e in problem.substrate.elements.values() for i in e.interfaces}
    if endpoint in known and element in network.index:
        return network.index[element]
    refusals.append(
        Reason(stub.id, Code.UNKNOWN_TARGET, f"no usable transit end point {endpoint} here")
    )
    return None


def anchor_interface(problem: Problem, stub: Element) -> str | None:
    """The substrate interface of a transit stub."""
    endpoint = problem.anchors.get(stub.id) or stub.features.get("endpoint")
    return None if endpoint is None else str(endpoint)


def _short_anchors(problem: Problem, stock: Stock, links: list[Element]) -> list[Reason]:
    """End points whose bandwidth the VLinks anchored there exceed."""
    asked: dict[str, Exact] = {}
    by: dict[str, str] = {}
    for link in links:
        for near in problem.request.neighbours(link.id):
            stub = problem.request.elements[near]
            interface = anchor_interface(problem, stub) if stub.is_stub and stub.is_link else None
            if interface is not None:
                asked[interface] = asked.get(interface, 0) + exact(link.amount("bandwidth"))
                by[interface] = link.id
    out = []
    for interface, amount in asked.items():
        key = (interface, "bandwidth")
        missing = amount - (stock.capacity.get(key, amount) - stock.use.fixed.get(key, 0))
        if key in stock.capacity and missing > 0 and amount > 0:
            text = (
                f"end point {interface} is asked for {human(amount, 'bandwidth')},"
                f" short by {human(missing, 'bandwidth')}"
            )
            out.append(Reason(by[interface], Code.CAPACITY, text))
    return out


def _vlink(
    carriers: Carriers, element: Element, ends: tuple[int, ...], points: Sequence[Point]
) -> VLink:
    demand = link_demand(element)
    vertices = carriers.vertices(element, demand)
    if len(ends) > 2:
        # Where one of its VNodes is, a tree passes on without taking anything.
        at = {v for p in ends if points[p].kind is Kind.VNODE for v in points[p].candidates}
        vertices |= carriers.forwarding(at)
    low, high = latency_bounds(element)
    return VLink(
        element.id,
        ends,
        demand,
        low,
        high,
        protection_of(element),
        carriers.edges(element, demand),
        vertices,
    )


def scaled_down(instance: Instance, share: Exact) -> Instance:
    """`instance` on a substrate of which no more than `share` of any capacity may be used.

    Model: (R9).
    """
    share = min(share, 1)  # where something is over already, the peak is above 1
    stock = Stock({k: c * share for k, c in instance.capacity.items()}, instance.use)
    points = tuple(
        replace(
            point,
            candidates=tuple(
                v
                for v in point.candidates
                if not lacking(
                    instance.network.element(v),
                    stock,
                    instance.problem.request.elements[point.id],
                )
            ),
        )
        if point.kind is Kind.VNODE
        else point
        for point in instance.points
    )
    carriers = Carriers(instance.network, stock)
    elements = instance.problem.request.elements
    vlinks = [_vlink(carriers, elements[v.id], v.points, points) for v in instance.vlinks]
    return replace(instance, points=points, vlinks=tuple(vlinks), stock=stock)


def latency_bounds(vlink: Element) -> tuple[Exact | None, Exact | None]:
    """Least and most latency a VLink asks for; a plain number is a most."""
    asked = vlink.features.get("latency")
    if isinstance(asked, Range):
        low = None if asked.min is None else exact(asked.min)
        return low, None if asked.max is None else exact(asked.max)
    if isinstance(asked, int | float) and not isinstance(asked, bool):
        return None, exact(asked)
    return None, None
