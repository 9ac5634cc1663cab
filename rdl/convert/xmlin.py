"""XML from strangers: no entities, no external references, well-formed or refused.

`Reading` keeps account of what of a document was read; all else in it is a loss.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element as Xml

from rdl.convert.account import Account
from rdl.convert.topology import ConvertError

_OF_THE_FILE = frozenset({"schemaLocation", "noNamespaceSchemaLocation", "version", "generated"})


def parse(text: str) -> Xml:
    """The root of an XML document.

    Raises:
        ConvertError: not well-formed, or it declares entities.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        # As bytes: a text that declares another encoding is in UTF-8 by now all the same.
        return fromstring(_without_declaration(text).encode("utf-8", "replace"), forbid_dtd=False)
    except ParseError as exc:
        raise ConvertError(f"not well-formed XML: {exc}") from exc
    except DefusedXmlException as exc:
        raise ConvertError("XML with entities or external references is not taken") from exc


def _without_declaration(text: str) -> str:
    text = text.lstrip()
    return text.partition("?>")[2] if text.startswith("<?xml") else text


def local(element: Xml) -> str:
    """The tag without its namespace."""
    return _bare(str(element.tag))


def _bare(name: str) -> str:
    return name.rpartition("}")[2]


class Reading:
    """An XML document being read: what was asked for counts as read, the rest as lost."""

    def __init__(self, root: Xml) -> None:
        self.root = root
        self._known: set[Xml] = {root}
        self._skipped: set[Xml] = set()
        self._texts: set[Xml] = set()
        self._attributes: set[tuple[Xml, str]] = set()
        self._named: dict[Xml, tuple[str, str]] = {root: ("graph", "")}

    def children(self, element: Xml | None, tag: str) -> list[Xml]:
        """The children of that local tag."""
        found = [] if element is None else [e for e in element if local(e) == tag]
        self._known.update(found)
        return found

    def child(self, element: Xml | None, *path: str) -> Xml | None:
        """The first child at a path of local tags."""
        for tag in path:
            if element is None:
                return None
            element = next((e for e in element if local(e) == tag), None)
            if element is not None:
                self._known.add(element)
        return element

    def attribute(self, element: Xml, name: str) -> str:
        """An attribute, '' where there is none."""
        self._attributes.add((element, name))
        return element.get(name, "").strip()

    def all_attributes(self, element: Xml) -> None:
        """Say that the attributes of an element describe the file alone, or were read."""
        self._attributes.update((element, name) for name in element.keys())  # noqa: SIM118

    def text(self, element: Xml | None) -> str:
        """The text in an element."""
        if element is None:
            return ""
        self._texts.add(element)
        return (element.text or "").strip()

    def name(self, element: Xml, of: str, where: str) -> None:
        """Say what an element describes, for the losses in it."""
        self._named[element] = (of, where)

    def skip(self, element: Xml) -> None:
        """Say that the reader itself accounts for all that is in an element."""
        self._skipped.add(element)

    def lose_rest(self, account: Account) -> None:
        """Note all that nobody asked for."""
        stack = [(self.root, ("graph", ""))]
        while stack:
            element, around = stack.pop()
            if element in self._skipped:
                continue
            of, where = own = self._named.get(element, around)
            if element not in self._known:
                account.lose(of, where, f"<{local(element)}>", _content(element))
                continue
            what = "attribute" if element in self._named else local(element)
            for name, value in element.items():
                if (element, name) not in self._attributes and _bare(name) not in _OF_THE_FILE:
                    account.lose(of, where, f"{what} {_bare(name)}", value)
            if element not in self._texts and (element.text or "").strip():
                account.lose(of, where, f"text in <{local(element)}>", element.text)
            for inner in element:
                if (inner.tail or "").strip():
                    account.lose(of, where, f"text in <{local(element)}>", inner.tail)
            stack.extend((inner, own) for inner in reversed(element))


def _content(element: Xml) -> str:
    """What an element holds, in short."""
    said = [f"{_bare(name)}={value}" for name, value in element.items()]
    said.extend(t.strip() for t in (element.text or "",) if t.strip())
    if not said and len(element):
        said.append(", ".join(f"<{local(e)}>" for e in element[:4]))
    return " ".join(said)
