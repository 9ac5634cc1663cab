"""Documents from the store as graphs. They are ours and never change, so each is read once."""

from __future__ import annotations

import functools

from rdl.graph import Graph, MappingGraph
from rdl.load import load_graph, load_mapping


@functools.lru_cache(maxsize=4096)
def graph(text: str) -> Graph:
    """An overlay or underlay."""
    return load_graph(text)


@functools.lru_cache(maxsize=4096)
def mapping(text: str) -> MappingGraph:
    """A mapping."""
    return load_mapping(text)
