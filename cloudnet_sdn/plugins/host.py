"""VNodes on substrate hosts: each through its host's agent, with its ports on the host's bridge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cloudnet_sdn.plugins.agents import Agents, agents_of
from cloudnet_sdn.plugins.calls import beyond, shell
from cloudnet_sdn.plugins.in_place import ChangingInPlace
from cloudnet_sdn.plugins.registry import Context, Extension
from cloudnet_sdn.ports import Json, Observation, Plan, PlannedTask, Refused, Task, Transient
from cloudnet_sdn.wire.faults import NotFound
from mip.problem.statement import Code, Reason
from rdl.graph import Element, Interface, Placement

NAME = "host"
TYPES = ("/node/host/server", "/node/host/mainframe")


class HostPlugin(ChangingInPlace):
    """Embeds VNodes through the agents of their hosts."""

    mends = True

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    def plan(self, plan: Plan) -> list[PlannedTask]:
        """One task per VNode on a host of this plugin's types."""
        hosts = {e.id for e in plan.elements}
        tasks = []
        for vnode, placement in plan.mapping.mapping.items():
            element = plan.overlay.elements.get(vnode)
            if element is None or not element.is_node or element.is_stub:
                continue
            for host in placement.on:
                if host not in hosts:
                    continue
                if host not in self._agents:
                    text = "its place has nobody to run it"
                    raise Refused([Reason(vnode, Code.POLICY, text)])
                key = f"{plan.key}.{vnode}"
                spec: Json = {"key": key, "vnode": vnode_spec(plan, element, host)}
                local = _vlinks(plan, element)
                tasks.append(PlannedTask(NAME, host, (vnode, *local), spec))
        return tasks

    def make(self, task: Task) -> Json:
        """Have the VNode and its ports made; it is stopped."""
        with shell(task.target, task.elements, lambda path: _beyond(task, path)):
            got = self._agents.of(task.target).do("vnode.put", task.spec["key"], task.spec["vnode"])
        return {"state": str(got.get("state", ""))}

    def confirm(self, task: Task) -> Json:
        """Nothing more to do: what is made stays."""
        return task.answer

    def put_back(self, old: Task) -> None:
        """Order the VNode as it was."""
        self._agents.of(old.target).do("vnode.put", old.spec["key"], old.spec["vnode"])

    def remove(self, task: Task) -> None:
        """Have the VNode and its ports removed."""
        with shell(task.target, task.elements):
            self._agents.of(task.target).do("vnode.delete", task.spec["key"])

    def observe(self, task: Task) -> Mapping[str, Observation]:
        """The VNode's state, and whether its VLinks have their ports on the host's bridge."""
        return self.survey(task.target, [task])[task.id]

    def survey(self, target: str, tasks: Sequence[Task]) -> Mapping[int, Mapping[str, Observation]]:
        """See `observe`."""
        keys = [task.spec["key"] for task in tasks]
        with shell(target, ()):
            got = self._agents.of(target).look("vnode.get_many", keys)
        return {task.id: _seen(task, got.get(task.spec["key"])) for task in tasks}

    def start(self, task: Task, vnodes: Sequence[str]) -> None:
        """Boot the VNode."""
        self._power(task, vnodes, "vnode.start")

    def stop(self, task: Task, vnodes: Sequence[str]) -> None:
        """Shut the VNode down."""
        self._power(task, vnodes, "vnode.stop")

    def powercycle(self, task: Task, wishes: Mapping[str, str]) -> None:
        """Stop and start the VNode."""
        for vnode, wish in wishes.items():
            self._power(task, [vnode], "vnode.powercycle", wish)

    def console(self, task: Task, vnode: str) -> str:
        """The agent's single-use console URL."""
        with shell(task.target, (vnode,)):
            got = self._agents.of(task.target).do("vnode.console", task.spec["key"])
        url, token = str(got["url"]), str(got.get("token", ""))
        if not token or token in url:
            return url
        return f"{url}{'&' if '?' in url else '?'}token={token}"

    def targets(self) -> Sequence[str]:
        """The hosts with an agent."""
        return self._agents.elements()

    def inventory(self, target: str) -> Collection[str]:
        """The keys of the VNodes on a host."""
        with shell(target, ()):
            return frozenset(map(str, self._agents.of(target).look("vnode.list")))

    def discard(self, target: str, key: str) -> None:
        """Have a VNode removed that no task stands for."""
        with shell(target, ()):
            self._agents.of(target).do("vnode.delete", key)

    def _power(self, task: Task, vnodes: Sequence[str], method: str, *more: str) -> None:
        with shell(task.target, vnodes):
            try:
                self._agents.of(task.target).do(method, task.spec["key"], *more)
            except NotFound as exc:
                raise Transient(f"{task.target}: {exc}") from exc


