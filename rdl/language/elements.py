"""Elements from the text, in both spellings: entries of `elements`, `nodes` and `links`."""

from __future__ import annotations

from functools import lru_cache

from rdl.language.draft import Draft, DraftElement
from rdl.language.properties import PropertyReader
from rdl.language.report import Place, Report, label, nearest, shown
from rdl.language.text import Items, Keys, Node, Text, kind_of
from rdl.language.values import Side, Values
from rdl.types import PIP, TRANSIT, is_a
from rdl.vocabulary import (
    DEFAULT_LINK,
    DEFAULT_NODE,
    ELEMENT_KEYS,
    FEATURES,
    ID,
    LINK_KEYS,
    NODE_KEYS,
    NOT_SLIPS,
    PROVENANCE,
    RESOURCES,
)

_ELEMENT_FEATURES = tuple(name for name, rule in FEATURES.items() if not rule.interface_only)
_SLIPS = {
    False: (*RESOURCES, *_ELEMENT_FEATURES, *NODE_KEYS),
    True: (*RESOURCES, *_ELEMENT_FEATURES, *LINK_KEYS),
}
_ELSEWHERE = {
    "id": "the key is the id here",
    "name": "the key is the name here",
    "ends": "only a link has ends",
    "addresses": "only a link lists addresses",
    "elements": "elements don't nest",
    "connections": "connections stand at the top of the document",
    "constraints": "constraints stand at the top of the document",
}


@lru_cache(maxsize=4096)
def _slip_of(key: str, *, links: bool) -> str | None:
    """The standard name that a key of the shorthand is a near miss of, None where of none."""
    return None if key in NOT_SLIPS else nearest(key, _SLIPS[links])


def is_taken_for_feature(key: str, *, links: bool) -> bool:
    """Whether the shorthand takes this key, written beside `type`, for a feature."""
    if key in FEATURES:
        return not FEATURES[key].interface_only
    known = LINK_KEYS if links else NODE_KEYS
    own = key in RESOURCES or key in _ELSEWHERE or key in known
    return not own and _slip_of(key, links=links) is None


