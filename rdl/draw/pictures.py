"""Pictures of graphs: SVG, and DOT, Mermaid and GraphML for other tools.

Overlays and substrates as they are; with `embedded`, CloudNets drawn over their substrate: VNodes
on their hosts, VLinks along their paths, links as wide as they are loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from rdl.draw.scene import Edge, Embedding, Scene, Vertex, scene
from rdl.errors import RdlError
from rdl.graph import Graph

if TYPE_CHECKING:
    from rdl.draw.layout import Placer


class DrawError(RdlError):
    """A kind of picture that there isn't."""


def draw(
    graph: Graph, kind: str, *, embedded: Sequence[Embedding] = (), place: Placer | None = None
) -> str:
    """A picture of `graph` as text.

    Args:
        graph: an overlay or a substrate.
        kind: `svg`, `dot`, `mmd` or `graphml` (a file's suffix; a leading dot may be there).
        embedded: overlays with their mappings onto `graph`.
        place: where an SVG's boxes go, if not where `rdl.draw.layout.place` puts them.

    Raises:
        DrawError: no such kind.
    """
    writer = WRITERS.get(kind.removeprefix("."))
    if writer is None:
        raise DrawError(f"no picture of kind {kind!r}; there are {', '.join(WRITERS)}")
    if writer is _svg:
        return _svg(scene(graph, embedded), place)
    return writer(scene(graph, embedded))


def _svg(picture: Scene, place: Placer | None = None) -> str:
    from rdl.draw.svg import svg  # numpy with it

    return svg(picture) if place is None else svg(picture, place)


# -- DOT

_SHAPES = {"switch": "box", "segment": "ellipse", "pip": "box3d", "stub": "box", "bridge": "cds"}


def dot(picture: Scene) -> str:
    """For Graphviz: `neato -Tpdf`."""
    lines = [
        f"graph {_dot(picture.title)} {{",
        "  overlap=false; splines=true; outputorder=edgesfirst;",
        '  node [style="filled,rounded", fillcolor="#eaf4ff", fontname="sans-serif", fontsize=10];',
        '  edge [fontname="sans-serif", fontsize=9];',
    ]
    for vertex in picture.vertices:
        label = "\n".join(
            [*(t for t in vertex.lines if t), *(f"[{g.text}]" for g in vertex.guests)]
        )
        style = ', style="dashed"' if vertex.kind == "stub" else ""
        shape = _SHAPES.get(vertex.kind, "box")
        lines.append(f"  {_dot(vertex.id)} [label={_dot(label)}, shape={shape}{style}];")
    for edge in picture.edges:
        width = 1.0 if edge.load is None else 1.0 + 7.0 * min(1.0, edge.load)
        lines.append(
            f"  {_dot(edge.a)} -- {_dot(edge.b)} [label={_dot(edge.label)}, penwidth={width:.1f},"
            f" tooltip={_dot(edge.id)}];"
        )
    return "\n".join([*lines, "}"]) + "\n"


def _dot(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# -- Mermaid

_BRACKETS: Mapping[str, tuple[str, str]] = {
    "switch": ("[[", "]]"),
    "segment": ("((", "))"),
    "pip": ("{{", "}}"),
    "bridge": ("[/", "/]"),
    "stub": ("(", ")"),
}


def mermaid(picture: Scene) -> str:
    """For READMEs: GitHub and GitLab draw it."""
    names = {v.id: f"n{i}" for i, v in enumerate(picture.vertices)}
    lines = ["---", f"title: {_mermaid_title(picture.title)}", "---", "graph LR"]
    for vertex in picture.vertices:
        before, after = _BRACKETS.get(vertex.kind, ("[", "]"))
        texts = [*(t for t in vertex.lines if t), *(f"▸ {g.text}" for g in vertex.guests)]
        label = "<br/>".join(map(_mermaid, texts))
        lines.append(f'  {names[vertex.id]}{before}"{label}"{after}')
    for number, edge in enumerate(picture.edges):
        label = f'|"{_mermaid(edge.label)}"|' if edge.label else ""
        lines.append(f"  {names[edge.a]} ---{label} {names[edge.b]}")
        if edge.load:
            lines.append(f"  linkStyle {number} stroke-width:{1 + 9 * min(1.0, edge.load):.0f}px")
    return "\n".join(lines) + "\n"


def _mermaid(text: str) -> str:
    return re.sub(r'[#"<>&`|{}\\]', lambda m: f"#{ord(m[0])};", text)


def _mermaid_title(text: str) -> str:
    return re.sub(r"[^\w ().-]", " ", text)


# -- GraphML

_KEYS = (
    ("node", "label", "string"),
    ("node", "kind", "string"),
    ("node", "text", "string"),
    ("node", "Longitude", "double"),
    ("node", "Latitude", "double"),
    ("edge", "id", "string"),
    ("edge", "LinkLabel", "string"),
    ("edge", "load", "double"),
)


def graphml(picture: Scene) -> str:
    """For yEd, Gephi and networkx; the names of the data are those of the Topology Zoo."""
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ]
    for on, name, kind in _KEYS:
        lines.append(f'  <key id="{on}-{name}" for="{on}" attr.name="{name}" attr.type="{kind}"/>')
    lines.append(f'  <graph id={quoteattr(picture.title)} edgedefault="undirected">')
    for vertex in picture.vertices:
        lines += _graphml("node", f"id={quoteattr(vertex.id)}", _vertex_data(vertex))
    for edge in picture.edges:
        ends = f"source={quoteattr(edge.a)} target={quoteattr(edge.b)}"
        lines += _graphml("edge", ends, _edge_data(edge))
    return "\n".join([*lines, "  </graph>", "</graphml>"]) + "\n"


def _vertex_data(vertex: Vertex) -> dict[str, str]:
    guests = "".join(f"\n[{g.text}]" for g in vertex.guests)
    longitude, latitude = ("", "") if vertex.at is None else (repr(c) for c in vertex.at)
    return {
        "label": vertex.id,
        "kind": vertex.kind,
        "text": "\n".join(t for t in vertex.lines if t) + guests,
        "Longitude": longitude,
        "Latitude": latitude,
    }


def _edge_data(edge: Edge) -> dict[str, str]:
    load = "" if edge.load is None else f"{edge.load:.6f}"
    return {"id": edge.id, "LinkLabel": edge.label, "load": load}


def _graphml(tag: str, attributes: str, data: Mapping[str, str]) -> Iterator[str]:
    yield f"    <{tag} {attributes}>"
    for key, value in data.items():
        if value:
            yield f'      <data key="{tag}-{key}">{escape(value)}</data>'
    yield f"    </{tag}>"


WRITERS: Mapping[str, Callable[[Scene], str]] = MappingProxyType(
    {"svg": _svg, "dot": dot, "mmd": mermaid, "graphml": graphml}
)
