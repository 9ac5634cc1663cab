"""What a file held and its graph does not: an account kept beside the graph, and told in lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_FEW = 3  # up to so many losses of one kind are told one by one
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that was left out.

    Attributes:
        of: what kind of thing it belonged to: graph, node, link or interface.
        where: the name of that thing in the file, '' for the graph.
        what: what was left out, alike for all losses of one kind: `attribute Internal`.
        value: what it was in this place, '' where there is nothing to show.
    """

    of: str
    where: str
    what: str
    value: str = ""

    def __str__(self) -> str:
        place = f"{self.of} {self.where}".rstrip()
        return f"{place}: {self.what}" + (f" {self.value}" if self.value else "")


class Account:
    """The losses of one conversion, as the readers note them."""

    def __init__(self) -> None:
        self._losses: list[Loss] = []

    def lose(self, of: str, where: str, what: str, value: object = "") -> None:
        """Note that something was left out; `value` is shown in its plain form, cut short."""
        shown = "" if value is None or value == "" else repr(value) if value == " " else str(value)
        self._losses.append(Loss(of, brief(where), brief(what), brief(shown)))

    def losses(self) -> tuple[Loss, ...]:
        """All of them, in the order they were noted."""
        return tuple(self._losses)


def lines(losses: Iterable[Loss]) -> Iterator[str]:
    """The account in lines: each loss by itself, or how many there are of a kind with many."""
    kinds: dict[tuple[str, str], list[Loss]] = {}
    for loss in losses:
        kinds.setdefault((loss.of, loss.what), []).append(loss)
    for (of, what), alike in kinds.items():
        if len(alike) <= _FEW:
            yield from (f"left out: {loss}" for loss in alike)
            continue
        first = f"{alike[0].where}: {alike[0].value}".strip(": ")
        yield f"left out: {len(alike)} {of}s' {what}" + (f" (first {first})" if first else "")


def brief(text: str) -> str:
    """Text from a file as a message can show it: on one line, and not long."""
    plain = "".join(c if c.isprintable() else " " for c in text[: 4 * _LONGEST])
    plain = " ".join(plain.split())
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 3]}..."


class Fields:
    """Named values of a thing in a file; what nobody takes is left for the account."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        self._values: dict[str, Any] = {}
        self._left: list[tuple[str, Any]] = []
        for name, value in pairs:
            if name in self._values:
                self._left.append((name, value))
            else:
                self._values[name] = value

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def take(self, name: str) -> Any:
        """The value of that name, None where there is none or it was taken before."""
        return self._values.pop(name, None)

    def put_back(self, name: str, value: Any) -> None:
        """A value that was taken and could not be used."""
        self._left.append((name, value))

    def lose_rest(self, account: Account, of: str, where: str, noun: str) -> None:
        """Note all that nobody took; what is empty says nothing and is no loss."""
        for name, value in [*self._values.items(), *self._left]:
            if value not in (None, "", [], {}):
                account.lose(of, where, f"{noun} {name}", value)
