"""What stands embedded on a substrate, as a state directory tells it, checked against both.

A mapping that doesn't fit would count for nothing where it names what isn't there, and a new
CloudNet would be put onto what is used up. All that is wrong is said at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mip.errors import StateError
from mip.instance.capacity import Key, anchored_at, capacities, protection_of, used
from mip.problem.amounts import Exact, human
from mip.problem.state import Pair, read_pairs
from mip.problem.statement import Embedded, Problem, Result, Status
from mip.verify.verifier import verify
from rdl.graph import ConstraintKind, Element, Graph, Layer, MappingGraph, Placement

_NAMED = 8
"""The CloudNets that one fault of capacity names at most."""

_SETTLED = frozenset({ConstraintKind.SAME, ConstraintKind.DIFFERENT})
"""Constraints about values, which a mapping document doesn't tell."""


def standing(folder: Path, substrate: Graph) -> tuple[Embedded, ...]:
    """The CloudNets in `folder`, each of which is whole on `substrate`.

    Raises:
        StateError: with every fault: its file, the element and what is wrong.
    """
    pairs, faults = read_pairs(folder)
    sound = []
    names: dict[str, Pair] = {}
    for pair in pairs:
        found = [*_documents(pair, substrate), *_twice(pair, names)]
        found = found or [
            f"{pair.mapping_file}: {text}" for text in faults_of(pair.embedded, substrate)
        ]
        faults += found
        if not found:
            sound.append(pair)
    faults += _overdrawn(sound, substrate)
    if faults:
        raise StateError(faults)
    return tuple(pair.embedded for pair in pairs)


def _documents(pair: Pair, substrate: Graph) -> Iterator[str]:
    """What the two documents say of themselves that doesn't go together."""
    overlay, mapping = pair.embedded.overlay, pair.embedded.mapping
    if overlay.layer is not Layer.OVERLAY:
        yield f"{pair.overlay_file}: layer: an overlay is wanted here, this is an {overlay.layer}"
    if mapping.name != overlay.name:
        yield (
            f"{pair.mapping_file}: graph: this is the mapping of {mapping.name}, not of the"
            f" {overlay.name} in {pair.overlay_file.name}"
        )
    if mapping.underlay != substrate.name:
        yield (
            f"{pair.mapping_file}: underlay: this is a mapping onto {mapping.underlay}, the"
            f" substrate is {substrate.name}"
        )


def _twice(pair: Pair, names: dict[str, Pair]) -> Iterator[str]:
    name = pair.embedded.overlay.name
    first = names.setdefault(name, pair)
    if first is not pair:
        yield f"{pair.overlay_file}: graph: {name} is in {first.overlay_file.name} already"


def faults_of(one: Embedded, substrate: Graph) -> list[str]:
    """What is wrong with a mapping by itself, whatever else is embedded; capacities aside."""
    overlay, mapping = one.overlay, one.mapping
    faults = [*_strangers(overlay, mapping), *_segments(mapping, substrate)]
    homeless = dict(_homeless(overlay, mapping, substrate))
    faults += homeless.values()
    lost = homeless.keys() | {
        vlink
        for vnode in homeless
        if vnode in overlay.elements
        for vlink in overlay.neighbours(vnode)
    }
    anchors = _anchors(one)
    lost |= {v for v, ends in anchors.items() if ends is None}
    ends = {stub: at for found in anchors.values() for stub, at in (found or {}).items()}
    request = _without(overlay, lost)
    problem = Problem(_around(substrate, mapping), request, anchors=ends)
    return [*faults, *verify(problem, _result(request, mapping))]


def _strangers(overlay: Graph, mapping: MappingGraph) -> Iterator[str]:
    for identifier in mapping.mapping:
        if identifier not in overlay.elements:
            yield f"mapping.{identifier}: {overlay.name} has no such element"


def _segments(mapping: MappingGraph, substrate: Graph) -> Iterator[str]:
    for identifier, placement in mapping.mapping.items():
        for number, segment in enumerate(placement.segments):
            where = f"mapping.{identifier}.segments[{number}]"
            element = substrate.elements.get(segment.on)
            if element is None:
                yield f"{where}: on {segment.on}, which isn't in {substrate.name}"
            elif segment.interface is not None and all(
                i.id != segment.interface for i in element.interfaces
            ):
                yield f"{where}: {segment.on} has no interface {segment.interface}"


