"""Whether what stands and what is held still fits, should the substrate be another one.

A mapping fits as long as nothing about it becomes worse: its elements are there and joined as
before, end points, types and features as before, there is room for all together, and shells would
be told the same. What was amiss already is nothing that the other substrate breaks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.model.states import SETTLED, CloudnetState
from cloudnet_sdn.ports import Json, Plan, Refused
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.effects.runner import Effects
from cloudnet_sdn.roles.mapping import stubs
from cloudnet_sdn.roles.mapping.component import Mapping
from cloudnet_sdn.store import cloudnets, offers, usage
from cloudnet_sdn.store.cloudnets import Cloudnet
from cloudnet_sdn.store.offers import Offer
from mip.instance.capacity import Key, capacities
from mip.problem.amounts import Exact, human
from mip.problem.statement import Embedded
from mip.standing import faults_of
from rdl.graph import Graph

Amounts = MappingOf[Key, Exact]

_COUNTED = ("vlans", usage.VNODES)
"""Resources of which a substrate needn't say how much it has."""


@dataclass(frozen=True)
class Break:
    """What would break.

    Attributes:
        cloudnet: of whom.
        text: what, in the substrate's terms: for operators alone.
    """

    cloudnet: Cloudnet
    text: str


@dataclass(frozen=True)
class Comparison:
    """What another substrate comes to.

    Attributes:
        breaks: what would break.
        recounted: (CloudNet, round, amounts) of what takes something else of it: its pools are
            others.
    """

    breaks: tuple[Break, ...] = ()
    recounted: tuple[tuple[str, int, Amounts], ...] = ()


@dataclass(frozen=True)
class _Standing:
    """A generation that stands, is held or is worked on; others merely wait to be removed."""

    cloudnet: Cloudnet
    offer: Offer
    overlay: Graph
    one: Embedded
    lives: bool
    then: Amounts
    now: Amounts


class Fitting:
    """Compares substrates."""

    def __init__(self, mapping: Mapping, effects: Effects, role: str) -> None:
        self._mapping = mapping
        self._effects = effects
        self._role = role

    def compare(self, conn: sa.Connection, graph: Graph, before: Graph) -> Comparison:
        """What `graph` in the place of `before` comes to."""
        found = self._standing(conn, graph, before)
        living = [s for s in found if s.lives]
        broken = [Break(s.cloudnet, t) for s in living for t in self._of_one(s, graph, before)]
        broken += _overdrawn(found, graph, before)
        recounted = [(s.cloudnet.id, s.offer.round, s.now) for s in found if s.now != s.then]
        return Comparison(tuple(dict.fromkeys(broken)), tuple(recounted))

    def _standing(self, conn: sa.Connection, graph: Graph, before: Graph) -> list[_Standing]:
        found = []
        for identifier, overlay_text, mapping_text in offers.in_use(conn):
            offer = offers.get(conn, identifier)
            cloudnet = None if offer is None else cloudnets.get(conn, offer.cloudnet)
            if offer is None or cloudnet is None:
                continue
            overlay, mapping = documents.graph(overlay_text), documents.mapping(mapping_text)
            in_force = cloudnet.state is CloudnetState.READY and cloudnet.offer == offer.id
            found.append(
                _Standing(
                    cloudnet,
                    offer,
                    overlay,
                    Embedded(overlay, mapping),
                    in_force or offer.state not in SETTLED,
                    self._mapping.takes(before, overlay, mapping),
                    self._mapping.takes(graph, overlay, mapping),
                )
            )
        return found

    def _of_one(self, one: _Standing, graph: Graph, before: Graph) -> Iterator[str]:
        already = set(faults_of(one.one, before))
        faults = [f for f in faults_of(one.one, graph) if f not in already]
        yield from faults
        if not faults:
            yield from self._told(one, graph, before)

    def _told(self, one: _Standing, graph: Graph, before: Graph) -> Iterator[str]:
        """What shells would be told differently."""
        try:
            then = self._specs(one, before)
        except (Refused, KeyError):
            return  # it was amiss already
        try:
            now = self._specs(one, graph)
        except Refused as exc:
            yield from (f"{r.element}: {r.text}" for r in exc.reasons)
            return
        for key in sorted(then.keys() | now.keys()):
            if then.get(key) != now.get(key):
                _, target, element = key
                text = "its ports, switches or tunnels are described differently"
                yield f"{element} at {target}: {text}"

    def _specs(self, one: _Standing, substrate: Graph) -> dict[tuple[str, str, str], str]:
        at = stubs.anchors(one.overlay, substrate, name=self._role, allowed=None).at
        cloudnet, mapping = one.cloudnet.id, one.one.mapping
        plan = Plan(cloudnet, substrate, one.overlay, mapping, at, (), _OPTIONS, cloudnet)
        return {
            (t.plugin, t.target, str(t.spec["key"]).partition(".")[2]): json.dumps(
                t.spec, sort_keys=True
            )
            for t in self._effects.plan(plan)
        }


_OPTIONS: Json = {}
"""A provider's plugins plan by the graphs alone."""


def _overdrawn(found: Sequence[_Standing], graph: Graph, before: Graph) -> Iterator[Break]:
    """What all together would take more of than there is."""
    then = _over(before, _taken((s.cloudnet.id, s.then) for s in found))
    now = _over(graph, _taken((s.cloudnet.id, s.now) for s in found))
    for (holder, resource), (amount, there) in now.items():
        before_, room = then.get((holder, resource), (0, 0))
        if before_ and amount - there <= before_ - room:
            continue
        text = (
            f"{holder}: {human(amount, resource)} of {resource} are in use, "
            f"there would be {human(there, resource)}"
        )
        yield from (
            Break(s.cloudnet, text) for s in found if s.lives and s.now.get((holder, resource))
        )


def _taken(uses: Iterable[tuple[str, Amounts]]) -> Amounts:
    """What is taken in all, of each CloudNet the greatest of its generations."""
    most: dict[str, dict[Key, Exact]] = {}
    for cloudnet, amounts in uses:
        mine = most.setdefault(cloudnet, {})
        for key, amount in amounts.items():
            mine[key] = max(mine.get(key, 0), amount)
    total: dict[Key, Exact] = {}
    for mine in most.values():
        for key, amount in mine.items():
            total[key] = total.get(key, 0) + amount
    return total


def _over(substrate: Graph, taken: Amounts) -> dict[Key, tuple[Exact, Exact]]:
    """What more is taken of than there is: how much, and how much there is."""
    room = capacities(substrate)
    return {
        key: (amount, room.get(key, 0))
        for key, amount in taken.items()
        if amount > room.get(key, 0) and (key in room or _limited(substrate, key))
    }


def _limited(substrate: Graph, key: Key) -> bool:
    """Whether there is none of a resource that isn't told; what is missing is told otherwise."""
    holder, resource = key
    element = substrate.elements.get(holder)
    if element is None or resource in _COUNTED:
        return holder.startswith("pool ")
    return element.is_link or resource != "bandwidth"
