"""Lower bounds for partial placements by bucket elimination (Dechter's mini-buckets).

Points are eliminated one by one; each leaves tables over the points that are still there, saying
what it costs at least. While a point's tables stay small this is exact dynamic programming over
the request graph, as Rost, Doehne and Schmid use it, save for rules between points that never meet
in a table; where tables would grow too large, they are split and the bound gets weaker, not wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mip.bounds.metric import Floats
from mip.bounds.placing import Placing
from mip.clock import NEVER, Clock

CELLS = 2 * 10**7
"""The largest product of candidates over the points of one table before it is split."""

_CHUNK = 2 * 10**6


@dataclass(frozen=True)
class Table:
    """A cost over the candidates of the points in `scope`, in that order of axes."""

    scope: tuple[int, ...]
    cells: Floats


@dataclass
class Bucket:
    """What is known when a point is placed, given all that are placed before it.

    Attributes:
        point: the point.
        inside: tables whose scopes hold the point and only points placed before; the point's axis
            is the last.
        left: the tables it leaves behind, over points placed before.
    """

    point: int
    inside: list[Table] = field(default_factory=list)
    left: list[Table] = field(default_factory=list)


@dataclass(frozen=True)
class Buckets:
    """The buckets in the order of placing, and a lower bound on any placement.

    `exact` says that no table was split.
    """

    order: tuple[Bucket, ...]
    bound: float
    exact: bool


def eliminate(placing: Placing, cells: int = CELLS, clock: Clock = NEVER) -> Buckets:
    """Bounds for `placing`, from tables of at most `cells` cells while one is made.

    Raises:
        OutOfTimeError: the clock has run out.

    Model: (B2).
    """
    count = len(placing.candidates)
    tables: dict[int, list[Table]] = {i: [] for i in range(count)}
    loose = [Table((i,), costs) for i, costs in enumerate(placing.single)]
    loose += [Table(pair, costs) for pair, costs in placing.pairs.items()]
    order = elimination_order(placing)
    rank = {point: k for k, point in enumerate(order)}
    for table in loose:
        first = min(table.scope, key=lambda p: rank[p])
        tables[first].append(table)
    bound = placing.constant
    exact = True
    done: list[Bucket] = []
    for point in order:
        groups = _groups(placing, point, tables[point], cells)
        exact = exact and len(groups) <= 1
        bucket = Bucket(point, [_last(point, t) for t in tables[point]])
        for group in groups:
            message = _message(placing, point, group, clock)
            if message.scope:
                bucket.left.append(message)
                first = min(message.scope, key=lambda p: rank[p])
                tables[first].append(message)
            else:
                bucket.left.append(message)
                bound += float(message.cells)
        done.append(bucket)
    return Buckets(tuple(reversed(done)), bound, exact)


def elimination_order(placing: Placing) -> list[int]:
    """Points with the cheapest neighbourhood first, filling in as they go."""
    sizes = [max(2, len(c)) for c in placing.candidates]
    near: dict[int, set[int]] = {i: set() for i in range(len(sizes))}
    for a, b in placing.pairs:
        near[a].add(b)
        near[b].add(a)
    order = []
    left = set(near)
    while left:
        point = min(left, key=lambda p: (_weight(p, near, sizes), p))
        for a in near[point]:
            near[a] |= near[point] - {a}
            near[a].discard(point)
        order.append(point)
        left.discard(point)
        del near[point]
    return order


def _weight(point: int, near: dict[int, set[int]], sizes: Sequence[int]) -> float:
    return float(np.log(sizes[point]) + sum(np.log(sizes[p]) for p in near[point]))


def _groups(placing: Placing, point: int, tables: Sequence[Table], cells: int) -> list[list[Table]]:
    """The tables of a bucket in as few groups as fit; larger scopes first."""
    groups: list[tuple[set[int], list[Table]]] = []
    for table in sorted(tables, key=lambda t: -len(t.scope)):
        for scope, group in groups:
            joined = scope | set(table.scope)
            if _size(placing, joined) <= cells or joined == scope:
                scope.update(joined)
                group.append(table)
                break
        else:
            groups.append((set(table.scope) | {point}, [table]))
    return [group for _, group in groups]


def _size(placing: Placing, scope: set[int]) -> float:
    return float(np.prod([float(len(placing.candidates[p])) for p in scope]))


def _last(point: int, table: Table) -> Table:
    """The same table with the axis of `point` last."""
    axis = table.scope.index(point)
    rest = (*table.scope[:axis], *table.scope[axis + 1 :])
    return Table((*rest, point), np.ascontiguousarray(np.moveaxis(table.cells, axis, -1)))


def _message(placing: Placing, point: int, group: Sequence[Table], clock: Clock) -> Table:
    """The least over `point` of the sum of a group, with the bans among its points."""
    clock.check()
    others = sorted({p for t in group for p in t.scope} - {point})
    scope = (*others, point)
    bans = _ban_tables(placing, scope)
    inner = _merged([*group, *(b for b in bans if point in b.scope)])
    shape = tuple(len(placing.candidates[p]) for p in scope)
    parts = sorted((_aligned(scope, t) for t in inner), key=lambda p: p.size)
    if not others:
        return Table((), np.asarray(_sum(parts, shape).min(initial=np.inf)))
    out = np.empty(shape[:-1])
    step = max(1, _CHUNK // max(1, int(np.prod(shape[1:]))))
    for start in range(0, shape[0], step):
        clock.check()
        piece = slice(start, start + step)
        size = (min(step, shape[0] - start), *shape[1:])
        total = _sum([p[piece] if p.shape[0] > 1 else p for p in parts], size)
        out[piece] = total.min(axis=-1, initial=np.inf)
    for ban in bans:
        if point not in ban.scope:  # the same for every choice of the point
            out += _aligned(tuple(others), ban)
    return Table(tuple(others), out)


def _merged(tables: Sequence[Table]) -> list[Table]:
    """The same sum with fewer tables: each added to one that has all its points."""
    out: list[Table] = []
    for table in sorted(tables, key=lambda t: -len(t.scope)):
        for k, wider in enumerate(out):
            if set(table.scope) <= set(wider.scope):
                out[k] = Table(wider.scope, wider.cells + _aligned(wider.scope, table))
                break
        else:
            out.append(table)
    return out


def _sum(parts: Sequence[Floats], shape: tuple[int, ...]) -> Floats:
    """The sum of parts that broadcast to `shape`, small ones first."""
    total = np.zeros((1,) * len(shape)) if not parts else parts[0]
    for part in parts[1:]:
        total = total + part
    return np.broadcast_to(total, shape)


def _aligned(scope: tuple[int, ...], table: Table) -> Floats:
    """The table's cells with an axis for each point of `scope`, of length 1 where it has none."""
    order = sorted(range(len(table.scope)), key=lambda k: scope.index(table.scope[k]))
    cells = np.transpose(table.cells, order)
    shape = [1] * len(scope)
    for axis, k in enumerate(order):
        shape[scope.index(table.scope[k])] = cells.shape[axis]
    return cells.reshape(shape)


def _ban_tables(placing: Placing, scope: tuple[int, ...]) -> list[Table]:
    inside = set(scope)
    return [
        Table(pair, ban_costs(ban))
        for pair, ban in placing.bans.items()
        if pair[0] in inside and pair[1] in inside
    ]


def ban_costs(ban: np.ndarray[Any, np.dtype[np.bool_]]) -> Floats:
    """Infinity where banned, else 0."""
    return np.where(ban, np.inf, 0.0)
