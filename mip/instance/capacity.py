"""What the substrate has of each resource and what embedded CloudNets use up.

A capacity belongs to one element or to a pool that several elements draw on. Backup bandwidth is
kept by failure: two backups that no single failure needs at once share their room.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mip.problem.amounts import Exact, exact
from mip.problem.statement import Embedded, Problem
from rdl.graph import Element, Graph, Placement

Key = tuple[str, str]
"""The owner (an element's id, an interface's id, or `pool NAME`) and the resource."""


def key_of(element: Element, resource: str) -> Key:
    """Where `element` takes `resource` from: itself or a pool."""
    amount = element.resources.get(resource)
    if amount is not None and amount.pool is not None:
        return (f"pool {amount.pool}", resource)
    return (element.id, resource)


def capacities(substrate: Graph) -> dict[Key, Exact]:
    """Every capacity of the substrate, pools once; interfaces' bandwidth under their ids."""
    out: dict[Key, Exact] = {}
    for element in substrate.elements.values():
        for resource, amount in element.resources.items():
            out[key_of(element, resource)] = exact(amount.amount)
        for interface in element.interfaces:
            for resource, amount in interface.resources.items():
                out[(interface.id, resource)] = exact(amount.amount)
    return out


def link_demand(vlink: Element) -> dict[str, Exact]:
    """What a VLink takes from every substrate link that carries it: its resources and one tag."""
    demand = {r: exact(a.amount) for r, a in vlink.resources.items() if r != "vlans"}
    return {**{r: a for r, a in demand.items() if a}, "vlans": 1}


def limits(element: Element, resource: str) -> bool:
    """Whether `element` on a path limits `resource`.

    A link without a resource has none of it, save tags, which are unlimited where nothing is
    said. A switch or provider limits only what it states.
    """
    return resource in element.resources or (element.is_link and resource != "vlans")


@dataclass(frozen=True)
class Backup:
    """Bandwidth that is used only while one of the elements `hit` is down."""

    hit: frozenset[str]
    amounts: Mapping[Key, Exact]


@dataclass(frozen=True)
class Use:
    """What is used: by whom it is always, and by backups."""

    fixed: Mapping[Key, Exact] = field(default_factory=dict)
    backups: tuple[Backup, ...] = ()
    hosts: frozenset[str] = frozenset()

    def scenarios(self, key: Key) -> Mapping[str, Exact]:
        """Failing element to the backup bandwidth that its failure needs at `key`."""
        out: dict[str, Exact] = defaultdict(int)
        for backup in self.backups:
            if key in backup.amounts:
                for element in backup.hit:
                    out[element] += backup.amounts[key]
        return out

    def peak(self, key: Key) -> Exact:
        """The most used at `key` under any single failure."""
        return self.fixed.get(key, 0) + max(self.scenarios(key).values(), default=0)


@dataclass(frozen=True)
class Stock:
    """What there is and what is used of it."""

    capacity: Mapping[Key, Exact]
    use: Use

    @cached_property
    def _spare(self) -> Mapping[Key, Exact]:
        """The most that backups need at each key under one failure."""
        keys = {key for backup in self.use.backups for key in backup.amounts}
        return {key: max(self.use.scenarios(key).values(), default=0) for key in keys}

    def room(self, key: Key) -> Exact:
        """What is left at `key` with no failure; never below 0."""
        return max(0, self.capacity.get(key, 0) - self.use.fixed.get(key, 0))

    def free(self, key: Key) -> Exact:
        """What is left at `key` whatever single element fails; never below 0."""
        left = self.capacity.get(key, 0) - self.use.fixed.get(key, 0) - self._spare.get(key, 0)
        return max(0, left)


def path_use(
    substrate: Graph, path: Iterable[str], demand: Mapping[str, Exact]
) -> Iterator[tuple[Key, Exact]]:
    """What a VLink with `demand` takes along the elements of `path`."""
    for element_id in path:
        element = substrate.elements.get(element_id)
        if element is None:
            continue
        for resource, amount in demand.items():
            if limits(element, resource):
                yield key_of(element, resource), amount


def hit_by(substrate: Graph, path: Sequence[str], protection: str) -> frozenset[str]:
    """The elements whose single failure sends a VLink to its backup: links, for `node` all."""
    return frozenset(
        e
        for e in path
        if e in substrate.elements and (protection == "node" or substrate.elements[e].is_link)
    )


