"""The result of an embedding as the contract's `plan --format json`."""

from __future__ import annotations

from typing import Any

from mip.problem.amounts import exact, tidy
from mip.problem.statement import Result, Status

EXIT_CODES = {
    Status.OPTIMAL: 0,
    Status.FEASIBLE: 0,
    Status.INFEASIBLE: 3,
    Status.TIMEOUT: 3,
}
"""What `cloudnet plan` exits with."""


def plan_dict(result: Result) -> dict[str, Any]:
    """`result` with the contract's keys; values that JSON knows."""
    return {
        "status": str(result.status),
        "objective": {
            "name": result.objective,
            "value": _number(result.value),
            "bound": _number(result.bound),
            "gap": _number(result.gap),
        },
        "nodes": dict(result.nodes),
        "links": {v: list(on) for v, on in result.links.items()},
        "backups": {v: list(on) for v, on in result.backups.items()},
        "chosen": {e: dict(values) for e, values in result.chosen.items()},
        "reasons": [
            {"element": r.element, "code": str(r.code), "text": r.text} for r in result.reasons
        ],
        "seconds": {k: round(s, 6) for k, s in result.seconds.items()},
    }


def _number(value: float | None) -> int | float | None:
    """Whole numbers without `.0`; a solver's last digits are noise, however small the number."""
    return None if value is None else tidy(exact(float(f"{value:.12g}")))
