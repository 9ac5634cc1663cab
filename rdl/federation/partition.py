"""Splitting a request between providers; `merge` puts their answers together again.

A partial graph is an overlay like any other, with stubs for what lies elsewhere (contract,
"Partial graphs"; paper, section 5.3): of each VLink that leaves, the local segment, a transit stub
with end point and tag, and the neighbour, which is never placed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from rdl import types
from rdl.compare import match
from rdl.errors import RdlError
from rdl.graph import Constraint, ConstraintKind, Element, Feature, Graph, Interface, Layer, Range


class PartitionError(RdlError):
    """A graph that can't be split as asked, or parts that don't belong together."""


@dataclass(frozen=True, slots=True)
class End:
    """One side of a transit link: the provider, and its end point as it shows it (`berlin.t1`)."""

    provider: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a VLink goes from one provider to another.

    Attributes:
        transit: the transit link of the substrate.
        vlan: the tag that this role picked and reserved there.
        a: one side.
        b: the other side.
    """

    transit: str
    vlan: int
    a: End
    b: End


@dataclass(frozen=True)
class Plan:
    """How a request is split; what `partition` needs besides the request.

    Attributes:
        placement: each VNode's provider. Stubs of the request itself are not in it.
        crossings: for each VLink that leaves a provider, where: in path order, or of a tree in any.
            A provider between two crossings gets a segment that joins them.
        latency: for each VLink with an upper bound that leaves a provider, the share of the bound
            (seconds) that each provider's segment may take; see `divide`.
        stubs: of a request that is itself partial: each of its transit stubs' side below.
    """

    placement: Mapping[str, str]
    crossings: Mapping[str, tuple[Crossing, ...]] = field(default_factory=dict)
    latency: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    stubs: Mapping[str, End] = field(default_factory=dict)


def crossing(substrate: Graph, transit: str, vlan: int) -> Crossing:
    """The crossing at a transit link of a VNP's substrate, with the tag it takes there.

    Raises:
        PartitionError: the link does not join the end points of two providers.
    """
    ends = [End(other.partition(".")[0], other) for _, other in substrate.ends(transit)]
    if len(ends) != 2:
        raise PartitionError(f"{transit} joins {len(ends)} end points, not two")
    return Crossing(transit, vlan, ends[0], ends[1])


def divide(
    bound: float, providers: tuple[str, ...], transit_latency: float = 0.0
) -> dict[str, float]:
    """A latency bound in equal shares, after what the transit links take (seconds).

    Raises:
        PartitionError: the transits alone take more than the bound.
    """
    left = bound - transit_latency
    if left < 0:
        raise PartitionError(f"the transit links take {transit_latency} s of at most {bound} s")
    return dict.fromkeys(providers, left / max(1, len(providers)))


def partition(overlay: Graph, plan: Plan, *, name: str | None = None) -> dict[str, Graph]:
    """The partial graph of every provider that the plan involves.

    Args:
        overlay: the request, possibly with stubs of its own.
        plan: who carries what.
        name: the parts' graph name (unique among what the caller has at its providers); None
            keeps the overlay's.

    Raises:
        PartitionError: a VNode is placed nowhere, a VLink's crossings don't connect its ends, or a
            bound has no share.
    """
    where = _homes(overlay, plan)
    segments = {link.id: _segment_homes(overlay, link, plan, where) for link in _vlinks(overlay)}
    providers = dict.fromkeys([*where.values(), *(p for homes in segments.values() for p in homes)])
    constraints = tuple(_numbered(overlay))
    return {
        provider: _Part(overlay, plan, where, provider).build(segments, constraints, name)
        for provider in providers
    }


# -- who has what


def _vlinks(overlay: Graph) -> Iterator[Element]:
    return (link for link in overlay.links() if not link.is_stub)


def _homes(overlay: Graph, plan: Plan) -> dict[str, str]:
    """The provider of every VNode, and of every transit stub that the overlay came with."""
    out: dict[str, str] = {}
    for element in overlay.elements.values():
        if element.is_stub and element.is_link:
            if element.id not in plan.stubs:
                raise PartitionError(f"the stub {element.id} has no side below")
            out[element.id] = plan.stubs[element.id].provider
        elif element.is_node and not element.is_stub:
            if element.id not in plan.placement:
                raise PartitionError(f"{element.id} is placed at no provider")
            out[element.id] = plan.placement[element.id]
    return out


