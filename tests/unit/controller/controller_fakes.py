"""Switches that obey OpenFlow 1.3 as far as VLinks need it, and a network made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ryu_apps.fabric import Away, Outcome
from ryu_apps.policy import Policy
from ryu_apps.reconcile import (
    Change,
    FlowAdd,
    FlowModify,
    MeterAdd,
    MeterModify,
    MeterRemove,
    note,
)
from ryu_apps.rules import (
    CONTROLLER,
    IN_PORT,
    VLAN_PRESENT,
    FlowRule,
    Observed,
    Output,
    PopVlan,
    PushVlan,
    SetVlan,
)
from ryu_apps.spec import Dpid, VLinkId, VLinkSpec, parse_spec
from ryu_apps.store import MemoryStore, Store
from ryu_apps.topology import Place, Port
from ryu_apps.vlinks import VLinks

Frame = tuple[Place, int]
"""A frame at a port, with its tag."""


@dataclass
class FakeSwitch:
    """A flow table and meters, with the refusals of the specification.

    Attributes:
        room: how many flows fit (section 6.4: a full table is an error).
        connected: whether the controller reaches it.
        log: every change that was done, in order.
    """

    ports: dict[int, Port]
    room: int = 1000
    connected: bool = True
    observed: Observed = field(default_factory=Observed)
    log: list[Change] = field(default_factory=list)

    def apply(self, change: Change) -> str:
        """Do it, or say why not."""
        held = self.observed
        match change:
            case FlowAdd(rule) | FlowModify(rule):
                if rule.meter and rule.meter not in held.meters:
                    return "unknown meter"
                if rule.key in held.foreign:
                    raise AssertionError(f"{rule} would replace another application's flow")
                if isinstance(change, FlowAdd) and len(held.flows) >= self.room:
                    return "table full"
            case MeterAdd(meter) if meter.meter in held.meters:
                return "meter exists"
            case MeterModify(meter) if meter.meter not in held.meters:
                return "unknown meter"
            case MeterRemove(meter):  # section 6.5: its flows go with it
                for key, rule in list(held.flows.items()):
                    if rule.meter == meter.meter:
                        raise AssertionError(f"{key} would go with its meter")
        note(held, change)
        self.log.append(change)
        return ""

    def forward(self, port: int, vlan: int) -> list[tuple[int, int]]:
        """Where a frame goes: the highest matching flow's outputs, or nowhere (section 5.4)."""
        came = VLAN_PRESENT | vlan if vlan else 0
        fitting = [
            rule
            for rule in self.observed.flows.values()
            if dict(rule.match) == {"in_port": port, "vlan_vid": came}
        ]
        return _outputs(max(fitting, key=lambda r: r.priority), port, vlan) if fitting else []


def _outputs(rule: FlowRule, port: int, vlan: int) -> list[tuple[int, int]]:
    out, tagged = [], vlan != 0
    for action in rule.actions:
        match action:
            case PushVlan():
                tagged, vlan = True, 0
            case PopVlan():
                if not tagged:
                    raise AssertionError("pop_vlan on an untagged frame")
                tagged, vlan = False, 0
            case SetVlan(vid):
                if not tagged:
                    raise AssertionError("set vlan_vid on an untagged frame")
                vlan = vid
            case Output(number) if number == IN_PORT:
                out.append((port, vlan))
            case Output(number) if number != CONTROLLER:
                if number == port:
                    raise AssertionError("a frame isn't sent back without OFPP_IN_PORT")
                out.append((number, vlan))
    return out


