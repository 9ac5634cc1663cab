"""What can be wrong with a document, and where.

    RdlError
    └── DocumentError      one or more Problems in a document: everything found, not the first
        └── TooLargeError  it is larger than what is read at all

A `Problem` prints as `FILE:LINE:COLUMN: where in the graph: what is wrong`, the contract's form.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_PROBLEMS = 100


class RdlError(Exception):
    """Anything this package raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        line: 1-based.
        column: 1-based.
        where: the place in the graph, such as `elements.web.resources.cpu`.
        text: what is wrong, with a hint where there is one.
        source: the file's name as the user gave it.
    """

    line: int
    column: int
    where: str
    text: str
    source: str = "<rdl>"

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}: {self.where}: {self.text}"


class DocumentError(RdlError):
    """A document that can't be taken.

    Attributes:
        problems: at most `MAX_PROBLEMS`, in order of their place.
        more: how many further ones were found.
    """

    def __init__(self, problems: tuple[Problem, ...], more: int = 0) -> None:
        self.problems = problems
        self.more = more
        lines = [str(p) for p in problems]
        if more:
            lines.append(f"... and {more} more")
        super().__init__("\n".join(lines))


class TooLargeError(DocumentError):
    """A document with more bytes than are read at all."""
