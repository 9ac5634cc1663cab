"""Facts about the network, gathered: switches that come and go, ports, discovery frames heard.

Time is an argument (seconds of any monotonic clock). Not thread-safe; its owner has the lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ryu_apps.spec import Dpid
from ryu_apps.topology import Capacities, Link, Place, Port, Topology

SILENCE_S = 21.0
"""A link is down once nothing was heard over it for so long (four rounds of discovery)."""


class Discovery:
    """The facts, and the topology that follows from them.

    Attributes:
        edges: ports that are ends of VLinks: nothing heard there makes a link, whoever says it.
    """

    def __init__(self, capacities: Capacities) -> None:
        self.edges: Collection[Place] = frozenset()
        self._capacities = capacities
        self._switches: dict[Dpid, dict[int, Port]] = {}
        self._heard: dict[frozenset[Place], float] = {}

    def switch_up(self, dpid: Dpid, ports: Iterable[Port]) -> None:
        """The switch is connected, with these ports."""
        self._switches[dpid] = {port.number: port for port in ports}

    def switch_down(self, dpid: Dpid) -> None:
        """The switch is away. Its links are kept, as down."""
        self._switches.pop(dpid, None)

    def port_changed(self, dpid: Dpid, port: Port) -> None:
        """The port is new, or isn't what it was."""
        if dpid in self._switches:
            self._switches[dpid][port.number] = port

    def port_gone(self, dpid: Dpid, number: int) -> None:
        """The port was taken out, and its link with it."""
        self._switches.get(dpid, {}).pop(number, None)
        self._forget(Place(dpid, number))

    def heard(self, sender: Place, receiver: Place, now: float) -> bool:
        """A frame sent from one port came in at another; answers whether that was news."""
        if sender == receiver or sender in self.edges or receiver in self.edges:
            return False
        pair = frozenset((sender, receiver))
        known = now - self._heard.get(pair, -SILENCE_S) < SILENCE_S
        if pair not in self._heard:
            self._forget(sender)
            self._forget(receiver)
        self._heard[pair] = now
        return not known

    def connected(self) -> frozenset[Dpid]:
        """The switches that are connected."""
        return frozenset(self._switches)

    def topology(self, now: float) -> Topology:
        """The network as it is now."""
        links = [
            self._link(pair, now - last < SILENCE_S)
            for pair, last in self._heard.items()
            if not any(place in self.edges for place in pair)
        ]
        switches = {dpid: dict(ports) for dpid, ports in self._switches.items()}
        return Topology(switches, tuple(sorted(links, key=lambda link: link.a)))

    def _forget(self, place: Place) -> None:
        for pair in [pair for pair in self._heard if place in pair]:
            del self._heard[pair]

    def _link(self, pair: frozenset[Place], lively: bool) -> Link:
        a, b = sorted(pair)
        port_a = self._switches.get(a.dpid, {}).get(a.port)
        port_b = self._switches.get(b.dpid, {}).get(b.port)
        up = lively and all(port is not None and port.up for port in (port_a, port_b))
        capacity = self._capacities.of(((a.dpid, port_a, a.port), (b.dpid, port_b, b.port)))
        return Link(a, b, up, capacity)