def protection_of(vlink: Element) -> str:
    """`none`, `link` or `node`; of a list of demands the least."""
    asked = vlink.features.get("protection", "none")
    values = asked if isinstance(asked, tuple) else (asked,)
    return next((p for p in ("none", "link", "node") if p in values), "none")


def used(substrate: Graph, embedded: Iterable[Embedded]) -> Use:
    """What all of `embedded` use of `substrate` together."""
    fixed: dict[Key, Exact] = defaultdict(int)
    backups: list[Backup] = []
    hosts: set[str] = set()
    for one in embedded:
        use = used_by(substrate, one)
        for key, amount in use.fixed.items():
            fixed[key] += amount
        backups.extend(use.backups)
        hosts |= use.hosts
    return Use(fixed, tuple(backups), frozenset(hosts))


def used_in(problem: Problem) -> Use:
    """What is used of a problem's substrate: by what is embedded, and by the sums it tells."""
    use = used(problem.substrate, problem.embedded)
    if not problem.taken and not problem.occupied:
        return use
    fixed = defaultdict(int, use.fixed)
    for key, amount in problem.taken.items():
        fixed[key] += exact(amount) if isinstance(amount, float) else amount
    return Use(fixed, use.backups, use.hosts | problem.occupied)


def used_by(substrate: Graph, one: Embedded) -> Use:
    """What one CloudNet uses; counted once, as plans of many steps ask for it again and again."""
    for known, use in one.counted:
        if known is substrate and isinstance(use, Use):
            return use
    use = _count(substrate, one)
    one.counted[:] = [(substrate, use)]
    return use


def _count(substrate: Graph, one: Embedded) -> Use:
    fixed: dict[Key, Exact] = defaultdict(int)
    backups: list[Backup] = []
    hosts: set[str] = set()
    for element_id, placement in one.mapping.mapping.items():
        element = one.overlay.elements.get(element_id)
        if element is None or element.is_stub:
            continue
        if element.is_link:
            always, backup = _link_use(substrate, one, element, placement)
            for key, amount in always.items():
                fixed[key] += amount
            backups.extend([] if backup is None else [backup])
            continue
        for host in placement.on[:1]:
            hosts.add(host)
            for resource, held in element.resources.items():
                if host in substrate.elements and held.amount:
                    fixed[key_of(substrate.elements[host], resource)] += exact(held.amount)
    return Use(fixed, tuple(backups), frozenset(hosts))


def _link_use(
    substrate: Graph, one: Embedded, vlink: Element, placement: Placement
) -> tuple[dict[Key, Exact], Backup | None]:
    """What an embedded VLink uses always, and what its backup would."""
    fixed: dict[Key, Exact] = defaultdict(int)
    demand = link_demand(vlink)
    for key, amount in path_use(substrate, placement.on, demand):
        fixed[key] += amount
    anchored = anchored_at(one, vlink, placement)
    for interface in anchored:
        fixed[(interface, "bandwidth")] += demand.get("bandwidth", 0)
    if placement.backup:
        shared: dict[Key, Exact] = defaultdict(int)
        for key, amount in path_use(substrate, placement.backup, demand):
            target = shared if key[1] == "bandwidth" else fixed
            target[key] += amount
        ends = {i.partition(".")[0] for i in anchored}
        inner = [e for e in placement.on if e not in ends]
        hit = hit_by(substrate, inner, protection_of(vlink))
        return fixed, Backup(hit, dict(shared))
    return fixed, None


def anchored_at(one: Embedded, vlink: Element, placement: Placement) -> tuple[str, ...]:
    """The substrate interfaces where an embedded VLink of a partial graph ends.

    As `Embedded.anchors` says; without it, from the interfaces of its segments on elements that
    hold none of its VNodes.
    """
    stubs = [n for n in one.overlay.neighbours(vlink.id) if n.startswith("_")]
    if not stubs:
        return ()
    known = [one.anchors[s] for s in stubs if s in one.anchors]
    if known:
        return tuple(known)
    held = {
        host
        for n in one.overlay.neighbours(vlink.id)
        if n in one.mapping.mapping
        for host in one.mapping.mapping[n].on
    }
    found = [s.interface for s in placement.segments if s.interface and s.on not in held]
    return tuple(found)
