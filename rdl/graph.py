"""The graph as values: elements for nodes *and* links, joined through interfaces.

One representation serves every layer (paper, section 2.3): what is asked for (overlay), what is
there (underlay), and what carries what (mapping). Everything is immutable; "changing" a graph
means `dataclasses.replace`. This module knows nothing of YAML, files or providers.

Units are the base units throughout: bytes, bit/s, seconds, cores, counts.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

Scalar = str | bool | int | float | None


class Layer(enum.StrEnum):
    """Which of the three graphs of a CloudNet a document is."""

    OVERLAY = "overlay"
    UNDERLAY = "underlay"
    MAPPING = "mapping"


@dataclass(frozen=True, slots=True)
class Range:
    """`{min: …, max: …}`: a demand in a request, a span of offered values in an aggregate."""

    min: float | int | None = None
    max: float | int | None = None


@dataclass(frozen=True, slots=True)
class NotIn:
    """`{not: […]}`: anything but these; the one demand an absent feature meets."""

    values: tuple[Scalar, ...]


Feature = Scalar | tuple[Scalar, ...] | Range | NotIn


@dataclass(frozen=True, slots=True)
class Amount:
    """A non-negative amount of a resource in its base unit, drawn from `pool` when it is shared."""

    amount: int | float
    pool: str | None = None


@dataclass(frozen=True)
class Interface:
    """Where an element is joined to others; `id` is ELEMENT.NAME."""

    id: str
    features: Mapping[str, Feature] = field(default_factory=dict)
    resources: Mapping[str, Amount] = field(default_factory=dict)

    @property
    def element(self) -> str:
        """The id of the element it belongs to."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """Its name within the element."""
        return self.id.partition(".")[2]


@dataclass(frozen=True)
class Element:
    """A NetworkElement: a node or a link, of a hierarchical type such as `/node/host/generic`.

    `chosen` says for each resource or feature that a role filled in, which role did: the
    provenance that tells OL0 from OL1 (paper, section 5.3).
    """

    id: str
    type: str
    resources: Mapping[str, Amount] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    interfaces: tuple[Interface, ...] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_link(self) -> bool:
        """Whether its type begins with `/link/`."""
        return self.type.startswith("/link/")

    @property
    def is_node(self) -> bool:
        """Whether its type begins with `/node/`."""
        return self.type.startswith("/node/")

    @property
    def is_stub(self) -> bool:
        """Whether it stands for something elsewhere in a partial graph (its id begins with `_`)."""
        return self.id.startswith("_")

    def amount(self, resource: str) -> int | float:
        """How much of `resource` it has or asks for; 0 where it says nothing."""
        got = self.resources.get(resource)
        return 0 if got is None else got.amount


class ConstraintKind(enum.StrEnum):
    """What a constraint binds; the key it is written under."""

    SAME = "same"
    DIFFERENT = "different"
    TOGETHER = "together"
    APART = "apart"
    ON = "on"
    NOT_ON = "not_on"


@dataclass(frozen=True, slots=True)
class Constraint:
    """One entry of `constraints`.

    Attributes:
        kind: which rule.
        of: the ids of the elements it binds (the list under `together`/`apart`, else under `of`).
        feature: of `same` and `different`: the feature's name.
        by: of `together` and `apart`: the feature that widens "a host" (`site`, `provider`, …).
        targets: of `on` and `not_on`: substrate ids, or types (those begin with `/`).
        id: its name across roles, where it has one.
        elsewhere: how many further members lie at other providers (partial graphs).
    """

    kind: ConstraintKind
    of: tuple[str, ...]
    feature: str | None = None
    by: str | None = None
    targets: tuple[str, ...] = ()
    id: str | None = None
    elsewhere: int = 0


@dataclass(frozen=True)
class Graph:
    """An overlay or an underlay.

    Attributes:
        name: the document's `graph`.
        layer: OVERLAY or UNDERLAY.
        elements: by id, in document order.
        connections: pairs of interface ids; each interface occurs at most once.
        constraints: in document order.
    """

    name: str
    layer: Layer = Layer.OVERLAY
    elements: Mapping[str, Element] = field(default_factory=dict)
    connections: tuple[tuple[str, str], ...] = ()
    constraints: tuple[Constraint, ...] = ()

    def nodes(self) -> Iterator[Element]:
        """The nodes, in document order."""
        return iter(self._nodes)

    def links(self) -> Iterator[Element]:
        """The links, in document order."""
        return iter(self._links)

    @cached_property
    def _nodes(self) -> tuple[Element, ...]:
        return tuple(e for e in self.elements.values() if e.is_node)

    @cached_property
    def _links(self) -> tuple[Element, ...]:
        return tuple(e for e in self.elements.values() if e.is_link)

    @cached_property
    def peer(self) -> Mapping[str, str]:
        """Interface id to the interface id it is connected to, both ways."""
        out: dict[str, str] = {}
        for a, b in self.connections:
            out[a] = b
            out[b] = a
        return out

    def interface(self, interface_id: str) -> Interface:
        """The interface of that id.

        Raises:
            KeyError: there is none.
        """
        for candidate in self.elements[interface_id.partition(".")[0]].interfaces:
            if candidate.id == interface_id:
                return candidate
        raise KeyError(interface_id)

    def ends(self, element_id: str) -> tuple[tuple[str, str], ...]:
        """What `element_id` is connected to: (own interface id, the peer's interface id) pairs.

        In the order of the element's interfaces; those not connected are left out.
        """
        element = self.elements[element_id]
        return tuple((i.id, self.peer[i.id]) for i in element.interfaces if i.id in self.peer)

    def neighbours(self, element_id: str) -> tuple[str, ...]:
        """The ids of the elements directly connected to `element_id`, in interface order."""
        return tuple(p.partition(".")[0] for _, p in self.ends(element_id))

    def to_networkx(self) -> nx.MultiGraph[str]:
        """The graph for networkx: nodes as vertices, links of two nodes as edges keyed by their id.

        A link of more ends, or one that joins another link, is a vertex too; its edges are keyed
        by the id of the interface they leave it by. What stands for an element has the
        attributes `type`, `resources` (name to amount, in base units) and `features`.
        """
        import networkx as nx  # here: reading and checking need none of it

        out: nx.MultiGraph[str] = nx.MultiGraph(name=self.name)
        for node in self.nodes():
            out.add_node(node.id, **_attributes(node))
        for link in self.links():
            near = self.neighbours(link.id)
            if len(near) == 2 and all(self.elements[n].is_node for n in near):
                out.add_edge(near[0], near[1], key=link.id, **_attributes(link))
            else:
                out.add_node(link.id, **_attributes(link))
        for pair in self.connections:
            # From the link's side, where one side is a link.
            own, other = sorted(pair, key=lambda i: self.elements[i.partition(".")[0]].is_node)
            ends = own.partition(".")[0], other.partition(".")[0]
            if all(end in out for end in ends):
                out.add_edge(ends[0], ends[1], key=own)
        return out


def _attributes(element: Element) -> dict[str, object]:
    """What networkx is told of an element; copies, so that changes there change nothing here."""
    return {
        "type": element.type,
        "resources": {name: got.amount for name, got in element.resources.items()},
        "features": dict(element.features),
    }


@dataclass(frozen=True, slots=True)
class Segment:
    """The part of a VLink on one substrate element (paper, section 4.2.2, "link provisioning").

    Attributes:
        on: the substrate element.
        vlan: the tag the VLink has there.
        interface: of an end host or tunnel bridge: its substrate interface, ELEMENT.NAME.
        bandwidth: bit/s reserved in each direction.
    """

    on: str
    vlan: int | None = None
    interface: str | None = None
    bandwidth: int | float = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Which substrate elements carry one overlay element.

    `on` names one host for a node; for a link the substrate links and switches in path order
    without the two hosts, empty where both ends share a host; for a tree a set in id order.
    """

    on: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    backup: tuple[str, ...] = ()


@dataclass(frozen=True)
class MappingGraph:
    """The mapping layer (ML) graph of one overlay on one underlay."""

    name: str
    underlay: str
    mapping: Mapping[str, Placement] = field(default_factory=dict)

    @property
    def layer(self) -> Layer:
        """Always MAPPING."""
        return Layer.MAPPING
