# ruff: noqa: E501 - RDL texts are easier to read unbroken; the XML is our own
"""Pictures: well-formed, complete, no box on another, the load in width and figure."""

from __future__ import annotations

import io
import subprocess
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from rdl_strategies import graphs

from rdl.convert.formats import convert
from rdl.draw.layout import Box, place
from rdl.draw.pictures import WRITERS, DrawError, draw
from rdl.draw.scene import scene
from rdl.draw.svg import line_width, svg
from rdl.language.load import load_graph, load_mapping

EXAMPLES = Path(__file__).parents[3] / "examples"
SVG = "{http://www.w3.org/2000/svg}"


def example(name: str):
    return (EXAMPLES / f"{name}.rdl.yaml").read_bytes()


SUBSTRATE = load_graph(example("substrate"))
SHOP = load_graph(example("shop"))
MAPPING = load_mapping(example("mapping"))
EMBEDDED = [(SHOP, MAPPING)]


@given(graphs())
@settings(max_examples=20)
def test_any_graph_can_be_drawn(graph):
    """In every kind; what is XML is well-formed, and each element is in it."""
    for kind in WRITERS:
        text = draw(graph, kind)
        assert text == draw(graph, kind)
        if kind in ("svg", "graphml"):
            ET.fromstring(text)
    shown = draw(graph, "graphml")
    assert all(f'"{i}"' in shown or f">{i}<" in shown for i in graph.elements)


def test_the_mapping_over_the_substrate():
    """VNodes on their hosts, VLinks along their paths, links as wide as they are loaded."""
    picture = scene(SUBSTRATE, EMBEDDED)
    edges = {e.id: e for e in picture.edges}
    hosts = {v.id: [g.text for g in v.guests] for v in picture.vertices}
    assert (hosts["sn1"], hosts["sn2"]) == (["web"], ["db"])
    assert [e.id for e in picture.edges if e.strands] == ["sn1-sw1", "sn2-sw2", "sw1-sw2"]
    assert edges["sw1-sw2"].label == "0.05/1 Gbit/s 5%"
    assert edges["sw1-sw3"].load == pytest.approx(0.05)  # the backup path is reserved, too
    assert edges["tbr1-sw1"].label == ""
    assert {v.id: v.lines for v in picture.vertices}["tbr1"][-1] == "t1 to munich"
    root = ET.fromstring(svg(picture))
    widths = {
        g.get("id"): float(g.find(f"{SVG}path").get("stroke-width"))
        for g in root.iter(f"{SVG}g")
        if g.get("id", "").startswith("e-")
    }
    assert widths["e-sw1-sw2"] > widths["e-tbr1-sw1"]
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert {"web", "db", "cpu 2 of 8", "web-db 50 Mbit/s", "0.05/1 Gbit/s 5%"} <= set(texts)


def test_a_line_is_the_wider_the_more_it_carries():
    """From thin to wide, and not beyond."""
    loads = [None, 0.0, 0.1, 0.5, 1.0]
    widths = [line_width(load) for load in loads]
    assert widths == sorted(widths)
    assert line_width(3.0) == line_width(1.0)


def grid(size: int):
    """A substrate of size x size hosts, each with a long name."""
    name = "host-{}-{}-of-the-grid".format
    nodes = "".join(
        f"  {name(x, y)}: {{type: /node/host/server/kvm, cpu: 8, memory: 16GiB}}\n"
        for x in range(size)
        for y in range(size)
    )
    across = [(name(x, y), name(x + 1, y)) for x in range(size - 1) for y in range(size)]
    down = [(name(x, y), name(x, y + 1)) for x in range(size) for y in range(size - 1)]
    links = "".join(
        f"  l{i}: {{type: /link/ethernet, ends: [{a}, {b}], bandwidth: 1Gbps}}\n"
        for i, (a, b) in enumerate(across + down)
    )
    return load_graph(f"rdl: 1\ngraph: grid\nlayer: underlay\nnodes:\n{nodes}links:\n{links}")


