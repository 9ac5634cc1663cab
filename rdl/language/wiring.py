"""How elements are joined: `connections`, and the shorthand's `ends` and `addresses`."""

from __future__ import annotations

from rdl.language.draft import Draft, DraftConnection, DraftElement, DraftInterface
from rdl.language.report import Place, Report, shown
from rdl.language.text import Items, Keys, Node, Text, kind_of
from rdl.language.values import Side, Values
from rdl.vocabulary import ID, INTERFACE


class Wiring:
    """Reads connections into a draft whose elements are all read."""

    def __init__(self, draft: Draft, values: Values, report: Report) -> None:
        self._draft = draft
        self._values = values
        self._report = report

    def connections(self, node: Node) -> None:
        """Every entry of `connections`."""
        if not isinstance(node, Items):
            self._report.add(node.mark, "connections", f"a list is wanted, not {kind_of(node)}")
            return
        for position, entry in enumerate(node.items):
            where = f"connections[{position}]"
            if not isinstance(entry, Items) or len(entry.items) != 2:
                told = f"{len(entry.items)} entries" if isinstance(entry, Items) else kind_of(entry)
                self._report.add(
                    entry.mark, where, f"a pair of interface ids is wanted, not {told}"
                )
                self._count_half(entry)
                continue
            a, b = (self._declared(n, where) for n in entry.items)
            if a is not None and b is not None:
                self._join(a, b, entry.mark, where)
            else:
                self._count_half(entry)

    def _count_half(self, entry: Node) -> None:
        """Of a connection in error, count the ends that are there: they aren't missing, too."""
        for node in entry.items if isinstance(entry, Items) else ():
            if isinstance(node, Text):
                self._draft.half[node.text.partition(".")[0]] += 1

    def _declared(self, node: Node, where: str) -> str | None:
        """The id of a declared interface; None (noted) where there is none of that id."""
        value = self._values.text(node, where, "an interface's id")
        if value is None:
            return None
        element = self._draft.elements.get(value.partition(".")[0])
        if element is not None and value in element.interfaces:
            return value
        if element is None and self._draft.broken:
            return None  # the element it means may be the one that could not be read
        if not INTERFACE.fullmatch(value):
            text = f"{shown(value)} is no interface id: ELEMENT.NAME"
        elif element is None:
            name = value.partition(".")[0]
            text = f"no element {name}{self._report.hint(name, self._draft.elements)}"
        else:
            text = (
                f"interface {value} is not declared{self._report.hint(value, element.interfaces)}"
            )
        self._report.add(node.mark, where, text)
        return None

    def _join(self, a: str, b: str, mark: Place, where: str) -> None:
        elements = self._draft.elements
        one, other = (elements[i.partition(".")[0]] for i in (a, b))
        if one is other:
            self._report.add(mark, where, f"{a} and {b} belong to the same element")
            self._draft.half[a.partition(".")[0]] += 2
            return
        wrong = _misfit(a, b, one, other)
        if wrong:
            self._report.add(mark, where, wrong)
        for name, element in ((a, one), (b, other)):
            interface = element.interfaces[name]
            if interface.taken:
                self._report.add(mark, where, f"interface {name} is used twice")
            interface.taken = True
        self._draft.connections.append(DraftConnection(a, b, mark, where))

    # -- the shorthand

    def shorthand(self) -> None:
        """The `ends` and `addresses` of every shorthand link."""
        for identifier, element in self._draft.elements.items():
            if element.ends is not None:
                self._ends(identifier, element, element.ends)
            elif element.addresses is not None:
                text = "addresses follow the order of `ends`, and there is none"
                self._report.add(element.addresses.mark, f"{element.where}.addresses", text)

    def _ends(self, identifier: str, link: DraftElement, node: Node) -> None:
        where = f"{link.where}.ends"
        if not isinstance(node, Items):
            self._report.add(node.mark, where, f"a list is wanted, not {kind_of(node)}")
            return
        if len(node.items) < 2:
            text = f"a link has two or more ends, this one {len(node.items)}"
            self._report.add(node.mark, where, text)
        addresses = self._addresses(link, len(node.items))
        seen: set[str] = set()
        for position, entry in enumerate(node.items):
            place = f"{where}[{position}]"
            name = self._end(identifier, entry, place, seen)
            if name is None:
                continue
            own = f"{identifier}.{position}"
            link.interfaces.setdefault(own, DraftInterface(entry.mark))
            if addresses is not None:
                self._address(
                    name, addresses.items[position], f"{link.where}.addresses[{position}]"
                )
            self._join(name, own, entry.mark, place)

    def _end(self, link: str, node: Node, where: str, seen: set[str]) -> str | None:
        """The interface that one entry of `ends` means, made where it is not there yet."""
        value = self._values.text(node, where, "a node's id, or an interface's,")
        if value is None:
            return None
        owner, dot, _ = value.partition(".")
        if not (INTERFACE.fullmatch(value) if dot else ID.fullmatch(value)):
            text = f"{shown(value)} is neither a node's id nor an interface's (NODE.NAME)"
            self._report.add(node.mark, where, text)
            return None
        element = self._draft.elements.get(owner)
        if element is None:
            if not self._draft.broken:
                nodes = (i for i, e in self._draft.elements.items() if not e.is_link)
                self._report.add(
                    node.mark, where, f"no node {owner}{self._report.hint(owner, nodes)}"
                )
            return None
        if element.is_link:
            self._report.add(node.mark, where, f"{owner} is a link; `ends` names nodes")
            return None
        if owner in seen:
            text = f"{owner} stands twice in `ends`; a link joins different nodes"
            self._report.add(node.mark, where, text)
            return None
        seen.add(owner)
        name = value if dot else f"{owner}.{link}"
        if dot and element.listed and name not in element.interfaces:
            hint = self._report.hint(name, element.interfaces)
            self._report.add(node.mark, where, f"interface {name} is not declared{hint}")
            return None
        element.interfaces.setdefault(name, DraftInterface(node.mark))
        return name

    def _addresses(self, link: DraftElement, ends: int) -> Items | None:
        node = link.addresses
        if node is None:
            return None
        where = f"{link.where}.addresses"
        if not isinstance(node, Items):
            self._report.add(node.mark, where, f"a list is wanted, not {kind_of(node)}")
            return None
        if len(node.items) != ends:
            text = (
                f"{len(node.items)} addresses for {ends} ends; there is one for each end, in order"
            )
            self._report.add(node.mark, where, text)
            return None
        return node

    def _address(self, name: str, node: Node, where: str) -> None:
        if isinstance(node, Items | Keys):
            self._report.add(node.mark, where, f"an address is wanted, not {kind_of(node)}")
            return
        value = self._values.feature("address", node, where, Side(interface=True))
        interface = self._draft.elements[name.partition(".")[0]].interfaces[name]
        if "address" in interface.features:
            self._report.add(node.mark, where, f"{name} has an address already")
        elif isinstance(value, str):
            interface.features["address"] = value


def _misfit(a: str, b: str, one: DraftElement, other: DraftElement) -> str | None:
    if not one.is_link and not other.is_link:
        return f"{a} and {b} are both of nodes; put a link between them"
    stub = a.startswith("_") or b.startswith("_")
    if one.is_link and other.is_link and not stub:
        return f"{a} and {b} are both of links; links join links at transit stubs (_...) only"
    return None