_REASONS = {"failed": "a part of it is gone"}


def _seen(task: Task, got: Json | None) -> Mapping[str, Observation]:
    """What an agent's answer says of a VNode and the ports of its VLinks."""
    vnode, *vlinks = task.elements
    if got is None:
        gone = Observation("failed", "it is gone")
        return {vnode: gone, **dict.fromkeys(vlinks, gone)}
    state = str(got["state"])
    seen = {vnode: Observation(state, str(got.get("told") or _REASONS.get(state, "")))}
    ports = {str(p["name"]) for p in got.get("ports", [])}
    wanted = {i["name"] for i in task.spec["vnode"]["interfaces"]}
    well = wanted <= ports
    plugged = Observation("up") if well else Observation("failed", "a port of it is gone")
    return {**seen, **dict.fromkeys(vlinks, plugged)}


def _beyond(task: Task, path: str) -> Reason | None:
    """What to tell of a member of a VNode's spec that its agent can't ever do."""
    vnode, *vlinks = task.elements
    name, _, member = path.rpartition(".")
    spec = task.spec["vnode"]
    if not name:
        return beyond(vnode, member, spec[member]) if member in spec else None
    # One VLink for each interface, in the same order: no VNode is twice at one.
    for interface, vlink in zip(spec["interfaces"], vlinks, strict=True):
        if interface["name"] == name and member in interface:
            element = vlink if member == "bandwidth" else vnode
            return beyond(element, member, interface[member])
    return None


def vnode_spec(plan: Plan, vnode: Element, host: str) -> Json:
    """The `spec` of `vnode.put` (architecture page, "Host agent")."""
    return {
        **{r: float(vnode.amount(r)) for r in ("cpu", "memory", "storage")},
        "image": _word(vnode.features.get("image")),
        "interfaces": [
            _interface(plan, interface, host)
            for interface in vnode.interfaces
            if interface.id in plan.overlay.peer
        ],
    }


def _interface(plan: Plan, interface: Interface, host: str) -> Json:
    vlink = plan.overlay.peer[interface.id].partition(".")[0]
    placement = plan.mapping.mapping.get(vlink, Placement())
    segment = next((s for s in placement.segments if s.on == host), None)
    uplink = ""
    if segment is not None and segment.interface is not None:
        uplink = _word(plan.substrate.interface(segment.interface).features.get("port"))
        if not uplink:
            text = "the substrate is described incompletely"
            raise Refused([Reason(vlink, Code.POLICY, text)])
    return {
        "name": interface.name,
        "mac": _word(interface.features.get("mac")),
        "address": _word(interface.features.get("address")),
        "vlan": (segment.vlan or 0) if segment else 0,
        "uplink": uplink,
        "bandwidth": float(plan.overlay.elements[vlink].amount("bandwidth")),
    }


def _vlinks(plan: Plan, vnode: Element) -> tuple[str, ...]:
    """The VLinks that end at a VNode."""
    peers = (plan.overlay.peer.get(i.id, "").partition(".")[0] for i in vnode.interfaces)
    return tuple(dict.fromkeys(p for p in peers if p))


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _make(context: Context) -> HostPlugin | None:
    agents = agents_of(context)
    return None if agents is None else HostPlugin(agents)


EXTENSION = Extension(TYPES, _make)