class FakeNetwork:
    """Switches and cables; implements `Fabric`."""

    def __init__(self) -> None:
        self.switches: dict[Dpid, FakeSwitch] = {}
        self.cables: dict[Place, Place] = {}
        self.dumps = 0

    def observe(self, dpid: Dpid) -> Observed:
        switch = self._reach(dpid)
        self.dumps += 1
        held = switch.observed
        return Observed(dict(held.flows), set(held.foreign), dict(held.meters))

    def apply(self, changes: Mapping[Dpid, Sequence[Change]]) -> Mapping[Dpid, Outcome]:
        outcomes = {}
        for dpid, wanted in changes.items():
            try:
                switch = self._reach(dpid)
            except Away as exc:
                outcomes[dpid] = Outcome(away=str(exc))
                continue
            said = {change: switch.apply(change) for change in wanted}
            outcomes[dpid] = Outcome({change: text for change, text in said.items() if text})
        return outcomes

    def send(self, place: Place, vlan: int = 0) -> set[Frame]:
        """Where a frame that comes in at a port leaves the network."""
        arrived, left, steps = [(place, vlan)], set[Frame](), 0
        while arrived:
            at, tag = arrived.pop()
            steps += 1
            if steps > 1000:
                raise AssertionError("the frame goes round and round")
            for port, out_tag in self.switches[at.dpid].forward(at.port, tag):
                leaving = Place(at.dpid, port)
                if leaving in self.cables:
                    arrived.append((self.cables[leaving], out_tag))
                else:
                    left.add((leaving, out_tag))
        return left

    def residue(self) -> list[Any]:
        """Flows and meters of VLinks, anywhere."""
        return [
            rule
            for switch in self.switches.values()
            for rule in (*switch.observed.flows.values(), *switch.observed.meters.values())
            if not isinstance(rule, FlowRule) or "in_port" in dict(rule.match)
        ]

    def _reach(self, dpid: Dpid) -> FakeSwitch:
        switch = self.switches.get(dpid)
        if switch is None or not switch.connected:
            raise Away("it isn't connected")
        return switch


class World:
    """A network, a service over it, and a clock of its own.

    The switches are `s(1)` to `s(n)`; ports 1 to 4 of each are free, links take 11 and up.
    """

    def __init__(
        self, links: Sequence[tuple[int, int]], *, store: Store | None = None, **policy: Any
    ) -> None:
        self.network = FakeNetwork()
        self.store = store or MemoryStore()
        self.time = 0.0
        self.policy = Policy(**({"wait_s": 0.0} | policy))
        for number in sorted({number for link in links for number in link}):
            ports = {p: Port(p, f"s{number}-eth{p}", up=True, speed=1e9) for p in range(1, 20)}
            self.network.switches[s(number)] = FakeSwitch(ports)
        self._free = dict.fromkeys(self.network.switches, 11)
        for a, b in links:
            one, other = self._next(s(a)), self._next(s(b))
            self.network.cables |= {one: other, other: one}
        self.service = self.start()

    def start(self) -> VLinks:
        """A controller that knows nothing but its store; all switches connect."""
        self.service = VLinks(self.network, self.store, self.policy, lambda: self.time)
        for dpid, switch in self.network.switches.items():
            if switch.connected:
                self.come(dpid)
        self.discover()
        return self.service

    def come(self, dpid: Dpid) -> None:
        """A switch connects."""
        switch = self.network.switches[dpid]
        switch.connected = True
        self.service.switch_up(dpid, switch.ports.values())
        self.service.sync(dpid)

    def leave(self, dpid: Dpid) -> None:
        """A switch loses the controller; its flows stay."""
        self.network.switches[dpid].connected = False
        self.service.switch_down(dpid)

    def discover(self) -> None:
        """A round of discovery frames."""
        for one, other in self.network.cables.items():
            reached = all(self.network.switches[place.dpid].connected for place in (one, other))
            if reached and not self.service.is_edge(one):
                self.service.heard(one, other)

    def later(self, seconds: float) -> None:
        """Time goes by, with upkeep at its end."""
        self.time += seconds
        self.service.tick()

    def put(self, name: str, *ends: tuple[int, int, int], **more: Any) -> Any:
        """`vlinks.put` with ends as (switch, port, vlan)."""
        return self.service.put_many({VLinkId(name): spec(*ends, **more)})[name]

    def delete(self, name: str) -> Any:
        """`vlinks.delete`."""
        return self.service.delete_many([VLinkId(name)])[name]

    def port(self, a: int, b: int) -> int:
        """The port of a switch towards another."""
        found = (p for p, q in self.network.cables.items() if p.dpid == s(a) and q.dpid == s(b))
        return next(found).port

    def hop(self, a: int, b: int, vlan: int) -> list[Any]:
        """A hop of a path."""
        return [s(a), self.port(a, b), vlan]

    def _next(self, dpid: Dpid) -> Place:
        self._free[dpid] += 1
        return Place(dpid, self._free[dpid] - 1)


def s(number: int) -> Dpid:
    """The datapath id of a switch by its number."""
    return Dpid(f"{number:016x}")


def at(number: int, port: int) -> Place:
    """A port of a switch by its number."""
    return Place(s(number), port)


def spec(*ends: tuple[int, int | str, int], **more: Any) -> VLinkSpec:
    """A spec with ends as (switch, port, vlan)."""
    listed = [{"dpid": s(number), "port": port, "vlan": vlan} for number, port, vlan in ends]
    return parse_spec({"ends": listed} | more)
