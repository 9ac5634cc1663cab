"""The front of a consolidation as a picture: the share freed against the memory that moves.

A step plot in SVG, for a report or a browser: each point is a plan, labelled with its moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from mip.migration.plan import Point

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 24, 40, 56
_GIB = 1 << 30
_TICKS = 4


def svg(points: Sequence[Point], of: str) -> str:
    """The front as an SVG document.

    Args:
        points: ordered by the share freed.
        of: what is freed, for the axis: `hosts` or `bandwidth`.
    """
    freed = max([p.freed for p in points], default=0.0) or 1.0
    memory = max([p.memory_bytes for p in points], default=0) / _GIB or 1.0

    def place(point: Point) -> tuple[float, float]:
        return _x(point.freed / freed), _y(point.memory_bytes / _GIB / memory)

    body = [*_axes(freed, memory, of)]
    steps = [place(p) for p in points]
    if steps:
        path = f"M{steps[0][0]:.1f} {steps[0][1]:.1f}"
        path += "".join(f"V{y:.1f}H{x:.1f}" for x, y in steps[1:])
        body.append(f'<path d="{path}" fill="none" stroke="#1f6feb" stroke-width="2"/>')
    for point, (x, y) in zip(points, steps, strict=True):
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1f6feb"/>')
        right = x > WIDTH / 2  # labels stay inside the plot
        body.append(
            _text(
                x + (-6 if right else 6), y - 8, f"{point.moves} moves", "end" if right else "start"
            )
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>' + "".join(body) + "</svg>\n"
    )


def _axes(freed: float, memory: float, of: str) -> list[str]:
    drawn = [_text(WIDTH / 2, 22, f"What freeing {of} costs", "middle")]
    for tick in range(_TICKS + 1):
        share = tick / _TICKS
        x, y = _x(share), _y(share)
        drawn.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d0d7de"/>')
        drawn.append(_text(LEFT - 8, y + 4, f"{memory * share:.3g}", "end"))
        drawn.append(_text(x, HEIGHT - BOTTOM + 18, f"{freed * share:.0%}", "middle"))
    drawn.append(_text(WIDTH / 2, HEIGHT - 14, f"share of {of} freed", "middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    drawn.append(
        f'<text x="18" y="{middle}" text-anchor="middle" fill="#1f2328" '
        f'transform="rotate(-90 18 {middle})">memory moved, GiB</text>'
    )
    return drawn


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#1f2328">{escape(text)}</text>'
    )
