"""Collecting what is wrong with a document, in bounded time however much is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Protocol

from rdl.errors import MAX_PROBLEMS, DocumentError, Problem

_CANDIDATES = 2000  # ids looked through for a hint: hints are a courtesy, time is bounded


class Place(Protocol):
    """Where something stands in the text, counted from 0 as PyYAML's marks are."""

    @property
    def line(self) -> int: ...  # noqa: D102
    @property
    def column(self) -> int: ...  # noqa: D102


class Report:
    """The problems found so far: the first `MAX_PROBLEMS` in full, of the others the number."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.more = 0

    def add(self, place: Place, where: str, text: str) -> None:
        """Note one problem at a 0-based place."""
        if len(self.problems) < MAX_PROBLEMS:
            shown = where if len(where) <= 200 else where[:200] + "..."
            self.problems.append(
                Problem(place.line + 1, place.column + 1, shown, text, self.source)
            )
        else:
            self.more += 1

    def hint(self, given: str, known: Iterable[str]) -> str:
        """`; did you mean 'x'?` for the known name nearest to `given`, or an empty string."""
        if len(self.problems) >= MAX_PROBLEMS:
            return ""
        near = nearest(given, known)
        return f"; did you mean {near!r}?" if near else ""

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems)

    def raise_if_any(self) -> None:
        """End the loading if anything is wrong.

        Raises:
            DocumentError: with everything found, in order of place.
        """
        if self.problems:
            raise DocumentError(tuple(sorted(self.problems)), self.more)


def shown(text: object) -> str:
    """A value from a document as it may stand in a message: quoted, escaped, cut short."""
    if isinstance(text, str) and len(text) > 60:
        return repr(text[:60]) + "..."
    return repr(text)[:120]


def label(text: str) -> str:
    """A key from a document as part of a place: printable and short."""
    if len(text) > 64:
        text = text[:64] + "..."
    return text if text.isprintable() else repr(text)[1:-1]


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The known name that `given` is most likely a slip of, None where none is near."""
    most = min(len(given) - 1, 1) if len(given) <= 5 else 2
    if not 0 < len(given) <= 80:
        return None
    best, least = None, most + 1
    folded = given.casefold()
    letters = set(folded)
    for name in islice(known, _CANDIDATES):
        # Cheap bounds first: a slip changes the length by one, and the set of letters by two.
        if abs(len(name) - len(given)) > most:
            continue
        if len(letters.symmetric_difference(name.casefold())) > 2 * most:
            continue
        far = 0 if name.casefold() == folded else distance(given, name)
        if far < least:
            best, least = name, far
    return best


def distance(a: str, b: str) -> int:
    """Slips between two words: letters added, left out, changed, or swapped with their neighbour.

    (Optimal string alignment, a dynamic programme over prefixes.)
    """
    before: list[int] = []
    above = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
