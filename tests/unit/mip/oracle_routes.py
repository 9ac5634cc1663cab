"""All loop-free paths and trees that a VLink could take, from the contract's sentences.

A path is a sequence of elements, links and nodes, none of them twice. A link with more than two
ends is one element that a path enters and leaves once. A tree is a *set* of elements, so what it
is joined by is all that the substrate joins among them and the hosts of its ends: that has to be
a tree. Questions that the contract leaves open, and how they are answered:

- A path may cross a shared segment that also touches one of its ends: its order tells how it goes.
  A tree is a set, and whoever touches a shared segment of it is on it.
- Every link of a path, the backup's too, has to meet the VLink's type and features by itself;
  switches and bridges don't.
- Latency counts for any two ends of a tree, 0 for two ends on one host.
- A provider in which a tree ends may pass it on as well. It isn't listed, so the tree takes
  nothing there, and its latency doesn't count.
- A branch of a tree that leads to none of its ends is not looked for: it only takes up room.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, combinations

from oracle_values import ABSENT, OF_THE_PATH, exact, fits, forwards, is_number, meets

from rdl.graph import Element, Graph, Range


@dataclass(frozen=True)
class Route:
    """One way for a VLink.

    Attributes:
        on: as the contract lists it.
        links: the substrate links of it.
        inner: the nodes of it that are no ends.
    """

    on: tuple[str, ...]
    links: frozenset[str]
    inner: frozenset[str]


@dataclass(frozen=True)
class Ends:
    """Where a VLink ends: the hosts of its VNodes (one for each) and its fixed elements."""

    hosts: tuple[str, ...]
    fixed: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.hosts, *self.fixed)


class Routes:
    """The routes of VLinks on one substrate."""

    def __init__(self, substrate: Graph, unavailable: frozenset[str]) -> None:
        self._elements = substrate.elements
        gone = {e.id for e in substrate.elements.values() if e.is_stub} | unavailable
        self._usable = {e for e in substrate.elements if e not in gone}
        self._near: dict[str, list[str]] = {
            e: list(dict.fromkeys(substrate.neighbours(e))) for e in substrate.elements
        }
        self._lag = {e.id: lag(e) for e in substrate.elements.values()}
        self._known: dict[tuple[str, Ends], list[Route]] = {}

    def of(self, vlink: Element, ends: Ends) -> list[Route]:
        """Every route of `vlink` between `ends` that is right without regard to capacity."""
        key = (vlink.id, ends)
        if key not in self._known:
            inside = self._inside(vlink)
            way = self._paths if len(ends.all) == 2 else self._trees
            found = way(ends, inside)
            self._known[key] = [r for r in found if self._quick(vlink, ends, r)]
        return self._known[key]

    def _inside(self, vlink: Element) -> set[str]:
        """The elements that may lie on a route of `vlink`."""
        out = set()
        for name in self._usable:
            element = self._elements[name]
            if carries(element, vlink) if element.is_link else forwards(element):
                out.add(name)
        return out

    def _route(self, on: Sequence[str], fixed: Sequence[str]) -> Route:
        links = frozenset(e for e in on if self._elements[e].is_link)
        return Route(tuple(on), links, frozenset(on) - links - set(fixed))

    # --- paths --------------------------------------------------------------------------------

    def _paths(self, ends: Ends, inside: set[str]) -> Iterator[Route]:
        start, end = ends.all
        if any(e not in self._usable for e in ends.fixed):
            return
        if start == end:
            yield self._route((start,) if len(ends.fixed) == 2 else (), ends.fixed)
            return
        for path in self._between((start,), end, inside):
            first = 0 if len(ends.fixed) == 2 else 1
            last = len(path) if ends.fixed else len(path) - 1
            yield self._route(path[first:last], ends.fixed)

    def _between(
        self, path: tuple[str, ...], end: str, inside: set[str]
    ) -> Iterator[tuple[str, ...]]:
        for near in self._near[path[-1]]:
            if near == end:
                yield (*path, end)
            elif near in inside and near not in path:
                yield from self._between((*path, near), end, inside)

    # --- trees --------------------------------------------------------------------------------

    def _trees(self, ends: Ends, inside: set[str]) -> Iterator[Route]:
        if any(e not in self._usable for e in ends.fixed):
            return
        at = frozenset(ends.all)
        if len(at) == 1:
            yield self._route(sorted(set(ends.fixed)) if not ends.hosts else (), ends.fixed)
            return
        links = sorted(e for e in inside if self._elements[e].is_link)
        for chosen in chain.from_iterable(combinations(links, k) for k in range(len(links) + 1)):
            for nodes in self._joints(chosen, at, inside):
                if self._is_tree({*chosen, *nodes, *at}, at):
                    listed = {*chosen, *nodes, *ends.fixed}
                    yield self._route(sorted(listed), ends.fixed)

    def _joints(
        self, links: Sequence[str], at: frozenset[str], inside: set[str]
    ) -> Iterator[tuple[str, ...]]:
        """The inner nodes that could go with `links`.

        Both ends of a plain link are needed; of a shared segment, those that join it to another.
        """
        needed: set[str] = set()
        touched: list[str] = []
        for link in links:
            if len(self._near[link]) == 2:
                needed.update(self._near[link])
            else:
                touched += self._near[link]
        if not needed - at <= inside:
            return
        spare = sorted(
            n for n in set(touched) - needed - at if n in inside and touched.count(n) > 1
        )
        for more in chain.from_iterable(combinations(spare, k) for k in range(len(spare) + 1)):
            yield tuple(sorted(needed - at)) + more

    def _is_tree(self, elements: set[str], at: frozenset[str]) -> bool:
        """Whether what is joined among `elements` is a tree whose leaves are its ends."""
        near = {e: [n for n in self._near[e] if n in elements] for e in elements}
        if sum(len(n) for n in near.values()) != 2 * (len(elements) - 1):
            return False
        for element, others in near.items():
            if element in at:
                passes = element in self._usable and forwards(self._elements[element])
                if len(others) > 1 and not passes:
                    return False
            elif len(others) < 2:
                return False
        return len(reached(near, next(iter(at)))) == len(elements)

    # --- latency ------------------------------------------------------------------------------

    def _quick(self, vlink: Element, ends: Ends, route: Route) -> bool:
        asked = vlink.features.get("latency")
        if asked is None:
            return True
        bounds = asked if isinstance(asked, Range) else Range(max=asked)
        low = None if bounds.min is None else exact(bounds.min)
        high = None if bounds.max is None else exact(bounds.max)
        return all(
            (low is None or low <= total) and (high is None or total <= high)
            for total in self._sums(ends, route)
        )

    def _sums(self, ends: Ends, route: Route) -> list[Fraction]:
        """The latency between any two ends."""
        if len(ends.all) == 2:
            return [sum((self._lag[e] for e in route.on), Fraction(0))]
        listed = set(route.on)
        inside = listed | set(ends.all)
        near = {e: [n for n in self._near[e] if n in inside] for e in inside}
        out = []
        for a, b in combinations(ends.all, 2):
            on = reached(near, a)[b]
            out.append(sum((self._lag[e] for e in on if e in listed), Fraction(0)))
        return out


def reached(near: Mapping[str, Sequence[str]], start: str) -> dict[str, tuple[str, ...]]:
    """Each element that can be reached, with the elements on the way there."""
    found = {start: (start,)}
    open_ = [start]
    while open_:
        at = open_.pop()
        for other in near[at]:
            if other not in found:
                found[other] = (*found[at], other)
                open_.append(other)
    return found


def carries(link: Element, vlink: Element) -> bool:
    """Whether a substrate link has the type and features that a VLink asks for."""
    return fits(vlink.type, link.type) and all(
        meets(link.features.get(name, ABSENT), demand)
        for name, demand in vlink.features.items()
        if name not in OF_THE_PATH
    )


def lag(element: Element) -> Fraction:
    """The latency that an element states, 0 where it states none."""
    said = element.features.get("latency", 0)
    if not is_number(said):
        raise ValueError(f"{element.id}: the oracle knows plain latencies alone")
    return exact(said)


def protection(vlink: Element) -> str:
    """`none`, `link` or `node`; of several that are asked for, the least."""
    asked = vlink.features.get("protection", "none")
    listed = asked if isinstance(asked, tuple) else (asked,)
    return next(p for p in ("none", "link", "node") if p in listed)


def disjoint(working: Route, backup: Route, kind: str) -> bool:
    """Whether no link, and for `node` no inner node, is on both."""
    return not working.links & backup.links and (kind != "node" or not working.inner & backup.inner)
