"""Putting the parts of a request, as providers answered them, together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rdl.federation.partition import PartitionError
from rdl.graph import Element, Graph


def merge(overlay: Graph, parts: Mapping[str, Graph]) -> Graph:
    """The whole graph again, with what the providers filled in on their parts.

    Elements, amounts, features and `chosen` come from the parts; what `partition` made for the
    providers alone (stubs, segments of latency bounds, generated constraint ids) is undone.

    Args:
        overlay: the graph that was split.
        parts: by provider: its partial graph as it went out, or as completed in its offer.

    Raises:
        PartitionError: an element is in no part, or the parts of one contradict each other.
    """
    found: dict[str, list[Element]] = {}
    for part in parts.values():
        for element in part.elements.values():
            found.setdefault(element.id, []).append(element)
    elements = {}
    for identifier, original in overlay.elements.items():
        pieces = found.get(identifier, [])
        if original.is_stub:
            elements[identifier] = original
        elif not pieces:
            raise PartitionError(f"{identifier} is in no part")
        else:
            elements[identifier] = _merged(original, pieces)
    return replace(overlay, elements=elements)


def _merged(original: Element, pieces: list[Element]) -> Element:
    if original.is_node and len(pieces) > 1:
        raise PartitionError(f"{original.id} is in {len(pieces)} parts")
    joined = {i.id: i for p in pieces for i in p.interfaces if i.features or i.resources}
    kept = original.chosen if len(pieces) == 1 else {}
    chosen = {k: v for piece in pieces for k, v in piece.chosen.items()}
    whole = pieces[0] if len(pieces) == 1 else _of_segments(original, pieces)
    return replace(
        whole,
        features={**original.features, **whole.features},
        interfaces=tuple(joined.get(i.id, i) for i in original.interfaces),
        chosen={**kept, **chosen},
    )


def _of_segments(original: Element, pieces: list[Element]) -> Element:
    """A VLink of several segments: what it asked for, and what every provider added alike.

    An amount that providers raised differently is the least of them.
    """
    first, *others = pieces
    resources = dict(original.resources)
    for name in first.resources:
        amounts = [p.resources[name] for p in pieces if name in p.resources]
        if name not in resources and len(amounts) == len(pieces):
            resources[name] = min(amounts, key=lambda amount: amount.amount)
    added = {
        name: value
        for name, value in first.features.items()
        if all(name in p.features and p.features[name] == value for p in others)
    }
    return replace(original, resources=resources, features={**added, **original.features})
