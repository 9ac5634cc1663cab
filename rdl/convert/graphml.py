"""GraphML, as the Internet Topology Zoo, yEd and networkx write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element as Xml

from rdl.convert.account import Account, Fields
from rdl.convert.quantities import number, rate, rate_unit
from rdl.convert.topology import Converted, ConvertError, Line, Options, Place, substrate
from rdl.convert.xmlin import Reading, local

_YED = "yworks.com"
_LABELS = ("NodeLabel", "EdgeLabel")
_USUAL_ID = "G"  # yEd and networkx write it in every file
_NUMBERED = re.compile(r"[A-Za-z]{0,2}[0-9]+(?:::[A-Za-z]{0,2}[0-9]+)*", re.ASCII)


def is_numbered(identifier: str) -> bool:
    """Whether an id only counts, as `17`, `n17` or `e4` do: it says nothing of its own."""
    return _NUMBERED.fullmatch(identifier) is not None


def graph(reading: Reading, name: str, options: Options) -> Converted:
    """A GraphML graph: `label`, `Longitude`, `Latitude`; `LinkSpeedRaw`, or speed and units.

    Of yEd's graphics the labels are read. Nodes within nodes stand beside the others, with the
    name of what they lie in as their feature `group`; a hyperedge is a link of several ends.

    Raises:
        ConvertError: there is no graph in it.
    """
    reader = _Reader(reading)
    top = reading.child(reading.root, "graph")
    if top is None:
        raise ConvertError("the GraphML has no graph")
    own = reading.attribute(top, "id")
    about = reader.data(top, "graph")
    title = about.take("Network") or about.take("label")
    if title and own not in ("", title, _USUAL_ID):
        reader.account.lose("graph", "", "id", own)
    about.lose_rest(reader.account, "graph", "", "attribute")
    reader.walk(top)
    places = list(reader.places())
    joints = list(reader.joints())
    reading.lose_rest(reader.account)
    return substrate(title or own or name, places, joints, options, reader.account)


@dataclass(frozen=True, slots=True)
class _Key:
    """What a `key` declares: the name and the default of an attribute of some kind of element."""

    name: str
    of: str
    default: str


class _Reader:
    def __init__(self, reading: Reading) -> None:
        self.account = Account()
        self._reading = reading
        self._keys = dict(self._declared())
        self._nodes: list[tuple[Xml, str]] = []  # with the id of the node that it lies in
        self._lines: list[Xml] = []
        self._ends: set[str] = set()
        self._labels: dict[str, str] = {}

    def _declared(self) -> Iterator[tuple[str, _Key]]:
        reading = self._reading
        for key in reading.children(reading.root, "key"):
            reading.all_attributes(key)
            identifier = key.get("id", "")
            default = reading.text(reading.child(key, "default"))
            for described in reading.children(key, "desc"):
                reading.text(described)
            name = key.get("attr.name") or identifier
            yield identifier, _Key(name, key.get("for", "all"), default)

    # -- all nodes and edges, however deep

    def walk(self, top: Xml) -> None:
        """Find the nodes and the edges of a graph and of all graphs in it."""
        reading = self._reading
        stack = [(top, "")]
        while stack:
            graph, group = stack.pop()
            if reading.attribute(graph, "edgedefault") == "directed":
                self.account.lose("graph", group, "direction of its links", "directed")
            own = reading.attribute(graph, "id")
            if graph is not top and own.rstrip(":") not in ("", group):
                self.account.lose("node", group, "id of the graph in it", own)
            for counted in ("nodes", "edges", "nodeids", "edgeids", "order"):
                reading.attribute(graph, f"parse.{counted}")
            for node in reading.children(graph, "node"):
                self._nodes.append((node, group))
                inner = [(g, node.get("id", "")) for g in reading.children(node, "graph")]
                stack.extend(reversed(inner))
            for tag in ("edge", "hyperedge"):
                self._lines.extend(reading.children(graph, tag))
        self._ends = {key for line in self._lines for key in self._ends_of(line)}

    def _ends_of(self, line: Xml) -> tuple[str, ...]:
        reading = self._reading
        if local(line) == "edge":
            return reading.attribute(line, "source"), reading.attribute(line, "target")
        return tuple(reading.attribute(e, "node") for e in reading.children(line, "endpoint"))

    # -- nodes

    def places(self) -> Iterator[Place]:
        """The nodes; what merely holds others is their group."""
        groups = {group for _, group in self._nodes if group}
        read = [(node, group, self._node(node)) for node, group in self._nodes]
        for _, group, place in read:
            if place.key in groups and place.key not in self._ends:
                where = place.label or place.key
                self.account.lose("node", where, "node of its own (it is the group of others)")
                continue
            yield Place(
                place.key,
                place.label,
                place.longitude,
                place.latitude,
                self._labels.get(group, group),
            )

    def _node(self, node: Xml) -> Place:
        data = self.data(node, "node")
        key = self._reading.attribute(node, "id")
        drawn = self.graphics(node, "node", key)
        label = data.take("label") or data.take("name") or drawn
        if drawn not in ("", label):
            self.account.lose("node", label, "label in the drawing", drawn)
        where = label or key
        self._labels[key] = where
        self._reading.name(node, "node", where)
        if label and label != key and not is_numbered(key):
            self.account.lose("node", where, "id", key)
        longitude, latitude = _coordinates(data)
        data.lose_rest(self.account, "node", where, "attribute")
        return Place(key, label, longitude, latitude)

    # -- links

    def joints(self) -> Iterator[Line]:
        """The edges and hyperedges."""
        for line in self._lines:
            ends = self._ends_of(line)
            where = "--".join(self._labels.get(end, end) for end in ends)
            self._reading.name(line, "link", where)
            own = self._reading.attribute(line, "id")
            if len(ends) < 2:
                self.account.lose("link", where, f"link of {len(ends)} ends", own)
                continue
            if self._reading.attribute(line, "directed") == "true":
                self.account.lose("link", where, "direction", "directed")
            yield self._line(line, ends, where, own)

    def _line(self, line: Xml, ends: tuple[str, ...], where: str, own: str) -> Line:
        data = self.data(line, "edge")
        drawn = self.graphics(line, "link", where)
        label = data.take("LinkLabel") or data.take("label") or drawn
        if drawn not in ("", label):
            self.account.lose("link", where, "label in the drawing", drawn)
        if own and not is_numbered(own):
            if label and label != own:
                self.account.lose("link", where, "id", own)
            label = label or own
        bandwidth = _speed(data)
        bandwidth = rate(label) if bandwidth is None else bandwidth
        data.lose_rest(self.account, "link", where, "attribute")
        return Line(ends, label, bandwidth)

    # -- data

    def data(self, element: Xml, of: str) -> Fields:
        """The data of an element by the names of their keys, with what the keys have as default."""
        pairs = [self._datum(d) for d in self._reading.children(element, "data")]
        said = {name for name, _ in pairs}
        pairs += [
            (key.name, key.default)
            for key in self._keys.values()
            if key.default and key.of in (of, "all") and key.name not in said
        ]
        return Fields(pairs)

    def _datum(self, datum: Xml) -> tuple[str, str]:
        identifier = self._reading.attribute(datum, "key")
        name = self._keys[identifier].name if identifier in self._keys else identifier
        return name, self._reading.text(datum)

    def graphics(self, element: Xml, of: str, where: str) -> str:
        """The label that yEd draws at a node or an edge, '' for none; the drawing is lost."""
        labels: list[str] = []
        drawn = ""
        for datum in self._reading.children(element, "data"):
            for graphics in datum:
                if _YED not in str(graphics.tag):
                    continue
                self._reading.skip(graphics)
                own = [text for e in graphics.iter() if local(e) in _LABELS and (text := _own(e))]
                labels += own
                said = sum(1 for text in graphics.itertext() if text.strip())
                if not own or said > len(own) or any(e.attrib for e in graphics.iter()):
                    drawn = drawn or local(graphics)
        for label in labels[1:]:
            self.account.lose(of, where, "further label", label)
        if drawn:
            self.account.lose(of, where, "drawing", drawn)
        return (*labels, "")[0]


def _own(element: Xml) -> str:
    return (element.text or "").strip()


def _coordinates(data: Fields) -> tuple[float | None, float | None]:
    """Longitude and latitude; half a position, or one that is no numbers, stays in the data."""
    told = data.take("Longitude"), data.take("Latitude")
    longitude, latitude = number(told[0]), number(told[1])
    if longitude is None or latitude is None:
        data.put_back("Longitude", told[0])
        data.put_back("Latitude", told[1])
        return None, None
    return longitude, latitude


def _speed(data: Fields) -> float | None:
    """The bit/s of an edge; what can't be read, or says otherwise, stays in the data."""
    told = {n: data.take(n) or "" for n in _SPEEDS}
    raw = number(told["LinkSpeedRaw"])
    factor = rate_unit(told["LinkSpeedUnits"])
    scaled = rate(f"{told['LinkSpeed']} {told['LinkSpeedUnits']}") if factor else None
    alternatives = {
        "LinkSpeedRaw": raw if raw is None or raw >= 0 else None,
        "LinkSpeed": rate(told["LinkSpeed"]) if scaled is None else scaled,
        "bandwidth": rate(told["bandwidth"]),
        "capacity": rate(told["capacity"]),
    }
    found = next((value for value in alternatives.values() if value is not None), None)
    for name, value in alternatives.items():
        if value is None or found != value:
            data.put_back(name, told[name])
    if alternatives["LinkSpeed"] is None or alternatives["LinkSpeed"] != found or not factor:
        data.put_back("LinkSpeedUnits", told["LinkSpeedUnits"])
    return found


_SPEEDS = ("LinkSpeedRaw", "LinkSpeed", "LinkSpeedUnits", "bandwidth", "capacity")
