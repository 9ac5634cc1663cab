"""Several embedded CloudNets as one problem, so that all of them can be placed anew at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mip.instance.ground import Ground
from mip.problem.statement import Embedded, Problem
from rdl.graph import Constraint, Element, Graph, Interface

Name = tuple[int, str]
"""A CloudNet's number and the id of one of its elements."""


@dataclass(frozen=True)
class Merged:
    """One request made of many.

    Attributes:
        problem: the substrate with nothing on it, and all CloudNets as one request.
        places: each VNode's present host.
        paths: each VLink's present path; `backups` likewise.
        names: the merged id of each element, to where it comes from.
    """

    problem: Problem
    places: Mapping[str, str]
    paths: Mapping[str, tuple[str, ...]]
    backups: Mapping[str, tuple[str, ...]]
    names: Mapping[str, Name]


def merge(ground: Ground, embedded: Sequence[Embedded]) -> Merged:
    """All of `embedded` as one request on the bare substrate."""
    elements: dict[str, Element] = {}
    connections: list[tuple[str, str]] = []
    constraints: list[Constraint] = []
    anchors: dict[str, str] = {}
    names: dict[str, Name] = {}
    places: dict[str, str] = {}
    paths: dict[str, tuple[str, ...]] = {}
    backups: dict[str, tuple[str, ...]] = {}
    for number, one in enumerate(embedded):
        for element in one.overlay.elements.values():
            name = _named(number, element.id)
            names[name] = (number, element.id)
            plugs = tuple(
                Interface(_named(number, i.id), i.features, i.resources) for i in element.interfaces
            )
            elements[name] = replace(element, id=name, interfaces=plugs)
            placed = one.mapping.mapping.get(element.id)
            if placed is None or element.is_stub:
                continue
            if element.is_link:
                paths[name] = placed.on
                if placed.backup:
                    backups[name] = placed.backup
            elif placed.on:
                places[name] = placed.on[0]
        connections += [(_named(number, a), _named(number, b)) for a, b in one.overlay.connections]
        constraints += [
            replace(c, of=tuple(_named(number, m) for m in c.of)) for c in one.overlay.constraints
        ]
        anchors |= {_named(number, stub): at for stub, at in one.anchors.items()}
    request = Graph(
        "all", elements=elements, connections=tuple(connections), constraints=tuple(constraints)
    )
    problem = Problem(ground.substrate, request, anchors=anchors, unavailable=ground.unavailable)
    return Merged(problem, places, paths, backups, names)


def _named(number: int, identifier: str) -> str:
    """Unique among CloudNets; stubs stay stubs."""
    return f"_{number}-{identifier}" if identifier.startswith("_") else f"{number}-{identifier}"
