"""A graph to canonical RDL text: `load(dump(g)) == g`, and pleasant to read.

Strings are quoted wherever any YAML reader might take them for something else, the key `on` too
(which YAML 1.1 reads as true), so other tools read the same values back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from rdl.graph import (
    Amount,
    Constraint,
    Element,
    Feature,
    Graph,
    Interface,
    MappingGraph,
    NotIn,
    Placement,
    Range,
    Segment,
)
from rdl.units import UNITS, text_of
from rdl.vocabulary import CONSTRAINTS, VERSION

Plain = str | bool | int | float | None | Sequence["Plain"] | Mapping[str, "Plain"]

_WIDTH = 100
_UNIT = "|".join(dict.fromkeys(unit for units in UNITS.values() for unit in units))
_SAFE = re.compile(
    r"[A-Za-z_/][A-Za-z0-9_./-]*(?::[A-Za-z][A-Za-z0-9_./-]*)*"
    r"|[0-9]+(?:\.[0-9]+){3}/[0-9]+"
    rf"|[1-9][0-9]*(?:\.[0-9]+)?(?:{_UNIT})",
    re.ASCII,
)
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))


def dump(graph: Graph | MappingGraph) -> str:
    """The canonical text of a graph or mapping."""
    lines = _top(to_data(graph))
    return "\n".join(lines) + "\n"


def to_data(graph: Graph | MappingGraph) -> dict[str, Plain]:
    """The canonical document as plain dicts, lists and scalars (what JSON and YAML can hold)."""
    head: dict[str, Plain] = {"rdl": VERSION, "graph": graph.name, "layer": str(graph.layer)}
    if isinstance(graph, MappingGraph):
        placed = {i: placement_data(p) for i, p in graph.mapping.items()}
        return {**head, "underlay": graph.underlay, "mapping": placed}
    body: dict[str, Plain] = {"elements": [element_data(e) for e in graph.elements.values()]}
    if graph.connections:
        body["connections"] = [list(pair) for pair in graph.connections]
    if graph.constraints:
        body["constraints"] = [constraint_data(c) for c in graph.constraints]
    return {**head, **body}


def element_data(element: Element) -> dict[str, Plain]:
    """One entry of `elements`."""
    out: dict[str, Plain] = {"id": element.id, "type": element.type}
    if element.resources:
        out["resources"] = _resources(element.resources)
    if element.features:
        out["features"] = _features(element.features)
    if element.interfaces:
        out["interfaces"] = [_interface(i) for i in element.interfaces]
    if element.chosen:
        out["chosen"] = dict(element.chosen)
    return out


def constraint_data(constraint: Constraint) -> dict[str, Plain]:
    """One entry of `constraints`."""
    out: dict[str, Plain] = {} if constraint.id is None else {"id": constraint.id}
    rule = CONSTRAINTS[constraint.kind]
    if rule.value == "feature":
        out[str(constraint.kind)] = constraint.feature
    elif rule.value == "targets":
        out[str(constraint.kind)] = list(constraint.targets)
    out[rule.members] = list(constraint.of)
    if constraint.by is not None:
        out["by"] = constraint.by
    if constraint.elsewhere:
        out["elsewhere"] = constraint.elsewhere
    return out


def placement_data(placement: Placement) -> dict[str, Plain]:
    """One entry of `mapping`."""
    out: dict[str, Plain] = {"on": list(placement.on)}
    if placement.segments:
        out["segments"] = [_segment(s) for s in placement.segments]
    if placement.backup:
        out["backup"] = list(placement.backup)
    return out


def _segment(segment: Segment) -> dict[str, Plain]:
    out: dict[str, Plain] = {"on": segment.on}
    if segment.vlan is not None:
        out["vlan"] = segment.vlan
    if segment.interface is not None:
        out["interface"] = segment.interface
    if segment.bandwidth:
        out["bandwidth"] = segment.bandwidth
    return out


def _interface(interface: Interface) -> Plain:
    if not interface.features and not interface.resources:
        return interface.id
    out: dict[str, Plain] = {"id": interface.id}
    if interface.features:
        out["features"] = _features(interface.features)
    if interface.resources:
        out["resources"] = _resources(interface.resources)
    return out


def _resources(resources: Mapping[str, Amount]) -> dict[str, Plain]:
    return {
        name: a.amount if a.pool is None else {"amount": a.amount, "pool": a.pool}
        for name, a in resources.items()
    }


def _features(features: Mapping[str, Feature]) -> dict[str, Plain]:
    return {name: feature_data(value) for name, value in features.items()}


def feature_data(value: Feature) -> Plain:
    """A feature as it is written."""
    if isinstance(value, Range):
        bounds = {"min": value.min, "max": value.max}
        return {key: bound for key, bound in bounds.items() if bound is not None}
    if isinstance(value, NotIn):
        return {"not": list(value.values)}
    return list(value) if isinstance(value, tuple) else value


# -- text


def _top(data: Mapping[str, Plain]) -> Iterator[str]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield f"{key}:"
            yield from _entries(value, "  ")
        elif isinstance(value, Sequence) and not isinstance(value, str) and value:
            yield f"{key}:"
            for item in value:
                yield from _item(item, key)
        else:
            yield f"{key}: {inline(value)}"


def _item(item: Plain, section: str) -> Iterator[str]:
    """One entry of a top-level list: an element over several lines, others on one."""
    if not isinstance(item, Mapping) or (section != "elements" and _fits(item, 4)):
        yield f"  - {inline(item)}"
        return
    lead = "  - "
    for line in _entries(item, "    "):
        yield lead + line[4:]
        lead = "    "


def _entries(data: Mapping[str, Plain], indent: str) -> Iterator[str]:
    """A mapping in block style, each value on its key's line where that is short enough."""
    for key, value in data.items():
        name = f"{indent}{_quoted(key)}:"
        if not value or _fits(value, len(name) + 1) or not isinstance(value, Mapping | list):
            yield f"{name} {inline(value)}"
            continue
        yield name
        if isinstance(value, Mapping):
            yield from _entries(value, indent + "  ")
        else:
            yield from (f"{indent}  - {inline(item)}" for item in value)


def _fits(value: Plain, taken: int) -> bool:
    return taken + len(inline(value)) <= _WIDTH


def inline(value: Plain) -> str:
    """Plain data on one line, as the canonical text writes it."""
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return text_of(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(k)}: {inline(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(map(inline, value)) + "]"


def _quoted(text: str) -> str:
    if _SAFE.fullmatch(text) and text.casefold() not in _WORDS:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    short = {"\n": "\\n", "\t": "\\t"}.get(character)
    return short or (f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
