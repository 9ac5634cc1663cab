"""What is wanted of VNodes: each wish has a mark of its own, so that it is granted once.

Starting a VNode that failed is a new wish, though it was wished to run before; a powercycle whose
answer was lost is the same wish when it is asked for again.
"""

from __future__ import annotations

import enum
import secrets


class Power(enum.StrEnum):
    """What a VNode is to do."""

    RUNNING = "running"
    STOPPED = "stopped"
    CYCLE = "cycle"


def wish(power: Power) -> str:
    """A new wish."""
    return f"{power}-{secrets.token_hex(4)}"


def power_of(wish_: str) -> Power:
    """What a wish is for."""
    return Power(wish_.partition("-")[0])
