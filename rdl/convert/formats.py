"""Other formats to RDL: Topology Zoo GraphML, SNDlib (XML and native), node-link JSON, GENI RSpec.

The format is told from the text. To RFC 8345 JSON: see `rdl.convert.rfc8345`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element as Xml

from rdl.convert import rspec, sndlib
from rdl.convert.topology import Converted, ConvertError, Line, Options, Place, number, substrate
from rdl.convert.xmlin import local, parse
from rdl.language.text import MAX_BYTES

_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def convert(text: str | bytes, *, name: str = "", options: Options | None = None) -> Converted:
    """A file of another format as an RDL graph.

    Args:
        text: the file.
        name: the graph's name where the file has none, such as the file's own.
        options: how topologies become substrates.

    Returns:
        The graph (an underlay, of a GENI request an overlay), and notes on what was left out.

    Raises:
        ConvertError: no known format, or not well-formed.
    """
    decoded = _decoded(text)
    how = options or Options()
    head = decoded.lstrip()[:4096]
    if head.startswith("?SNDlib"):
        return sndlib.native(decoded, name, how)
    if head.startswith("{"):
        return node_link(decoded, name, how)
    if not head.startswith("<"):
        raise ConvertError("no GraphML, SNDlib, node-link JSON or GENI RSpec")
    root = parse(decoded)
    readers: Mapping[str, Callable[[Xml, str, Options], Converted]] = {
        "graphml": graphml,
        "network": sndlib.xml,
        "rspec": rspec.request,
    }
    reader = readers.get(local(root))
    if reader is None:
        raise ConvertError(f"XML of an unknown kind: <{local(root)[:60]}>")
    return reader(root, name, how)


def _decoded(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        raise ConvertError(f"more than {MAX_BYTES} bytes (16 MiB)")
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return text.decode("latin-1")  # the Topology Zoo has files that claim UTF-8 and aren't


# -- GraphML, as the Internet Topology Zoo writes it


def graphml(root: Xml, name: str, options: Options) -> Converted:
    """A GraphML graph: `label`, `Longitude`, `Latitude`; `LinkSpeedRaw`, or speed and units.

    Raises:
        ConvertError: there is no graph in it.
    """
    keys = {k.get("id", ""): k.get("attr.name", k.get("id", "")) for k in root if local(k) == "key"}
    graph = next((e for e in root if local(e) == "graph"), None)
    if graph is None:
        raise ConvertError("the GraphML has no graph")
    about = _data(graph, keys)
    return substrate(
        about.get("Network") or about.get("label") or graph.get("id") or name,
        list(_graphml_places(graph, keys)),
        list(_graphml_lines(graph, keys)),
        options,
    )


def _graphml_places(graph: Xml, keys: Mapping[str, str]) -> Iterator[Place]:
    for node in graph:
        if local(node) == "node":
            data = _data(node, keys)
            key = node.get("id", "")
            longitude, latitude = number(data.get("Longitude")), number(data.get("Latitude"))
            yield Place(key, data.get("label", ""), longitude, latitude)


def _graphml_lines(graph: Xml, keys: Mapping[str, str]) -> Iterator[Line]:
    for edge in graph:
        if local(edge) == "edge":
            data = _data(edge, keys)
            ends = edge.get("source", ""), edge.get("target", "")
            yield Line(*ends, label=data.get("LinkLabel", ""), bandwidth=_speed(data))


def _speed(data: Mapping[str, str]) -> float | None:
    raw = number(data.get("LinkSpeedRaw"))
    if raw is None:
        speed = number(data.get("LinkSpeed"))
        factor = _UNITS.get(data.get("LinkSpeedUnits", "").strip().upper())
        raw = None if speed is None or factor is None else speed * factor
    return raw if raw is None or raw >= 0 else None


def _data(element: Xml, keys: Mapping[str, str]) -> dict[str, str]:
    return {
        keys.get(d.get("key", ""), d.get("key", "")): (d.text or "").strip()
        for d in element
        if local(d) == "data"
    }


# -- node-link JSON, as networkx writes it


def node_link(text: str, name: str, options: Options) -> Converted:
    """A node-link graph: `name` and `pos` (longitude, latitude) of nodes, `dist` (km) of edges.

    Raises:
        ConvertError: it is none.
    """
    try:
        data = json.loads(text)
        places = [_json_place(node) for node in data["nodes"]]
        lines = [_json_line(edge) for edge in data.get("edges", data.get("links"))]
        own = data.get("graph", {}).get("name", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ConvertError(f"JSON, but no node-link graph: {str(exc)[:80]}") from exc
    return substrate(str(own or name), places, lines, options)


def _json_place(node: Mapping[str, Any]) -> Place:
    pos = node.get("pos") or (None, None)
    longitude, latitude = (None if p is None else number(str(p)) for p in pos)
    return Place(str(node["id"]), str(node.get("name") or ""), longitude, latitude)


def _json_line(edge: Mapping[str, Any]) -> Line:
    km = edge.get("dist")
    bandwidth = edge.get("bandwidth", edge.get("capacity"))
    return Line(
        str(edge["source"]),
        str(edge["target"]),
        bandwidth=None if bandwidth is None else number(str(bandwidth)),
        km=None if km is None else number(str(km)),
    )
