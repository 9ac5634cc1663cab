"""What a CloudNet that changes keeps of what stands: places, paths, chosen values. Pure.

Elements match by id. One whose demands are as before is unchanged (contract, `negotiation.modify`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mip.instance.capacity import Key, used
from mip.problem.amounts import Exact
from mip.problem.statement import Embedded, Problem, Result
from mip.verify.verifier import verify
from rdl.graph import Amount, Element, Graph, Interface, MappingGraph

_SINGLE_TRIES = 200
"""Above so many VLinks, old paths are tried all together or not at all."""


@dataclass(frozen=True)
class Standing:
    """A generation that another one is to follow.

    Attributes:
        request: as it was asked for (OL0).
        overlay: as it was completed (OL1).
        mapping: where it is (ML).
    """

    request: Graph
    overlay: Graph
    mapping: MappingGraph

    def hosts(self) -> dict[str, str]:
        """By VNode, the host it is on."""
        return {
            e.id: placed.on[0]
            for e in self.overlay.nodes()
            if not e.is_stub and (placed := self.mapping.mapping.get(e.id)) and placed.on
        }

    def at(self, hosts: Collection[str]) -> Standing:
        """The part of it at some hosts, with the VLinks of what is there."""
        there = {v for v, host in self.hosts().items() if host in hosts}
        stays = there.union(*(self.overlay.neighbours(v) for v in there))
        mapping = {e: p for e, p in self.mapping.mapping.items() if e in stays}
        return replace(self, mapping=replace(self.mapping, mapping=mapping))


def unchanged(graph: Graph, standing: Standing) -> frozenset[str]:
    """The elements of `graph` that ask for what they asked for before, their links aside."""
    before = standing.request.elements
    return frozenset(
        e.id for e in graph.elements.values() if e.id in before and _asks_alike(e, before[e.id])
    )


def carried(graph: Graph, standing: Standing, *, relocate: bool = False) -> Graph:
    """`graph` with the values that unchanged elements and interfaces were given before.

    With `relocate`, which may change what could stay, those of interfaces alone.
    """
    same = frozenset() if relocate else unchanged(graph, standing)
    elements = {
        i: _carried(e, standing, whole=i in same) if i in standing.overlay.elements else e
        for i, e in graph.elements.items()
    }
    return replace(graph, elements=elements)


def with_old_paths(problem: Problem, result: Result, standing: Standing) -> Result:
    """`result` with the paths that VLinks between unmoved ends had before, where they still do."""
    before = standing.hosts()
    stay = {v for v, host in result.nodes.items() if before.get(v) == host}
    old: dict[str, tuple[str, ...]] = {}
    for vlink in result.links:
        placed = standing.mapping.mapping.get(vlink)
        ends = [n for n in problem.request.neighbours(vlink) if not n.startswith("_")]
        if placed is None or not all(n in stay for n in ends):
            continue
        path = tuple(placed.on)
        if path != result.links[vlink] and _same_ends(problem.request, standing.overlay, vlink):
            old[vlink] = path
    if not old:
        return result
    whole = replace(result, links={**result.links, **old})
    if not verify(problem, whole):
        return whole
    if len(old) > _SINGLE_TRIES:
        return result
    for vlink, path in old.items():
        one = replace(result, links={**result.links, vlink: path})
        if not verify(problem, one):
            result = one
    return result


def freed(substrate: Graph, standing: Sequence[Standing]) -> Graph:
    """A broker's substrate with what the CloudNet has of its providers counted as free.

    Providers tell what they have left; what is the CloudNet's own comes on top of that. Of what
    stands and what is held beside it they count the greater, as everybody does.
    """
    mine: dict[Key, Exact] = {}
    for one in standing:
        for key, amount in used(substrate, [Embedded(one.overlay, one.mapping)]).fixed.items():
            mine[key] = max(amount, mine.get(key, 0))
    elements = dict(substrate.elements)
    for (holder, resource), amount in mine.items():
        element = elements.get(holder)
        if element is None or resource not in element.resources:
            continue
        there = element.resources[resource]
        more = Amount(float(there.amount + amount), there.pool)
        elements[holder] = replace(element, resources={**element.resources, resource: more})
    return replace(substrate, elements=elements)


def _asks_alike(a: Element, b: Element) -> bool:
    return (a.type, dict(a.features), dict(a.resources)) == (
        b.type,
        dict(b.features),
        dict(b.resources),
    )


def _carried(element: Element, standing: Standing, *, whole: bool) -> Element:
    old = standing.overlay.elements[element.id]
    asked = standing.request.elements.get(element.id)
    before: Mapping[str, Interface] = {} if asked is None else {i.id: i for i in asked.interfaces}
    given = {i.id: i for i in old.interfaces}
    interfaces = tuple(
        given[i.id] if i.id in given and before.get(i.id) == i else i for i in element.interfaces
    )
    if not whole:
        return replace(element, interfaces=interfaces)
    return replace(
        element,
        type=old.type,
        features=old.features,
        resources=old.resources,
        interfaces=interfaces,
        chosen=old.chosen,
    )


def _same_ends(now: Graph, before: Graph, vlink: str) -> bool:
    return set(now.neighbours(vlink)) == set(before.neighbours(vlink))
