"""What there is to do about a task, from what is wanted and what has come of it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from cloudnet_sdn.model.states import TaskState, Wanted
from cloudnet_sdn.store.tasks import Entry
from mip.problem.statement import Code, Reason


class Step(enum.StrEnum):
    """What there is to do next about a task."""

    MAKE = "make"
    CONFIRM = "confirm"
    REMOVE = "remove"
    POWER = "power"


def next_step(entry: Entry) -> Step | None:
    """The next step towards what is wanted, None where it is reached."""
    if entry.wanted is Wanted.ABSENT:
        return None if entry.state is TaskState.ABSENT else Step.REMOVE
    if entry.state is TaskState.FAILED:
        return None
    if entry.state in (TaskState.PLANNED, TaskState.ABSENT):
        return Step.MAKE
    if entry.wanted is Wanted.CONFIRMED and entry.state is TaskState.PRESENT:
        return Step.CONFIRM
    return Step.POWER if dict(entry.power) != dict(entry.powered) else None


def refusals(entry: Entry) -> Sequence[Reason]:
    """Why a task failed."""
    return said(entry) if entry.state is TaskState.FAILED else ()


def said(entry: Entry) -> Sequence[Reason]:
    """Why a task was turned down when it was last tried, if it was."""
    listed = entry.problem.get("reasons", [])
    return [Reason(r["element"], Code(r["code"]), r["text"]) for r in listed]
