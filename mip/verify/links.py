"""Every VLink on a path or a tree between its ends, within its latency, its backup disjoint."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from mip.verify.check import Check, exact
from rdl import types
from rdl.compare.match import element_fits
from rdl.graph import Element, Feature, NotIn, Range


@dataclass(frozen=True)
class LinkCheck(Check):
    """VLinks and their routes."""

    def faults(self) -> Iterator[str]:
        """VLinks without a route, and routes that don't do."""
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
            if bounds.max is not None and total > exact(bounds.max):
                yield f"{name} takes {float(total):g} s, more than {bounds.max:g} s"
            if bounds.min is not None and total < exact(bounds.min):
                yield f"{name} takes {float(total):g} s, less than {bounds.min:g} s"

    def _lag(self, element_id: str) -> Fraction:
        said = self.ul.elements[element_id].features.get("latency", 0)
        values: tuple[Feature | None, ...] = (said,)
        if isinstance(said, Range):
            values = (said.min if said.min is not None else said.max,)
        elif isinstance(said, tuple):
            values = said
        numbers = [
            exact(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)
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
