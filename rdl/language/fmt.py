"""Formatting: a document in canonical form or in the shorthand, with the comments at its head."""

from __future__ import annotations

from rdl.language.brief import brief
from rdl.language.dump import dump
from rdl.language.load import load


def fmt(text: str | bytes, *, source: str = "<rdl>", shorthand: bool = False) -> str:
    """The canonical text of a document; formatting it again changes nothing.

    Comments before the first key stay (an editor's modeline stands there), others are lost with
    the text's own layout.

    Args:
        text: the document.
        source: its file's name, for the errors.
        shorthand: write it as a person would, instead; see `rdl.language.brief`.

    Raises:
        DocumentError: it is no RDL.
    """
    graph = load(text, source=source)
    written = brief(graph) if shorthand else dump(graph)
    decoded = text if isinstance(text, str) else text.decode("utf-8")
    return "".join(f"{line}\n" for line in _head(decoded)) + written


def _head(text: str) -> list[str]:
    head: list[str] = []
    for line in text.removeprefix("\ufeff").splitlines():
        if not line.startswith("#"):
            break
        head.append(line.rstrip())
    return head