def test_sixty_elements_and_more_stay_legible():
    """No box lies on another, and all are on the page."""
    root = ET.fromstring(draw(grid(6), "svg"))
    boxes = []
    for group in root.iter(f"{SVG}g"):
        if group.get("id", "").startswith("v-"):
            rect = group.find(f"{SVG}rect")
            boxes.append([float(rect.get(k)) for k in ("x", "y", "width", "height")])
    assert len(boxes) == 36
    for i, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert x + w <= float(root.get("width"))
        assert y + h <= float(root.get("height"))
        for ox, oy, ow, oh in boxes[:i]:
            assert x + w <= ox or ox + ow <= x or y + h <= oy or oy + oh <= y


def test_a_layout_follows_the_graph():
    """Of a long path, neighbours are nearer than the ends."""
    boxes = [Box(str(i), 40, 20) for i in range(12)]
    spots = place(boxes, [(str(i), str(i + 1)) for i in range(11)])
    xs = [spots[str(i)][0] for i in range(12)]
    assert xs in (sorted(xs), sorted(xs, reverse=True))
    steps = [abs(a - b) for a, b in pairwise(xs)]
    assert max(steps) < 2 * min(steps)


def test_unconnected_parts_lie_side_by_side():
    """And nothing at all is a picture too."""
    boxes = [Box(c, 50, 20) for c in "abcd"]
    spots = place(boxes, [("a", "b")])
    assert len({(round(x), round(y)) for x, y in spots.values()}) == 4
    assert place([], []) == {}
    ET.fromstring(draw(load_graph("rdl: 1\ngraph: empty\n"), "svg"))


@pytest.mark.parametrize("name", ["shop", "federated", "multi-point", "substrate"])
def test_graphviz_takes_our_dot(name, need, tmp_path):
    """Without a complaint."""
    text = draw(load_graph(example(name)), "dot")
    done = subprocess.run(
        [need("dot"), "-Tsvg", "-o", str(tmp_path / "x.svg")],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "syntax" not in done.stderr


def test_graphml_is_read_by_networkx_and_by_ourselves():
    """Vertices, edges and figures come back."""
    text = draw(SUBSTRATE, "graphml", embedded=EMBEDDED)
    graph = nx.read_graphml(io.BytesIO(text.encode()))
    assert set(graph) == {n.id for n in SUBSTRATE.nodes()}
    assert graph.edges["sw1", "sw2"]["load"] == pytest.approx(0.05)
    again = convert(text).graph
    assert [n.id for n in again.nodes()] == [n.id for n in SUBSTRATE.nodes()]


def test_mermaid():
    """What would be markup is escaped."""
    graph = load_graph(
        'rdl: 1\ngraph: g\nnodes: {a: {image: "<b>|x\\"]"}, b: {}}\nlinks: {l: {ends: [a, b], bandwidth: 5Mbps}}'
    )
    assert (
        draw(graph, "mmd")
        == """\
---
title: g (overlay)
---
graph LR
  n0["a<br/>host<br/>image: #60;b#62;#124;x#34;]"]
  n1["b<br/>host"]
  n0 ---|"5 Mbit/s"| n1
"""
    )


def test_stubs_and_segments_of_a_partial_graph():
    """Links joined to links are drawn, once."""
    graph = load_graph("""
rdl: 1
graph: p
elements:
  - {id: web, interfaces: [web.l]}
  - {id: l, type: /link/generic, interfaces: [l.0, l.1]}
  - {id: _t, type: /link/transit, features: {vlan: 2001, endpoint: berlin.t1}, interfaces: [_t.0, _t.1]}
  - {id: _munich, type: /node/host/pip, interfaces: [_munich.0]}
connections: [[web.l, l.0], [l.1, _t.0], [_t.1, _munich.0]]
""")
    picture = scene(graph)
    assert {v.id: v.kind for v in picture.vertices} == {
        "web": "host", "_munich": "stub", "l": "segment", "_t": "stub",
    }  # fmt: skip
    assert len(picture.edges) == 3


def test_no_such_kind():
    """Told with those that there are."""
    with pytest.raises(DrawError, match="svg, dot, mmd, graphml"):
        draw(SHOP, "png")
