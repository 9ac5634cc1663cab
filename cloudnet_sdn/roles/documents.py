"""Documents as graphs: those of callers, checked, and our own from the store, each read once."""

from __future__ import annotations

import functools

from cloudnet_sdn.store.schema import CURRENCY_LONGEST
from cloudnet_sdn.wire.faults import BadRequest, TooLarge
from rdl.errors import DocumentError, TooLargeError
from rdl.graph import Graph, Layer, MappingGraph
from rdl.language.dump import to_data
from rdl.language.load import load_graph, load_mapping


@functools.lru_cache(maxsize=4096)
def graph(text: str) -> Graph:
    """An overlay or underlay."""
    return load_graph(text)


@functools.lru_cache(maxsize=4096)
def mapping(text: str) -> MappingGraph:
    """A mapping."""
    return load_mapping(text)


def parse_overlay(text: str) -> Graph:
    """The graph of a request.

    Raises:
        BadRequest: with every error and its place.
        TooLarge: more bytes than are read at all.
    """
    graph = _parsed(text)
    if graph.layer is not Layer.OVERLAY:
        raise BadRequest(f"graph:1:1: layer: an overlay is wanted, this is an {graph.layer}")
    if not graph.elements:
        raise BadRequest("graph:1:1: elements: there is nothing in it")
    return graph


def parse_underlay(text: str) -> Graph:
    """The graph of a substrate document.

    Raises:
        BadRequest: with every error and its place.
        TooLarge: more bytes than are read at all.
    """
    graph = _parsed(text)
    for element in graph.elements.values():
        currency = element.features.get("currency")
        if isinstance(currency, str) and len(currency) > CURRENCY_LONGEST:
            at_most = f"at most {CURRENCY_LONGEST} characters are kept"
            raise BadRequest(f"graph: {element.id}: features.currency: {at_most}")
    if graph.layer is not Layer.UNDERLAY:
        raise BadRequest(f"graph:1:1: layer: an underlay is wanted, this is an {graph.layer}")
    return graph


def _parsed(text: str) -> Graph:
    try:
        graph = load_graph(text, source="graph")
    except TooLargeError as exc:
        raise TooLarge(str(exc)) from exc
    except DocumentError as exc:
        raise BadRequest(str(exc)) from exc
    # Only an escape could have brought one in, and not every database can keep it.
    if "\\" in text and _has_nul(to_data(graph)):
        raise BadRequest("graph: there is a NUL character in a text")
    return graph


def _has_nul(value: object) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_has_nul(v) for pair in value.items() for v in pair)
        case list() | tuple() | set() | frozenset():
            return any(map(_has_nul, value))
        case _:
            return False
