"""The difference between two graphs, as a value: elements added, removed, changed, rewired.

`apply(a, diff(a, b)) == b`. `report` tells a delta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rdl.errors import RdlError
from rdl.graph import Constraint, Element, Graph, Layer, MappingGraph, Placement

Pair = tuple[str, str]


class DiffError(RdlError):
    """Graphs that can't be compared, or a delta that isn't of the graph it is applied to."""


@dataclass(frozen=True)
class Change:
    """An element that is in both graphs and not the same."""

    before: Element
    after: Element


@dataclass(frozen=True)
class Delta:
    """What makes one graph of another.

    Attributes:
        name: the names before and after.
        layer: the layers before and after.
        added: elements that are new.
        removed: elements that are gone.
        changed: elements that have other properties.
        rewired: ids of elements in both graphs that are connected to other elements than before,
            with their neighbours before and after.
        joined: connections that are new.
        parted: connections that are gone.
        bound: constraints that are new.
        freed: constraints that are gone.
        order: the connections and constraints after, where their order does not follow.
    """

    name: Pair
    layer: tuple[Layer, Layer]
    added: tuple[Element, ...] = ()
    removed: tuple[Element, ...] = ()
    changed: tuple[Change, ...] = ()
    rewired: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    joined: tuple[Pair, ...] = ()
    parted: tuple[Pair, ...] = ()
    bound: tuple[Constraint, ...] = ()
    freed: tuple[Constraint, ...] = ()
    order: tuple[tuple[Pair, ...], tuple[Constraint, ...]] | None = None

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        own = (self.added, self.removed, self.changed, self.joined, self.parted)
        moved = self.name[0] != self.name[1] or self.layer[0] != self.layer[1]
        return moved or any((*own, self.bound, self.freed, self.order))


@dataclass(frozen=True)
class MappingDelta:
    """What makes one mapping of another: placements by element, None where there is none."""

    name: Pair
    underlay: Pair
    placements: Mapping[str, tuple[Placement | None, Placement | None]] = field(
        default_factory=dict
    )

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        pairs = (self.name, self.underlay)
        return bool(self.placements) or any(a != b for a, b in pairs)


def diff(a: Graph, b: Graph) -> Delta:
    """What makes `b` of `a`. Elements match by id."""
    both = [i for i in a.elements if i in b.elements]
    delta = Delta(
        name=(a.name, b.name),
        layer=(a.layer, b.layer),
        added=tuple(e for i, e in b.elements.items() if i not in a.elements),
        removed=tuple(e for i, e in a.elements.items() if i not in b.elements),
        changed=tuple(
            Change(a.elements[i], b.elements[i]) for i in both if a.elements[i] != b.elements[i]
        ),
        rewired={
            i: (a.neighbours(i), b.neighbours(i))
            for i in both
            if sorted(a.neighbours(i)) != sorted(b.neighbours(i))
        },
        joined=_missing(b.connections, a.connections),
        parted=_missing(a.connections, b.connections),
        bound=_surplus(b.constraints, a.constraints),
        freed=_surplus(a.constraints, b.constraints),
    )
    patched = apply(a, delta)
    if (patched.connections, patched.constraints) != (b.connections, b.constraints):
        return replace(delta, order=(b.connections, b.constraints))
    return delta


def diff_mappings(a: MappingGraph, b: MappingGraph) -> MappingDelta:
    """What makes mapping `b` of `a`."""
    every = dict.fromkeys([*a.mapping, *b.mapping])
    pairs = {i: (a.mapping.get(i), b.mapping.get(i)) for i in every}
    return MappingDelta(
        name=(a.name, b.name),
        underlay=(a.underlay, b.underlay),
        placements={i: pair for i, pair in pairs.items() if pair[0] != pair[1]},
    )


def apply(graph: Graph, delta: Delta) -> Graph:
    """The graph after.

    Raises:
        DiffError: the delta is not of this graph.
    """
    before = [*delta.removed, *(change.before for change in delta.changed)]
    if graph.name != delta.name[0] or any(graph.elements.get(e.id) != e for e in before):
        raise DiffError(f"the difference is not one of {graph.name}")
    elements = dict(graph.elements)
    for element in delta.removed:
        del elements[element.id]
    elements.update({change.after.id: change.after for change in delta.changed})
    elements.update({element.id: element for element in delta.added})
    connections = (*_missing(graph.connections, delta.parted), *delta.joined)
    constraints = (*_surplus(graph.constraints, delta.freed), *delta.bound)
    if delta.order is not None:
        connections, constraints = delta.order
    return Graph(delta.name[1], delta.layer[1], elements, connections, constraints)


def apply_mapping(mapping: MappingGraph, delta: MappingDelta) -> MappingGraph:
    """The mapping after.

    Raises:
        DiffError: the delta is not of this mapping.
    """
    if any(mapping.mapping.get(i) != before for i, (before, _) in delta.placements.items()):
        raise DiffError(f"the difference is not one of {mapping.name}")
    after = {i: p for i, p in mapping.mapping.items() if i not in delta.placements}
    after.update({i: p for i, (_, p) in delta.placements.items() if p is not None})
    return MappingGraph(delta.name[1], delta.underlay[1], after)


def _missing(of: Sequence[Pair], among: Sequence[Pair]) -> tuple[Pair, ...]:
    known = set(among)
    return tuple(pair for pair in of if pair not in known)


def _surplus(of: Sequence[Constraint], among: Sequence[Constraint]) -> tuple[Constraint, ...]:
    """The constraints that are not among others, each counted as often as it stands there."""
    left = list(among)
    out = []
    for constraint in of:
        if constraint in left:
            left.remove(constraint)
        else:
            out.append(constraint)
    return tuple(out)
