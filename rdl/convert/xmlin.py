"""XML from strangers: no entities, no external references, well-formed or refused."""

from __future__ import annotations

from xml.etree.ElementTree import Element as Xml

from rdl.convert.topology import ConvertError


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
    return str(element.tag).rpartition("}")[2]


def children(element: Xml | None, tag: str) -> list[Xml]:
    """The children of that local tag."""
    return [] if element is None else [e for e in element if local(e) == tag]


def child(element: Xml | None, *path: str) -> Xml | None:
    """The first child at a path of local tags."""
    for tag in path:
        found = children(element, tag)
        element = found[0] if found else None
    return element


def child_text(element: Xml | None, *path: str) -> str:
    """The text of the first child at a path of local tags, '' where there is none."""
    found = child(element, *path)
    return "" if found is None or found.text is None else found.text.strip()
