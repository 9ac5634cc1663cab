"""Large pictures laid out by Graphviz's `sfdp`, where it is installed."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Mapping, Sequence

from cloudnet_sdn.cli.output import talk
from rdl.draw import layout
from rdl.draw.layout import Box

LARGE = 300  # boxes beyond which our own layout takes seconds
TIME_LIMIT = 30.0  # seconds
_POINTS = 72.0  # to the inch, Graphviz's unit of size


def place(
    boxes: Sequence[Box], edges: Sequence[tuple[str, str]], apart: float
) -> Mapping[str, tuple[float, float]]:
    """The centre of each box, as `rdl.draw.layout.place`; large ones by `sfdp` if it can.

    Where it can't, stderr says why and our own layout does it.
    """
    if len(boxes) <= LARGE:
        return layout.place(boxes, edges, apart)
    try:
        ran = subprocess.run(
            ["sfdp", "-Tplain"],
            input=_asked(boxes, edges, apart),
            capture_output=True,
            text=True,
            check=True,
            timeout=TIME_LIMIT,
        )
        return _answered(boxes, ran.stdout)
    except FileNotFoundError:
        why = "Graphviz's sfdp is not installed"
    except subprocess.TimeoutExpired:
        why = f"sfdp took more than {TIME_LIMIT:g} s"
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        why = f"sfdp failed ({error})"
    talk(f"{why}: {len(boxes)} boxes are laid out without it, which may take a while")
    return layout.place(boxes, edges, apart)


def _asked(boxes: Sequence[Box], edges: Sequence[tuple[str, str]], apart: float) -> str:
    """The graph in DOT; boxes go by number, so that no name needs quoting."""
    number = {box.id: i for i, box in enumerate(boxes)}
    lines = [
        "graph {",
        f'start=1; overlap=prism; sep="+13"; K={apart / _POINTS:.3f};',
        'node [shape=box, fixedsize=true, label=""];',
        *(
            f"{number[b.id]} [width={b.width / _POINTS:.3f}, height={b.height / _POINTS:.3f}];"
            for b in boxes
        ),
        *(f"{number[a]} -- {number[b]};" for a, b in edges),
    ]
    return "\n".join([*lines, "}"])


def _answered(boxes: Sequence[Box], plain: str) -> dict[str, tuple[float, float]]:
    """Points from inches, downwards from the top left.

    Raises:
        ValueError: a box has no place, or none that is finite.
    """
    found: dict[int, tuple[float, float]] = {}
    for line in plain.splitlines():
        words = line.split()
        if words[:1] == ["node"] and len(words) > 3:
            found[int(words[1])] = (float(words[2]) * _POINTS, -float(words[3]) * _POINTS)
    if found.keys() != set(range(len(boxes))) or not all(
        math.isfinite(c) for spot in found.values() for c in spot
    ):
        raise ValueError("its answer lacks boxes")
    left = min(found[i][0] - box.width / 2 for i, box in enumerate(boxes))
    top = min(found[i][1] - box.height / 2 for i, box in enumerate(boxes))
    return {box.id: (found[i][0] - left, found[i][1] - top) for i, box in enumerate(boxes)}
