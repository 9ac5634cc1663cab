"""Documents as graphs: those of callers, checked, and our own from the store, each read once."""

from __future__ import annotations

import functools

from cloudnet_sdn.wire.faults import BadRequest
from rdl.errors import DocumentError
from rdl.graph import Graph, Layer, MappingGraph
from rdl.load import load_graph, load_mapping


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
    """
    try:
        graph = load_graph(text, source="graph")
    except DocumentError as exc:
        raise BadRequest(str(exc)) from exc
    if graph.layer is not Layer.OVERLAY:
        raise BadRequest(f"graph:1:1: layer: an overlay is wanted, this is an {graph.layer}")
    if not graph.elements:
        raise BadRequest("graph:1:1: elements: there is nothing in it")
    return graph


def parse_underlay(text: str) -> Graph:
    """The graph of a substrate document.

    Raises:
        BadRequest: with every error and its place.
    """
    try:
        graph = load_graph(text, source="graph")
    except DocumentError as exc:
        raise BadRequest(str(exc)) from exc
    if graph.layer is not Layer.UNDERLAY:
        raise BadRequest(f"graph:1:1: layer: an underlay is wanted, this is an {graph.layer}")
    return graph
