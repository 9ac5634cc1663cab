"""What a picture of a graph shows, before anything is said of ink: vertices, edges, guests, loads.

Links of two ends become edges; a link of more, or one that joins another link, a small vertex.
With what is embedded, VNodes become guests of their hosts and VLinks strands along the substrate's
links, whose load is what the strands reserve (backup paths included) of the capacity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rdl import types, units
from rdl.compare import match
from rdl.graph import Element, Graph, MappingGraph, Range
from rdl.units import Quantity
from rdl.vocabulary import RESOURCES

_SHOWN = ("arch", "virtualization", "image", "site", "provider", "latency", "protection")
_NOT_ON_BOXES = frozenset({"vlans"})
_FEW = 40  # vertices up to which features are shown too
_LONG = 30
_MOST_END_POINTS = 6


@dataclass(frozen=True, slots=True)
class Guest:
    """A VNode on its host, with the number of its CloudNet's colour."""

    text: str
    colour: int


@dataclass(frozen=True)
class Vertex:
    """Something drawn as a box; `kind` decides its looks, `at` is longitude and latitude."""

    id: str
    kind: str
    lines: tuple[str, ...] = ()
    guests: tuple[Guest, ...] = ()
    at: tuple[float, float] | None = None


@dataclass(frozen=True)
class Edge:
    """Something drawn as a line.

    Attributes:
        id: the link's; of an end of a multi-point link, its interface's.
        a: a vertex.
        b: another vertex.
        label: what is written beside it.
        load: used / capacity, None where there is no telling.
        strands: colours of the VLinks that it carries.
    """

    id: str
    a: str
    b: str
    label: str = ""
    load: float | None = None
    strands: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scene:
    """A whole picture; `legend` names the colours, `notes` stand below."""

    title: str
    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    legend: tuple[Guest, ...] = ()
    notes: tuple[str, ...] = ()


Embedding = tuple[Graph, MappingGraph]


@dataclass
class _Use:
    """What the embedded CloudNets take of the substrate."""

    amounts: dict[tuple[str, str], float] = field(default_factory=dict)
    guests: dict[str, list[Guest]] = field(default_factory=dict)
    strands: dict[str, list[int]] = field(default_factory=dict)
    legend: list[Guest] = field(default_factory=list)

    def take(self, element: str, resource: str, amount: float) -> None:
        key = (element, resource)
        self.amounts[key] = self.amounts.get(key, 0) + amount


def scene(graph: Graph, embedded: Sequence[Embedding] = ()) -> Scene:
    """The picture of an overlay or a substrate, with what is embedded on it."""
    use = _use_of(embedded)
    few = sum(1 for _ in graph.nodes()) <= _FEW
    vertices = [_node(e, use, few=few, told=bool(embedded)) for e in graph.nodes()]
    edges = []
    for link in graph.links():
        ends = [other.partition(".")[0] for _, other in graph.ends(link.id)]
        label, load = _link_figures(link, use, few=few, told=bool(embedded))
        strands = tuple(use.strands.get(link.id, ()))
        if len(ends) == 2 and all(graph.elements[e].is_node for e in ends):
            edges.append(Edge(link.id, ends[0], ends[1], label, load, strands))
            continue
        vertices.append(Vertex(link.id, "stub" if link.is_stub else "segment", (link.id, label)))
        for own, other in graph.ends(link.id):
            end = other.partition(".")[0]
            if graph.elements[end].is_node or own < other:
                edges.append(Edge(own, link.id, end, "", load, strands))
    notes = tuple(_constraint_notes(graph))
    return Scene(
        f"{graph.name} ({graph.layer})", tuple(vertices), tuple(edges), tuple(use.legend), notes
    )


def kind_of(element: Element) -> str:
    """Which sort of box stands for a node."""
    if element.is_stub:
        return "stub"
    for kind, ancestor in (
        ("pip", types.PIP),
        ("switch", types.SWITCH),
        ("bridge", types.BRIDGE),
        ("terminals", types.TERMINALS),
    ):
        if types.is_a(element.type, ancestor):
            return kind
    return "host"


def _node(element: Element, use: _Use, *, few: bool, told: bool) -> Vertex:
    lines = [element.id]
    kind = kind_of(element)
    if few and kind != "switch":
        lines.append("/".join(element.type.split("/")[-2:]).removesuffix("/generic"))
    lines += _figures(element, use, told=told)
    if few:
        lines += [
            _cut(f"{name}: {match.describe(element.features[name])}")
            for name in _SHOWN
            if name in element.features
        ]
    lines += _end_points(element)
    longitude, latitude = (element.features.get(n) for n in ("longitude", "latitude"))
    at = None
    if isinstance(longitude, int | float) and isinstance(latitude, int | float):
        at = (float(longitude), float(latitude))
    return Vertex(element.id, kind, tuple(lines), tuple(use.guests.get(element.id, ())), at)


