"""What a generation changes of the one before: tasks that stay, change in place, come and go. Pure.

Things are the same by who keeps them, where, and for which element: the key behind its first dot.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cloudnet_sdn.model.states import TaskState
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import Changing, PlannedTask, Task
from cloudnet_sdn.store.tasks import Entry, whole_key


@dataclass(frozen=True)
class Difference:
    """Two plans compared.

    Attributes:
        kept: the tasks that stay as they are.
        planned: what is to be made, beside the old or in its place.
        succeeding: by whole key, the task whose thing a planned one changes in place.
    """

    kept: tuple[int, ...]
    planned: tuple[PlannedTask, ...]
    succeeding: dict[str, int]


def difference(
    before: Sequence[Entry], planned: Iterable[PlannedTask], registry: Registry
) -> Difference:
    """What making `planned` takes where `before` stands."""
    old = {_identity(e.task): e for e in before if e.state is not TaskState.FAILED and not e.vain}
    kept: list[int] = []
    fresh: list[PlannedTask] = []
    succeeding: dict[str, int] = {}
    for task in planned:
        entry = old.get(_identity(task))
        after = None if entry is None else _successor(entry.task, task, registry)
        if entry is None or after is None:
            fresh.append(task)
        elif _alike(entry.task, after):
            kept.append(entry.id)
        else:
            fresh.append(after)
            succeeding[whole_key(after)] = entry.id
    return Difference(tuple(kept), tuple(fresh), succeeding)


def _successor(old: Task, new: PlannedTask, registry: Registry) -> PlannedTask | None:
    plugin = registry.get(old.plugin)
    if isinstance(plugin, Changing):
        return plugin.successor(old, new)
    named = replace(new, spec={**new.spec, "key": old.spec.get("key", "")})
    return named if _alike(old, named) else None


def _identity(task: Task | PlannedTask) -> tuple[str, str, str]:
    return task.plugin, task.target, str(task.spec.get("key", "")).partition(".")[2]


def _alike(old: Task, new: PlannedTask) -> bool:
    # As the store has them: JSON knows no tuples.
    return tuple(new.elements) == old.elements and _text(new.spec) == _text(old.spec)


def _text(spec: object) -> str:
    return json.dumps(spec, sort_keys=True)
