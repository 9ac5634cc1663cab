"""A picture as SVG: boxes, lines as wide as their load, strands in the colours of the VLinks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

from rdl.draw.layout import Box, Placer, place
from rdl.draw.scene import Edge, Guest, Scene, Vertex

# Okabe and Ito's palette, to be told apart by colour-blind people too, and darker kin.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#44AA99",
    "#999933", "#332288",
)  # fmt: skip
GUEST = "#37474f"
FILLS: Mapping[str, str] = {
    "host": "#eaf4ff", "switch": "#e8f5e9", "bridge": "#fff3e0", "pip": "#ede7f6",
    "terminals": "#fce4ec", "segment": "#ffffff", "stub": "#f5f5f5",
}  # fmt: skip
_CHAR, _LINE, _PILL, _PAD = 6.6, 15.0, 18.0, 8.0
_SMALL = 5.8  # a character of a label
_MARGIN = 30.0
_MOST_STRANDS = 8

Point = tuple[float, float]


def svg(scene: Scene, placer: Placer = place) -> str:
    """The picture; its text is selectable, and each element has a title for the pointer."""
    boxes = {v.id: _box(v) for v in scene.vertices}
    spots = placer(list(boxes.values()), [(e.a, e.b) for e in scene.edges], _apart(scene))
    top = 44.0
    at = {i: (x + _MARGIN, y + _MARGIN + top) for i, (x, y) in spots.items()}
    width = max([at[b.id][0] + b.width / 2 for b in boxes.values()], default=0) + _MARGIN
    height = max([at[b.id][1] + b.height / 2 for b in boxes.values()], default=top) + _MARGIN
    key = list(_key(scene, height, max(width, 420)))
    width = max(width, 420.0)
    height += _key_height(scene)
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    font = 'font-family="DejaVu Sans, Verdana, sans-serif" font-size="11"'
    heading = f'x="{_MARGIN:.0f}" y="34" font-size="17" font-weight="bold"'
    lines, labels = _edges(scene, boxes, at)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>',
        f"<title>{escape(scene.title)}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        f"<text {heading}>{escape(scene.title)}</text>",
        *lines,
        *(line for v in scene.vertices for line in _vertex(v, boxes[v.id], at[v.id])),
        *labels,
        *key,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _apart(scene: Scene) -> float:
    """Room between neighbours: enough for the longest text beside a line."""
    return 50.0 + max((len(e.label) for e in scene.edges), default=0) * _SMALL


def _box(vertex: Vertex) -> Box:
    texts = [*vertex.lines, *(f"  {g.text}  " for g in vertex.guests)]
    width = max(len(t) for t in texts) * _CHAR + 2 * _PAD
    height = len([t for t in vertex.lines if t]) * _LINE + len(vertex.guests) * _PILL + _PAD
    return Box(vertex.id, max(width, 46.0), height, vertex.at)


def _vertex(vertex: Vertex, box: Box, at: Point) -> Iterator[str]:
    x, y = at[0] - box.width / 2, at[1] - box.height / 2
    radius = {"switch": 3, "segment": box.height / 2}.get(vertex.kind, 8)
    dashed = ' stroke-dasharray="5 3"' if vertex.kind == "stub" else ""
    yield f"<g id={quoteattr('v-' + vertex.id)}><title>{escape(vertex.id)}</title>"
    yield (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
        f' rx="{radius:.0f}" fill="{FILLS[vertex.kind]}" stroke="#455a64"{dashed}/>'
    )
    base = y + _LINE - 1
    for number, text in enumerate(t for t in vertex.lines if t):
        style = ' font-weight="bold"' if number == 0 else ' fill="#455a64" font-size="10"'
        yield _centred(at[0], base, text, style)
        base += _LINE
    base += 1
    for guest in vertex.guests:
        yield (
            f'<rect x="{x + 5:.1f}" y="{base - 13:.1f}" width="{box.width - 10:.1f}" height="16"'
            f' rx="8" fill="{_guest_colour(guest)}"/>'
        )
        yield _centred(at[0], base - 1, guest.text, ' fill="white" font-size="10"')
        base += _PILL
    yield "</g>"


def _guest_colour(guest: Guest) -> str:
    return GUEST if guest.colour < 0 else COLOURS[guest.colour % len(COLOURS)]


def _centred(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle"{style}>{escape(text)}</text>'


# -- lines


def _edges(
    scene: Scene, boxes: Mapping[str, Box], at: Mapping[str, Point]
) -> tuple[list[str], list[str]]:
    """The lines, and the texts beside them, each where it hits the least."""
    lines: list[str] = []
    taken = [(at[b.id][0], at[b.id][1], b.width, b.height) for b in boxes.values()]
    among = Counter(frozenset((e.a, e.b)) for e in scene.edges)
    seen: Counter[frozenset[str]] = Counter()
    texts = []
    for edge in scene.edges:
        pair = frozenset((edge.a, edge.b))
        bend = (seen[pair] - (among[pair] - 1) / 2) * 34
        seen[pair] += 1
        if edge.a > edge.b:
            bend = -bend
        curve = _Curve(at[edge.a], at[edge.b], bend)
        lines += _line(edge, curve)
        if edge.label:
            spot = _free_spot(curve, edge.label, taken)
            taken.append((spot[0], spot[1] - 4, len(edge.label) * _SMALL, 12.0))
            texts.append((spot, edge.label))
    return lines, [line for (x, y), label in texts for line in _label(x, y, label)]


def _label(x: float, y: float, text: str) -> Iterator[str]:
    """Twice: not every renderer knows `paint-order`, which would draw the halo below the text."""
    yield _centred(x, y, text, ' font-size="9.5" stroke="white" stroke-width="5"')
    yield _centred(x, y, text, ' font-size="9.5" fill="#263238"')


class _Curve:
    """A line between two points, bent sideways at its middle."""

    def __init__(self, a: Point, b: Point, bend: float) -> None:
        self.a, self.b = a, b
        length = math.dist(a, b) or 1.0
        self.normal = (-(b[1] - a[1]) / length, (b[0] - a[0]) / length)
        self.bend = bend

    def path(self, aside: float = 0.0) -> str:
        """SVG path data, moved sideways by `aside`."""
        (ax, ay), (bx, by) = self.a, self.b
        nx, ny = self.normal
        ax, ay, bx, by = ax + nx * aside, ay + ny * aside, bx + nx * aside, by + ny * aside
        if not self.bend:
            return f"M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}"
        cx, cy = (ax + bx) / 2 + nx * self.bend * 2, (ay + by) / 2 + ny * self.bend * 2
        return f"M{ax:.1f} {ay:.1f}Q{cx:.1f} {cy:.1f} {bx:.1f} {by:.1f}"

    def point(self, t: float) -> Point:
        """The point at share `t` of the way."""
        push = 4 * t * (1 - t) * self.bend
        return (
            self.a[0] + (self.b[0] - self.a[0]) * t + self.normal[0] * push,
            self.a[1] + (self.b[1] - self.a[1]) * t + self.normal[1] * push,
        )


def _line(edge: Edge, curve: _Curve) -> Iterator[str]:
    yield f"<g id={quoteattr('e-' + edge.id)}><title>{escape(_told(edge))}</title>"
    yield (
        f'<path d="{curve.path()}" fill="none" stroke="{load_colour(edge.load)}"'
        f' stroke-width="{line_width(edge.load):.1f}"/>'
    )
    strands = edge.strands[:_MOST_STRANDS]
    for number, colour in enumerate(strands):
        aside = (number - (len(strands) - 1) / 2) * 3.4
        yield (
            f'<path d="{curve.path(aside)}" fill="none" stroke="{COLOURS[colour % len(COLOURS)]}"'
            ' stroke-width="2"/>'
        )
    yield "</g>"


def _told(edge: Edge) -> str:
    return f"{edge.id}: {edge.label}" if edge.label else edge.id


def line_width(load: float | None) -> float:
    """Pixels: 1.5 where nothing is known or used, up to 16 at full load."""
    return 1.5 if load is None else 1.5 + 14.5 * min(1.0, max(0.0, load))


def load_colour(load: float | None) -> str:
    """Grey where nothing is used, then from pale blue to red."""
    if load is None or load <= 0:
        return "#90a4ae"
    steps = ((0.25, "#b3e5fc"), (0.5, "#fff59d"), (0.75, "#ffcc80"), (0.9, "#ff8a65"))
    return next((colour for limit, colour in steps if load <= limit), "#ef5350")


def _free_spot(curve: _Curve, text: str, taken: list[tuple[float, float, float, float]]) -> Point:
    """Where along the line a text overlaps what is there already the least."""
    width = len(text) * _SMALL

    def crowded(spot: Point) -> float:
        hit = 0.0
        for x, y, w, h in taken:
            across = (width + w) / 2 - abs(spot[0] - x)
            down = (12 + h) / 2 - abs(spot[1] - 4 - y)
            if across > 0 and down > 0:
                hit += across * down
        return hit

    spots = [curve.point(t) for t in (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73)]
    return min(((x, y + 3.5) for x, y in spots), key=crowded)


# -- the key


def _key_height(scene: Scene) -> float:
    return _rows(scene) * 18.0 + (16.0 if _rows(scene) else 0.0)


def _rows(scene: Scene) -> int:
    return (len(scene.legend) + 2) // 3 + len(scene.notes)


def _key(scene: Scene, top: float, width: float) -> Iterator[str]:
    column = (width - 2 * _MARGIN) / 3
    for number, entry in enumerate(scene.legend):
        x, y = _MARGIN + (number % 3) * column, top + (number // 3) * 18.0
        colour = COLOURS[entry.colour % len(COLOURS)]
        yield f'<rect x="{x:.1f}" y="{y - 6:.1f}" width="22" height="5" rx="2" fill="{colour}"/>'
        yield f'<text x="{x + 28:.1f}" y="{y:.1f}">{escape(entry.text)}</text>'
    top += (len(scene.legend) + 2) // 3 * 18.0
    for number, note in enumerate(scene.notes):
        style = 'fill="#455a64" font-style="italic"'
        yield f'<text x="{_MARGIN:.0f}" y="{top + number * 18:.1f}" {style}>{escape(note)}</text>'
