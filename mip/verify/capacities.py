"""Nothing is over: what embedded CloudNets and the mapping take, whatever single element fails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from mip.problem.statement import Embedded
from mip.verify.check import Check, exact
from rdl.graph import Element

Owner = tuple[str, str]


@dataclass(frozen=True)
class _Count:
    """What is used: always, and while one of a set of elements is down."""

    always: dict[Owner, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    backups: list[tuple[set[str], dict[Owner, Fraction]]] = field(default_factory=list)


@dataclass(frozen=True)
class CapacityCheck(Check):
    """The capacities that the mapping draws on."""

    def faults(self) -> Iterator[str]:
        """Capacities that are over, worst single failure included."""
        room, names = self._room()
        count = _Count()
        for one in self.problem.embedded:
            self._count_embedded(one, count)
        for owner, amount in self.problem.taken.items():
            count.always[owner] += exact(amount)
        before = dict(count.always)
        mine = len(count.backups)
        self._count_own(count)
        always, backups = count.always, count.backups
        touched = {k for k in always if always[k] != before.get(k, 0)}
        touched |= {k for _, amounts in backups[mine:] for k in amounts}
        for owner in sorted(touched):
            over = always[owner] + self._worst(owner, backups) - exact(room.get(owner, 0))
            if over > 0:
                yield f"{names.get(owner, owner[0])}: {owner[1]} over by {float(over):g}"

    def _worst(
        self, owner: Owner, backups: Sequence[tuple[set[str], dict[Owner, Fraction]]]
    ) -> Fraction:
        by_failure: dict[str, Fraction] = defaultdict(Fraction)
        for hit, amounts in backups:
            for element in hit:
                by_failure[element] += amounts.get(owner, Fraction(0))
        return max(by_failure.values(), default=Fraction(0))

    def _room(self) -> tuple[dict[Owner, float], dict[Owner, str]]:
        room: dict[Owner, float] = {}
        names: dict[Owner, str] = {}
        for element in self.ul.elements.values():
            for resource, amount in element.resources.items():
                owner = self._owner(element, resource)
                room[owner] = amount.amount
                names[owner] = element.id
            for interface in element.interfaces:
                for resource, amount in interface.resources.items():
                    room[interface.id, resource] = amount.amount
        return room, names

    def _owner(self, element: Element, resource: str) -> Owner:
        held = element.resources.get(resource)
        if held is not None and held.pool is not None:
            return f"pool {held.pool}", resource
        return element.id, resource

    def _count_node(self, vnode: Element, host: str, into: dict[Owner, Fraction]) -> None:
        if host in self.ul.elements:
            for resource, amount in vnode.resources.items():
                into[self._owner(self.ul.elements[host], resource)] += exact(amount.amount)

    def _along(self, vlink: Element, on: Iterable[str]) -> dict[Owner, Fraction]:
        out: dict[Owner, Fraction] = defaultdict(Fraction)
        for element_id in on:
            element = self.ul.elements.get(element_id)
            if element is None:
                continue
            for resource, amount in vlink.resources.items():
                if resource != "vlans" and (element.is_link or resource in element.resources):
                    out[self._owner(element, resource)] += exact(amount.amount)
            if "vlans" in element.resources:
                out[self._owner(element, "vlans")] += 1
        return out

    def _count_link(
        self,
        vlink: Element,
        on: Sequence[str],
        backup: Sequence[str] | None,
        fixed: Iterable[str],
        count: _Count,
    ) -> None:
        for owner, amount in self._along(vlink, on).items():
            count.always[owner] += amount
        if not backup:
            return
        shared: dict[Owner, Fraction] = {}
        for owner, amount in self._along(vlink, backup).items():
            if owner[1] == "bandwidth":
                shared[owner] = amount
            else:
                count.always[owner] += amount
        whole = self._protection(vlink) == "node"
        ends = set(fixed)
        hit = {
            e
            for e in on
            if e in self.ul.elements and e not in ends and (whole or self.ul.elements[e].is_link)
        }
        count.backups.append((hit, shared))

    def _count_embedded(self, one: Embedded, count: _Count) -> None:
        for element_id, placement in one.mapping.mapping.items():
            element = one.overlay.elements.get(element_id)
            if element is None or element.is_stub:
                continue
            if element.is_node:
                for host in placement.on[:1]:
                    self._count_node(element, host, count.always)
                continue
            stubs = [s for s in one.overlay.neighbours(element_id) if s in one.anchors]
            fixed = [one.anchors[s].partition(".")[0] for s in stubs]
            backup = placement.backup or None
            self._count_link(element, placement.on, backup, fixed, count)
            for stub in stubs:
                count.always[one.anchors[stub], "bandwidth"] += exact(element.amount("bandwidth"))

    def _count_own(self, count: _Count) -> None:
        for vnode, host in self.result.nodes.items():
            if vnode in self.ol.elements:
                self._count_node(self.ol.elements[vnode], host, count.always)
        for vlink, on in self.result.links.items():
            element = self.ol.elements.get(vlink)
            if element is not None:
                fixed = self._ends(element)[1]
                backup = self.result.backups.get(vlink)
                self._count_link(element, on, backup, fixed, count)
                for near in self.ol.neighbours(vlink):
                    stub = self.ol.elements[near]
                    point = self._fixed(stub) if stub.is_stub and stub.is_link else None
                    if point is not None and self._limited(point):
                        count.always[point, "bandwidth"] += exact(element.amount("bandwidth"))

    def _limited(self, interface: str) -> bool:
        element = self.ul.elements.get(interface.partition(".")[0])
        return element is not None and any(
            i.id == interface and "bandwidth" in i.resources for i in element.interfaces
        )
