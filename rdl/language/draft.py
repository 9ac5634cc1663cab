"""A graph while it is being read: what `rdl.graph` holds, and where each piece stood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rdl.graph import Amount, Feature, Interface
from rdl.language.report import Place
from rdl.language.text import Node


@dataclass(slots=True)
class DraftInterface:
    """An interface, its place, and whether something is connected to it yet."""

    mark: Place
    features: dict[str, Feature] = field(default_factory=dict)
    resources: dict[str, Amount] = field(default_factory=dict)
    taken: bool = False


@dataclass(slots=True)
class DraftElement:
    """An element, its place, and its interfaces by id.

    Attributes:
        where: its place in the graph, such as `elements.web` or `nodes.web`.
        ends: of a shorthand link: the node under `ends`, wired once all elements are read.
        addresses: likewise.
        listed: whether the text lists its interfaces, so that an unlisted one is a slip.
    """

    mark: Place
    where: str
    type: str
    resources: dict[str, Amount] = field(default_factory=dict)
    features: dict[str, Feature] = field(default_factory=dict)
    interfaces: dict[str, DraftInterface] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    ends: Node | None = None
    addresses: Node | None = None
    listed: bool = False

    @property
    def is_link(self) -> bool:
        """Whether its type begins with `/link/`."""
        return self.type.startswith("/link/")


@dataclass(frozen=True, slots=True)
class DraftConnection:
    """Two connected interfaces, where they stood."""

    a: str
    b: str
    mark: Place
    where: str


@dataclass(slots=True)
class Draft:
    """Everything read so far; the last two keep one error from being told twice."""

    elements: dict[str, DraftElement] = field(default_factory=dict)
    connections: list[DraftConnection] = field(default_factory=list)
    broken: bool = False  # a whole section could not be read: missing ids may be its
    half: Counter[str] = field(default_factory=Counter)  # ends whose other side is in error


def interfaces_of(drafts: Mapping[str, DraftInterface]) -> tuple[Interface, ...]:
    """The interfaces as values."""
    return tuple(Interface(i, d.features, d.resources) for i, d in drafts.items())