def _segment_homes(
    overlay: Graph, link: Element, plan: Plan, where: Mapping[str, str]
) -> tuple[str, ...]:
    """The providers that carry a segment of `link`, those of its ends first."""
    ends = dict.fromkeys(where[n] for n in overlay.neighbours(link.id) if n in where)
    near: dict[str, set[str]] = {}
    for crossing in plan.crossings.get(link.id, ()):
        near.setdefault(crossing.a.provider, set()).add(crossing.b.provider)
        near.setdefault(crossing.b.provider, set()).add(crossing.a.provider)
    homes = tuple(dict.fromkeys([*ends, *near]))
    reached: set[str] = set()
    stack = list(homes[:1])
    while stack:
        provider = stack.pop()
        if provider not in reached:
            reached.add(provider)
            stack.extend(near.get(provider, ()))
    if len(reached) != len(homes):
        away = ", ".join(p for p in homes if p not in reached)
        raise PartitionError(f"the crossings of {link.id} don't reach {away}")
    return homes


def _numbered(overlay: Graph) -> Iterator[Constraint]:
    """The constraints, each with an id: what is cut needs one name at every provider."""
    taken = {c.id for c in overlay.constraints}
    for position, constraint in enumerate(overlay.constraints):
        name = f"c{position}"
        while constraint.id is None and name in taken:
            name += "-"
        yield constraint if constraint.id else replace(constraint, id=name)


# -- one part


