"""Constraints from the text (contract, "Constraints")."""

from __future__ import annotations

from rdl.graph import Constraint, ConstraintKind
from rdl.language.draft import Draft
from rdl.language.report import Place, Report, label, shown
from rdl.language.text import Items, Keys, Node, kind_of, value_of
from rdl.language.text import Text as TextNode
from rdl.language.values import Values
from rdl.units import UnitError
from rdl.vocabulary import CONSTRAINTS, ID, NAME, TYPE, constraint_keys

_KINDS = tuple(str(kind) for kind in ConstraintKind)


class ConstraintReader:
    """Reads `constraints` against a draft whose elements are all read."""

    def __init__(self, draft: Draft, values: Values, report: Report) -> None:
        self._draft = draft
        self._values = values
        self._report = report
        self._ids: dict[str, Place] = {}

    def read(self, node: Node) -> tuple[Constraint, ...]:
        """Every entry; what can't be read is noted and left out."""
        if not isinstance(node, Items):
            self._report.add(node.mark, "constraints", f"a list is wanted, not {kind_of(node)}")
            return ()
        read = [self._entry(entry, f"constraints[{i}]") for i, entry in enumerate(node.items)]
        return tuple(constraint for constraint in read if constraint is not None)

    def _entry(self, node: Node, where: str) -> Constraint | None:
        if not isinstance(node, Keys):
            self._report.add(node.mark, where, f"a mapping is wanted, not {kind_of(node)}")
            return None
        kind = self._kind(node, where)
        if kind is None:
            return None
        rule = CONSTRAINTS[kind]
        known = constraint_keys(kind)
        for key, (mark, _) in node.keys.items():
            if key not in known:
                hint = self._report.hint(key, known)
                text = f"unknown key of a `{kind}` constraint{hint}"
                self._report.add(mark, f"{where}.{label(key)}", text)
        elsewhere = self._elsewhere(node, where)
        least = 1 if elsewhere else rule.least
        members = self._members(node, rule.members, where, nodes_only=rule.nodes_only, least=least)
        feature = self._name(node, str(kind), where) if rule.value == "feature" else None
        targets = self._targets(node.keys[str(kind)][1], f"{where}.{kind}", rule.value)
        return Constraint(
            kind=kind,
            of=members,
            feature=feature,
            by=self._name(node, "by", where) if "by" in rule.optional else None,
            targets=targets,
            id=self._id(node, where),
            elsewhere=elsewhere,
        )

    def _kind(self, node: Keys, where: str) -> ConstraintKind | None:
        found = [key for key in node.keys if key in _KINDS]
        if len(found) == 1:
            return ConstraintKind(found[0])
        if found:
            text = f"one constraint says {' and '.join(found)}; make one of each"
        else:
            hints = (self._report.hint(key, _KINDS) for key in node.keys if key != "of")
            text = f"none of {', '.join(_KINDS)}" + next((h for h in hints if h), "")
        self._report.add(node.mark, where, text)
        return None

    def _name(self, node: Keys, key: str, where: str) -> str | None:
        if key not in node.keys:
            return None
        value_node = node.keys[key][1]
        value = self._values.text(value_node, f"{where}.{key}", "a feature's name")
        if value is not None and not NAME.fullmatch(value):
            text = f"{shown(value)} is no name: 1 to 63 of A-Z a-z 0-9 . _ -"
            self._report.add(value_node.mark, f"{where}.{key}", text)
            return None
        return value

    def _id(self, node: Keys, where: str) -> str | None:
        if "id" not in node.keys:
            return None
        id_node = node.keys["id"][1]
        value = self._values.identifier(id_node, f"{where}.id")
        if value is None:
            return None
        if value in self._ids:
            line = self._ids[value].line + 1
            text = f"another constraint has the id {value}, at line {line}"
            self._report.add(id_node.mark, f"{where}.id", text)
        self._ids.setdefault(value, id_node.mark)
        return value

    def _elsewhere(self, node: Keys, where: str) -> int:
        if "elsewhere" not in node.keys:
            return 0
        found = node.keys["elsewhere"][1]
        try:
            value = value_of(found) if isinstance(found, TextNode) else None
        except UnitError:
            value = None
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 1_000_000:
            return value
        text = f"how many members lie elsewhere, at least 1, is wanted, not {kind_of(found)}"
        self._report.add(found.mark, f"{where}.elsewhere", text)
        return 1

    def _members(
        self, node: Keys, key: str, where: str, *, nodes_only: bool, least: int
    ) -> tuple[str, ...]:
        if key not in node.keys:
            self._report.add(node.mark, where, f"`{key}`, the list of ids, is missing")
            return ()
        found = node.keys[key][1]
        place = f"{where}.{key}"
        if not isinstance(found, Items):
            self._report.add(found.mark, place, f"a list of ids is wanted, not {kind_of(found)}")
            return ()
        if len(found.items) < least:
            what = "one member" if least == 1 else f"{least} members"
            text = f"it binds {len(found.items)}; at least {what}, or say how many are elsewhere"
            self._report.add(found.mark, place, text)
        members: dict[str, None] = {}
        for position, entry in enumerate(found.items):
            value = self._values.identifier(entry, f"{place}[{position}]")
            if value is None:
                continue
            if value in members:
                self._report.add(entry.mark, f"{place}[{position}]", f"{value} is listed twice")
            self._known(value, entry.mark, f"{place}[{position}]", nodes_only=nodes_only)
            members[value] = None
        return tuple(members)

    def _known(self, member: str, mark: Place, where: str, *, nodes_only: bool) -> None:
        element = self._draft.elements.get(member)
        if element is None:
            if not self._draft.broken:
                hint = self._report.hint(member, self._draft.elements)
                self._report.add(mark, where, f"no element {member}{hint}")
        elif nodes_only and element.is_link:
            self._report.add(mark, where, f"{member} is a link; this constraint binds nodes")

    def _targets(self, node: Node, where: str, what: str) -> tuple[str, ...]:
        if what != "targets":
            return ()
        if not isinstance(node, Items) or not node.items:
            text = f"a list of ids or types is wanted, not {kind_of(node)}"
            if isinstance(node, Items):
                text = "an empty list names no target"
            self._report.add(node.mark, where, text)
            return ()
        targets = []
        for position, entry in enumerate(node.items):
            place = f"{where}[{position}]"
            value = self._values.text(entry, place, "an id or a type")
            if value is None:
                continue
            if not (TYPE if value.startswith("/") else ID).fullmatch(value):
                text = f"{shown(value)} is neither an id nor a type such as /node/host/server"
                self._report.add(entry.mark, place, text)
                continue
            targets.append(value)
        return tuple(targets)
