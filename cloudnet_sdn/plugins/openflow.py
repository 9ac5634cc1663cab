"""VLinks on OpenFlow switches: one `vlinks.put` per VLink, with its path and tags decided.

The controller adds nothing of its own: ends, links and tags come from the mapping's segments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from cloudnet_sdn.model.settings import Timing
from cloudnet_sdn.plugins.calls import Peer, beyond, shell
from cloudnet_sdn.plugins.in_place import ChangingInPlace
from cloudnet_sdn.plugins.registry import Context, Extension
from cloudnet_sdn.plugins.sharing import Shared
from cloudnet_sdn.ports import (
    Difference,
    Json,
    Observation,
    Plan,
    PlannedTask,
    Refused,
    Rpc,
    Task,
    Transient,
)
from cloudnet_sdn.wire.identity import CONTROLLER
from mip.problem.statement import Code, Reason
from rdl.graph import Element, Graph, Placement

NAME = "openflow"
TYPES = ("/node/switch/openflow",)
TARGET = "controller"
LOOK_S = 3.0
"""How long a look at the topology may take; a request waits for it."""

_SEEN = {
    "up": "",
    "pending": "the path is being set up",
    "degraded": "a part of it is interrupted",
    "failed": "it is interrupted",
}


class OpenFlowPlugin(ChangingInPlace):
    """Embeds VLinks through one VLink controller."""

    mends = True

    def __init__(self, controller: Rpc, *, timing: Timing) -> None:
        self._controller = Peer(controller, timing)
        self._topology: Shared[Any] = Shared(
            lambda: controller.call("topology.get", timeout_s=LOOK_S)
        )

    def plan(self, plan: Plan) -> list[PlannedTask]:
        """One task per VLink that crosses a switch."""
        switches = {e.id for e in plan.elements}
        tasks = []
        for vlink, placement in plan.mapping.mapping.items():
            crossed = [e for e in placement.on if e in switches]
            if not crossed:
                continue
            bandwidth = plan.overlay.elements[vlink].amount("bandwidth")
            spec = vlink_spec(plan.substrate, vlink, placement, crossed, bandwidth)
            key = f"{plan.key}.{vlink}"
            tasks.append(PlannedTask(NAME, TARGET, (vlink,), {"key": key, "vlink": spec}))
        return tasks

    def make(self, task: Task) -> Json:
        """Have the path set up; answers once every switch has confirmed."""
        with shell(TARGET, task.elements, lambda path: _beyond(task, path)):
            got = self._controller.do("vlinks.put", task.spec["key"], task.spec["vlink"])
        made = _made(task, got)
        if isinstance(made, Transient):
            raise made
        return made

    def make_many(self, tasks: Sequence[Task]) -> Mapping[int, Json | Transient]:
        """See `make`. A fault means that nothing was done: each is then told why by itself."""
        specs = {task.spec["key"]: task.spec["vlink"] for task in tasks}
        try:
            with shell(TARGET, ()):
                got = self._controller.do("vlinks.put_many", specs)
        except Refused:
            return {}
        return {task.id: _made(task, got[task.spec["key"]]) for task in tasks}

    def confirm(self, task: Task) -> Json:
        """Nothing more to do: what is made stays."""
        return task.answer

    def put_back(self, old: Task) -> None:
        """Order the VLink as it was; the controller builds before it breaks."""
        self._controller.do("vlinks.put", old.spec["key"], old.spec["vlink"])

    def remove(self, task: Task) -> None:
        """Have its flows removed."""
        with shell(TARGET, task.elements):
            got = self._controller.do("vlinks.delete", task.spec["key"])
        if (left := _left(task, got)) is not None:
            raise left

    def remove_many(self, tasks: Sequence[Task]) -> Mapping[int, Transient | None]:
        """See `remove`."""
        try:
            with shell(TARGET, ()):
                got = self._controller.do("vlinks.delete_many", [t.spec["key"] for t in tasks])
        except Refused:
            return {}
        return {task.id: _left(task, got[task.spec["key"]]) for task in tasks}

    def observe(self, task: Task) -> Mapping[str, Observation]:
        """What the controller sees of it."""
        return self.survey(task.target, [task])[task.id]

    def survey(self, target: str, tasks: Sequence[Task]) -> Mapping[int, Mapping[str, Observation]]:
        """See `observe`."""
        with shell(target, ()):
            got = self._controller.look("vlinks.get_many", [task.spec["key"] for task in tasks])
        found = {}
        for task in tasks:
            state = str(got.get(task.spec["key"], {"state": "failed"})["state"])
            seen = Observation(state, _SEEN.get(state, "its state isn't known"))
            found[task.id] = dict.fromkeys(task.elements, seen)
        return found

    def check(self, task: Task) -> Mapping[str, Difference]:
        """What the controller finds when it compares the VLink with the switches."""
        with shell(TARGET, task.elements):
            got = self._controller.do("vlinks.validate", task.spec["key"])
        found = Difference(bool(got["ok"]), tuple(map(str, got["differences"])))
        return dict.fromkeys(task.elements, found)

    def down(self, substrate: Graph) -> frozenset[str]:
        """Switches that aren't connected, and links that are down or at ports that are."""
        with shell(TARGET, ()):
            topology = self._topology.get()
        return unconnected(substrate, topology)

    def forget(self, element: Element) -> str:
        """Have the controller wait no more for a switch."""
        dpid = element.features.get("dpid")
        if not element.type.startswith(TYPES) or not isinstance(dpid, str):
            return ""
        with shell(TARGET, ()):
            self._controller.do("topology.forget", dpid.lower())
        return TARGET

    def targets(self) -> Sequence[str]:
        """The one controller."""
        return (TARGET,)

    def inventory(self, target: str) -> Collection[str]:
        """The keys of the VLinks it keeps."""
        with shell(target, ()):
            return frozenset(map(str, self._controller.look("vlinks.list")))

    def discard(self, target: str, key: str) -> None:
        """Have a VLink removed that no task stands for."""
        with shell(target, ()):
            self._controller.do("vlinks.delete", key)


