"""What elements of both spellings have: resources, features, interfaces."""

from __future__ import annotations

from collections.abc import Container
from typing import cast

from rdl.graph import Amount, Feature
from rdl.language.draft import DraftElement, DraftInterface
from rdl.language.report import Place, Report, label, shown
from rdl.language.text import Items, Keys, Node, kind_of
from rdl.language.values import Side, Values, is_bad
from rdl.types import TRANSIT, is_a
from rdl.vocabulary import FEATURES, ID, INTERFACE, INTERFACE_KEYS, NAME, RESOURCES


class PropertyReader:
    """Reads properties of elements, noting what is wrong."""

    def __init__(self, values: Values, report: Report, *, offers: bool) -> None:
        self._values = values
        self._report = report
        self._offers = offers

    def resources(self, out: dict[str, Amount], node: Node, where: str) -> None:
        """Every entry of a `resources` section."""
        if not isinstance(node, Keys):
            self._report.add(node.mark, where, f"a mapping is wanted, not {kind_of(node)}")
            return
        for key, (mark, value) in node.keys.items():
            self.add_resource(out, key, (mark, value), f"{where}.{label(key)}")

    def add_resource(
        self, out: dict[str, Amount], key: str, at: tuple[Place, Node], where: str
    ) -> None:
        """One amount, noted where it is none or there already."""
        if self._named(key, at[0], where, out):
            amount = self._values.resource(key, at[1], where)
            if amount is not None:
                out[key] = amount

    def features(self, out: dict[str, Feature], node: Node, where: str, side: Side) -> None:
        """Every entry of a `features` section."""
        if not isinstance(node, Keys):
            self._report.add(node.mark, where, f"a mapping is wanted, not {kind_of(node)}")
            return
        for key, (mark, value) in node.keys.items():
            self.add_feature(out, key, (mark, value), f"{where}.{label(key)}", side)

    def add_feature(
        self, out: dict[str, Feature], key: str, at: tuple[Place, Node], where: str, side: Side
    ) -> None:
        """One feature, noted where it is none or there already."""
        if self._named(key, at[0], where, out):
            feature = self._values.feature(key, at[1], where, side)
            if not is_bad(feature):
                out[key] = cast("Feature", feature)

    def _named(self, key: str, mark: Place, where: str, out: Container[str]) -> bool:
        if not NAME.fullmatch(key):
            text = f"{shown(key)} is no name: 1 to 63 of A-Z a-z 0-9 . _ -"
            self._report.add(mark, where, text)
            return False
        if key in out:
            self._report.add(mark, where, "written twice: here and under its section")
            return False
        return True

    def interfaces(self, identifier: str, element: DraftElement, node: Node) -> None:
        """The entries of an element's `interfaces`: ids, or ids with properties."""
        where = f"{element.where}.interfaces"
        if not isinstance(node, Items):
            self._report.add(node.mark, where, f"a list is wanted, not {kind_of(node)}")
            return
        for position, entry in enumerate(node.items):
            place = f"{where}[{position}]"
            keys = entry.keys if isinstance(entry, Keys) else None
            if keys is not None and "id" not in keys:
                self._report.add(entry.mark, place, "the id is missing")
                continue
            named = entry if keys is None else keys["id"][1]
            name = self._interface_id(identifier, named, place)
            if name is None:
                continue
            if name in element.interfaces:
                self._report.add(named.mark, place, f"{name} is declared twice")
                continue
            draft = DraftInterface(named.mark)
            element.interfaces[name] = draft
            if keys is not None:
                self._interface_keys(draft, keys, place, element.type)

    def _interface_id(self, identifier: str, node: Node, where: str) -> str | None:
        value = self._values.text(node, where, "an interface's id, ELEMENT.NAME,")
        if value is None:
            return None
        if not INTERFACE.fullmatch(value):
            text = (
                f"{shown(value)} is no interface id: ELEMENT.NAME, each 1 to 63 of A-Z a-z 0-9 _ -"
            )
            if ID.fullmatch(value) and value != identifier:
                text = f"{value} lacks its element: write {identifier}.{value}"
            self._report.add(node.mark, where, text)
            return None
        if not value.startswith(identifier + "."):
            text = f"{value} does not belong to {identifier}: its id begins with {identifier}."
            self._report.add(node.mark, where, text)
            return None
        return value

    def _interface_keys(
        self, draft: DraftInterface, keys: dict[str, tuple[Place, Node]], where: str, kind: str
    ) -> None:
        for key, (mark, value) in keys.items():
            if key == "features":
                granted = isinstance(value, Keys) and "peer" in value.keys
                side = Side(
                    offers=self._offers, transit=granted or is_a(kind, TRANSIT), interface=True
                )
                self.features(draft.features, value, f"{where}.features", side)
            elif key == "resources":
                self.resources(draft.resources, value, f"{where}.resources")
            elif key != "id":
                hint = self._report.hint(key, INTERFACE_KEYS)
                if key in FEATURES or key in RESOURCES:
                    hint = f"; write it under `{'features' if key in FEATURES else 'resources'}`"
                self._report.add(mark, f"{where}.{label(key)}", f"unknown key{hint}")
