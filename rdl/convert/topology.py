"""A topology from elsewhere (places and the lines between them) as a substrate.

What the readers of the foreign formats have in common: ids made fit, distances made latencies,
a host put at each place where one is asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rdl.errors import RdlError
from rdl.graph import Amount, Element, Feature, Graph, Interface, Layer

_KM_PER_S = 200_000  # light in fibre
_EARTH_KM = 6371.0
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


class ConvertError(RdlError):
    """A file of another format that can't be taken."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node of a foreign topology.

    Attributes:
        key: what the file's lines refer to it by.
        label: its name for people.
        longitude: degrees, None where unknown; likewise `latitude`.
    """

    key: str
    label: str
    longitude: float | None = None
    latitude: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A link of a foreign topology: between two keys, with bit/s and km where known."""

    a: str
    b: str
    label: str = ""
    bandwidth: float | None = None
    km: float | None = None


@dataclass(frozen=True)
class HostAt:
    """A host to put at each place, joined to its switch.

    Attributes:
        type: the host's type.
        resources: its amounts, in base units.
        bandwidth: of the link to its switch, in bit/s.
    """

    type: str = "/node/host/server/namespace"
    resources: Mapping[str, int | float] = field(
        default_factory=lambda: {"cpu": 16, "memory": 64 * 2**30, "storage": 10**12}
    )
    bandwidth: int | float = 10**10


@dataclass(frozen=True)
class Options:
    """How a topology becomes a substrate.

    Attributes:
        node_type: of the places.
        link_type: of the lines.
        bandwidth: of lines whose capacity the file does not tell, in bit/s; None leaves it out.
        host: the host at each place, None for none.
    """

    node_type: str = "/node/switch/openflow"
    link_type: str = "/link/ethernet"
    bandwidth: int | float | None = None
    host: HostAt | None = None


@dataclass(frozen=True)
class Converted:
    """A graph from another format, and what of the file it could not hold."""

    graph: Graph
    notes: tuple[str, ...] = ()


class Names:
    """Ids for labels: what RDL allows, each one unlike the others."""

    def __init__(self, longest: int = 63) -> None:
        self._taken: set[str] = set()
        self._longest = longest

    def fit(self, label: str, instead: str = "n") -> str:
        """An id that resembles `label`."""
        base = _UNFIT.sub("-", label).strip("-_")[: self._longest - 6] or instead
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name)
        return name


def graph_name(label: str) -> str:
    """A graph's name that resembles `label`."""
    return Names().fit(label, instead="converted")


def substrate(
    name: str, places: Iterable[Place], lines: Iterable[Line], options: Options
) -> Converted:
    """The underlay of places and lines.

    Raises:
        ConvertError: a line refers to a place that isn't there.
    """
    builder = _Builder(options)
    for place in places:
        builder.place(place)
    for line in lines:
        builder.line(line)
    return builder.done(graph_name(name))


class _Builder:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._names = Names(longest=48)
        self._ids: dict[str, str] = {}
        self._places: dict[str, Place] = {}
        self._elements: dict[str, Element] = {}
        self._joined: dict[str, list[Interface]] = {}
        self._connections: list[tuple[str, str]] = []
        self._notes: list[str] = []

    def place(self, place: Place) -> None:
        if place.key in self._ids:
            raise ConvertError(f"two nodes have the id {place.key[:60]!r}")
        identifier = self._names.fit(place.label or place.key)
        self._ids[place.key] = identifier
        self._places[place.key] = place
        features: dict[str, Feature] = {}
        if place.label and place.label != identifier:
            features["label"] = printable(place.label)
        if place.longitude is not None and place.latitude is not None:
            features |= {"longitude": place.longitude, "latitude": place.latitude}
        self._add(Element(identifier, self._options.node_type, features=features))
        host = self._options.host
        if host is not None:
            own = self._names.fit(f"{identifier}-host")
            amounts = {n: Amount(a) for n, a in host.resources.items()}
            self._add(Element(own, host.type, amounts))
            self._link(self._names.fit(f"{own}-up"), own, identifier, host.bandwidth, {})

    def line(self, line: Line) -> None:
        for key in (line.a, line.b):
            if key not in self._ids:
                raise ConvertError(f"a link refers to the node {key[:60]!r}, which isn't there")
        a, b = self._ids[line.a], self._ids[line.b]
        if a == b:
            self._notes.append(f"left out: a link from {a} to itself")
            return
        km = line.km
        if km is None:
            km = distance_km(self._places[line.a], self._places[line.b])
        features: dict[str, Feature] = {}
        if km is not None:
            features["latency"] = round(km / _KM_PER_S, 9)
        if line.label:
            features["label"] = printable(line.label)
        bandwidth = self._options.bandwidth if line.bandwidth is None else line.bandwidth
        self._link(self._names.fit(f"{a[:22]}--{b[:22]}"), a, b, bandwidth, features)

    def _add(self, element: Element) -> None:
        self._elements[element.id] = element
        self._joined[element.id] = []

    def _link(
        self,
        name: str,
        a: str,
        b: str,
        bandwidth: float | None,
        features: Mapping[str, Feature],
    ) -> None:
        amounts = {} if bandwidth is None else {"bandwidth": Amount(_whole(bandwidth))}
        self._add(Element(name, self._options.link_type, amounts, features))
        for position, end in enumerate((a, b)):
            own, other = f"{end}.{name}", f"{name}.{position}"
            self._joined[end].append(Interface(own))
            self._joined[name].append(Interface(other))
            self._connections.append((own, other))

    def done(self, name: str) -> Converted:
        elements = {
            i: Element(i, e.type, e.resources, e.features, tuple(self._joined[i]))
            for i, e in self._elements.items()
        }
        graph = Graph(name, Layer.UNDERLAY, elements, tuple(self._connections))
        return Converted(graph, tuple(self._notes))


def distance_km(a: Place, b: Place) -> float | None:
    """The great-circle distance (haversine), None where a position is unknown."""
    if a.longitude is None or a.latitude is None or b.longitude is None or b.latitude is None:
        return None
    lat_a, lat_b = math.radians(a.latitude), math.radians(b.latitude)
    across = math.radians(b.longitude - a.longitude)
    half = math.sin((lat_b - lat_a) / 2) ** 2
    half += math.cos(lat_a) * math.cos(lat_b) * math.sin(across / 2) ** 2
    return 2 * _EARTH_KM * math.asin(math.sqrt(min(1.0, half)))


def _whole(value: float) -> int | float:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def printable(label: str) -> str:
    """Text from a file as a feature may hold it."""
    return "".join(c if c.isprintable() else " " for c in label)[:200]


def number(text: str | None) -> float | None:
    """A finite number from a file, None where there is none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