def _made(task: Task, got: Json) -> Json | Transient:
    """What to keep of a VLink that was put, or that it isn't up yet."""
    if got["state"] != "up":
        return Transient(f"{task.spec['key']} is {got['state']}: {got['reason']}")
    return {"path": got["path"]}


def _left(task: Task, got: Json) -> Transient | None:
    """That something of a VLink that was deleted may be left."""
    if got["state"] == "gone":
        return None
    # A switch that is away may still carry the tags: they aren't free yet.
    return Transient(f"{task.spec['key']} is {got['state']}: {got['reason']}")


def _beyond(task: Task, path: str) -> Reason | None:
    """What to tell of a member of a VLink's spec that the controller can't ever do."""
    spec = task.spec["vlink"]
    return beyond(task.elements[0], path, spec[path]) if path in spec else None


def vlink_spec(
    substrate: Graph,
    vlink: str,
    placement: Placement,
    switches: Sequence[str],
    bandwidth: float,
) -> Json:
    """The `spec` of `vlinks.put` (contract, section 3).

    An end is where the VLink leaves the switches, towards a host or a tunnel bridge; a hop is a
    link between two of them, by the port it leaves the first one through.

    Raises:
        Refused: the substrate doesn't say a switch's `dpid` or a port's `port`.
    """
    tags = {s.on: s.vlan or 0 for s in placement.segments}
    ends, hops = [], []
    for link in (e for e in placement.on if substrate.elements[e].is_link):
        sides = list(_sides(substrate, link, switches))
        tag = tags.get(link, 0)
        places = [
            (_text(vlink, substrate.elements[s], "dpid"), _port(vlink, substrate, i))
            for s, i in sides
        ]
        if len(places) == 1:
            ends.append({"dpid": places[0][0], "port": places[0][1], "vlan": tag})
        elif places:
            hops.append([*places[0], tag])
    path: list[Any] = [*hops] or [_text(vlink, substrate.elements[s], "dpid") for s in switches]
    return {
        "ends": ends,
        "bandwidth": float(bandwidth),
        "protection": "none",
        "path": path,
        "backup": [],
    }


def _sides(substrate: Graph, link: str, switches: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(switch, its interface) for each end of `link` that is at one, in path order."""
    at = {peer.partition(".")[0]: peer for _, peer in substrate.ends(link)}
    return ((s, at[s]) for s in switches if s in at)


def _text(vlink: str, switch: Element, feature: str) -> str:
    value = switch.features.get(feature)
    if isinstance(value, str) and value:
        return value
    raise Refused([Reason(vlink, Code.POLICY, "the substrate is described incompletely")])


def _port(vlink: str, substrate: Graph, interface: str) -> str | int:
    value = substrate.interface(interface).features.get("port")
    if isinstance(value, int | str) and not isinstance(value, bool) and value:
        return value
    raise Refused([Reason(vlink, Code.POLICY, "the substrate is described incompletely")])


def unconnected(substrate: Graph, topology: Json) -> frozenset[str]:
    """The switches and links of a substrate that a controller's topology shows to be down.

    A link is down where its port is, or isn't there, or where no discovery frame crosses it.
    """
    silent = {tuple(end) for k in topology["links"] if not k["up"] for end in (k["a"], k["b"])}
    alive = {str(s["dpid"]): _alive(s, silent) for s in topology["switches"]}
    down: set[str] = set()
    for switch in substrate.nodes():
        dpid = switch.features.get("dpid")
        if not isinstance(dpid, str) or not switch.type.startswith(TYPES):
            continue
        if dpid.lower() not in alive:
            down.add(switch.id)
            continue
        for own, other in substrate.ends(switch.id):
            port = substrate.interface(own).features.get("port")
            if port is not None and str(port) not in alive[dpid.lower()]:
                down.add(other.partition(".")[0])
    return frozenset(down)


def _alive(switch: Json, silent: Collection[tuple[Any, ...]]) -> frozenset[str]:
    """The ports of a switch that carry, by number and by name."""
    up = [p for p in switch["ports"] if p["up"] and (switch["dpid"], p["port"]) not in silent]
    return frozenset(str(name) for p in up for name in (p["port"], p["name"]))


def _make(context: Context) -> OpenFlowPlugin | None:
    controller = context.settings.controller
    if controller is None:
        return None
    return OpenFlowPlugin(context.shell(CONTROLLER, controller.url), timing=context.settings.timing)


EXTENSION = Extension(TYPES, _make)
