"""Which VLAN tag a VLink gets where (paper, section 4.2.1). Pure.

A *place* is what carries a tag: a substrate link, a host's bridge, or a transit end point. Places
that nothing translates between form a *stretch* with one tag; OpenFlow switches translate, hosts
and tunnel bridges don't.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from cloudnet_sdn.store.tags import Reservation, Taken
from mip.problem.statement import Code, Reason
from rdl.graph import Graph, Placement

SWITCH = "/node/switch/"
TRANSIT = "/link/transit"
PROVIDER = "/node/host/pip"


class NoTag(Exception):
    """A VLink can't get its tags; carries the reason."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.text)


@dataclass(frozen=True)
class Route:
    """A VLink's places.

    Attributes:
        vlink: its overlay id.
        stretches: sets of places that share a tag.
        pinned: place to the tag that was told (a transit end point's).
        hosts: the places that are hosts' bridges.
    """

    vlink: str
    stretches: tuple[tuple[str, ...], ...]
    pinned: Mapping[str, int] = field(default_factory=dict)
    hosts: frozenset[str] = frozenset()

    def stays(self, places: Collection[str]) -> bool:
        """Whether a VLink at these places leaves none of this one's hosts."""
        return self.hosts.issuperset(places)

    def pin_of(self, stretch: Sequence[str]) -> int | None:
        """The tag a stretch has to have, None where it is free."""
        return next((self.pinned[p] for p in stretch if p in self.pinned), None)


def route(
    substrate: Graph,
    vlink: str,
    placement: Placement,
    hosts: Sequence[str],
    pinned: Mapping[str, int],
) -> Route:
    """The stretches of a VLink.

    Args:
        substrate: the UL graph.
        vlink: its overlay id.
        placement: what carries it.
        hosts: the substrate hosts of its VNodes.
        pinned: the transit end point (a substrate interface) of each of its stubs to its tag.
    """
    places = [e for e in placement.on if substrate.elements[e].is_link]
    if not substrate_of_providers(substrate):
        places += [*dict.fromkeys(hosts), *pinned]
    group = {place: place for place in places}

    def root(place: str) -> str:
        while group[place] != place:
            place = group[place]
        return place

    def join(a: str, b: str) -> None:
        if a in group and b in group:
            group[root(a)] = root(b)

    for place in places:
        if place in substrate.elements and substrate.elements[place].is_link:
            for node in substrate.neighbours(place):
                if substrate.elements[node].type.startswith(SWITCH):
                    continue
                if substrate.elements[node].type.startswith(PROVIDER):
                    continue
                _join_at(substrate, node, place, places, join)
    stretches: dict[str, list[str]] = {}
    for place in places:
        stretches.setdefault(root(place), []).append(place)
    return Route(
        vlink,
        tuple(tuple(s) for s in stretches.values()),
        dict(pinned),
        frozenset(hosts).intersection(places),
    )


def _join_at(
    substrate: Graph, node: str, link: str, places: Sequence[str], join: Callable[[str, str], None]
) -> None:
    """Whatever meets `link` at a node that doesn't translate has its tag."""
    join(link, node)
    for other in places:
        if other.partition(".")[0] == node and other != node:
            join(link, other)  # a transit end point of this tunnel bridge
        elif other in substrate.neighbours(node):
            join(link, other)


def substrate_of_providers(substrate: Graph) -> bool:
    """Whether this is a VNP's substrate: tags belong to its transit links alone there."""
    return any(e.type.startswith(PROVIDER) for e in substrate.nodes())


Own = Mapping[str, Mapping[str, int]]
"""By VLink and place, the tags that VLinks have already and may keep."""


def pick(
    routes: Sequence[Route],
    taken: Taken,
    allowed: Callable[[str], Sequence[int]],
    own: Own | None = None,
) -> list[Reservation]:
    """Tags for all VLinks: one for the whole path where that is possible, else per stretch.

    A VLink that has a tag at a place keeps it where its stretch allows: what changes least loses
    least. None is kept between a host's bridge alone and a way off the host: old and new stand
    side by side for a while, and a tag on a bridge has one way off.

    Args:
        routes: where each VLink goes.
        taken: the tags in use by place.
        allowed: the tags that may be picked at a place, in order of preference.
        own: what the VLinks have of what is taken.

    Raises:
        NoTag: a told tag is taken, or there is none left.
    """
    used = {place: set(tags) for place, tags in taken.items()}
    found: list[Reservation] = []
    for one in routes:
        mine = {} if own is None else own.get(one.vlink, {})
        places = [place for stretch in one.stretches for place in stretch]
        if one.stays(places) != one.stays(mine):
            mine = {}
        for stretch, tag in zip(one.stretches, _tags(one, used, allowed, mine), strict=True):
            for place in stretch:
                used.setdefault(place, set()).add(tag)
                found.append(Reservation(place, tag, one.vlink))
    return found


def _tags(
    one: Route,
    used: Mapping[str, set[int]],
    allowed: Callable[[str], Sequence[int]],
    mine: Mapping[str, int],
) -> list[int]:
    free = [
        _kept(one, stretch, used, mine) or _free(one, stretch, used, allowed)
        for stretch in one.stretches
    ]
    common = set(free[0]).intersection(*free[1:]) if free else set()
    if common:
        first = next(t for t in free[0] if t in common)
        return [first] * len(free)
    pins = [p for s in one.stretches if (p := one.pin_of(s)) is not None]
    return [next((t for t in pins if t in tags), tags[0]) for tags in free]


def _kept(
    one: Route, stretch: Sequence[str], used: Mapping[str, set[int]], mine: Mapping[str, int]
) -> list[int]:
    """The tag that a VLink has somewhere on a stretch, where the rest of it can have that too."""
    pin = one.pin_of(stretch)
    had = dict.fromkeys(mine[place] for place in stretch if place in mine)
    for tag in had:
        fits = all(mine.get(p) == tag or tag not in used.get(p, ()) for p in stretch)
        if fits and pin in (None, tag):
            return [tag]
    return []


def _free(
    one: Route,
    stretch: Sequence[str],
    used: Mapping[str, set[int]],
    allowed: Callable[[str], Sequence[int]],
) -> list[int]:
    pin = one.pin_of(stretch)
    if pin is not None:
        if any(pin in used.get(place, ()) for place in stretch):
            raise NoTag(Reason(one.vlink, Code.VLAN_TAKEN, f"tag {pin} is in use"))
        return [pin]
    candidates = list(allowed(stretch[0]))
    for place in stretch[1:]:
        here = set(allowed(place))
        candidates = [t for t in candidates if t in here]
    for place in stretch:
        candidates = [t for t in candidates if t not in used.get(place, ())]
    pins = [p for p in one.pinned.values() if not any(p in used.get(x, ()) for x in stretch)]
    if not candidates and not pins:
        raise NoTag(Reason(one.vlink, Code.CAPACITY, "no VLAN tag is left for it"))
    return [*dict.fromkeys(pins), *candidates]
