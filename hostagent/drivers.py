"""Drivers: ways to run VNodes on a host, chosen by name.

The agent's own, `namespace`, and those of others come the same way: as entry points of the group
`cloudnet_sdn.host_drivers`, each a factory `(Host) -> Driver`. So this module knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

from hostagent.names import Names
from hostagent.ports import Plugboard
from hostagent.spec import Key, VNodeSpec

GROUP = "cloudnet_sdn.host_drivers"


@dataclass(frozen=True, slots=True)
class Host:
    """What a driver builds on.

    Attributes:
        names: names for what it makes.
        bridge: the host's bridge.
    """

    names: Names
    bridge: Plugboard


@dataclass(frozen=True, slots=True)
class SeenPort:
    """An interface of a VNode as it is.

    Attributes:
        name: as in its spec.
        device: what it is called inside the VNode.
        vlan: the tag it is plugged into, 0 where nowhere.
        up: frames pass.
    """

    name: str
    device: str
    vlan: int
    up: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A VNode as it is.

    Attributes:
        power: whether it runs.
        faults: what differs from its spec, in words.
        ports: one per interface of the spec.
        netns: its named network namespace, '' where the driver makes none.
    """

    power: bool
    faults: tuple[str, ...] = ()
    ports: tuple[SeenPort, ...] = ()
    netns: str = ""


class Driver(Protocol):
    """One way to run VNodes. Every call may be repeated, and finishes what a killed one began."""

    def check(self, spec: VNodeSpec) -> None:
        """Whether such a VNode can be had here at all. Pure.

        Raises:
            BadRequest: it can't; `about` says which member it is, `INTERFACE.MEMBER` or `MEMBER`.
        """

    def ensure(self, key: Key, spec: VNodeSpec) -> None:
        """The VNode and its ports exist as the spec says; whether it runs is left as it is."""

    def remove(self, key: Key) -> None:
        """Nothing of the VNode is left."""

    def power(self, key: Key, spec: VNodeSpec, *, on: bool) -> None:
        """It runs, or it doesn't and nothing of it does; done when this returns.

        Raises:
            CommandFailedError: it won't; `told` is what its owner may know of that.
        """

    def observe(self, key: Key, spec: VNodeSpec) -> Seen:
        """The VNode as it is."""

    def owned(self, known: Collection[Key]) -> set[Key]:
        """Keys of everything of this host's that exists, `known` or left over."""

    def shell(self, key: Key) -> Sequence[str]:
        """The command that opens a shell inside the running VNode, for a terminal."""


Factory = Callable[[Host], Driver]


def factories() -> Mapping[str, Factory]:
    """All drivers that are installed, by name.

    Raises:
        ValueError: two go by one name.
    """
    found: dict[str, Factory] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in found:
            raise ValueError(f"two host drivers go by the name {entry.name}")
        found[entry.name] = entry.load()
    return found


def driver(name: str, host: Host) -> Driver:
    """The driver that goes by `name`, for `host`.

    Raises:
        ValueError: there is none of that name.
    """
    known = factories()
    if name not in known:
        raise ValueError(f"no host driver {name!r}; there are {', '.join(sorted(known))}")
    return known[name](host)
