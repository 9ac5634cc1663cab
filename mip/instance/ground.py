"""What all problems on one substrate have in common, worked out once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mip.instance.capacity import Key, capacities
from mip.instance.network import Network, build_network
from mip.problem.amounts import Exact
from rdl.graph import Graph


@dataclass(frozen=True)
class Ground:
    """A substrate, and what of it may carry nothing new."""

    substrate: Graph
    unavailable: frozenset[str] = frozenset()
    _networks: dict[frozenset[str], Network] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def network(self, kept: Iterable[str]) -> Network:
        """The usable part; the hosts `kept` stay in as ends of paths even if unavailable."""
        ends_only = self.unavailable & frozenset(kept)
        if ends_only not in self._networks:
            made = build_network(self.substrate, self.unavailable, ends_only)
            self._networks[ends_only] = made
        return self._networks[ends_only]

    @cached_property
    def capacity(self) -> Mapping[Key, Exact]:
        """All that the substrate has."""
        return capacities(self.substrate)
