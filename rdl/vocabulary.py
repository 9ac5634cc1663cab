"""What the language knows by name, as data: one table each, read by all who need it.

The loader checks by these tables, the JSON Schema is derived from them, the writer and the
comparison look kinds up here. A new standard resource or feature is one line.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rdl.graph import ConstraintKind, Layer
from rdl.units import Quantity

VERSION = 1
VLAN_MIN, VLAN_MAX = 2, 4094

ID_PATTERN = r"[A-Za-z0-9_-]{1,63}"
NAME_PATTERN = r"[A-Za-z0-9._-]{1,63}"
INTERFACE_PATTERN = rf"{ID_PATTERN}\.{ID_PATTERN}"
TYPE_PATTERN = r"/(?:node|link)(?:/[A-Za-z0-9._-]{1,63}){1,16}"
GRAPH_PATTERN = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}"
PROVENANCE_PATTERN = r"[a-z]{1,16}:[A-Za-z0-9._-]{1,63}"

ID = re.compile(ID_PATTERN, re.ASCII)
NAME = re.compile(NAME_PATTERN, re.ASCII)
INTERFACE = re.compile(INTERFACE_PATTERN, re.ASCII)
TYPE = re.compile(TYPE_PATTERN, re.ASCII)
GRAPH = re.compile(GRAPH_PATTERN, re.ASCII)
PROVENANCE = re.compile(PROVENANCE_PATTERN, re.ASCII)

DEFAULT_NODE = "/node/host/generic"
DEFAULT_LINK = "/link/generic"


class Kind(enum.StrEnum):
    """What values a feature takes."""

    ANY = "any"
    WORD = "text"
    TIME = "time"
    PRICE = "price"
    TAG = "tag"
    TYPES = "types"
    PROTECTION = "protection"
    ENDPOINT = "endpoint"
    ADDRESS = "address"
    MAC = "mac"


@dataclass(frozen=True, slots=True)
class FeatureRule:
    """One known feature: its kind of value, and what it is, for documentation and schema."""

    kind: Kind
    text: str
    interface_only: bool = False


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """One standard resource: what it counts, and what it is."""

    quantity: Quantity
    text: str


RESOURCES: Mapping[str, ResourceRule] = MappingProxyType(
    {
        "cpu": ResourceRule(Quantity.CORES, "cores, fractions allowed"),
        "memory": ResourceRule(Quantity.BYTES, "bytes of memory"),
        "storage": ResourceRule(Quantity.BYTES, "bytes of storage"),
        "bandwidth": ResourceRule(Quantity.RATE, "bit/s in each direction"),
        "terminals": ResourceRule(Quantity.COUNT, "customers' terminals"),
        "vlans": ResourceRule(Quantity.COUNT, "VLAN tags"),
    }
)

FEATURES: Mapping[str, FeatureRule] = MappingProxyType(
    {
        "arch": FeatureRule(Kind.WORD, "processor architecture, such as x86_64"),
        "virtualization": FeatureRule(Kind.WORD, "kvm, xen or namespace"),
        "image": FeatureRule(Kind.WORD, "a template's name"),
        "site": FeatureRule(Kind.ANY, "a place"),
        "provider": FeatureRule(Kind.WORD, "a provider's name"),
        "latency": FeatureRule(Kind.TIME, "seconds; on a VLink it bounds the sum over the path"),
        "price": FeatureRule(Kind.PRICE, "per hour and piece"),
        "price.cpu": FeatureRule(Kind.PRICE, "per hour and core"),
        "price.memory": FeatureRule(Kind.PRICE, "per hour and GiB"),
        "price.storage": FeatureRule(Kind.PRICE, "per hour and GiB"),
        "price.bandwidth": FeatureRule(Kind.PRICE, "per hour and Mbit/s"),
        "currency": FeatureRule(Kind.WORD, "the currency of the prices"),
        "vlan": FeatureRule(Kind.TAG, "a VLAN tag, or the range granted"),
        "types": FeatureRule(Kind.TYPES, "the types that a provider hosts"),
        "peer": FeatureRule(Kind.WORD, "the provider at the other side of a transit end point"),
        "endpoint": FeatureRule(Kind.ENDPOINT, "the transit end point where a stub ends"),
        "protection": FeatureRule(Kind.PROTECTION, "none, link or node: a disjoint backup path"),
        "address": FeatureRule(Kind.ADDRESS, "address and prefix length", interface_only=True),
        "mac": FeatureRule(Kind.MAC, "MAC address", interface_only=True),
    }
)

PROTECTIONS = ("none", "link", "node")
VIRTUALIZATIONS = ("kvm", "xen", "namespace")

STANDARD_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "/node/host/generic": "any host, in a request",
        "/node/host/server": "a server, in a request",
        "/node/host/server/kvm": "a host of VNodes: libvirt KVM, or QEMU without KVM",
        "/node/host/server/xen": "a host of VNodes: libvirt Xen",
        "/node/host/server/namespace": "a host of VNodes: network namespaces (emulation)",
        "/node/switch/openflow": "a datapath driven by the VLink controller",
        "/node/switch/ovs": "a software bridge on a host",
        "/node/bridge/linux": "a software bridge on a host",
        "/node/bridge/tunnel": "a tunnel bridge (TBR), where transit links end",
        "/node/host/pip": "a whole provider, as the role above sees it",
        "/node/terminals": "an attachment point of customers",
        "/link/generic": "any link, in a request",
        "/link/ethernet": "a link, full duplex",
        "/link/transit": "a link between two providers",
        "/link/transit/openvpn": "a link between two providers, an OpenVPN tunnel",
    }
)


@dataclass(frozen=True, slots=True)
class ConstraintRule:
    """How one kind of constraint is written.

    Attributes:
        value: what stands under the kind's own key: `feature`, `members` or `targets`.
        members: the key that holds the members.
        nodes_only: whether its members must be nodes.
        least: members that it needs at least, unless some are elsewhere.
        optional: further keys it takes.
    """

    value: str
    members: str
    nodes_only: bool
    least: int
    optional: tuple[str, ...] = ()


_COMMON = ("id", "elsewhere")
CONSTRAINTS: Mapping[ConstraintKind, ConstraintRule] = MappingProxyType(
    {
        ConstraintKind.SAME: ConstraintRule("feature", "of", nodes_only=False, least=2),
        ConstraintKind.DIFFERENT: ConstraintRule("feature", "of", nodes_only=False, least=2),
        ConstraintKind.TOGETHER: ConstraintRule("members", "together", True, 2, ("by",)),
        ConstraintKind.APART: ConstraintRule("members", "apart", True, 2, ("by",)),
        ConstraintKind.ON: ConstraintRule("targets", "of", nodes_only=True, least=1),
        ConstraintKind.NOT_ON: ConstraintRule("targets", "of", nodes_only=True, least=1),
    }
)


def constraint_keys(kind: ConstraintKind) -> tuple[str, ...]:
    """Every key that a constraint of `kind` may have, its own first."""
    rule = CONSTRAINTS[kind]
    members = () if rule.members == kind else (rule.members,)
    return (str(kind), *members, *rule.optional, *_COMMON)


TOP_KEYS: Mapping[Layer, tuple[str, ...]] = MappingProxyType(
    {
        layer: (
            ("rdl", "graph", "layer", "underlay", "mapping")
            if layer is Layer.MAPPING
            else (
                "rdl",
                "graph",
                "layer",
                "elements",
                "connections",
                "nodes",
                "links",
                "constraints",
            )
        )
        for layer in Layer
    }
)
ELEMENT_KEYS = ("id", "type", "resources", "features", "interfaces", "chosen")
NODE_KEYS = ("type", "resources", "features", "interfaces", "chosen")
LINK_KEYS = (*NODE_KEYS, "ends", "addresses")
INTERFACE_KEYS = ("id", "features", "resources")
PLACEMENT_KEYS = ("on", "segments", "backup")
SEGMENT_KEYS = ("on", "vlan", "interface", "bandwidth")

# Words of their own that lie one letter from a standard name: features, not slips.
NOT_SLIPS = frozenset({"gpu", "gpus", "size", "current", "lan", "rate", "tape", "stage"})
