"""Nodes of the text to amounts and features, checked by the tables of the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

from rdl import units
from rdl.graph import Amount, Feature, NotIn, Range, Scalar
from rdl.language.forms import TEXTS, type_hint
from rdl.language.report import Place, Report, label, shown
from rdl.language.text import Items, Keys, Node, Text, kind_of, value_of
from rdl.units import Quantity, UnitError
from rdl.vocabulary import (
    FEATURES,
    ID,
    NAME,
    RESOURCES,
    TYPE,
    VLAN_MAX,
    VLAN_MIN,
    Kind,
)

_BAD: object = object()


@dataclass(frozen=True, slots=True)
class Side:
    """What the features of an element are judged by.

    Attributes:
        offers: the document is a substrate: features are what is there, not demands.
        transit: it is of a transit link or end point, whose `vlan` must be a usable tag.
        interface: it is an interface's feature, not an element's.
    """

    offers: bool = False
    transit: bool = False
    interface: bool = False


class Values:
    """Reads values of one document, noting what is wrong in its report."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.pools: dict[tuple[str, str], int | float] = {}

    # -- plain pieces

    def scalar(self, node: Node, where: str) -> Scalar | object:
        """The value of a scalar node, `_BAD` (noted) where it is none."""
        if not isinstance(node, Text):
            self._report.add(node.mark, where, f"a single value is wanted, not {kind_of(node)}")
            return _BAD
        try:
            return value_of(node)
        except UnitError as exc:
            self._report.add(node.mark, where, str(exc))
            return _BAD

    def text(self, node: Node, where: str, wanted: str) -> str | None:
        """A scalar that must be text; None (noted) where it is something else."""
        value = self.scalar(node, where)
        if isinstance(value, str):
            return value
        if value is not _BAD:
            said = node.text if isinstance(node, Text) else ""
            hint = f'; write "{said[:40]}" in quotes if it is a name' if said else ""
            self._report.add(node.mark, where, f"{wanted} is wanted, not {kind_of(node)}{hint}")
        return None

    def identifier(self, node: Node, where: str) -> str | None:
        """An element's id; None (noted) where it is none."""
        value = self.text(node, where, "an id")
        if value is None or ID.fullmatch(value):
            return value
        self.bad_id(node.mark, where, value)
        return None

    def bad_id(self, mark: Place, where: str, value: str) -> None:
        """Note that `value` is no id."""
        text = f"{shown(value)} is no id: 1 to 63 of A-Z a-z 0-9 _ -"
        self._report.add(mark, where, text)

    def type_path(self, node: Node, where: str) -> str | None:
        """A type; None (noted) where it is none."""
        value = self.text(node, where, "a type such as /node/host/generic")
        if value is None or TYPE.fullmatch(value):
            return value
        self._report.add(node.mark, where, f"{shown(value)} is no type{type_hint(value)}")
        return None

    # -- resources

    def resource(self, name: str, node: Node, where: str) -> Amount | None:
        """An amount of resource `name`, with its pool; None (noted) where it is none."""
        if not isinstance(node, Keys):
            value = self.amount(name, node, where)
            return None if value is None else Amount(value)
        for key, (mark, _) in node.keys.items():
            if key not in ("amount", "pool"):
                hint = self._report.hint(key, ("amount", "pool"))
                text = f"unknown key; an amount is a number or {{amount, pool}}{hint}"
                self._report.add(mark, f"{where}.{label(key)}", text)
        if "amount" not in node.keys:
            self._report.add(node.mark, where, "the amount is missing")
            return None
        value = self.amount(name, node.keys["amount"][1], f"{where}.amount")
        if "pool" not in node.keys:
            return None if value is None else Amount(value)
        pool_node = node.keys["pool"][1]
        pool = self.text(pool_node, f"{where}.pool", "a pool's name")
        if pool is not None and not NAME.fullmatch(pool):
            text = f"{shown(pool)} is no name: 1 to 63 of A-Z a-z 0-9 . _ -"
            self._report.add(pool_node.mark, f"{where}.pool", text)
            return None
        if value is None or pool is None:
            return None
        if self.pools.setdefault((name, pool), value) != value:
            first = units.text_of(self.pools[name, pool])
            here = units.text_of(value)
            text = f"pool {pool} has two amounts of {name}: {here} here, {first} before"
            self._report.add(node.mark, where, text)
        return Amount(value, pool)

    def amount(self, name: str, node: Node, where: str) -> int | float | None:
        """A non-negative amount in the base unit of resource `name`; None (noted) if it is none."""
        rule = RESOURCES.get(name)
        quantity = Quantity.NUMBER if rule is None else rule.quantity
        value = self.number(node, where, quantity)
        if value is None:
            return None
        if value < 0:
            self._report.add(node.mark, where, f"a negative amount: {shown(value)}")
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if quantity is Quantity.COUNT and not isinstance(value, int):
            self._report.add(node.mark, where, f"{name} are counted: a whole number is wanted")
            return None
        return value

    def number(self, node: Node, where: str, quantity: Quantity) -> int | float | None:
        """A number, plain or with a unit of `quantity`; None (noted) where it is none."""
        value = self.scalar(node, where)
        if value is _BAD:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if isinstance(value, str):
            try:
                return units.parse(value, quantity)
            except UnitError as exc:
                self._report.add(node.mark, where, f"{shown(value)}: {exc}")
                return None
        hint = "; leave the key out where it is all the same" if value is None else ""
        text = f"a number is wanted ({quantity}), not {kind_of(node)}{hint}"
        self._report.add(node.mark, where, text)
        return None

    # -- features

    def feature(self, name: str, node: Node, where: str, side: Side) -> Feature | object:
        """The value of feature `name`: what is there, or a demand; `_BAD` (noted) if it is none."""
        rule = FEATURES.get(name)
        kind = Kind.ANY if rule is None else rule.kind
        if rule is not None and rule.interface_only and not side.interface:
            hint = "; in the shorthand a link lists `addresses`" if name == "address" else ""
            self._report.add(node.mark, where, f"{name} belongs on an interface{hint}")
            return _BAD
        if isinstance(node, Text):
            return self._one(kind, node, where, side)
        if kind in (Kind.ADDRESS, Kind.MAC, Kind.ENDPOINT, Kind.PROTECTION):
            self._report.add(node.mark, where, f"one value is wanted, not {kind_of(node)}")
            return _BAD
        if isinstance(node, Items):
            return self._several(kind, node, where, side)
        if kind is Kind.TYPES:
            self._report.add(node.mark, where, "a list of types is wanted, not a mapping")
            return _BAD
        if "not" in node.keys:
            return self._unlike(kind, node, where, side)
        return self._span(kind, node, where, side)

    def _several(self, kind: Kind, node: Items, where: str, side: Side) -> Feature | object:
        if not node.items:
            text = "an empty list allows no value; leave the feature out where all are the same"
            self._report.add(node.mark, where, text)
            return _BAD
        values = [self._one(kind, n, f"{where}[{i}]", side) for i, n in enumerate(node.items)]
        return _BAD if _BAD in values else tuple(values)

    def _unlike(self, kind: Kind, node: Keys, where: str, side: Side) -> Feature | object:
        self._only(node, ("not",), where, "stands alone: {not: [...]}")
        if side.offers:
            text = "a substrate's feature is what is there; `not` is for requests"
            self._report.add(node.mark, where, text)
            return _BAD
        inner = node.keys["not"][1]
        if not isinstance(inner, Items):
            text = f"a list is wanted, not {kind_of(inner)}: write {{not: [...]}}"
            self._report.add(inner.mark, f"{where}.not", text)
            return _BAD
        values = self._several(kind, inner, f"{where}.not", side)
        return NotIn(values) if isinstance(values, tuple) else _BAD

    def _span(self, kind: Kind, node: Keys, where: str, side: Side) -> Feature | object:
        before = self._report.more + len(self._report.problems)
        self._only(node, ("min", "max", "not"), where, "is not min, max or not")
        if kind in (Kind.WORD, Kind.TYPES):
            self._report.add(node.mark, where, "a value or a list of values is wanted, no bounds")
            return _BAD
        if not node.keys:
            self._report.add(
                node.mark, where, "an empty mapping is no value; leave the feature out"
            )
            return _BAD
        low = self._bound("min", kind, node, where, side)
        high = self._bound("max", kind, node, where, side)
        if self._report.more + len(self._report.problems) > before:
            return _BAD
        if low is not None and high is not None and low > high:
            self._report.add(node.mark, where, "min is above max")
            return _BAD
        return Range(low, high)

    def _bound(
        self, key: str, kind: Kind, node: Keys, where: str, side: Side
    ) -> int | float | None:
        if key not in node.keys:
            return None
        bound = node.keys[key][1]
        place = f"{where}.{key}"
        if kind is not Kind.ANY:
            value = self._one(kind, bound, place, side)
            return value if isinstance(value, int | float) else None
        value = self.scalar(bound, place)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if isinstance(value, str):
            try:
                return units.parse_any(value)
            except UnitError as exc:
                self._report.add(bound.mark, place, f"{shown(value)}: {exc}")
        elif value is not _BAD:
            self._report.add(bound.mark, place, f"a number is wanted, not {kind_of(bound)}")
        return None

    def _only(self, node: Keys, known: tuple[str, ...], where: str, text: str) -> None:
        for key, (mark, _) in node.keys.items():
            if key not in known:
                hint = self._report.hint(key, known)
                self._report.add(mark, f"{where}.{label(key)}", f"unknown key: {text}{hint}")

    def _one(self, kind: Kind, node: Node, where: str, side: Side) -> Scalar | object:
        """One value of a feature of `kind`."""
        if kind is Kind.ANY:
            return self.scalar(node, where)
        if kind is Kind.TIME or kind is Kind.PRICE:
            quantity = Quantity.TIME if kind is Kind.TIME else Quantity.NUMBER
            value = self.number(node, where, quantity)
            if value is not None and value < 0:
                self._report.add(node.mark, where, f"below zero: {shown(value)}")
                return _BAD
            return _BAD if value is None else value
        if kind is Kind.TAG:
            return self._tag(node, where, side)
        wanted, check = TEXTS[kind]
        text = self.text(node, where, wanted)
        if text is None:
            return _BAD
        wrong = check(text)
        if wrong is None:
            return text
        self._report.add(node.mark, where, f"{shown(text)} {wrong}")
        return _BAD

    def _tag(self, node: Node, where: str, side: Side) -> Scalar | object:
        value = self.scalar(node, where)
        if value is _BAD:
            return _BAD
        low, high = (VLAN_MIN, VLAN_MAX) if side.transit else (0, 4095)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        text = f"a VLAN tag is a whole number from {low} to {high}, not {kind_of(node)}"
        self._report.add(node.mark, where, text)
        return _BAD


def is_bad(value: object) -> bool:
    """Whether a value was refused (and noted)."""
    return value is _BAD
