"""Rules that speak of the graph as a whole, once its elements and connections are read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from rdl.language.draft import Draft, DraftElement
from rdl.language.report import Report


def check_graph(draft: Draft, report: Report) -> None:
    """Note links with fewer than two ends, and addresses that occur twice on one VLink."""
    _check_ends(draft, report)
    _check_loops(draft, report)
    _check_unique(draft, report, "address", _address)
    _check_unique(draft, report, "mac", str.casefold)


def _address(value: str) -> str:
    """An address without its prefix length, in its one normal form."""
    import ipaddress  # late: 5 ms that most documents do without

    try:
        return str(ipaddress.ip_interface(value).ip)
    except ValueError:  # refused before, for its own sake
        return value


def _check_ends(draft: Draft, report: Report) -> None:
    if draft.broken:
        return  # what it is connected to may be what could not be read
    joined = Counter(i.partition(".")[0] for c in draft.connections for i in (c.a, c.b))
    for identifier, element in draft.elements.items():
        ends = joined[identifier] + draft.half[identifier]
        if element.is_link and element.ends is None and ends < 2:
            text = f"a link has two or more ends, this one {joined[identifier]}"
            if not element.where.startswith("elements"):
                text += "; name them under `ends`"
            report.add(element.mark, element.where, text)


def _check_loops(draft: Draft, report: Report) -> None:
    """A link joins different elements, however it is written (the shorthand is checked before)."""
    seen: set[tuple[str, str]] = set()
    for connection in draft.connections:
        a, b = connection.a.partition(".")[0], connection.b.partition(".")[0]
        pair = (a, b) if a < b else (b, a)
        if pair in seen:
            text = f"{a} and {b} are connected twice; a link joins different elements"
            report.add(connection.mark, connection.where, text)
        seen.add(pair)


def _check_unique(draft: Draft, report: Report, feature: str, form: Callable[[str], str]) -> None:
    holders = _holders(draft, feature)
    if len(holders) < 2:
        return
    groups = _segments(draft)
    seen: dict[tuple[str, str], str] = {}
    for interface, link in holders.items():
        element = draft.elements[interface.partition(".")[0]]
        value = str(element.interfaces[interface].features[feature])
        first = seen.setdefault((groups[link], form(value)), interface)
        if first != interface:
            text = f"{feature} {value} is also {first}'s, on the same VLink"
            report.add(element.interfaces[interface].mark, f"{element.where}.interfaces", text)


def _holders(draft: Draft, feature: str) -> dict[str, str]:
    """Interfaces of nodes that have `feature`, with the link that each is connected to."""
    out = {}
    for connection in draft.connections:
        for own, other in ((connection.a, connection.b), (connection.b, connection.a)):
            element = _element(draft, own)
            link = _element(draft, other)
            if link.is_link and not element.is_link and feature in element.interfaces[own].features:
                out[own] = other.partition(".")[0]
    return out


def _segments(draft: Draft) -> dict[str, str]:
    """Each link with the first link of its VLink: links joined to links are one VLink."""
    near = defaultdict(list)
    for connection in draft.connections:
        if _element(draft, connection.a).is_link and _element(draft, connection.b).is_link:
            a, b = connection.a.partition(".")[0], connection.b.partition(".")[0]
            near[a].append(b)
            near[b].append(a)
    group: dict[str, str] = {}
    for start in (i for i, e in draft.elements.items() if e.is_link):
        for link in _reach(start, near, group):
            group[link] = start
    return group


def _reach(start: str, near: dict[str, list[str]], done: dict[str, str]) -> Iterator[str]:
    stack = [] if start in done else [start]
    while stack:
        link = stack.pop()
        if link not in done:
            yield link
            stack.extend(near.get(link, ()))


def _element(draft: Draft, interface: str) -> DraftElement:
    return draft.elements[interface.partition(".")[0]]
