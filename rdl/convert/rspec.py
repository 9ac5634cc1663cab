"""GENI request RSpecs (version 3, and what ProtoGENI's version 2 has in common) as overlays."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from xml.etree.ElementTree import Element as Xml

from rdl.addresses import unusable
from rdl.convert.topology import (
    Converted,
    ConvertError,
    Names,
    Options,
    graph_name,
    number,
    printable,
)
from rdl.convert.xmlin import child, children, local
from rdl.graph import Amount, Element, Feature, Graph, Interface, Layer, Range
from rdl.vocabulary import DEFAULT_LINK, DEFAULT_NODE

_NODE_TAGS = frozenset({"sliver_type", "interface", "hardware_type"})
_LINK_TAGS = frozenset({"interface_ref", "property", "link_type", "component_manager"})


def request(root: Xml, name: str, _: Options) -> Converted:
    """The overlay that a request RSpec asks for.

    Nodes become VNodes (image, virtualization, cores, memory, disk and the aggregate as
    `provider`), links VLinks (capacity in kbit/s to bandwidth, latency in ms to its bound).

    Raises:
        ConvertError: it is no request, or a link refers to an interface that isn't there.
    """
    if root.get("type", "request") != "request":
        raise ConvertError(f"a request is wanted, this RSpec is of type {root.get('type')!r}")
    reader = _Request()
    for node in children(root, "node"):
        reader.node(node)
    for link in children(root, "link"):
        reader.link(link)
    return reader.done(graph_name(name or "request"))


class _Request:
    def __init__(self) -> None:
        self._names = Names(longest=48)
        self._elements: dict[str, Element] = {}
        self._interfaces: dict[str, list[Interface]] = {}
        self._refs: dict[str, str] = {}  # the file's interface ids to ours
        self._connections: list[tuple[str, str]] = []
        self._notes: dict[str, None] = {}

    def node(self, node: Xml) -> None:
        identifier = self._names.fit(node.get("client_id", ""))
        features, amounts = _sliver(child(node, "sliver_type"))
        provider = _authority(node.get("component_manager_id", ""))
        if provider:
            features["provider"] = provider
        for hardware in children(node, "hardware_type")[:1]:
            features["hardware_type"] = printable(hardware.get("name", ""))
        if node.get("component_id"):
            self._note(f"{identifier}: component_id (ids of a substrate are its own)")
        if node.get("exclusive", "").casefold() in ("true", "1"):
            self._note(f"{identifier}: exclusive (a host is shared)")
        for tag in {local(e) for e in node} - _NODE_TAGS:
            self._note(f"{identifier}: <{tag[:60]}>")
        self._elements[identifier] = Element(identifier, DEFAULT_NODE, amounts, features)
        names = Names()
        self._interfaces[identifier] = [
            self._interface(i, identifier, names) for i in children(node, "interface")
        ]

    def _interface(self, interface: Xml, node: str, names: Names) -> Interface:
        ref = interface.get("client_id", "")
        own = f"{node}.{names.fit(ref.rpartition(':')[2], instead='if')}"
        self._refs[ref] = own
        features: dict[str, Feature] = {}
        for address in children(interface, "ip")[:1]:
            cidr = _cidr(address.get("address", ""), address.get("netmask", ""))
            if cidr is None:
                self._note(f"{own}: an address that is none")
            else:
                features["address"] = cidr
        return Interface(own, features)

    def link(self, link: Xml) -> None:
        identifier = self._names.fit(link.get("client_id", ""), instead="link")
        refs = [ref.get("client_id", "") for ref in children(link, "interface_ref")]
        for ref in refs:
            if ref not in self._refs:
                raise ConvertError(f"{identifier} refers to the interface {ref[:60]!r}, not there")
        if len(refs) < 2:
            self._note(f"{identifier}: a link of {len(refs)} ends")
            return
        for tag in {local(e) for e in link} - _LINK_TAGS:
            self._note(f"{identifier}: <{tag[:60]}>")
        rates = list(_numbers(link, "capacity"))
        delays = list(_numbers(link, "latency"))
        amounts = {"bandwidth": Amount(int(max(rates) * 1000))} if rates else {}
        features: dict[str, Feature] = {}
        if delays:
            features["latency"] = Range(None, max(delays) / 1000)
        own = tuple(Interface(f"{identifier}.{i}") for i in range(len(refs)))
        self._elements[identifier] = Element(identifier, DEFAULT_LINK, amounts, features, own)
        for interface, ref in zip(own, refs, strict=True):
            self._connections.append((self._refs[ref], interface.id))

    def _note(self, text: str) -> None:
        self._notes[f"left out: {text}"] = None

    def done(self, name: str) -> Converted:
        elements = {}
        for i, e in self._elements.items():
            own = tuple(self._interfaces[i]) if i in self._interfaces else e.interfaces
            elements[i] = Element(i, e.type, e.resources, e.features, own)
        used = [end for pair in self._connections for end in pair]
        if len(used) != len(set(used)):
            raise ConvertError("an interface is on two links")
        return Converted(
            Graph(name, Layer.OVERLAY, elements, tuple(self._connections)), tuple(self._notes)
        )


def _sliver(sliver: Xml | None) -> tuple[dict[str, Feature], dict[str, Amount]]:
    """Features and amounts that a sliver type asks for."""
    features: dict[str, Feature] = {}
    amounts: dict[str, Amount] = {}
    if sliver is None:
        return features, amounts
    kind = sliver.get("name", "").casefold()
    for virtualization in ("xen", "kvm"):
        if virtualization in kind:
            features["virtualization"] = virtualization
    image = child(sliver, "disk_image")
    template = "" if image is None else image.get("name", "").rpartition("+")[2]
    if template:
        features["image"] = printable(template)
    sizes = child(sliver, "xen")
    if sizes is not None:
        scale = {"cores": ("cpu", 1), "ram": ("memory", 2**20), "disk": ("storage", 10**9)}
        for key, (resource, factor) in scale.items():
            value = number(sizes.get(key))
            if value is not None and value >= 0:
                amounts[resource] = Amount(int(value * factor))
    return features, amounts


def _authority(urn: str) -> str:
    parts = urn.split("+")
    return printable(parts[1]) if len(parts) > 2 else ""


def _cidr(address: str, netmask: str) -> str | None:
    try:
        found = ipaddress.ip_interface(f"{address}/{netmask}" if netmask else address)
    except ValueError:
        return None
    return None if unusable(found) else str(found)


def _numbers(link: Xml, key: str) -> Iterator[float]:
    for element in children(link, "property"):
        value = number(element.get(key))
        if value is not None and value >= 0:
            yield value
