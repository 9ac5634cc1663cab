"""An odd instance as RDL documents: plain values, their text, the file it is kept in, the problem.

A case file has lines with what was seen, and documents: substrate, request, then overlay and
mapping of each embedded CloudNet. `keep`, `unavailable`, `shown` and `nogoods` stand in a comment
before.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from mip.problem.statement import Embedded, Problem
from rdl.errors import DocumentError
from rdl.language.load import load_graph, load_mapping

Document = dict[str, Any]
BREAK = "\n---\n"
EXTRAS = "# extras: "


@dataclass(frozen=True)
class Odd:
    """One instance.

    Attributes:
        name: its kind and seed.
        substrate: the underlay's document.
        request: the overlay's.
        embedded: overlay and mapping of what is there.
        extras: `keep`, `unavailable`, `shown` and `nogoods` of the problem.
    """

    name: str
    substrate: Document
    request: Document
    embedded: tuple[tuple[Document, Document], ...] = ()
    extras: Document = field(default_factory=dict)

    def problem(self) -> Problem:
        """The problem, read from the texts.

        Raises:
            DocumentError: the documents are wrong.
        """
        return Problem(
            load_graph(text_of(self.substrate)),
            load_graph(text_of(self.request)),
            tuple(
                Embedded(load_graph(text_of(overlay)), load_mapping(text_of(mapping)))
                for overlay, mapping in self.embedded
            ),
            **_options(self.extras),
        )

    def text(self) -> str:
        """All documents, as in a case file."""
        head = f"{EXTRAS}{json.dumps(self.extras)}\n" if self.extras else ""
        documents = [self.substrate, self.request, *(d for pair in self.embedded for d in pair)]
        return head + BREAK.join(text_of(d) for d in documents)


def read_case(text: str) -> Problem:
    """The first problem of a case file."""
    lines = text.strip().splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(("rdl:", EXTRAS)))
    end = next((k for k in range(start, len(lines)) if lines[k].startswith("####")), len(lines))
    extras = {}
    if lines[start].startswith(EXTRAS):
        extras = json.loads(lines[start].removeprefix(EXTRAS))
        start += 1
    substrate, request, *there = "\n".join(lines[start:end]).split(BREAK)
    pairs = zip(there[::2], there[1::2], strict=True)
    return Problem(
        load_graph(substrate),
        load_graph(request),
        tuple(Embedded(load_graph(overlay), load_mapping(mapping)) for overlay, mapping in pairs),
        **_options(extras),
    )


def _options(extras: Document) -> Document:
    shown = extras.get("shown")
    return {
        "keep": extras.get("keep", {}),
        "unavailable": frozenset(extras.get("unavailable", ())),
        "shown": None if shown is None else frozenset(shown),
        "nogoods": tuple((frozenset(v), h) for v, h in extras.get("nogoods", ())),
    }


def text_of(document: Document) -> str:
    """A document with an element or constraint in each line."""
    lines = []
    for key, value in document.items():
        if isinstance(value, dict):
            lines.append(f"{key}:" if value else f"{key}: {{}}")
            lines += [f"  {name}: {spelt(entry)}" for name, entry in value.items()]
        elif isinstance(value, list):
            lines.append(f"{key}:" if value else f"{key}: []")
            lines += [f"  - {spelt(entry)}" for entry in value]
        else:
            lines.append(f"{key}: {spelt(value)}")
    return "\n".join(lines) + "\n"


def spelt(value: Any) -> str:
    """A value in one line; numbers without exponents."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {spelt(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(spelt(v) for v in value) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return str(value)


# --- making them smaller ------------------------------------------------------------------------


def shrunk(odd: Odd, still: Callable[[Odd], bool]) -> Odd:
    """`odd` without whatever can be left out while `still` holds."""
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(odd):
            if _loads(smaller) and still(smaller):
                odd, progress = smaller, True
                break
    return odd


def _loads(odd: Odd) -> bool:
    try:
        odd.problem()
    except (DocumentError, KeyError):
        return False
    return True


def _smaller(odd: Odd) -> Iterator[Odd]:
    """Copies of `odd` that lack one thing each, large things first."""
    for k in range(len(odd.embedded)):
        yield replace(odd, embedded=odd.embedded[:k] + odd.embedded[k + 1 :])
    if odd.extras:
        yield replace(odd, extras={})
    for depth in (1, 2, 3, 4):
        for which in ("request", "substrate"):
            document = getattr(odd, which)
            for place in _places(document, (), depth):
                yield replace(odd, **{which: _without(document, place)})


def _places(value: Any, place: tuple[Any, ...], depth: int) -> Iterator[tuple[Any, ...]]:
    """Where something that could be left out stands, `depth` levels below the document's keys."""
    if len(place) == depth + 1:
        if place[-1] != "type":  # without it the element would be another, not a smaller one
            yield place
        return
    if isinstance(value, dict):
        for key in value:
            if place or key in ("nodes", "links", "constraints"):
                yield from _places(value[key], (*place, key), depth)
    elif isinstance(value, list):
        for k in range(len(value)):
            yield from _places(value[k], (*place, k), depth)


def _without(document: Document, place: tuple[Any, ...]) -> Document:
    out = copy.deepcopy(document)
    at = out
    for key in place[:-1]:
        at = at[key]
    gone = place[-1]
    del at[gone]
    if place[0] == "nodes" and len(place) == 2:  # its links and constraints go with it
        for name, link in list(out.get("links", {}).items()):
            link["ends"] = [e for e in link["ends"] if e != gone]
            if len(link["ends"]) < 2:
                del out["links"][name]
    for rule in list(out.get("constraints", ())):
        names = {*out.get("nodes", {}), *out.get("links", {}), *_ids(out)}
        least = 1 if rule.keys() & {"on", "not_on", "elsewhere"} else 2
        for key in rule.keys() & {"of", "together", "apart"}:
            rule[key] = [m for m in rule[key] if m in names]
            if len(rule[key]) < least:
                out["constraints"].remove(rule)
    return out


def _ids(document: Document) -> set[str]:
    return {e["id"] for e in document.get("elements", ())}
