"""SNDlib networks (http://sndlib.zib.de), in the XML and in the native format.

A link's capacity is what is installed already or, where that is nothing, the largest module that
could be. Capacities are in Mbit/s unless the file says otherwise. Costs, demands and what else
belongs to the planning problem is no part of a substrate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element as Xml

from rdl.convert.account import Account
from rdl.convert.quantities import number, rate_unit
from rdl.convert.topology import Converted, ConvertError, Line, Options, Place, substrate
from rdl.convert.xmlin import Reading

_TOKEN = re.compile(r"[()]|[^\s()]+")
_USUAL_UNIT = 10**6
_LINK_NUMBERS = ("installed capacity", "cost of what is installed", "routing cost", "setup cost")


@dataclass(frozen=True, slots=True)
class _Capacities:
    """Turns the capacities of links into bit/s, where the file's unit is known."""

    account: Account
    factor: int | None

    @classmethod
    def of_unit(cls, unit: str, account: Account) -> _Capacities:
        factor = rate_unit(unit) if unit else _USUAL_UNIT
        if factor is None:
            account.lose("graph", "", "unknown unit of capacities", unit)
        return cls(account, factor)

    def bandwidth(self, link: str, installed: str, modules: Sequence[str]) -> float | None:
        """The bit/s of a link; the capacities that it does not stand for are lost."""
        told = [text for text in (installed, *modules) if number(text) != 0 and text]
        usable = [text for text in told if (number(text) or -1) > 0]
        best = None
        if (number(installed) or -1) > 0:
            best = installed
        elif usable:
            best = max(usable, key=lambda text: number(text) or 0)
        if best is not None and self.factor is not None:
            told.remove(best)
        for text in told:
            self.account.lose("link", link, "capacity", text)
        value = number(best) if best is not None else None
        return None if value is None or self.factor is None else value * self.factor


# -- XML


def xml(reading: Reading, name: str, options: Options) -> Converted:
    """A network in SNDlib's XML.

    Raises:
        ConvertError: it has no structure of nodes and links.
    """
    account = Account()
    structure = reading.child(reading.root, "networkStructure")
    nodes, links = reading.child(structure, "nodes"), reading.child(structure, "links")
    if nodes is None or links is None:
        raise ConvertError("the SNDlib network has no nodes and links")
    unit = reading.text(reading.child(reading.root, "meta", "unit"))
    capacities = _Capacities.of_unit(unit, account)
    mapped = reading.attribute(nodes, "coordinatesType") in ("", "geographical")
    places = [
        _xml_place(reading, node, account, mapped=mapped)
        for node in reading.children(nodes, "node")
    ]
    joints = [_xml_line(reading, link, capacities) for link in reading.children(links, "link")]
    reading.lose_rest(account)
    return substrate(name or "sndlib", places, joints, options, account)


def _xml_place(reading: Reading, node: Xml, account: Account, *, mapped: bool) -> Place:
    key = reading.attribute(node, "id")
    reading.name(node, "node", key)
    x, y = (reading.text(reading.child(node, "coordinates", axis)) for axis in "xy")
    return _place(key, x, y, account, mapped=mapped)


def _place(key: str, x: str, y: str, account: Account, *, mapped: bool) -> Place:
    longitude, latitude = number(x), number(y)
    if longitude is not None and latitude is not None and mapped:
        return Place(key, key, longitude, latitude)
    if x or y:
        what = "coordinates" if mapped else "coordinates in pixels"
        account.lose("node", key, what, f"{x}, {y}")
    return Place(key, key)


def _xml_line(reading: Reading, link: Xml, capacities: _Capacities) -> Line:
    key = reading.attribute(link, "id")
    reading.name(link, "link", key)
    installed = reading.text(reading.child(link, "preInstalledModule", "capacity"))
    further = reading.children(reading.child(link, "additionalModules"), "addModule")
    modules = [reading.text(reading.child(module, "capacity")) for module in further]
    costs = [reading.child(link, "preInstalledModule", "cost")]
    costs += [reading.child(link, tag) for tag in ("routingCost", "setupCost")]
    costs += [reading.child(module, "cost") for module in further]
    for cost in costs:
        text = reading.text(cost)
        if number(text) != 0 and text:
            capacities.account.lose("link", key, "cost", text)
    ends = tuple(reading.text(reading.child(link, end)) for end in ("source", "target"))
    return Line(ends, key, capacities.bandwidth(key, installed, modules))


# -- native


