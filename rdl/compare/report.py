"""A difference told: for people (`text`), and as plain data for JSON (`to_data`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rdl.compare.diff import Change, Delta, MappingDelta
from rdl.graph import Element
from rdl.language.brief import amount_text, feature_text
from rdl.language.dump import (
    Plain,
    constraint_data,
    element_data,
    inline,
    placement_data,
)


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