class _Part:
    """The partial graph of one provider, while it is put together."""

    def __init__(self, overlay: Graph, plan: Plan, where: Mapping[str, str], provider: str) -> None:
        self._overlay = overlay
        self._plan = plan
        self._where = where
        self._provider = provider
        self._known = frozenset(overlay.connections)
        self._elements: dict[str, Element] = {}
        self._connections: list[tuple[str, str]] = []
        self._transits: list[Element] = []
        self._pips: dict[str, list[str]] = {}  # far side stub to its interface ids
        self._segments: Mapping[str, tuple[str, ...]] = {}

    def build(
        self,
        segments: Mapping[str, tuple[str, ...]],
        constraints: tuple[Constraint, ...],
        name: str | None,
    ) -> Graph:
        """The whole part."""
        self._segments = segments
        for element in self._overlay.elements.values():
            if element.is_node and self._where.get(element.id) == self._provider:
                self._elements[element.id] = self._local_node(element)
            elif self._provider in segments.get(element.id, ()):
                self._segment(element, alone=len(segments[element.id]) == 1)
        self._own_stubs()
        for stub in self._transits:
            self._elements[stub.id] = stub
        for far, interfaces in self._pips.items():
            joined = tuple(Interface(i) for i in interfaces)
            self._elements[far] = Element(far, types.PIP, interfaces=joined)
        own = tuple(c for c in map(self._constraint, constraints, self._overlay.constraints) if c)
        return Graph(
            name=self._overlay.name if name is None else name,
            layer=Layer.OVERLAY,
            elements=self._elements,
            connections=tuple(self._connections),
            constraints=own,
        )

    def _local_node(self, element: Element) -> Element:
        """A VNode as its provider gets it: what asks for this very provider is met already."""
        demand = element.features.get("provider", match.ABSENT)
        if demand is match.ABSENT or not match.accepts(demand, self._provider):
            return element
        features = {k: v for k, v in element.features.items() if k != "provider"}
        chosen = {k: v for k, v in element.chosen.items() if k != "provider"}
        return replace(element, features=features, chosen=chosen)

    def _segment(self, link: Element, *, alone: bool) -> None:
        """The local segment of a VLink, joined to the local ends and to a stub per crossing."""
        kept: dict[str, Interface] = {}
        free: list[str] = []
        for interface in link.interfaces:
            other = self._overlay.peer.get(interface.id)
            home = None if other is None else self._where.get(other.partition(".")[0])
            if alone or home == self._provider:
                kept[interface.id] = interface
                if other is not None:
                    self._connections.append(self._pair(interface.id, other))
            else:
                free.append(interface.id)
        for crossing in self._plan.crossings.get(link.id, ()):
            for near, far in ((crossing.a, crossing.b), (crossing.b, crossing.a)):
                if near.provider == self._provider:
                    own = free.pop(0) if free else self._new_interface(link, kept)
                    kept[own] = Interface(own)
                    self._cross(link, own, crossing, near, far)
        order = [i.id for i in link.interfaces if i.id in kept]
        order += [i for i in kept if i not in order]
        features = link.features if alone else self._shared(link)
        self._elements[link.id] = replace(
            link, features=features, interfaces=tuple(kept[i] for i in order)
        )

    def _pair(self, own: str, other: str) -> tuple[str, str]:
        """The connection as the overlay has it, whichever way round."""
        return (own, other) if (own, other) in self._known else (other, own)

    @staticmethod
    def _new_interface(link: Element, kept: Mapping[str, Interface]) -> str:
        taken = {i.id for i in link.interfaces} | set(kept)
        number = len(link.interfaces)
        while f"{link.id}.{number}" in taken:
            number += 1
        return f"{link.id}.{number}"

    def _cross(self, link: Element, own: str, crossing: Crossing, near: End, far: End) -> None:
        """A transit stub and its far side, joined to interface `own` of the segment."""
        stub = self._stub_id(crossing.transit, link.id)
        pip = self._stub_id(far.provider)
        beyond = f"{pip}.{len(self._pips.setdefault(pip, []))}"
        self._pips[pip].append(beyond)
        resources = {n: a for n, a in link.resources.items() if n == "bandwidth"}
        features: dict[str, Feature] = {"vlan": crossing.vlan, "endpoint": near.endpoint}
        ends = (Interface(f"{stub}.0"), Interface(f"{stub}.1"))
        self._transits.append(Element(stub, types.TRANSIT, resources, features, ends))
        self._connections += [(own, f"{stub}.0"), (f"{stub}.1", beyond)]

    def _stub_id(self, *parts: str) -> str:
        """An id for a stub, that neither another stub nor the overlay's own have."""
        name = "_" + "-".join(parts)
        while len(name) > 63 or name in self._overlay.elements:
            digest = hashlib.sha256("/".join((*parts, name)).encode()).hexdigest()[:8]
            name = f"{name[:54]}-{digest}"
        return name

    def _shared(self, link: Element) -> Mapping[str, Feature]:
        bound = link.features.get("latency")
        if not isinstance(bound, Range) or bound.max is None:
            return link.features
        share = self._plan.latency.get(link.id, {}).get(self._provider)
        if share is None:
            raise PartitionError(f"the bound on {link.id} has no share for {self._provider}")
        return {**link.features, "latency": Range(None, share)}

    def _own_stubs(self) -> None:
        """Stubs that the overlay came with, passed on to where their end point lies."""
        for stub in self._overlay.links():
            if not stub.is_stub or self._where[stub.id] != self._provider:
                continue
            below = {**stub.features, "endpoint": self._plan.stubs[stub.id].endpoint}
            self._elements[stub.id] = replace(stub, features=below)
            for own, other in self._overlay.ends(stub.id):
                far = self._overlay.elements[other.partition(".")[0]]
                if far.is_node and far.is_stub:
                    self._elements[far.id] = self._far(far)
                    self._connections.append(self._pair(own, other))

    def _far(self, far: Element) -> Element:
        """A far side that came with the overlay, with those interfaces that are joined here."""
        kept = tuple(
            i
            for i in far.interfaces
            if self._where.get(self._overlay.peer.get(i.id, "").partition(".")[0]) == self._provider
        )
        return replace(far, interfaces=kept)

    # -- constraints

    def _constraint(self, constraint: Constraint, original: Constraint) -> Constraint | None:
        """What a constraint says to this provider; None where nothing is left to say."""
        local = tuple(m for m in constraint.of if self._is_here(m))
        # A VLink counts as elsewhere, too, where it has a segment at another provider.
        shared = sum(len(self._segments.get(m, ())) > 1 for m in local)
        away = len(constraint.of) - len(local) + shared + constraint.elsewhere
        if not local:
            return None
        if constraint.kind in (ConstraintKind.ON, ConstraintKind.NOT_ON):
            return self._targeted(original, local)
        if constraint.by == "provider" or constraint.feature == "provider":
            return None  # settled here, by the placement
        if away == 0:
            return original
        if constraint.kind is ConstraintKind.APART and constraint.by is None and len(local) < 2:
            return None  # hosts of different providers differ
        return replace(constraint, of=local, elsewhere=away)

    def _is_here(self, member: str) -> bool:
        home = self._where.get(member)
        return member in self._elements if home is None else home == self._provider

    def _targeted(self, constraint: Constraint, local: tuple[str, ...]) -> Constraint | None:
        """`on` and `not_on`: ids are providers here, and settled; types go on."""
        named = self._provider in constraint.targets
        if named and constraint.kind is ConstraintKind.ON:
            return None
        kinds = tuple(t for t in constraint.targets if t.startswith("/"))
        return replace(constraint, of=local, targets=kinds) if kinds else None
