"""What is changed in place by the same order to its shell that made it: put it, as it is to be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from cloudnet_sdn.plugins.calls import shell
from cloudnet_sdn.ports import Json, PlannedTask, Task


class ChangingInPlace(ABC):
    """The `Changing` of a plugin whose shells need no order to hold: what stands has its room.

    A task's thing keeps its key for as long as it stands.
    """

    @abstractmethod
    def make(self, task: Task) -> Json:
        """See `Plugin`."""

    @abstractmethod
    def put_back(self, old: Task) -> None:
        """Order what `old` says. Raises the faults of shells."""

    def successor(self, old: Task, new: PlannedTask) -> PlannedTask:
        """The same thing where it is, as the change says."""
        return replace(new, spec={**new.spec, "key": old.spec["key"]})

    def stage(self, task: Task, old: Task) -> Json:
        """What is merely held is changed at once; what is in use, not yet: the room is reserved."""
        return old.answer if old.confirmed else self.make(task)

    def apply(self, task: Task) -> Json:
        """Have it be as it is to be."""
        return self.make(task)

    def revert(self, task: Task, old: Task) -> Json | None:
        """Have it be as it was, where it has been touched."""
        if old.confirmed and not task.applied:
            return None
        with shell(old.target, task.elements):
            self.put_back(old)
        return None

    def restaged(self, task: Task) -> Json | None:
        """Nothing was held for it but room, which still is."""
        del task
        return None
