"""An independent check of mappings: every one passes it before it is returned.

It reads the contract's sentences against the graphs themselves and shares no code with the
solvers, their compiled instance or their accounts of capacity, so that a fault in one isn't
repeated here. Amounts are compared exactly.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from mip.problem.statement import Embedded, Problem, Result
from rdl import types
from rdl.compare.match import ABSENT, element_fits, feature_of, hosts, satisfies
from rdl.graph import Constraint, ConstraintKind, Element, Feature, Graph, NotIn, Range, Scalar

Owner = tuple[str, str]


def verify(problem: Problem, result: Result) -> tuple[str, ...]:
    """What is wrong with the mapping in `result`; empty where nothing is.

    Args:
        problem: what was asked.
        result: nodes, links, backups and chosen of a mapping.
    """
    check = _Check(problem, result)
    return tuple(
        dict.fromkeys([*check.nodes(), *check.links(), *check.constraints(), *check.capacities()])
    )


def _exact(value: float) -> Fraction:
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


@dataclass(frozen=True)
class _Count:
    """What is used: always, and while one of a set of elements is down."""

    always: dict[Owner, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    backups: list[tuple[set[str], dict[Owner, Fraction]]] = field(default_factory=list)


@dataclass(frozen=True)
class _Check:
    problem: Problem
    result: Result

    @property
    def ul(self) -> Graph:
        return self.problem.substrate

    @property
    def ol(self) -> Graph:
        return self.problem.request

    # --- nodes ----------------------------------------------------------------------------

    def nodes(self) -> Iterator[str]:
        wanted = {e.id for e in self.ol.nodes() if not e.is_stub}
        yield from (f"{v} is not placed" for v in sorted(wanted - self.result.nodes.keys()))
        yield from (f"{v} is no VNode" for v in sorted(self.result.nodes.keys() - wanted))
        for vnode, host in self.result.nodes.items():
            if vnode not in wanted:
                continue
            if host not in self.ul.elements:
                yield f"{vnode} is on {host}, which isn't there"
                continue
            yield from self._node(self.ol.elements[vnode], self.ul.elements[host])

    def _node(self, vnode: Element, host: Element) -> Iterator[str]:
        kept = self.problem.keep.get(vnode.id)
        if kept is not None and kept != host.id:
            yield f"{vnode.id} should stay on {kept}"
        if host.id in self.problem.unavailable and kept != host.id:
            yield f"{vnode.id} is on {host.id}, which is not available"
        for miss in element_fits(vnode, host):
            implied = miss.name == "provider" and "provider" not in host.features
            if not (implied and self._demands_met(vnode, "provider", self.ul.name)):
                yield miss.text

    def _demands_met(self, element: Element, feature: str, value: Scalar) -> bool:
        demand = element.features.get(feature)
        return demand is None or satisfies(value, demand)

    # --- links ----------------------------------------------------------------------------

    def links(self) -> Iterator[str]:
        wanted = {e.id for e in self.ol.links() if not e.is_stub}
        yield from (f"{v} has no path" for v in sorted(wanted - self.result.links.keys()))
        for vlink in sorted(wanted & self.result.links.keys()):
            element = self.ol.elements[vlink]
            yield from self._route(element, self.result.links[vlink], "path")
            protection = self._protection(element)
            if protection == "none":
                if vlink in self.result.backups:
                    yield f"{vlink} has a backup it didn't ask for"
            elif vlink not in self.result.backups:
                yield f"{vlink} has no backup"
            else:
                backup = self.result.backups[vlink]
                yield from self._route(element, backup, "backup")
                yield from self._disjoint(element, backup, protection)

    def _protection(self, vlink: Element) -> str:
        asked = vlink.features.get("protection", "none")
        listed = asked if isinstance(asked, tuple) else (asked,)
        return next((p for p in ("none", "link", "node") if p in listed), "none")

    def _fixed(self, stub: Element) -> str | None:
        point = self.problem.anchors.get(stub.id) or stub.features.get("endpoint")
        return None if point is None else str(point)

    def _ends(self, vlink: Element) -> tuple[list[str], list[str], int]:
        """Hosts, fixed ends (elements), and how many ends lie wherever another VLink does."""
        placed: list[str] = []
        fixed: list[str] = []
        loose = 0
        for near in dict.fromkeys(self.ol.neighbours(vlink.id)):
            element = self.ol.elements[near]
            if element.is_node and not element.is_stub:
                placed.append(self.result.nodes.get(near, "?"))
            elif element.is_link and element.is_stub:
                fixed.append(str(self._fixed(element)).partition(".")[0])
            elif element.is_link:
                loose += 1
        return placed, fixed, loose

    def _route(self, vlink: Element, on: Sequence[str], what: str) -> Iterator[str]:
        name = f"{what} of {vlink.id}"
        unknown = [e for e in on if e not in self.ul.elements]
        if unknown:
            yield f"{name} crosses {unknown[0]}, which isn't there"
            return
        if len(set(on)) != len(on):
            yield f"{name} passes an element twice"
        placed, fixed, loose = self._ends(vlink)
        for element_id in on:
            yield from self._carrier(vlink, self.ul.elements[element_id], name, fixed)
        ends = placed + fixed
        if loose:
            yield from self._joined(vlink, on, ends, name)
        elif len(ends) == 2:
            yield from self._path(on, placed, fixed, name)
        elif len(ends) > 2:
            yield from self._tree(on, placed, fixed, name)
        yield from self._latency(vlink, on, ends, name)

    def _carrier(
        self, vlink: Element, element: Element, name: str, fixed: Sequence[str]
    ) -> Iterator[str]:
        if element.is_stub:
            yield f"{name} crosses the stub {element.id}"
        if element.id in self.problem.unavailable:
            yield f"{name} crosses {element.id}, which is not available"
        if element.is_link:
            yield from (m.text for m in element_fits(vlink, element))
        elif not types.forwards(element.type) and element.id not in fixed:
            yield f"{name} passes through {element.id}, which doesn't forward"

    def _near(self, a: str, b: str) -> bool:
        return b in self.ul.neighbours(a)

    def _path(
        self, on: Sequence[str], placed: Sequence[str], fixed: Sequence[str], name: str
    ) -> Iterator[str]:
        """In order, from one end to the other, in either direction."""
        ends = [*placed, *fixed]
        if not on:
            if len(set(ends)) > 1 or not placed:
                yield f"{name} is empty, but its ends are {ends[0]} and {ends[1]}"
            return
        for a, b in pairwise(on):
            if not self._near(a, b):
                yield f"{name} breaks between {a} and {b}"
        if not any(
            self._reaches(on[0], one, one in placed)
            and self._reaches(on[-1], other, other in placed)
            for one, other in (ends, ends[::-1])
        ):
            yield f"{name} doesn't join {ends[0]} and {ends[1]}"
        yield from (f"{name} lists the host {h}" for h in placed if h in on)

    def _reaches(self, element: str, end: str, host: bool) -> bool:
        return self._near(element, end) if host else element == end

    def _tree(
        self, on: Sequence[str], placed: Sequence[str], fixed: Sequence[str], name: str
    ) -> Iterator[str]:
        if list(on) != sorted(on):
            yield f"{name} is not in id order"
        ends = [*placed, *fixed]
        graph = self._edges(on, ends)
        reached = _reach(graph, ends[0])
        yield from (f"{name} doesn't reach {e}" for e in ends if e not in reached)
        yield from (f"{name} has {e}, which it doesn't need" for e in on if e not in reached)
        size = len(graph)
        if sum(len(n) for n in graph.values()) // 2 > size - 1:
            yield f"{name} has a loop"
        for host in placed:
            if not types.forwards(self.ul.elements[host].type) and len(graph.get(host, ())) > 1:
                yield f"{name} passes through the host {host}"

    def _joined(
        self, vlink: Element, on: Sequence[str], ends: Sequence[str], name: str
    ) -> Iterator[str]:
        """A VLink joined to another VLink: both have an element, or a host at an end, in common."""
        graph = self._edges(on, ends)
        start = next(iter(graph), None)
        if start is not None and len(_reach(graph, start)) < len(graph):
            yield f"{name} is in pieces"
        own = set(on) | set(ends)
        for near in self.ol.neighbours(vlink.id):
            other = self.ol.elements[near]
            if other.is_link and not other.is_stub:
                placed, fixed, _ = self._ends(other)
                if own and not own & ({*self.result.links.get(near, ())} | {*placed, *fixed}):
                    yield f"{name} doesn't meet that of {near}"

    def _edges(self, on: Sequence[str], ends: Iterable[str]) -> dict[str, set[str]]:
        """Adjacency among the elements of a route and its ends; only links and what they join."""
        inside = {*on, *ends} & self.ul.elements.keys()
        graph: dict[str, set[str]] = {e: set() for e in inside}
        for a in inside:
            for b in self.ul.neighbours(a):
                if b in inside and b != a:
                    graph[a].add(b)
                    graph[b].add(a)
        return graph

    def _latency(
        self, vlink: Element, on: Sequence[str], ends: Sequence[str], name: str
    ) -> Iterator[str]:
        asked = vlink.features.get("latency")
        if asked is None or isinstance(asked, tuple | NotIn | str | bool):
            return
        bounds = asked if isinstance(asked, Range) else Range(max=asked)
        if len(ends) <= 2:
            sums = [sum((self._lag(e) for e in on), Fraction(0))]
        else:
            sums = list(self._pair_sums(on, ends))
        for total in sums:
            if bounds.max is not None and total > _exact(bounds.max):
                yield f"{name} takes {float(total):g} s, more than {bounds.max:g} s"
            if bounds.min is not None and total < _exact(bounds.min):
                yield f"{name} takes {float(total):g} s, less than {bounds.min:g} s"

    def _lag(self, element_id: str) -> Fraction:
        said = self.ul.elements[element_id].features.get("latency", 0)
        values: tuple[Feature | None, ...] = (said,)
        if isinstance(said, Range):
            values = (said.min if said.min is not None else said.max,)
        elif isinstance(said, tuple):
            values = said
        numbers = [
            _exact(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)
        ]
        return min(numbers, default=Fraction(0))

    def _pair_sums(self, on: Sequence[str], ends: Sequence[str]) -> Iterator[Fraction]:
        graph = self._edges(on, ends)
        listed = set(on)
        for k, one in enumerate(ends):
            came = _reach(graph, one)
            for other in ends[k + 1 :]:
                total, at = Fraction(0), other
                while at in came and at != one:
                    total += self._lag(at) if at in listed else 0
                    at = came[at]
                yield total + (self._lag(one) if one in listed else 0)

    def _disjoint(self, vlink: Element, backup: Sequence[str], protection: str) -> Iterator[str]:
        fixed = set(self._ends(vlink)[1])
        for element_id in set(self.result.links[vlink.id]) & set(backup):
            shared = self.ul.elements.get(element_id)
            if shared is None or element_id in fixed:
                continue
            if shared.is_link or protection == "node":
                yield f"path and backup of {vlink.id} share {element_id}"

    # --- constraints ----------------------------------------------------------------------

    def constraints(self) -> Iterator[str]:
        for rule in self.ol.constraints:
            members = [m for m in rule.of if m in self.ol.elements]
            if rule.kind in {ConstraintKind.ON, ConstraintKind.NOT_ON}:
                yield from self._targets(rule, members)
            elif rule.kind is ConstraintKind.SAME or rule.kind is ConstraintKind.DIFFERENT:
                yield from self._values(rule, str(rule.feature), members)
            elif rule.by is not None:
                yield from self._values(rule, rule.by, members)
            else:
                yield from self._hosts(rule, members)

    def _hosts(self, rule: Constraint, members: Sequence[str]) -> Iterator[str]:
        places = [self.result.nodes[m] for m in members if m in self.result.nodes]
        if rule.kind is ConstraintKind.TOGETHER and len(set(places)) > 1:
            yield f"{', '.join(members)} are to be together"
        if rule.kind is ConstraintKind.APART:
            single = [p for p in places if not self._provider(p)]
            if len(set(single)) < len(single):
                yield f"{', '.join(members)} are to be apart"

    def _provider(self, element: str) -> bool:
        return element in self.ul.elements and types.is_a(self.ul.elements[element].type, types.PIP)

    def _targets(self, rule: Constraint, members: Sequence[str]) -> Iterator[str]:
        for target in rule.targets:
            hidden = self.problem.shown is not None and target not in self.problem.shown
            if not target.startswith("/") and (hidden or target not in self.ul.elements):
                yield f"{target} can't be asked for"
        for member in members:
            host = self.ul.elements.get(self.result.nodes.get(member, ""))
            if host is None:
                continue
            named = host.id in rule.targets
            kinds = [t for t in rule.targets if t.startswith("/")]
            if rule.kind is ConstraintKind.ON:
                if not named and not self._taken_as(self.ol.elements[member], host, kinds):
                    yield f"{member} is on {host.id}, which isn't among {', '.join(rule.targets)}"
            elif named or self._banned(self.ol.elements[member], host, kinds):
                yield f"{member} is on {host.id}, which is excluded"

    def _banned(self, vnode: Element, host: Element, kinds: Sequence[str]) -> bool:
        if not self._provider(host.id):
            return any(types.fits(t, host.type) for t in kinds)
        return not self._open(vnode, host)

    def _taken_as(self, vnode: Element, host: Element, kinds: Sequence[str]) -> bool:
        """Whether a host is of one of `kinds`, or a provider has a type where the VNode can be."""
        if not self._provider(host.id):
            return any(hosts(host, t) for t in kinds)
        return bool(self._open(vnode, host))

    def _open(self, vnode: Element, provider: Element) -> list[str]:
        """The types a provider lists that a VNode fits and that all rules on it leave."""
        listed = provider.features.get("types", ())
        offers = [str(t) for t in (listed if isinstance(listed, tuple) else (listed,))]
        open_ = [t for t in offers if types.fits(vnode.type, t)]
        for rule in self.ol.constraints:
            if vnode.id not in rule.of or provider.id in rule.targets:
                continue
            kinds = [t for t in rule.targets if t.startswith("/")]
            if rule.kind is ConstraintKind.ON:
                open_ = [t for t in open_ if any(types.fits(k, t) for k in kinds)]
            elif rule.kind is ConstraintKind.NOT_ON:
                open_ = [t for t in open_ if not any(types.fits(k, t) for k in kinds)]
        return open_

    def _values(self, rule: Constraint, feature: str, members: Sequence[str]) -> Iterator[str]:
        values = []
        for member in members:
            if not self._carriers(member):
                continue
            chosen = self.result.chosen.get(member, {})
            if feature not in chosen:
                yield f"{feature} of {member} is not settled"
                continue
            value = chosen[feature]
            values.append(value)
            if not self._offered(member, feature, value):
                yield f"{feature} of {member} is settled to {value}, which isn't offered there"
            if not self._demands_met(self.ol.elements[member], feature, value):
                yield f"{feature} of {member} is settled to {value}, which it doesn't accept"
        distinct = {(isinstance(v, bool), v) for v in values}
        same = rule.kind in {ConstraintKind.SAME, ConstraintKind.TOGETHER}
        if values and same and len(distinct) > 1:
            yield f"{feature} of {', '.join(members)} should be the same"
        if not same and len(distinct) < len(values):
            yield f"{feature} of {', '.join(members)} should be different"

    def _carriers(self, member: str) -> list[str]:
        """A VNode's host, or the links on a VLink's path: none within one host, and so no value."""
        if self.ol.elements[member].is_node:
            return [h for h in (self.result.nodes.get(member),) if h in self.ul.elements and h]
        path = self.result.links.get(member, ())
        return [e for e in path if e in self.ul.elements and self.ul.elements[e].is_link]

    def _offered(self, member: str, feature: str, value: Scalar) -> bool:
        for place in self._carriers(member):
            offer = feature_of(self.ul.elements[place], feature)
            if offer is ABSENT:
                if feature != "provider" or value != self.ul.name:
                    return False
            elif isinstance(offer, NotIn) or not satisfies(value, offer):
                return False
        return True

    # --- capacities -----------------------------------------------------------------------

    def capacities(self) -> Iterator[str]:
        room, names = self._room()
        count = _Count()
        for one in self.problem.embedded:
            self._count_embedded(one, count)
        before = dict(count.always)
        mine = len(count.backups)
        self._count_own(count)
        always, backups = count.always, count.backups
        touched = {k for k in always if always[k] != before.get(k, 0)}
        touched |= {k for _, amounts in backups[mine:] for k in amounts}
        for owner in sorted(touched):
            over = always[owner] + self._worst(owner, backups) - _exact(room.get(owner, 0))
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
                into[self._owner(self.ul.elements[host], resource)] += _exact(amount.amount)

    def _along(self, vlink: Element, on: Iterable[str]) -> dict[Owner, Fraction]:
        out: dict[Owner, Fraction] = defaultdict(Fraction)
        for element_id in on:
            element = self.ul.elements.get(element_id)
            if element is None:
                continue
            for resource, amount in vlink.resources.items():
                if resource != "vlans" and (element.is_link or resource in element.resources):
                    out[self._owner(element, resource)] += _exact(amount.amount)
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
                count.always[one.anchors[stub], "bandwidth"] += _exact(element.amount("bandwidth"))

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
                        count.always[point, "bandwidth"] += _exact(element.amount("bandwidth"))

    def _limited(self, interface: str) -> bool:
        element = self.ul.elements.get(interface.partition(".")[0])
        return element is not None and any(
            i.id == interface and "bandwidth" in i.resources for i in element.interfaces
        )


def _reach(graph: Mapping[str, Iterable[str]], start: str) -> dict[str, str]:
    came = {start: start}
    queue = deque([start])
    while queue:
        at = queue.popleft()
        for near in sorted(graph.get(at, ())):
            if near not in came:
                came[near] = at
                queue.append(near)
    return came
