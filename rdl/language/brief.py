"""A graph in the shorthand, as a person would write it: for reading and for editing on.

What the shorthand can't say (stubs, links joined to links, interfaces of an odd name on a link)
stands in the canonical spelling beside it. `load(brief(g)) == g`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rdl.errors import DocumentError
from rdl.graph import Amount, Element, Feature, Graph, Interface, Layer, MappingGraph, Range
from rdl.language.dump import Plain, constraint_data, dump, element_data, feature_data, inline
from rdl.language.elements import is_taken_for_feature
from rdl.language.load import load
from rdl.units import UNITS, Quantity, UnitError, parse, text_of
from rdl.vocabulary import DEFAULT_LINK, DEFAULT_NODE, FEATURES, RESOURCES, VERSION, Kind

_WIDTH = 110


def brief(graph: Graph | MappingGraph) -> str:
    """The shorthand text of a graph; the canonical text of a mapping, which has no shorthand."""
    if isinstance(graph, MappingGraph):
        return dump(graph)
    text = "\n".join(_Brief(graph).lines()) + "\n"
    try:
        same = load(text) == graph
    except DocumentError:
        same = False
    # The order of connections is part of a graph, and the shorthand has its own.
    return text if same else dump(graph)


class _Brief:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._short = {e.id for e in graph.links() if self._is_short(e)}
        self._addressed = {link for link in self._short if self._has_addresses(link)}

    def lines(self) -> Iterator[str]:
        graph = self._graph
        yield f"rdl: {VERSION}"
        yield f"graph: {inline(graph.name)}"
        if graph.layer is not Layer.OVERLAY:
            yield f"layer: {graph.layer}"
        long = [e for e in graph.links() if e.id not in self._short]
        yield from _section("elements", [f"  - {inline(element_data(e))}" for e in long])
        nodes = (line for e in graph.nodes() for line in _entry(e.id, self._node(e)))
        yield from _section("nodes", list(nodes))
        links = (line for e in graph.links() if e.id in self._short
                 for line in _entry(e.id, self._link(e)))  # fmt: skip
        yield from _section("links", list(links))
        pairs = [
            pair for pair in graph.connections
            if not any(i.partition(".")[0] in self._short for i in pair)
        ]  # fmt: skip
        yield from _section("connections", [f"  - {inline(list(pair))}" for pair in pairs])
        told = [f"  - {inline(constraint_data(c))}" for c in graph.constraints]
        yield from _section("constraints", told)

    def _is_short(self, link: Element) -> bool:
        """Whether the shorthand names this link's interfaces as they are named."""
        expected = tuple(Interface(f"{link.id}.{i}") for i in range(len(link.interfaces)))
        ends = self._graph.ends(link.id)
        nodes = [self._graph.elements[other.partition(".")[0]] for _, other in ends]
        return (
            link.interfaces == expected
            and len(ends) == len(expected) >= 2
            and all(node.is_node for node in nodes)
        )

    def _has_addresses(self, link: str) -> bool:
        ends = [self._graph.interface(other) for _, other in self._graph.ends(link)]
        return all(isinstance(i.features.get("address"), str) for i in ends)

    def _node(self, node: Element) -> dict[str, Plain]:
        out = _properties(node, DEFAULT_NODE)
        listed = [self._listed(i) for i in node.interfaces]
        if any(entry is not None for entry in listed):
            out["interfaces"] = [
                i.id if entry is None else entry
                for i, entry in zip(node.interfaces, listed, strict=True)
            ]
        return out

    def _listed(self, interface: Interface) -> Plain:
        """How an interface is listed; None where its link says all that there is to say."""
        other = self._graph.peer.get(interface.id, "")
        link = other.partition(".")[0]
        features = dict(interface.features)
        if link in self._addressed:
            del features["address"]
        if link in self._short and not features and not interface.resources:
            return None if interface.name == link else interface.id
        out: dict[str, Plain] = {"id": interface.id}
        if features:
            out["features"] = {name: feature_text(name, v) for name, v in features.items()}
        if interface.resources:
            out["resources"] = {n: amount_text(n, a) for n, a in interface.resources.items()}
        return out if len(out) > 1 else interface.id

    def _link(self, link: Element) -> dict[str, Plain]:
        others = [other for _, other in self._graph.ends(link.id)]
        ends: list[Plain] = []
        for other in others:
            node, _, name = other.partition(".")
            ends.append(node if name == link.id else other)
        out: dict[str, Plain] = {"ends": ends, **_properties(link, DEFAULT_LINK)}
        if link.id in self._addressed:
            out["addresses"] = [
                str(self._graph.interface(other).features["address"]) for other in others
            ]
        return out


def _section(name: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"{name}:"
        yield from lines


def _entry(identifier: str, properties: Mapping[str, Plain]) -> Iterator[str]:
    """An element on one line, where that isn't too long."""
    name = f"  {inline(identifier)}:"
    line = f"{name} {inline(properties)}"
    if len(line) <= _WIDTH:
        yield line
        return
    yield name
    for key, value in properties.items():
        yield f"    {inline(key)}: {inline(value)}"


def _properties(element: Element, default: str) -> dict[str, Plain]:
    out: dict[str, Plain] = {} if element.type == default else {"type": element.type}
    own: dict[str, Plain] = {}
    features: dict[str, Plain] = {}
    for name, amount in element.resources.items():
        (out if name in RESOURCES else own)[name] = amount_text(name, amount)
    for name, value in element.features.items():
        plain = is_taken_for_feature(name, links=element.is_link)
        (out if plain else features)[name] = feature_text(name, value)
    sections: dict[str, Plain] = {
        "resources": own,
        "features": features,
        "chosen": dict(element.chosen),
    }
    return {**out, **{name: section for name, section in sections.items() if section}}


def amount_text(name: str, amount: Amount) -> Plain:
    """An amount of resource `name` as a person writes it: `2GiB`."""
    quantity = RESOURCES[name].quantity if name in RESOURCES else Quantity.NUMBER
    value = _with_unit(amount.amount, quantity)
    return value if amount.pool is None else {"amount": value, "pool": amount.pool}


def feature_text(name: str, value: Feature) -> Plain:
    """A feature as a person writes it: `{max: 10ms}`."""
    rule = FEATURES.get(name)
    if rule is None or rule.kind is not Kind.TIME:
        return feature_data(value)
    if isinstance(value, Range):
        bounds = {"min": value.min, "max": value.max}
        return {key: _time(bound) for key, bound in bounds.items() if bound is not None}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _time(value)
    return feature_data(value)


def _time(value: float) -> Plain:
    return _with_unit(value, Quantity.TIME)


def _with_unit(value: float, quantity: Quantity) -> Plain:
    """The shortest text with a unit that is exactly this value, or the plain number."""
    found = []
    for unit, factor in UNITS[quantity].items():
        figure = value / float(factor)
        text = text_of(int(figure)) if float(figure).is_integer() else text_of(round(figure, 3))
        try:
            if figure >= 1 and parse(text + unit, quantity) == value:
                found.append(text + unit)
        except UnitError:
            continue
    return min(found, key=len, default=value) if value else value