def _end_points(element: Element) -> list[str]:
    """The transit end points of an element, a line each, as far as there is room."""
    told = [
        _cut(f"{i.name} to {match.describe(i.features['peer'])}")
        for i in element.interfaces
        if "peer" in i.features
    ]
    return told if len(told) <= _MOST_END_POINTS else [*told[: _MOST_END_POINTS - 1], "…"]


def _figures(element: Element, use: _Use, *, told: bool) -> list[str]:
    parts = []
    for name, amount in element.resources.items():
        if name in _NOT_ON_BOXES:
            continue
        rule = RESOURCES.get(name)
        quantity = Quantity.NUMBER if rule is None else rule.quantity
        text = units.human(amount.amount, quantity)
        used = use.amounts.get((element.id, name), 0)
        if told and used:
            text = f"{units.human(used, quantity)} of {text}"
        parts.append(f"{name} {text}")
    return _lines(parts)


def _lines(parts: list[str]) -> list[str]:
    """The parts, as many on a line as fit."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]} · {part}" if lines else part
        if lines and len(joined) <= _LONG:
            lines[-1] = joined
        else:
            lines.append(_cut(part))
    return lines


def _link_figures(link: Element, use: _Use, *, few: bool, told: bool) -> tuple[str, float | None]:
    capacity = link.amount("bandwidth")
    used = use.amounts.get((link.id, "bandwidth"), 0)
    parts = []
    load = None
    if told and capacity:
        load = used / capacity
        if used:
            figure, unit = units.human(capacity, Quantity.RATE).split()
            parts.append(f"{load * float(figure):.3g}/{figure} {unit} {load:.0%}")
    elif capacity:
        parts.append(units.human(capacity, Quantity.RATE))
    bound = link.features.get("latency")
    if few and isinstance(bound, Range) and bound.max is not None:
        parts.append(f"≤ {units.human(bound.max, Quantity.TIME)}")
    elif few and isinstance(bound, int | float) and not told:
        parts.append(units.human(bound, Quantity.TIME))
    tag = link.features.get("vlan")
    if isinstance(tag, int):
        parts.append(f"tag {tag}")
    return ", ".join(parts), load


def _constraint_notes(graph: Graph) -> list[str]:
    notes = []
    for constraint in graph.constraints:
        about = constraint.feature or ", ".join(constraint.targets)
        text = f"{constraint.kind.replace('_', ' ')} {about}".strip()
        wide = f" by {constraint.by}" if constraint.by else ""
        away = f" and {constraint.elsewhere} elsewhere" if constraint.elsewhere else ""
        notes.append(f"{text}: {', '.join(constraint.of)}{away}{wide}")
    return notes


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


# -- what is embedded


def _use_of(embedded: Sequence[Embedding]) -> _Use:
    use = _Use()
    alone = len(embedded) == 1
    for number, (overlay, mapping) in enumerate(embedded):
        use.legend += [] if alone else [Guest(overlay.name, number)]
        _add_nodes(use, overlay, mapping, number, alone=alone)
        _add_links(use, overlay, mapping, number, alone=alone)
    return use


def _add_nodes(
    use: _Use, overlay: Graph, mapping: MappingGraph, number: int, *, alone: bool
) -> None:
    for node in overlay.nodes():
        placed = mapping.mapping.get(node.id)
        if placed is None or not placed.on or node.is_stub:
            continue
        host = placed.on[0]
        text = node.id if alone else f"{overlay.name}/{node.id}"
        use.guests.setdefault(host, []).append(Guest(_cut(text), -1 if alone else number))
        for resource, amount in node.resources.items():
            use.take(host, resource, amount.amount)


def _add_links(
    use: _Use, overlay: Graph, mapping: MappingGraph, number: int, *, alone: bool
) -> None:
    for position, link in enumerate(overlay.links()):
        placed = mapping.mapping.get(link.id)
        if placed is None or link.is_stub:
            continue
        colour = position if alone else number
        if alone:
            use.legend.append(Guest(_strand(link), colour))
        for element in placed.on:
            use.strands.setdefault(element, []).append(colour)
        for element in dict.fromkeys((*placed.on, *placed.backup)):
            use.take(element, "bandwidth", link.amount("bandwidth"))


def _strand(link: Element) -> str:
    bandwidth = link.amount("bandwidth")
    return f"{link.id} {units.human(bandwidth, Quantity.RATE)}" if bandwidth else link.id
