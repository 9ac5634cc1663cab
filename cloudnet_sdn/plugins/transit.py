"""Tags on transit links (paper, section 5.4).

The tag is the role's own to give: it is taken in the transaction that reserves everything else and
given back with the task, so there is nobody to call. A transit provider with an interface of its
own is a plugin for a type below `/link/transit`.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloudnet_sdn.model.settings import RoleKind
from cloudnet_sdn.plugins.registry import Context, Extension
from cloudnet_sdn.ports import Json, Observation, Plan, PlannedTask, Task

NAME = "transit"
TYPES = ("/link/transit",)


class TransitPlugin:
    """Keeps a transit link's tag for a VLink."""

    def plan(self, plan: Plan) -> list[PlannedTask]:
        """One task per VLink and transit link."""
        transits = {e.id for e in plan.elements}
        return [
            PlannedTask(
                NAME,
                segment.on,
                (vlink,),
                {"key": f"{plan.key}.{vlink}", "vlan": segment.vlan},
            )
            for vlink, placement in plan.mapping.mapping.items()
            for segment in placement.segments
            if segment.on in transits
        ]

    def make(self, task: Task) -> Json:
        """The tag is taken already."""
        return {"vlan": task.spec["vlan"]}

    def confirm(self, task: Task) -> Json:
        """It stays taken."""
        return task.answer

    def remove(self, task: Task) -> None:
        """It is given back with the rest of the task's round."""

    def observe(self, task: Task) -> Mapping[str, Observation]:
        """Nothing of its own: whether the link carries is seen at its ends."""
        del task
        return {}


def _make(context: Context) -> TransitPlugin | None:
    return TransitPlugin() if context.settings.kind is RoleKind.VNP else None


EXTENSION = Extension(TYPES, _make)
