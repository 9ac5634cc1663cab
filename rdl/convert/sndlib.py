"""SNDlib networks (http://sndlib.zib.de), in the XML and in the native format.

A link's capacity is what is installed already or, where that is nothing, the largest module that
could be. Capacities are in Mbit/s unless the file says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element as Xml

from rdl.convert.topology import Converted, ConvertError, Line, Options, Place, number, substrate
from rdl.convert.xmlin import child, child_text, children

_TOKEN = re.compile(r"[()]|[^\s()]+")
_UNITS = {"KBITPERSEC": 1e3, "MBITPERSEC": 1e6, "GBITPERSEC": 1e9}


def xml(root: Xml, name: str, options: Options) -> Converted:
    """A network in SNDlib's XML.

    Raises:
        ConvertError: it has no structure of nodes and links.
    """
    structure = child(root, "networkStructure")
    nodes, links = child(structure, "nodes"), child(structure, "links")
    if nodes is None or links is None:
        raise ConvertError("the SNDlib network has no nodes and links")
    mapped = nodes.get("coordinatesType", "geographical") == "geographical"
    factor = _UNITS.get(child_text(root, "meta", "unit").upper(), 1e6)
    places = [_xml_place(node, mapped=mapped) for node in children(nodes, "node")]
    lines = [_xml_line(link, factor) for link in children(links, "link")]
    return substrate(name or "sndlib", places, lines, options)


def _xml_place(node: Xml, *, mapped: bool) -> Place:
    key = node.get("id", "")
    x, y = (number(child_text(node, "coordinates", axis)) for axis in "xy")
    return Place(key, key, x, y) if mapped else Place(key, key)


def _xml_line(link: Xml, factor: float) -> Line:
    installed = number(child_text(link, "preInstalledModule", "capacity"))
    modules = [
        number(child_text(module, "capacity"))
        for module in children(child(link, "additionalModules"), "addModule")
    ]
    return Line(
        child_text(link, "source"),
        child_text(link, "target"),
        label=link.get("id", ""),
        bandwidth=_capacity(installed, modules, factor),
    )


def _capacity(installed: float | None, modules: list[float | None], factor: float) -> float | None:
    largest = installed or max((m for m in modules if m is not None), default=None)
    return None if largest is None or largest < 0 else largest * factor


def native(text: str, name: str, options: Options) -> Converted:
    """A network in SNDlib's native format.

    Raises:
        ConvertError: brackets that don't match, or no nodes.
    """
    title = re.search(r"^#\s*network\s+(\S+)", text, re.MULTILINE)
    body = "\n".join(line.partition("#")[0] for line in text.splitlines()[1:])
    sections = dict(_sections(_TOKEN.findall(body)))
    if "NODES" not in sections:
        raise ConvertError("the SNDlib network has no NODES")
    unit = sections.get("META", [])
    factor = next((_UNITS[t.upper()] for t in unit if t.upper() in _UNITS), 1e6)
    places = list(_native_places(sections["NODES"]))
    lines = list(_native_lines(sections.get("LINKS", []), factor))
    return substrate(title[1] if title else name or "sndlib", places, lines, options)


def _sections(tokens: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Each NAME ( ... ) at the top, with the tokens between its brackets."""
    depth, begin = 0, 0
    for position, word in enumerate(tokens):
        if word == "(":
            depth += 1
            begin = position if depth == 1 else begin
        elif word == ")":
            depth -= 1
            if depth == 0 and begin > 0:
                yield tokens[begin - 1], tokens[begin + 1 : position]
        if depth < 0:
            break
    if depth:
        raise ConvertError("brackets that don't match")


def _native_places(tokens: list[str]) -> Iterator[Place]:
    for key, group, _ in _entries(tokens):
        x, y = (number(t) for t in group[:2]) if len(group) >= 2 else (None, None)
        yield Place(key, key, x, y)


def _native_lines(tokens: list[str], factor: float) -> Iterator[Line]:
    for key, ends, rest in _entries(tokens):
        if len(ends) != 2:
            raise ConvertError(f"the link {key[:60]} has {len(ends)} ends")
        installed = number(rest[0]) if rest else None
        modules = [number(t) for t in rest[rest.index("(") + 1 : -1 : 2]] if "(" in rest else []
        yield Line(ends[0], ends[1], label=key, bandwidth=_capacity(installed, modules, factor))


def _entries(tokens: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each `key ( group ) rest`: what stands up to the next key, which a bracket follows."""
    position = 0
    while position < len(tokens):
        if tokens[position + 1 : position + 2] != ["("] or ")" not in tokens[position:]:
            raise ConvertError(f"unexpected: {tokens[position][:60]}")
        close = tokens.index(")", position)
        end = close + 1
        while end < len(tokens) and not _starts_entry(tokens, end):
            end = tokens.index(")", end) + 1 if tokens[end] == "(" else end + 1
        yield tokens[position], tokens[position + 2 : close], tokens[close + 1 : end]
        position = end


def _starts_entry(tokens: list[str], position: int) -> bool:
    name = tokens[position]
    return (
        name not in "()" and number(name) is None and tokens[position + 1 : position + 2] == ["("]
    )
