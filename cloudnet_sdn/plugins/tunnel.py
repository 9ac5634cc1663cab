"""Tags on tunnel bridges: each VLink that leaves by a transit, admitted at its tunnel."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cloudnet_sdn.plugins.agents import Agents, agents_of
from cloudnet_sdn.plugins.calls import shell
from cloudnet_sdn.plugins.registry import Context, Extension
from cloudnet_sdn.ports import Json, Observation, Plan, PlannedTask, Refused, Task
from mip.problem.statement import Code, Reason

NAME = "tunnel"
TYPES = ("/node/bridge/tunnel",)


class TunnelPlugin:
    """Admits tags through the agents of tunnel bridges."""

    mends = True

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    def plan(self, plan: Plan) -> list[PlannedTask]:
        """One task per VLink and transit end point it leaves by."""
        bridges = {e.id for e in plan.elements}
        tasks = []
        for stub, anchor in plan.anchors.items():
            bridge = anchor.partition(".")[0]
            if bridge not in bridges:
                continue
            for vlink in plan.overlay.neighbours(stub):
                placement = plan.mapping.mapping.get(vlink)
                if placement is None:
                    continue
                tag = next((s.vlan for s in placement.segments if s.interface == anchor), None)
                tunnel = plan.substrate.interface(anchor).features.get("tunnel")
                if tag is None or not isinstance(tunnel, str) or bridge not in self._agents:
                    text = "its transit end point has nobody to serve it"
                    raise Refused([Reason(vlink, Code.POLICY, text)])
                spec: Json = {"key": f"{plan.key}.{stub}", "tunnel": tunnel, "vlan": tag}
                tasks.append(PlannedTask(NAME, bridge, (vlink,), spec))
        return tasks

    def make(self, task: Task) -> Json:
        """Have the tag admitted."""
        with shell(task.target, task.elements):
            self._agents.of(task.target).do(
                "tunnel.admit",
                task.spec["key"],
                task.spec["tunnel"],
                task.spec["vlan"],
            )
        return {}

    def confirm(self, task: Task) -> Json:
        """Nothing more to do: what is made stays."""
        return task.answer

    def remove(self, task: Task) -> None:
        """Have the tag dismissed."""
        with shell(task.target, task.elements):
            self._agents.of(task.target).do("tunnel.dismiss", task.spec["key"])

    def observe(self, task: Task) -> Mapping[str, Observation]:
        """Whether the tunnel is up and lets the tag through."""
        with shell(task.target, task.elements):
            got = self._agents.of(task.target).look("tunnel.status", task.spec["tunnel"])
        if not got["up"]:
            seen = Observation("degraded", "the transit is down")
        elif task.spec["vlan"] not in got["tags"]:
            seen = Observation("failed", "the transit doesn't let it through")
        else:
            seen = Observation("up")
        return dict.fromkeys(task.elements, seen)

    def targets(self) -> Sequence[str]:
        """The tunnel bridges with an agent."""
        return self._agents.elements()

    def inventory(self, target: str) -> Collection[str]:
        """The keys of what is admitted at a tunnel bridge."""
        with shell(target, ()):
            return frozenset(map(str, self._agents.of(target).look("tunnel.list")))

    def discard(self, target: str, key: str) -> None:
        """Have a tag dismissed that no task stands for."""
        with shell(target, ()):
            self._agents.of(target).do("tunnel.dismiss", key)


def _make(context: Context) -> TunnelPlugin | None:
    agents = agents_of(context)
    return None if agents is None else TunnelPlugin(agents)


EXTENSION = Extension(TYPES, _make)
