"""A topology from elsewhere (places and the lines between them) as a substrate.

What the readers of the foreign formats have in common: ids made fit, distances made latencies,
a host put at each place where one is asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from rdl.convert.account import Account, Loss, lines
from rdl.errors import RdlError
from rdl.graph import Amount, Element, Feature, Graph, Interface, Layer

_KM_PER_S = 200_000  # light in fibre
_EARTH_KM = 6371.0
_MAX_LONGITUDE = 180.0
_MAX_LATITUDE = 90.0
_NOT_DEGREES = "coordinates that are no degrees"
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
        group: the name of what it lies in, '' where there is nothing such.
    """

    key: str
    label: str
    longitude: float | None = None
    latitude: float | None = None
    group: str = ""

    @property
    def is_off_earth(self) -> bool:
        """Whether its coordinates are there and are no place on earth."""
        if self.longitude is None or self.latitude is None:
            return False
        return abs(self.longitude) > _MAX_LONGITUDE or abs(self.latitude) > _MAX_LATITUDE


@dataclass(frozen=True, slots=True)
class Line:
    """A link of a foreign topology: between two keys or more, with bit/s and km where known."""

    ends: tuple[str, ...]
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
    """A graph from another format, and an account of what of the file it does not hold."""

    graph: Graph
    losses: tuple[Loss, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The account in lines for people."""
        return tuple(lines(self.losses))


class Names:
    """Ids for labels: what RDL allows, each one unlike the others."""

    def __init__(self, longest: int = 63) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}
        self._longest = longest

    def fit(self, label: str, instead: str = "n") -> str:
        """An id that resembles `label`."""
        base = _UNFIT.sub("-", label).strip("-_")[: self._longest - 6] or instead
        name, number = base, self._last.get(base, 1)
        while name in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._last[base] = number
        self._taken.add(name)
        return name


def graph_name(label: str, account: Account) -> str:
    """A graph's name that resembles `label`."""
    name = Names().fit(label, instead="converted")
    if label and not resembles(name, label):
        account.lose("graph", "", "name", f"{label} (it is {name} now)")
    return name


def resembles(name: str, label: str) -> bool:
    """Whether an id holds all letters and digits of the label that it was made from."""
    return _essence(name).startswith(_essence(label))


def _essence(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


def substrate(
    name: str, places: Iterable[Place], joints: Iterable[Line], options: Options, account: Account
) -> Converted:
    """The underlay of places and the lines between them.

    Raises:
        ConvertError: a line refers to a place that isn't there.
    """
    builder = _Builder(options, account)
    for place in _on_earth(list(places), account):
        builder.place(place)
    for line in joints:
        builder.line(line)
    return builder.done(graph_name(name, account))


def _on_earth(places: list[Place], account: Account) -> list[Place]:
    """The places; without coordinates where those of the file are no degrees.

    Some pixels look like degrees, so one coordinate off the earth tells on all of the file.
    """
    if not any(place.is_off_earth for place in places):
        return places
    for place in places:
        if place.longitude is not None and place.latitude is not None:
            value = f"{place.longitude}, {place.latitude}"
            account.lose("node", place.label or place.key, _NOT_DEGREES, value)
    return [replace(place, longitude=None, latitude=None) for place in places]


class _Builder:
    def __init__(self, options: Options, account: Account) -> None:
        self._options = options
        self._account = account
        self._names = Names(longest=48)
        self._ids: dict[str, str] = {}
        self._places: dict[str, Place] = {}
        self._elements: dict[str, Element] = {}
        self._joined: dict[str, list[Interface]] = {}
        self._connections: list[tuple[str, str]] = []

    def place(self, place: Place) -> None:
        if place.key in self._ids:
            raise ConvertError(f"two nodes have the id {place.key[:60]!r}")
        identifier = self._names.fit(place.label or place.key)
        self._ids[place.key] = identifier
        self._places[place.key] = place
        features: dict[str, Feature] = {}
        if place.label and place.label != identifier:
            features["label"] = self._label(place.label, "node", identifier)
        elif not resembles(identifier, place.key) and not place.label:
            features["label"] = self._label(place.key, "node", identifier)
        if place.group:
            features["group"] = self._label(place.group, "node", identifier)
        if place.longitude is not None and place.latitude is not None:
            features |= {"longitude": place.longitude, "latitude": place.latitude}
        self._add(Element(identifier, self._options.node_type, features=features))
        host = self._options.host
        if host is not None:
            own = self._names.fit(f"{identifier}-host")
            amounts = {n: Amount(a) for n, a in host.resources.items()}
            self._add(Element(own, host.type, amounts))
            up = self._names.fit(f"{own}-up")
            self._link(up, (own, identifier), host.bandwidth, {})

    def line(self, line: Line) -> None:
        for key in line.ends:
            if key not in self._ids:
                raise ConvertError(f"a link refers to the node {key[:60]!r}, which isn't there")
        ends = tuple(dict.fromkeys(self._ids[key] for key in line.ends))
        name = "--".join(self._ids[key] for key in line.ends[:3])
        if len(ends) < len(line.ends) or len(ends) < 2:
            what = "link to itself" if len(ends) < 2 else "end at a node that is there already"
            self._account.lose("link", name, what, line.label)
        if len(ends) < 2:
            return
        bandwidth = self._not_negative(line.bandwidth, "bandwidth", name)
        km = self._not_negative(line.km, "distance", name)
        if km is None and len(ends) == 2:
            a, b = (self._places[key] for key in dict.fromkeys(line.ends))
            km = distance_km(a, b)
        features: dict[str, Feature] = {}
        if km is not None:
            features["latency"] = round(km / _KM_PER_S, 9)
        if line.label:
            features["label"] = self._label(line.label, "link", name)
        if bandwidth is None:
            bandwidth = self._options.bandwidth
        own = self._names.fit("--".join(end[: 44 // len(ends[:3])] for end in ends[:3]))
        self._link(own, ends, bandwidth, features)

    def _not_negative(self, value: float | None, what: str, link: str) -> float | None:
        if value is None or value >= 0:
            return value
        self._account.lose("link", link, f"negative {what}", value)
        return None

    def _label(self, text: str, of: str, where: str) -> str:
        told = printable(text)
        if told != text:
            self._account.lose(of, where, "characters of the label", text)
        return told

    def _add(self, element: Element) -> None:
        self._elements[element.id] = element
        self._joined[element.id] = []

    def _link(
        self,
        name: str,
        ends: tuple[str, ...],
        bandwidth: float | None,
        features: Mapping[str, Feature],
    ) -> None:
        amounts = {} if bandwidth is None else {"bandwidth": Amount(whole(bandwidth))}
        self._add(Element(name, self._options.link_type, amounts, features))
        for position, end in enumerate(ends):
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
        return Converted(graph, self._account.losses())


def distance_km(a: Place, b: Place) -> float | None:
    """The great-circle distance (haversine), None where a position is unknown."""
    if a.longitude is None or a.latitude is None or b.longitude is None or b.latitude is None:
        return None
    lat_a, lat_b = math.radians(a.latitude), math.radians(b.latitude)
    across = math.radians(b.longitude - a.longitude)
    half = math.sin((lat_b - lat_a) / 2) ** 2
    half += math.cos(lat_a) * math.cos(lat_b) * math.sin(across / 2) ** 2
    return 2 * _EARTH_KM * math.asin(math.sqrt(min(1.0, half)))


def whole(value: float) -> int | float:
    """A number without a fraction as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def printable(label: str) -> str:
    """Text from a file as a feature may hold it."""
    return "".join(c if c.isprintable() else " " for c in label)[:200]