class ElementReader:
    """Reads elements into a draft, noting what is wrong."""

    def __init__(self, draft: Draft, values: Values, report: Report, *, offers: bool) -> None:
        self._draft = draft
        self._values = values
        self._report = report
        self._offers = offers
        self._properties = PropertyReader(values, report, offers=offers)

    # -- the canonical spelling

    def canonical(self, node: Node) -> None:
        """Every entry of `elements`."""
        if not isinstance(node, Items):
            self._broken(node.mark, "elements", f"a list is wanted, not {kind_of(node)}")
            return
        for position, entry in enumerate(node.items):
            where = f"elements[{position}]"
            if not isinstance(entry, Keys):
                self._report.add(entry.mark, where, f"a mapping is wanted, not {kind_of(entry)}")
                continue
            found = entry.keys.get("id")
            identifier = None
            if found is None:
                self._report.add(entry.mark, where, "the id is missing")
            else:
                identifier = self._values.identifier(found[1], f"{where}.id")
            if identifier is not None:
                where = f"elements.{identifier}"
            self._canonical_entry(
                identifier, entry, entry.mark if found is None else found[1].mark, where
            )

    def _canonical_entry(
        self, identifier: str | None, entry: Keys, mark: Place, where: str
    ) -> None:
        keys = entry.keys
        for key, (key_mark, _) in keys.items():
            if key not in ELEMENT_KEYS:
                self._report.add(key_mark, f"{where}.{label(key)}", self._unknown(key))
        kind = DEFAULT_NODE
        if "type" in keys:
            node = keys["type"][1]
            # Where it can't be read, read on for the other errors, as what it most likely is.
            meant_link = isinstance(node, Text) and "link" in node.text
            guess = DEFAULT_LINK if meant_link else DEFAULT_NODE
            kind = self._values.type_path(node, f"{where}.type") or guess
        self._finish(identifier, entry, mark, where, kind)

    def _unknown(self, key: str) -> str:
        if key in RESOURCES:
            return "unknown key here; write it under `resources`"
        if key in FEATURES:
            return "unknown key here; write it under `features`"
        return f"unknown key{self._report.hint(key, ELEMENT_KEYS)}"

    # -- the shorthand

    def shorthand(self, node: Node, *, links: bool) -> None:
        """Every entry of `nodes`, or of `links`."""
        section = "links" if links else "nodes"
        if not isinstance(node, Keys):
            text = f"a mapping of id to properties is wanted, not {kind_of(node)}"
            self._broken(node.mark, section, text)
            return
        for identifier, (mark, entry) in node.keys.items():
            where = f"{section}.{label(identifier)}"
            known = identifier if ID.fullmatch(identifier) else None
            if known is None:
                self._values.bad_id(mark, where, identifier)
            if isinstance(entry, Keys):
                self._shorthand_entry(known, entry, mark, where, links=links)
            elif isinstance(entry, Text) and entry.plain and not entry.text and not links:
                self._shorthand_entry(known, Keys(mark), mark, where, links=links)
            else:
                text = f"a mapping of properties is wanted, not {kind_of(entry)}"
                self._report.add(entry.mark, where, text)
                # It is there all the same: who refers to it makes no mistake.
                self._shorthand_entry(known, Keys(mark), mark, where, links=links)
                self._draft.half[identifier] = 2

    def _shorthand_entry(
        self, identifier: str | None, entry: Keys, mark: Place, where: str, *, links: bool
    ) -> None:
        kind = DEFAULT_LINK if links else DEFAULT_NODE
        if "type" in entry.keys:
            kind = self._typed(entry.keys["type"][1], f"{where}.type", links=links) or kind
        element = self._finish(identifier, entry, mark, where, kind)
        known = LINK_KEYS if links else NODE_KEYS
        side = self._side(kind)
        for key, (key_mark, value) in entry.keys.items():
            if key not in known:
                self._guessed(element, key, key_mark, value, side)
        if links:
            element.ends = entry.keys["ends"][1] if "ends" in entry.keys else None
            element.addresses = entry.keys["addresses"][1] if "addresses" in entry.keys else None

    def _typed(self, node: Node, where: str, *, links: bool) -> str | None:
        kind = self._values.type_path(node, where)
        section, side, other = (
            ("links", "/link/", "nodes") if links else ("nodes", "/node/", "links")
        )
        if kind is None or kind.startswith(side):
            return kind
        text = f"under `{section}` a type begins with {side}; did you mean `{other}`?"
        self._report.add(node.mark, where, text)
        return None

    def _guessed(
        self, element: DraftElement, key: str, mark: Place, value: Node, side: Side
    ) -> None:
        """A key of the shorthand: a standard resource by its name, any other a feature."""
        where = f"{element.where}.{label(key)}"
        if key in _ELSEWHERE:
            self._report.add(mark, where, f"unknown key: {_ELSEWHERE[key]}")
            return
        if key in RESOURCES:
            self._properties.add_resource(element.resources, key, (mark, value), where)
            return
        near = None if key in FEATURES else _slip_of(key, links=element.is_link)
        if near is not None:
            text = (
                f"unknown key; did you mean {near!r}? A feature of your own that is so near to a "
            )
            self._report.add(mark, where, f"{text}standard name is written under `features`")
            return
        self._properties.add_feature(element.features, key, (mark, value), where, side)

    # -- what both spellings share

    def _finish(
        self, identifier: str | None, entry: Keys, mark: Place, where: str, kind: str
    ) -> DraftElement:
        """The element with what the keys that both spellings have say.

        One without a good id is read all the same, for its other errors, but not kept.
        """
        element = DraftElement(mark, where, kind)
        if identifier is not None:
            self._keep(identifier, element)
        keys = entry.keys
        read = self._properties
        if "resources" in keys:
            read.resources(element.resources, keys["resources"][1], f"{where}.resources")
        if "features" in keys:
            side = self._side(kind)
            read.features(element.features, keys["features"][1], f"{where}.features", side)
        if "interfaces" in keys and identifier is not None:
            element.listed = True
            read.interfaces(identifier, element, keys["interfaces"][1])
        if "chosen" in keys:
            self._chosen(element, keys["chosen"][1], entry)
        return element

    def _keep(self, identifier: str, element: DraftElement) -> None:
        first = self._draft.elements.setdefault(identifier, element)
        if first is not element:
            text = f"the id {identifier} is taken, by line {first.mark.line + 1}"
            self._report.add(element.mark, element.where, text)
        kind = element.type
        if identifier[0] == "_" and not (is_a(kind, TRANSIT) or is_a(kind, PIP)):
            text = f"ids that begin with _ are for stubs ({TRANSIT} and {PIP}), this is {kind}"
            self._report.add(element.mark, element.where, text)

    def _side(self, kind: str) -> Side:
        return Side(offers=self._offers, transit=is_a(kind, TRANSIT))

    def _chosen(self, element: DraftElement, node: Node, entry: Keys) -> None:
        where = f"{element.where}.chosen"
        if not isinstance(node, Keys):
            self._report.add(node.mark, where, f"a mapping is wanted, not {kind_of(node)}")
            return
        known = _written(entry)
        for key, (mark, value) in node.keys.items():
            by = self._values.text(value, f"{where}.{label(key)}", "who chose it")
            if key not in known:
                hint = self._report.hint(key, sorted(known))
                text = f"chosen, but the element has no such resource or feature{hint}"
                self._report.add(mark, f"{where}.{label(key)}", text)
            elif by is not None and not PROVENANCE.fullmatch(by):
                text = f"{shown(by)} is no ROLE:NAME, such as pip:berlin"
                self._report.add(value.mark, f"{where}.{label(key)}", text)
            elif by is not None:
                element.chosen[key] = by

    def _broken(self, mark: Place, where: str, text: str) -> None:
        self._draft.broken = True
        self._report.add(mark, where, text)


def _written(entry: Keys) -> set[str]:
    """The names of resources and features that an entry has, readable or not, and `type`."""
    names = {key for key in entry.keys if key not in LINK_KEYS} | {"type"}
    for section in ("resources", "features"):
        inner = entry.keys.get(section)
        if inner is not None and isinstance(inner[1], Keys):
            names |= set(inner[1].keys)
    return names
