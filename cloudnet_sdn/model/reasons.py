"""Why something can't be, as the contract shows it."""

from __future__ import annotations

from mip.problem.statement import Reason


def as_json(reason: Reason) -> dict[str, str]:
    """A reason as the contract has it."""
    return {"element": reason.element, "code": reason.code.value, "text": reason.text}
