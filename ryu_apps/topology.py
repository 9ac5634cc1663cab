"""The network as it is known: switches, their ports, and the links between them.

Values only; `discovery` makes them from what switches report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ryu_apps.spec import Dpid, PortRef


class Place(NamedTuple):
    """A port of a switch."""

    dpid: Dpid
    port: int

    def __str__(self) -> str:
        return f"{self.dpid}:{self.port}"


@dataclass(frozen=True, slots=True)
class Port:
    """A port as its switch describes it. `speed` in bit/s, 0 where unknown."""

    number: int
    name: str
    up: bool
    speed: float = 0.0


@dataclass(frozen=True, slots=True)
class Link:
    """A cable between two switches, `a` < `b`. `capacity` in bit/s per direction, 0: unknown."""

    a: Place
    b: Place
    up: bool
    capacity: float = 0.0

    def other(self, place: Place) -> Place:
        """The far end, seen from `place`."""
        return self.b if place == self.a else self.a


@dataclass(frozen=True)
class Topology:
    """A snapshot.

    Attributes:
        switches: the ports, by number, of each connected switch.
        links: every link known, also those that are down at present.
    """

    switches: Mapping[Dpid, Mapping[int, Port]] = field(default_factory=dict)
    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        at = {place: link for link in self.links for place in (link.a, link.b)}
        object.__setattr__(self, "_at", at)

    def link_at(self, place: Place) -> Link | None:
        """The link that leaves through `place`, or None."""
        at: dict[Place, Link] = self.__dict__["_at"]
        return at.get(place)

    def port(self, dpid: Dpid, ref: PortRef) -> Port | None:
        """The port of a connected switch by number or name, or None."""
        ports = self.switches.get(dpid, {})
        if isinstance(ref, int):
            return ports.get(ref)
        named = next((port for port in ports.values() if port.name == ref), None)
        if named is None and ref.isdecimal():
            return ports.get(int(ref))
        return named

    def document(self) -> dict[str, Any]:
        """The answer of `topology.get`, in a stable order."""
        switches = [
            {
                "dpid": dpid,
                "ports": [
                    {"port": port.number, "name": port.name, "up": port.up}
                    for port in sorted(ports.values(), key=lambda port: port.number)
                ],
            }
            for dpid, ports in sorted(self.switches.items())
        ]
        links = [
            {"a": list(link.a), "b": list(link.b), "up": link.up, "capacity": float(link.capacity)}
            for link in sorted(self.links, key=lambda link: (link.a, link.b))
        ]
        return {"switches": switches, "links": links}


@dataclass(frozen=True, slots=True)
class Capacities:
    """What the configuration says of capacities, bit/s.

    Attributes:
        default: of links that aren't named, 0: go by the ports' speeds.
        ports: by (dpid, port number or name).
    """

    default: float = 0.0
    ports: Mapping[tuple[Dpid, PortRef], float] = field(default_factory=dict)

    def of(
        self, ends: tuple[tuple[Dpid, Port | None, int], tuple[Dpid, Port | None, int]]
    ) -> float:
        """The capacity of the link between two ports: configured, else the slower port's speed."""
        said = [self._said(dpid, port, number) for dpid, port, number in ends]
        if configured := [value for value in said if value]:
            return min(configured)
        if self.default:
            return self.default
        speeds = [port.speed for _, port, _ in ends if port is not None and port.speed]
        return min(speeds, default=0.0)

    def _said(self, dpid: Dpid, port: Port | None, number: int) -> float:
        by_number = self.ports.get((dpid, number), 0.0)
        by_name = self.ports.get((dpid, port.name), 0.0) if port is not None else 0.0
        return by_number or by_name