def _homeless(overlay: Graph, mapping: MappingGraph, substrate: Graph) -> Iterator[tuple[str, str]]:
    """VNodes that aren't on one host of the substrate, each with what is wrong."""
    for vnode in overlay.nodes():
        if vnode.is_stub:
            continue
        where, on = f"mapping.{vnode.id}", mapping.mapping.get(vnode.id, Placement()).on
        if vnode.id not in mapping.mapping:
            yield vnode.id, f"{where}: missing: {vnode.id} is not placed"
        elif len(on) != 1:
            yield vnode.id, f"{where}.on: a VNode is on one host, this is on {len(on)}"
        elif on[0] not in substrate.elements:
            yield vnode.id, f"{where}.on: {on[0]} isn't in the substrate {substrate.name}"


def _anchors(one: Embedded) -> Mapping[str, Mapping[str, str] | None]:
    """Where the stubs of each VLink of a partial graph end; None where that can't be told."""
    found: dict[str, Mapping[str, str] | None] = {}
    for vlink in one.overlay.links():
        stubs = [s for s in one.overlay.neighbours(vlink.id) if s.startswith("_")]
        if stubs and not vlink.is_stub:
            placement = one.mapping.mapping.get(vlink.id, Placement())
            at = anchored_at(one, vlink, placement)
            known = len(at) == len(stubs)
            found[vlink.id] = dict(zip(stubs, at, strict=True)) if known else None
    return found


def _without(overlay: Graph, lost: Collection[str]) -> Graph:
    """The overlay without some elements and without amounts, which are counted for all at once."""
    elements = {i: replace(e, resources={}) for i, e in overlay.elements.items() if i not in lost}
    return replace(
        overlay,
        elements=elements,
        connections=tuple(
            (a, b)
            for a, b in overlay.connections
            if _element(a) in elements and _element(b) in elements
        ),
        constraints=tuple(
            c for c in overlay.constraints if c.kind not in _SETTLED and c.by is None
        ),
    )


def _around(substrate: Graph, mapping: MappingGraph) -> Graph:
    """The part of the substrate that a mapping names: enough to check it, however large the rest.

    Without amounts: they are counted for all CloudNets at once.
    """
    named = {e for p in mapping.mapping.values() for e in (*p.on, *p.backup)}
    elements: dict[str, Element] = {
        e: replace(substrate.elements[e], resources={}) for e in named & substrate.elements.keys()
    }
    connections = tuple(
        (own, peer)
        for e in elements
        for own, peer in substrate.ends(e)
        if _element(peer) in elements and own < peer
    )
    return replace(substrate, elements=elements, connections=connections, constraints=())


def _result(request: Graph, mapping: MappingGraph) -> Result:
    placed = {i: p for i, p in mapping.mapping.items() if i in request.elements}
    links = {i: p for i, p in placed.items() if request.elements[i].is_link}
    return Result(
        Status.FEASIBLE,
        "",
        nodes={
            i: p.on[0]
            for i, p in placed.items()
            if request.elements[i].is_node and not request.elements[i].is_stub
        },
        links={i: p.on for i, p in links.items()},
        # Where both ends share a host, the backup is as empty as the path.
        backups={
            i: p.backup
            for i, p in links.items()
            if p.backup or protection_of(request.elements[i]) != "none"
        },
    )


def _overdrawn(pairs: Sequence[Pair], substrate: Graph) -> Iterator[str]:
    """Capacities of which all together use more than there is."""
    for short in _short([pair.embedded for pair in pairs], substrate):
        users = [p for p in pairs if _uses(substrate, p.embedded, short.key)]
        names = ", ".join(p.embedded.overlay.name for p in users[:_NAMED])
        more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
        yield f"{users[0].mapping_file}: {short.key[0]}: {short.key[1]}: {names}{more} use {short}"


@dataclass(frozen=True)
class _Short:
    """A capacity of which more is used than there is."""

    key: Key
    wanted: Exact
    there: Exact

    def __str__(self) -> str:
        resource = self.key[1]
        return f"{human(self.wanted, resource)}, there are {human(self.there, resource)}"


def _short(ones: Sequence[Embedded], substrate: Graph) -> Iterator[_Short]:
    room = capacities(substrate)
    use = used(substrate, ones)
    shared = {key for backup in use.backups for key in backup.amounts}
    unlimited = _unlimited(substrate)
    for key in sorted(use.fixed.keys() | shared):
        peak, there = use.peak(key), room.get(key, 0)
        if peak > there and key not in unlimited:
            yield _Short(key, peak, there)


def _unlimited(substrate: Graph) -> frozenset[Key]:
    """The end points that state no bandwidth: an anchor limits only what it states."""
    return frozenset(
        (interface.id, "bandwidth")
        for element in substrate.elements.values()
        for interface in element.interfaces
        if "bandwidth" not in interface.resources
    )


def _uses(substrate: Graph, one: Embedded, key: Key) -> bool:
    use = used(substrate, [one])
    return bool(use.fixed.get(key)) or any(key in b.amounts for b in use.backups)


def _element(interface: str) -> str:
    return interface.partition(".")[0]
