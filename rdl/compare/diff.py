"""The difference between two graphs, as a value: elements added, removed, changed, rewired.

`apply(a, diff(a, b)) == b`. A delta reads well (`text`), and goes into JSON (`to_data`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rdl.errors import RdlError
from rdl.graph import Constraint, Element, Graph, Layer, MappingGraph, Placement
from rdl.language.brief import amount_text, feature_text
from rdl.language.dump import (
    Plain,
    constraint_data,
    element_data,
    inline,
    placement_data,
)

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


# -- telling it


def text(delta: Delta | MappingDelta) -> str:
    """The difference for people, a line each: `+` new, `-` gone, `~` changed or rewired."""
    lines = _mapping_lines(delta) if isinstance(delta, MappingDelta) else _lines(delta)
    return "".join(f"{line}\n" for line in lines)


def _lines(delta: Delta) -> Iterator[str]:
    if delta.name[0] != delta.name[1]:
        yield f"~ graph: {delta.name[0]} -> {delta.name[1]}"
    if delta.layer[0] != delta.layer[1]:
        yield f"~ layer: {delta.layer[0]} -> {delta.layer[1]}"
    for element in delta.removed:
        yield f"- {_brief(element)}"
    for element in delta.added:
        yield f"+ {_brief(element)}"
    for change in delta.changed:
        for what, before, after in _fields(change, _spoken):
            yield f"~ {change.after.id}: {what}: {_or_none(before)} -> {_or_none(after)}"
    for identifier, (was, now) in delta.rewired.items():
        yield f"~ {identifier}: rewired: {_names(was)} -> {_names(now)}"
    for constraint in delta.freed:
        yield f"- constraint {inline(constraint_data(constraint))}"
    for constraint in delta.bound:
        yield f"+ constraint {inline(constraint_data(constraint))}"
    if delta.order is not None:
        yield "~ connections or constraints: in another order"


def _mapping_lines(delta: MappingDelta) -> Iterator[str]:
    for what, (before, after) in (("graph", delta.name), ("underlay", delta.underlay)):
        if before != after:
            yield f"~ {what}: {before} -> {after}"
    for identifier, (was, now) in delta.placements.items():
        if was is None or now is None:
            told = now if was is None else was
            sign = "+" if was is None else "-"
            yield f"{sign} {identifier}: {inline(placement_data(told) if told else None)}"
        elif was.on != now.on:
            yield f"~ {identifier}: moved: {_names(was.on)} -> {_names(now.on)}"
        else:
            yield f"~ {identifier}: {inline(placement_data(was))} -> {inline(placement_data(now))}"


def _brief(element: Element) -> str:
    properties = {**_spoken(element, "resources"), **_spoken(element, "features")}
    kind = "link" if element.is_link else "node"
    told = f" {inline(properties)}" if properties else ""
    return f"{kind} {element.id} ({element.type}){told}"


def _spoken(element: Element, name: str) -> Mapping[str, Plain]:
    """As `_section`, with the units that people write."""
    if name == "resources":
        return {n: amount_text(n, a) for n, a in element.resources.items()}
    if name == "features":
        return {n: feature_text(n, f) for n, f in element.features.items()}
    return dict(element.chosen)


def _section(element: Element, name: str) -> Mapping[str, Plain]:
    found = element_data(element).get(name, {})
    return found if isinstance(found, Mapping) else {}


def _fields(
    change: Change, section_of: Callable[[Element, str], Mapping[str, Plain]]
) -> Iterator[tuple[str, Plain, Plain]]:
    """Each property that differs: its name, the value before and after, None where absent."""
    if change.before.type != change.after.type:
        yield "type", change.before.type, change.after.type
    for section in ("resources", "features", "chosen"):
        before, after = section_of(change.before, section), section_of(change.after, section)
        for name in dict.fromkeys([*before, *after]):
            if before.get(name) != after.get(name) or (name in before) != (name in after):
                label = f"chosen {name}" if section == "chosen" else name
                yield label, before.get(name), after.get(name)
    was = {i.id: i for i in change.before.interfaces}
    now = {i.id: i for i in change.after.interfaces}
    for identifier in dict.fromkeys([*was, *now]):
        if was.get(identifier) != now.get(identifier):
            yield (
                f"interface {identifier}",
                _joint(change.before, identifier),
                _joint(change.after, identifier),
            )
    if list(was) != list(now) and set(was) == set(now):
        yield "interfaces", list(was), list(now)


def _joint(element: Element, identifier: str) -> Plain:
    for entry in element_data(element).get("interfaces") or ():  # type: ignore[union-attr]
        if entry == identifier:
            return "plain"
        if isinstance(entry, Mapping) and entry["id"] == identifier:
            return {k: v for k, v in entry.items() if k != "id"}
    return None


def _or_none(value: Plain) -> str:
    return "none" if value is None else inline(value)


def _names(ids: Sequence[str]) -> str:
    return ", ".join(ids) or "nothing"


def to_data(delta: Delta | MappingDelta) -> dict[str, Plain]:
    """The difference as plain dicts, lists and scalars, for JSON and YAML."""
    if isinstance(delta, MappingDelta):
        return {
            "graph": list(delta.name),
            "underlay": list(delta.underlay),
            "placements": {
                i: [None if p is None else placement_data(p) for p in pair]
                for i, pair in delta.placements.items()
            },
        }
    return {
        "graph": list(delta.name),
        "layer": [str(layer) for layer in delta.layer],
        "added": [element_data(e) for e in delta.added],
        "removed": [element_data(e) for e in delta.removed],
        "changed": {
            c.after.id: {what: [before, after] for what, before, after in _fields(c, _section)}
            for c in delta.changed
        },
        "rewired": {i: [list(was), list(now)] for i, (was, now) in delta.rewired.items()},
        "constraints": {
            "added": [constraint_data(c) for c in delta.bound],
            "removed": [constraint_data(c) for c in delta.freed],
        },
    }
