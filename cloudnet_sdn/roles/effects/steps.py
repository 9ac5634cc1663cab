"""What there is to do about a task, from what is wanted and what has come of it. Pure."""

from __future__ import annotations

import enum

from cloudnet_sdn.model.states import TaskState, Wanted
from cloudnet_sdn.store.tasks import Entry


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
