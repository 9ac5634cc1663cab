"""The mapping layer from the text (contract, "Layers")."""

from __future__ import annotations

from rdl.graph import Placement, Segment
from rdl.language.report import Report, label, shown
from rdl.language.text import Items, Keys, Node, kind_of
from rdl.language.values import Side, Values
from rdl.vocabulary import ID, INTERFACE, PLACEMENT_KEYS, SEGMENT_KEYS


class PlacementReader:
    """Reads the `mapping` of a mapping document."""

    def __init__(self, values: Values, report: Report) -> None:
        self._values = values
        self._report = report

    def read(self, node: Node) -> dict[str, Placement]:
        """Every entry by its overlay element; what can't be read is noted and left out."""
        out: dict[str, Placement] = {}
        if not isinstance(node, Keys):
            text = f"a mapping of element to what carries it is wanted, not {kind_of(node)}"
            self._report.add(node.mark, "mapping", text)
            return out
        for identifier, (mark, entry) in node.keys.items():
            where = f"mapping.{label(identifier)}"
            if not ID.fullmatch(identifier):
                self._values.bad_id(mark, where, identifier)
            elif not isinstance(entry, Keys):
                text = f"a mapping such as {{on: [...]}} is wanted, not {kind_of(entry)}"
                self._report.add(entry.mark, where, text)
            else:
                out[identifier] = self._placement(entry, where)
        return out

    def _placement(self, node: Keys, where: str) -> Placement:
        self._unknown(node, PLACEMENT_KEYS, where)
        if "on" not in node.keys:
            self._report.add(node.mark, where, "`on` is missing")
        return Placement(
            on=self._ids(node, "on", where),
            segments=self._segments(node, where),
            backup=self._ids(node, "backup", where),
        )

    def _unknown(self, node: Keys, known: tuple[str, ...], where: str) -> None:
        for key, (mark, _) in node.keys.items():
            if key not in known:
                hint = self._report.hint(key, known)
                self._report.add(mark, f"{where}.{label(key)}", f"unknown key{hint}")

    def _ids(self, node: Keys, key: str, where: str) -> tuple[str, ...]:
        if key not in node.keys:
            return ()
        found = node.keys[key][1]
        if not isinstance(found, Items):
            text = f"a list of ids is wanted, not {kind_of(found)}"
            self._report.add(found.mark, f"{where}.{key}", text)
            return ()
        read = (
            self._values.identifier(n, f"{where}.{key}[{i}]") for i, n in enumerate(found.items)
        )
        return tuple(value for value in read if value is not None)

    def _segments(self, node: Keys, where: str) -> tuple[Segment, ...]:
        if "segments" not in node.keys:
            return ()
        found = node.keys["segments"][1]
        place = f"{where}.segments"
        if not isinstance(found, Items):
            self._report.add(found.mark, place, f"a list is wanted, not {kind_of(found)}")
            return ()
        read = (self._segment(n, f"{place}[{i}]") for i, n in enumerate(found.items))
        return tuple(segment for segment in read if segment is not None)

    def _segment(self, node: Node, where: str) -> Segment | None:
        if not isinstance(node, Keys):
            self._report.add(node.mark, where, f"a mapping is wanted, not {kind_of(node)}")
            return None
        self._unknown(node, SEGMENT_KEYS, where)
        if "on" not in node.keys:
            self._report.add(node.mark, where, "`on` is missing")
            return None
        on = self._values.identifier(node.keys["on"][1], f"{where}.on")
        bandwidth: int | float | None = 0
        if "bandwidth" in node.keys:
            bandwidth = self._values.amount(
                "bandwidth", node.keys["bandwidth"][1], f"{where}.bandwidth"
            )
        if on is None or bandwidth is None:
            return None
        return Segment(on, self._vlan(node, where), self._interface(node, where), bandwidth)

    def _vlan(self, node: Keys, where: str) -> int | None:
        if "vlan" not in node.keys:
            return None
        found = node.keys["vlan"][1]
        if isinstance(found, Items | Keys):
            self._report.add(found.mark, f"{where}.vlan", f"a tag is wanted, not {kind_of(found)}")
            return None
        value = self._values.feature("vlan", found, f"{where}.vlan", Side())
        return value if isinstance(value, int) else None

    def _interface(self, node: Keys, where: str) -> str | None:
        if "interface" not in node.keys:
            return None
        found = node.keys["interface"][1]
        value = self._values.text(found, f"{where}.interface", "an interface's id")
        if value is None or INTERFACE.fullmatch(value):
            return value
        text = f"{shown(value)} is no interface id: ELEMENT.NAME"
        self._report.add(found.mark, f"{where}.interface", text)
        return None
