"""A VLink's place in the network: its ports, links, tags and meters, as numbers.

A placement is kept in the store, so that what a switch shall hold is known before any switch
has connected, and stays the same over restarts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ryu_apps.spec import Dpid
from ryu_apps.topology import Place


class Tagged(NamedTuple):
    """A port with a tag: what one VLink alone may use. 0: untagged."""

    dpid: Dpid
    port: int
    vlan: int

    @property
    def place(self) -> Place:
        """The port."""
        return Place(self.dpid, self.port)

    def __str__(self) -> str:
        return f"{self.dpid}:{self.port} with {f'tag {self.vlan}' if self.vlan else 'no tag'}"


@dataclass(frozen=True, slots=True)
class PlacedEnd:
    """An end: where, the meter that guards what comes in, and the port's name if it was named."""

    at: Tagged
    meter: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class PlacedLink:
    """A link used, from the port it was given by to the far one, with its tag."""

    a: Place
    b: Place
    vlan: int

    def sides(self) -> tuple[Tagged, Tagged]:
        """Both ports with the tag."""
        return Tagged(*self.a, self.vlan), Tagged(*self.b, self.vlan)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a VLink runs.

    Attributes:
        ends: as in the spec.
        links: the links between switches, in path order; of a tree in the order of its walk.
        path: the switches, in the same order.
        bandwidth: bit/s, 0 for best effort.
    """

    ends: tuple[PlacedEnd, ...]
    links: tuple[PlacedLink, ...]
    path: tuple[Dpid, ...]
    bandwidth: float

    def claims(self) -> Iterator[Tagged]:
        """Everything that is this VLink's alone."""
        yield from (end.at for end in self.ends)
        for link in self.links:
            yield from link.sides()

    def document(self) -> dict[str, Any]:
        """JSON-able; `read_placement` reads it back."""
        return {
            "ends": [[*end.at, end.meter, end.name] for end in self.ends],
            "links": [[*link.a, *link.b, link.vlan] for link in self.links],
            "path": list(self.path),
            "bandwidth": self.bandwidth,
        }


def read_placement(document: Mapping[str, Any]) -> Placement:
    """The placement of its document."""
    return Placement(
        tuple(PlacedEnd(Tagged(*e[:3]), e[3], e[4]) for e in document["ends"]),
        tuple(PlacedLink(Place(*k[:2]), Place(*k[2:4]), k[4]) for k in document["links"]),
        tuple(document["path"]),
        document["bandwidth"],
    )
