"""GENI request RSpecs (version 3, and what ProtoGENI's version 2 has in common) as overlays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree.ElementTree import Element as Xml

from rdl.convert.account import Account
from rdl.convert.addressing import cidr_of, mac_of
from rdl.convert.quantities import number, rate, seconds
from rdl.convert.topology import (
    Converted,
    ConvertError,
    Names,
    Options,
    graph_name,
    printable,
    resembles,
    whole,
)
from rdl.convert.xmlin import Reading
from rdl.graph import Amount, Element, Feature, Graph, Interface, Layer, Range
from rdl.vocabulary import DEFAULT_LINK, DEFAULT_NODE

_KBIT = 1000
_SIZES = {"cores": ("cpu", 1), "ram": ("memory", 2**20), "disk": ("storage", 10**9)}
_VIRTUALIZATIONS = frozenset({"xen", "kvm", "emulab-xen", "emulab-kvm"})


def request(reading: Reading, name: str, _: Options) -> Converted:
    """The overlay that a request RSpec asks for.

    Nodes become VNodes (image, virtualization, cores, memory, disk and the aggregate as
    `provider`), links VLinks (capacity in kbit/s to bandwidth, latency in ms to its bound).

    Raises:
        ConvertError: it is no request, an id is there twice, or a link refers to an interface
            that isn't there or is on another link.
    """
    kind = reading.attribute(reading.root, "type") or "request"
    if kind != "request":
        raise ConvertError(f"a request is wanted, this RSpec is of type {kind[:60]!r}")
    reader = _Request(reading)
    for node in reading.children(reading.root, "node"):
        reader.node(node)
    for link in reading.children(reading.root, "link"):
        reader.link(link)
    return reader.done(name or "request")


class _Request:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._account = Account()
        self._names = Names(longest=48)
        self._ids: set[tuple[str, str]] = set()
        self._elements: dict[str, Element] = {}
        self._providers: set[str] = set()
        self._interfaces: dict[str, Interface] = {}  # by the file's own ids
        self._owned: dict[str, list[str]] = {}  # of each node, the file's ids of its interfaces
        self._on: dict[str, str] = {}  # the link that each of the file's interfaces is on
        self._connections: list[tuple[str, str]] = []

    # -- nodes

    def node(self, node: Xml) -> None:
        reading = self._reading
        told = self._client_id(node, "node")
        identifier = self._fit(told, "node", "n")
        reading.name(node, "node", told or identifier)
        features: dict[str, Feature] = {}
        self._authority(node, told, features)
        amounts = self._slivers(node, told, features)
        for position, hardware in enumerate(reading.children(node, "hardware_type")):
            self._hardware(reading.attribute(hardware, "name"), position, told, features)
        exclusive = reading.attribute(node, "exclusive")
        if exclusive.casefold() in ("true", "1"):
            self._account.lose("node", told, "exclusive (a host is shared)", exclusive)
        self._elements[identifier] = Element(identifier, DEFAULT_NODE, amounts, features)
        self._owned[identifier] = []
        names = Names()
        for position, interface in enumerate(reading.children(node, "interface")):
            ref = self._client_id(interface, "interface") or f" {identifier} {position}"
            self._interfaces[ref] = self._interface(interface, ref, identifier, names)
            self._owned[identifier].append(ref)

    def _client_id(self, element: Xml, kind: str) -> str:
        told = self._reading.attribute(element, "client_id")
        if told and (kind, told) in self._ids:
            raise ConvertError(f"the {kind} {told[:60]!r} is there twice")
        self._ids.add((kind, told))
        return told

    def _fit(self, told: str, kind: str, instead: str) -> str:
        identifier = self._names.fit(told, instead=instead)
        if told and not resembles(identifier, told):
            self._account.lose(kind, told, "spelling of its id", f"({identifier} in the graph)")
        return identifier

    def _authority(self, node: Xml, told: str, features: dict[str, Feature]) -> None:
        urn = self._reading.attribute(node, "component_manager_id")
        provider = _authority(urn)
        if provider:
            features["provider"] = provider
            self._providers.add(provider)
        elif urn:
            self._account.lose("node", told, "component_manager_id", urn)

    def _hardware(self, name: str, nth: int, told: str, features: dict[str, Feature]) -> None:
        if nth == 0 and name:
            features["hardware_type"] = self._shown(name, told, "hardware_type")
        else:
            self._account.lose("node", told, "further hardware_type", name)

    def _slivers(self, node: Xml, told: str, features: dict[str, Feature]) -> dict[str, Amount]:
        """Features and amounts that the first sliver type asks for; further ones are lost."""
        reading = self._reading
        amounts: dict[str, Amount] = {}
        sliver = reading.child(node, "sliver_type")
        if sliver is None:
            return amounts
        kind = reading.attribute(sliver, "name")
        found = [v for v in ("xen", "kvm") if v in kind.casefold()]
        if found:
            features["virtualization"] = found[0]
        if kind and kind.casefold() not in _VIRTUALIZATIONS:
            self._account.lose("node", told, "sliver_type", kind)
        image = reading.child(sliver, "disk_image")
        if image is not None:
            self._image(reading.attribute(image, "name"), told, features)
        for tag in ("xen", "kvm"):
            sizes = reading.child(sliver, tag)
            if sizes is not None:
                self._sizes(sizes, told, amounts)
        return amounts

    def _image(self, urn: str, told: str, features: dict[str, Feature]) -> None:
        """The image's own name; whose it is, is lost unless it is the provider's."""
        own = urn.rpartition("+")[2]
        if own:
            features["image"] = self._shown(own, told, "disk_image")
        if urn and (not own or _authority(urn) not in ("", features.get("provider"))):
            self._account.lose("node", told, "disk_image", urn)

    def _shown(self, text: str, told: str, what: str) -> str:
        shown = printable(text)
        if shown != text:
            self._account.lose("node", told, f"characters of {what}", text)
        return shown

    def _sizes(self, sizes: Xml, told: str, amounts: dict[str, Amount]) -> None:
        for key, (resource, factor) in _SIZES.items():
            text = self._reading.attribute(sizes, key)
            value = number(text)
            if value is not None and value >= 0:
                amounts[resource] = Amount(whole(value * factor))
            elif text:
                self._account.lose("node", told, key, text)

    # -- interfaces

    def _interface(self, interface: Xml, ref: str, node: str, names: Names) -> Interface:
        reading = self._reading
        own = f"{node}.{names.fit(ref.rpartition(':')[2].strip(), instead='if')}"
        told = ref.strip()
        reading.name(interface, "interface", told)
        features: dict[str, Feature] = {}
        for address in reading.children(interface, "ip"):
            text = reading.attribute(address, "address")
            length = reading.attribute(address, "netmask")
            reading.attribute(address, "type")  # the address says it too
            cidr = cidr_of(text, length)
            shown = f"{text}/{length}".rstrip("/")
            if cidr is None:
                self._account.lose("interface", told, "address that is none", shown)
            elif "address" in features:
                self._account.lose("interface", told, "further address", shown)
            else:
                features["address"] = cidr
        text = reading.attribute(interface, "mac_address")
        mac = mac_of(text)
        if mac:
            features["mac"] = mac
        elif text:
            self._account.lose("interface", told, "mac_address that is none", text)
        return Interface(own, features)

    # -- links

    def link(self, link: Xml) -> None:
        reading = self._reading
        told = self._client_id(link, "link")
        reading.name(link, "link", told)
        refs = self._ends(link, told)
        if len(refs) < 2:
            self._account.lose("link", told, "link that joins no two nodes", ", ".join(refs))
            reading.skip(link)
            return
        identifier = self._fit(told, "link", "link")
        amounts: dict[str, Amount] = {}
        features: dict[str, Feature] = {}
        capacity = self._largest(link, told, "capacity", lambda text: rate(text, _KBIT))
        if capacity is not None:
            amounts["bandwidth"] = Amount(whole(capacity))
        latency = self._largest(link, told, "latency", lambda text: seconds(text, "ms"))
        if latency is not None:
            features["latency"] = Range(None, latency)
        self._packet_loss(link, told)
        self._managers(link, told)
        own = tuple(Interface(f"{identifier}.{i}") for i in range(len(refs)))
        self._elements[identifier] = Element(identifier, DEFAULT_LINK, amounts, features, own)
        self._unlike(refs, "address", _ip)
        self._unlike(refs, "mac", str)
        for interface, ref in zip(own, refs, strict=True):
            self._connections.append((self._interfaces[ref].id, interface.id))

    def _ends(self, link: Xml, told: str) -> list[str]:
        """The interfaces that a link joins: one of each node."""
        found: dict[str, str] = {}
        for element in self._reading.children(link, "interface_ref"):
            ref = self._reading.attribute(element, "client_id")
            if ref not in self._interfaces:
                raise ConvertError(f"link {told[:60]}: the interface {ref[:60]!r} isn't there")
            if ref in self._on:
                first = self._on[ref]
                raise ConvertError(
                    f"link {told[:60]}: the interface {ref[:60]!r} is on link {first[:60]} already"
                )
            self._on[ref] = told
            node = self._interfaces[ref].element
            if node in found:
                value = f"{ref} (besides {found[node]})"
                self._account.lose("link", told, "second end at one node", value)
            else:
                found[node] = ref
        return list(found.values())

    def _largest(
        self, link: Xml, told: str, key: str, read: Callable[[str], float | None]
    ) -> float | None:
        """The largest value of a property over both directions; RDL's links are alike in both."""
        values: dict[float, str] = {}
        for element in self._reading.children(link, "property"):
            for end in ("source_id", "dest_id"):
                self._reading.attribute(element, end)
            text = self._reading.attribute(element, key)
            value = read(text)
            if value is not None:
                values.setdefault(value, text)
            elif text:
                self._account.lose("link", told, key, text)
        largest = max(values, default=None)
        for value, text in values.items():
            if value != largest:
                self._account.lose("link", told, f"{key} that differs in one direction", text)
        return largest

    def _packet_loss(self, link: Xml, told: str) -> None:
        for element in self._reading.children(link, "property"):
            text = self._reading.attribute(element, "packet_loss")
            if text and number(text) != 0:
                self._account.lose("link", told, "packet_loss", text)

    def _managers(self, link: Xml, told: str) -> None:
        """A link's aggregates are those of its nodes, or are lost."""
        for manager in self._reading.children(link, "component_manager"):
            urn = self._reading.attribute(manager, "name")
            if _authority(urn) not in self._providers:
                self._account.lose("link", told, "component_manager", urn)

    def _unlike(self, refs: list[str], feature: str, form: Callable[[str], str]) -> None:
        """Leave out what two interfaces of a link can't both have."""
        seen: dict[str, str] = {}
        for ref in refs:
            interface = self._interfaces[ref]
            value = interface.features.get(feature)
            if not isinstance(value, str):
                continue
            first = seen.setdefault(form(value), ref)
            if first != ref:
                what = f"{feature} that another on the link has"
                self._account.lose("interface", ref, what, f"{value} ({first})")
                kept = {k: v for k, v in interface.features.items() if k != feature}
                self._interfaces[ref] = replace(interface, features=kept)

    def done(self, name: str) -> Converted:
        self._reading.lose_rest(self._account)
        elements = {
            i: replace(e, interfaces=tuple(self._interfaces[ref] for ref in self._owned[i]))
            if i in self._owned
            else e
            for i, e in self._elements.items()
        }
        graph = Graph(
            graph_name(name, self._account), Layer.OVERLAY, elements, tuple(self._connections)
        )
        return Converted(graph, self._account.losses())


def _authority(urn: str) -> str:
    parts = urn.split("+")
    return printable(parts[1]) if len(parts) > 2 else ""


def _ip(cidr: str) -> str:
    return cidr.partition("/")[0]
