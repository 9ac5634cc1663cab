"""The answer to the migration question as a value, and in the contract's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Move:
    """One live migration."""

    cloudnet: str
    vnode: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Reroute:
    """One VLink's new path."""

    cloudnet: str
    vlink: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the front: share freed, number of moves, bytes of memory copied."""

    freed: float
    moves: int
    memory_bytes: int


@dataclass(frozen=True)
class Plan:
    """The answer to the migration question (contract, `consolidate --format json`)."""

    possible: bool
    freed: float = 0.0
    memory_bytes: int = 0
    moves: tuple[Move, ...] = ()
    reroutes: tuple[Reroute, ...] = ()
    frontier: tuple[Point, ...] = ()


def plan_dict(plan: Plan) -> dict[str, Any]:
    """`plan` with the contract's keys."""
    return {
        "possible": plan.possible,
        "freed": plan.freed,
        "cost": {"moves": len(plan.moves), "memory_bytes": plan.memory_bytes},
        "moves": [
            {"cloudnet": m.cloudnet, "vnode": m.vnode, "from": m.source, "to": m.target}
            for m in plan.moves
        ],
        "reroutes": [
            {"cloudnet": r.cloudnet, "vlink": r.vlink, "path": list(r.path)} for r in plan.reroutes
        ],
        "frontier": [
            {"freed": p.freed, "moves": p.moves, "memory_bytes": p.memory_bytes}
            for p in plan.frontier
        ],
    }
