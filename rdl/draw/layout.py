"""Where the vertices of a picture go: by stress majorisation, then boxes pushed apart.

Distances in the picture follow distances in the graph (Gansner, Koren and North, "Graph drawing by
stress majorization", 2004). The same graph always gets the same picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 120
_LARGE = 1200  # vertices beyond which a component goes on a circle: the exact way is cubic
_GAP = 26.0

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Box:
    """The size of a vertex in the picture, and where it lies on Earth if that is known."""

    id: str
    width: float
    height: float
    at: tuple[float, float] | None = None


Placer = Callable[
    [Sequence[Box], Sequence[tuple[str, str]], float], Mapping[str, tuple[float, float]]
]
"""Something that does what `place` does."""


def place(
    boxes: Sequence[Box], edges: Sequence[tuple[str, str]], apart: float = 70.0
) -> dict[str, tuple[float, float]]:
    """The centre of each box, none overlapping another; top left is near (0, 0).

    Args:
        boxes: what to place.
        edges: pairs of ids that are joined.
        apart: the room wished for between joined boxes.
    """
    near: dict[str, list[str]] = {box.id: [] for box in boxes}
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)
    by_id = {box.id: box for box in boxes}
    blocks = []
    for component in _components(near):
        own = [by_id[i] for i in component]
        points = _spread(own, _component(own, near, apart))
        blocks.append((own, points - _low_corner(own, points)))
    return _packed(blocks)


def _components(near: Mapping[str, list[str]]) -> list[list[str]]:
    seen: set[str] = set()
    out = []
    for start in near:
        if start in seen:
            continue
        found = list(_distances(start, near))
        seen.update(found)
        out.append(found)
    return sorted(out, key=len, reverse=True)


def _distances(start: str, near: Mapping[str, list[str]]) -> dict[str, int]:
    """Hops from `start` to all that can be reached, nearest first."""
    hops = {start: 0}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for there in near[here]:
            if there not in hops:
                hops[there] = hops[here] + 1
                queue.append(there)
    return hops


# -- one connected part


def _component(boxes: list[Box], near: Mapping[str, list[str]], apart: float) -> Points:
    unit = apart + sum(max(b.width, b.height) for b in boxes) / len(boxes)
    if len(boxes) == 1:
        return np.zeros((1, 2))
    if len(boxes) > _LARGE:
        angles = np.linspace(0, 2 * np.pi, len(boxes), endpoint=False)
        radius = unit * len(boxes) / (2 * np.pi)
        return radius * np.column_stack([np.cos(angles), np.sin(angles)])
    index = {box.id: i for i, box in enumerate(boxes)}
    wanted = np.zeros((len(boxes), len(boxes)))
    for i, box in enumerate(boxes):
        for other, hops in _distances(box.id, near).items():
            wanted[i, index[other]] = hops
    start = _on_earth(boxes)
    if start is not None:
        return unit * _majorised(wanted, start)
    return _turned(unit * _majorised(wanted, _by_scaling(wanted)))


def _on_earth(boxes: list[Box]) -> Points | None:
    """A start from geography, where most vertices have one."""
    known = [b.at for b in boxes if b.at is not None]
    if len(known) < 0.5 * len(boxes) or len(set(known)) < 3:
        return None
    centre = np.mean(np.array(known), axis=0)
    points = np.array([b.at if b.at is not None else centre for b in boxes]) - centre
    points[:, 0] *= np.cos(np.radians(centre[1]))
    points[:, 1] *= -1
    start: Points = points / (points.std() or 1.0) + _jitter(len(boxes))
    return start


def _by_scaling(wanted: Points) -> Points:
    """A start by classical multidimensional scaling of the hop distances."""
    squared = wanted**2
    centred = -0.5 * (
        squared - squared.mean(axis=0) - squared.mean(axis=1, keepdims=True) + squared.mean()
    )
    values, vectors = np.linalg.eigh(centred)
    top = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))
    start: Points = top[:, ::-1] + _jitter(len(wanted))
    return start


def _jitter(count: int) -> Points:
    """So that no two vertices start at one point (they would never part)."""
    return np.random.default_rng(7).normal(scale=0.05, size=(count, 2))


def _majorised(wanted: Points, points: Points) -> Points:
    """Points whose distances come nearest to the wanted ones, near ones weighing more (SMACOF)."""
    far = wanted + np.eye(len(wanted))
    weights = far**-2.0 - np.eye(len(wanted))
    laplacian = np.diag(weights.sum(axis=1)) - weights
    inverse = np.linalg.pinv(laplacian)
    for _ in range(_ROUNDS):
        offset = points[:, None, :] - points[None, :, :]
        distance = np.sqrt((offset**2).sum(axis=2)) + np.eye(len(points))
        pull = -weights * wanted / np.maximum(distance, 1e-9)
        pull -= np.diag(pull.sum(axis=1))
        moved: Points = inverse @ (pull @ points)
        if np.abs(moved - points).max() < 1e-4:
            return moved
        points = moved
    return points


def _turned(points: Points) -> Points:
    """The longer way across the page."""
    centred = points - points.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(centred.T))
    turned: Points = centred @ axes[:, ::-1]
    return turned


# -- boxes


def _spread(boxes: list[Box], points: Points) -> Points:
    """Push boxes apart that overlap, each pair along the way that is shorter."""
    half = np.array([[b.width / 2 + _GAP / 2, b.height / 2 + _GAP / 2] for b in boxes])
    points = points.copy()
    for _ in range(400):
        offset = points[:, None, :] - points[None, :, :]
        overlap = half[:, None, :] + half[None, :, :] - np.abs(offset)
        hit = (overlap > 0.5).all(axis=2)
        np.fill_diagonal(hit, val=False)
        if not hit.any():
            break
        way = np.where(offset >= 0, 1.0, -1.0)
        # Two at one point part by their order.
        order = np.sign(np.arange(len(boxes))[:, None] - np.arange(len(boxes))[None, :])
        way = np.where(offset == 0, order[:, :, None], way)
        sideways = overlap[:, :, 0] <= overlap[:, :, 1]
        push = np.zeros_like(offset)
        push[:, :, 0] = np.where(hit & sideways, overlap[:, :, 0] * way[:, :, 0] / 2, 0)
        push[:, :, 1] = np.where(hit & ~sideways, overlap[:, :, 1] * way[:, :, 1] / 2, 0)
        crowd = np.maximum(1, hit.sum(axis=1))[:, None]
        points += push.sum(axis=1) / crowd
    return points


def _low_corner(boxes: list[Box], points: Points) -> Points:
    half = np.array([[b.width / 2, b.height / 2] for b in boxes])
    low: Points = (points - half).min(axis=0)
    return low


def _packed(blocks: list[tuple[list[Box], Points]]) -> dict[str, tuple[float, float]]:
    """Unconnected parts side by side, in rows about as wide as the widest part."""
    out: dict[str, tuple[float, float]] = {}
    sizes = [_size(own, points) for own, points in blocks]
    total = sum(w * h for w, h in sizes)
    widest = max([w for w, _ in sizes] + [1.4 * total**0.5], default=0.0)
    x = y = row = 0.0
    for (own, points), (width, height) in zip(blocks, sizes, strict=True):
        if x > 0 and x + width > widest:
            x, y, row = 0.0, y + row + 2 * _GAP, 0.0
        for box, point in zip(own, points, strict=True):
            out[box.id] = (x + float(point[0]), y + float(point[1]))
        x += width + 2 * _GAP
        row = max(row, height)
    return out


def _size(boxes: list[Box], points: Points) -> tuple[float, float]:
    half = np.array([[b.width / 2, b.height / 2] for b in boxes])
    width, height = (points + half).max(axis=0)
    return float(width), float(height)
