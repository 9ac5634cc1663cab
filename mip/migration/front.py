"""The migration front: of all plans found, those that no other beats in share freed and memory."""

from __future__ import annotations

from collections.abc import Sequence

from mip.migration.moving import Carried
from mip.migration.plan import Point
from mip.problem.statement import Embedded


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """Those points that no other beats, by the share freed."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.freed, p.memory_bytes, p.moves)):
        if not best or (point.memory_bytes, point.moves) < (
            best[-1].memory_bytes,
            best[-1].moves,
        ):
            best.append(point)
    return tuple(reversed(best))


def memory_moved(embedded: Sequence[Embedded], carried: Carried) -> int:
    """Bytes of memory that the moves of a plan copy."""
    by_name = {e.overlay.name: e.overlay for e in embedded}
    return int(sum(by_name[m.cloudnet].elements[m.vnode].amount("memory") for m in carried.moves))
