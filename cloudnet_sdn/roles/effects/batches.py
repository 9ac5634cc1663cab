"""Many tasks of one shell with one call: what came of each waits here until its turn comes.

Nothing else changes for a task: it is read, claimed and written down by itself, as if its own call
had just been answered. What isn't asked for with others is asked for then.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import Batching, Json, Plugin, Refused, Task, Transient
from cloudnet_sdn.roles.effects.steps import Step, next_step
from cloudnet_sdn.store.tasks import Entry

log = logging.getLogger(__name__)


class Batches:
    """Asks shells for several tasks at once."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made: dict[int, Json | Refused | Transient] = {}
        self._removed: dict[int, Transient | None] = {}

    def joins(self, entry: Entry) -> Step | None:
        """The step of a task that others may be asked for with it, None where it goes alone.

        What has been in vain goes alone: should it make its shell wait, others don't.
        """
        step = next_step(entry)
        if entry.attempts or entry.succeeds is not None:
            return None
        if step is Step.REMOVE and not entry.sent:
            return None  # nobody has to be asked
        joint = step is Step.MAKE or step is Step.REMOVE
        return step if joint and self._plugin(entry) is not None else None

    def ask(self, step: Step, entries: Sequence[Entry]) -> None:
        """Ask for the same step of several tasks of one shell."""
        plugin = self._plugin(entries[0])
        if plugin is None:
            return
        tasks = [e.task for e in entries]
        log.info("asks step=%s target=%s tasks=%s", step, tasks[0].target, len(tasks))
        try:
            if step is Step.MAKE:
                self._made.update(plugin.make_many(tasks))
            elif step is Step.REMOVE:
                self._removed.update(plugin.remove_many(tasks))
        except Transient as exc:
            (self._made if step is Step.MAKE else self._removed).update({t.id: exc for t in tasks})

    def make(self, plugin: Plugin, task: Task) -> Json:
        """What came of making a task, or making it. Raises as `Plugin.make`."""
        found = self._made.pop(task.id, None)
        if isinstance(found, Refused | Transient):
            raise found
        return plugin.make(task) if found is None else found

    def remove(self, plugin: Plugin, task: Task) -> None:
        """Have a task removed, unless it has been. Raises as `Plugin.remove`."""
        if task.id not in self._removed:
            plugin.remove(task)
        elif (left := self._removed.pop(task.id)) is not None:
            raise left

    def drop(self, task: int) -> None:
        """Nobody has a use for what came of a task any more: it is looked at anew."""
        self._made.pop(task, None)
        self._removed.pop(task, None)

    def _plugin(self, entry: Entry) -> Batching | None:
        plugin = self._registry.get(entry.task.plugin)
        return plugin if isinstance(plugin, Batching) else None