def native(text: str, name: str, options: Options) -> Converted:
    """A network in SNDlib's native format.

    Raises:
        ConvertError: brackets that don't match, or no nodes.
    """
    account = Account()
    title = re.search(r"^#\s*network\s+(\S+)", text, re.MULTILINE)
    body = "\n".join(line.partition("#")[0] for line in text.splitlines()[1:])
    sections: dict[str, list[str]] = {}
    for section, tokens in _sections(_TOKEN.findall(body), account):
        if section in sections:
            raise ConvertError(f"the section {section[:60]} is there twice")
        sections[section] = tokens
    if "NODES" not in sections:
        raise ConvertError("the SNDlib network has no NODES")
    unit = _meta(sections.pop("META", []), account)
    capacities = _Capacities.of_unit(unit, account)
    places = list(_native_places(sections.pop("NODES"), account))
    joints = list(_native_lines(sections.pop("LINKS", []), capacities))
    for section, tokens in sections.items():
        if tokens:
            account.lose("graph", "", f"section {section}", f"{' '.join(tokens[:12])} ...")
    return substrate(title[1] if title else name or "sndlib", places, joints, options, account)


def _meta(tokens: list[str], account: Account) -> str:
    """The unit of capacities, '' where none is told."""
    unit = ""
    said = re.findall(r"(\S+)\s*=\s*(\S+)", " ".join(tokens))
    for key, value in said:
        if key.casefold() == "unit":
            unit = value
        else:
            account.lose("graph", "", f"meta {key}", value)
    if tokens and not said:
        account.lose("graph", "", "section META", " ".join(tokens[:12]))
    return unit


def _sections(tokens: list[str], account: Account) -> Iterator[tuple[str, list[str]]]:
    """Each NAME ( ... ) at the top, with the tokens between its brackets."""
    depth, begin, done = 0, 0, 0
    for position, word in enumerate(tokens):
        if word == "(":
            depth += 1
            begin = position if depth == 1 else begin
        elif word == ")":
            depth -= 1
            if depth == 0:
                if begin == done:
                    raise ConvertError("a section without a name")
                _lose_stray(tokens[done : begin - 1], account)
                yield tokens[begin - 1], tokens[begin + 1 : position]
                done = position + 1
        if depth < 0:
            break
    if depth:
        raise ConvertError("brackets that don't match")
    _lose_stray(tokens[done:], account)


def _lose_stray(words: list[str], account: Account) -> None:
    if words:
        account.lose("graph", "", "text between the sections", " ".join(words[:12]))


def _native_places(tokens: list[str], account: Account) -> Iterator[Place]:
    for key, group, rest, _ in _entries(tokens, numbers=0):
        x, y = (*group, "", "")[:2]
        for text in (*group[2:], *rest):
            account.lose("node", key, "further coordinate", text)
        yield _place(key, x, y, account, mapped=True)


def _native_lines(tokens: list[str], capacities: _Capacities) -> Iterator[Line]:
    account = capacities.account
    for key, ends, numbers, modules in _entries(tokens, numbers=len(_LINK_NUMBERS)):
        if len(ends) != 2:
            raise ConvertError(f"the link {key[:60]} has {len(ends)} ends")
        for what, text in zip(_LINK_NUMBERS[1:], numbers[1:], strict=False):
            if number(text) != 0:
                account.lose("link", key, what, text)
        for text in modules[1::2]:
            if number(text) != 0:
                account.lose("link", key, "cost of a module", text)
        bandwidth = capacities.bandwidth(key, (*numbers, "")[0], modules[::2])
        yield Line((ends[0], ends[1]), key, bandwidth)


def _entries(
    tokens: list[str], *, numbers: int
) -> Iterator[tuple[str, list[str], list[str], list[str]]]:
    """Each `key ( group ) n n n n ( modules )`; of nodes, `numbers` is 0, each `key ( group )`.

    Names may be numbers, so how many numbers follow a group is what tells them apart. Where there
    are fewer and a bracket follows, the last one is the name of the next entry.
    """
    position = 0
    while position < len(tokens):
        key = tokens[position]
        if key in ("(", ")") or tokens[position + 1 : position + 2] != ["("]:
            raise ConvertError(f"unexpected: {key[:60]}")
        group, position = _group(tokens, position + 1)
        begin = position
        while position < min(begin + numbers, len(tokens)) and number(tokens[position]) is not None:
            position += 1
        modules: list[str] = []
        if numbers and tokens[position : position + 1] == ["("]:
            if begin < position < begin + numbers:
                position -= 1
            else:
                end = position
                modules, position = _group(tokens, position)
                yield key, group, tokens[begin:end], modules
                continue
        yield key, group, tokens[begin:position], modules


def _group(tokens: list[str], position: int) -> tuple[list[str], int]:
    """The tokens between the bracket at `position` and its end, and what follows that."""
    try:
        close = tokens.index(")", position)
    except ValueError:
        raise ConvertError("brackets that don't match") from None
    group = tokens[position + 1 : close]
    if "(" in group:
        raise ConvertError(f"unexpected brackets after {' '.join(group[:4])[:60]}")
    return group, close + 1
