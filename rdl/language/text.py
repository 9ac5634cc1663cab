"""YAML text to a small tree that knows its places, in one pass over the C parser's events.

PyYAML's own loaders read `NO` as false, MAC addresses as base-60 integers and `010` as 8, take the
last of two equal keys, follow aliases into bombs and recurse as deep as the text does. None of that
can happen here: the events are walked with a stack of our own, aliases, anchors and tags are
refused, and what a plain scalar means is decided below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import yaml

from rdl.errors import MAX_PROBLEMS, TooLargeError
from rdl.graph import Scalar
from rdl.language.report import Place, Report, label, shown
from rdl.units import plain_number

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_VALUES = 600_000

_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None, "": None}
_NUMERIC = frozenset("-0123456789")
# What YAML 1.2 calls non-printable, and what no identifier or value has use for.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"
)
_CONTROLS = tuple(c for c in map(chr, range(0xA0)) if _UNPRINTABLE.match(c))


@dataclass(frozen=True, slots=True)
class At:
    """A place in the text, counted from 0."""

    line: int
    column: int


class Text:
    """A scalar: its text, whether it stood there plain (without quotes), and where."""

    __slots__ = ("mark", "plain", "text")

    def __init__(self, text: str, mark: Place, *, plain: bool) -> None:
        self.text = text
        self.mark = mark
        self.plain = plain


class Items:
    """A sequence of nodes."""

    __slots__ = ("items", "mark")

    def __init__(self, mark: Place) -> None:
        self.mark = mark
        self.items: list[Node] = []


class Keys:
    """A mapping: key to (the key's place, the value), in the text's order."""

    __slots__ = ("keys", "mark")

    def __init__(self, mark: Place) -> None:
        self.mark = mark
        self.keys: dict[str, tuple[Place, Node]] = {}


Node = Text | Items | Keys


def kind_of(node: Node) -> str:
    """What a node is, for messages."""
    if isinstance(node, Keys):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    return "nothing" if node.plain and not node.text else shown(node.text)


def value_of(node: Text) -> Scalar:
    """The value a scalar stands for (contract, "Scalars").

    Raises:
        UnitError: a number that is too long to be taken.
    """
    text = node.text
    if not node.plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    number = plain_number(text)
    return text if number is None else number


def decode(text: str | bytes, report: Report) -> str | None:
    """The text as a string; None (noted) if not UTF-8, or with control characters.

    Raises:
        TooLargeError: more than `MAX_BYTES`.
    """
    if isinstance(text, str):
        size = len(text) if len(text) > MAX_BYTES else len(text.encode("utf-8", "surrogatepass"))
        found = text
    else:
        size = len(text)
        if size <= MAX_BYTES:
            try:
                found = text.decode("utf-8")
            except UnicodeDecodeError as exc:
                report.add(_after(text[: exc.start].decode("utf-8")), "text", _encoding(text))
                return None
    if size > MAX_BYTES:
        report.add(At(0, 0), "text", f"{size} bytes; at most {MAX_BYTES} (16 MiB) are taken")
        raise TooLargeError(tuple(report.problems))
    found = found.removeprefix("\ufeff")
    return found if _printable(found, report) else None


def _printable(text: str, report: Report) -> bool:
    """Whether no control character is in it; the first hundred are noted, others counted."""
    line = start = told = 0
    for match in islice(_UNPRINTABLE.finditer(text), MAX_PROBLEMS):
        told += 1
        line += text.count("\n", start, match.start())
        start = match.start()
        column = start - (text.rfind("\n", 0, start) + 1)
        report.add(At(line, column), "text", _forbidden(match[0]))
    if told == MAX_PROBLEMS:
        report.more += sum(map(text.count, _CONTROLS)) - told
    return not told


def _forbidden(character: str) -> str:
    if character == "\0":
        return "a NUL byte is not allowed"
    return f"the control character U+{ord(character):04X} is not allowed"


def _encoding(text: bytes) -> str:
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "this is UTF-16; save it as UTF-8"
    return "not UTF-8; save the file as UTF-8"


def _after(before: str) -> At:
    line = before.count("\n")
    return At(line, len(before) - (before.rfind("\n") + 1))


def read(text: str | bytes, report: Report) -> Node | None:
    """The tree of the one document in `text`; None where it can't be read as YAML.

    What is wrong goes into `report`: duplicate keys, aliases, tags and the like are noted and
    reading goes on; a syntax error, too much depth or too many values end it.
    """
    decoded = decode(text, report)
    if decoded is None:
        return None
    parser = yaml.CSafeLoader(decoded)
    try:
        # Straight from the C parser: `yaml.parse` asks twice for every event.
        return _Reader(report).document(iter(parser.get_event, None))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark or At(0, 0)
        told = " ".join(str(part) for part in (exc.context, exc.problem) if part)
        report.add(mark, "text", f"not YAML: {told}{_tab_hint(decoded, mark)}")
    except yaml.YAMLError as exc:
        report.add(At(0, 0), "text", f"not YAML: {shown(str(exc))}")
    finally:
        parser.dispose()
    return None


def _tab_hint(text: str, mark: Place) -> str:
    line = text.splitlines()[mark.line : mark.line + 1] if len(text) < 1_000_000 else []
    tabbed = line and line[0][: mark.column + 1].lstrip(" ").startswith("\t")
    return " (YAML is indented by spaces, not tabs)" if tabbed else ""


class _Reader:
    """One walk over the events, with a stack of our own in place of recursion."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._stack: list[Items | Keys] = []
        self._keys: list[tuple[str | None, Place] | None] = []  # per level: the key without a value
        self._root: Node | None = None
        self._values = 0
        self._documents = 0

    def document(self, events: Iterator[Any]) -> Node | None:
        """The root of the tree; None where reading had to stop."""
        handlers = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._start,
        }
        for event in events:
            handle = handlers.get(type(event))
            if handle is not None and not handle(event):
                break
        return self._root

    def _scalar(self, event: Any) -> bool:
        if event.tag or event.anchor:
            self._refuse_properties(event)
        if event.style == '"' and (found := _UNPRINTABLE.search(event.value)):
            self._report.add(event.start_mark, "text", _forbidden(found[0]))
        return self._place(Text(event.value, event.start_mark, plain=not event.style))

    def _open(self, event: Any) -> bool:
        if event.tag or event.anchor:
            self._refuse_properties(event)
        is_map = isinstance(event, yaml.MappingStartEvent)
        opened = Keys(event.start_mark) if is_map else Items(event.start_mark)
        if not self._place(opened):
            return False
        if len(self._stack) >= MAX_DEPTH:
            return self._stop(event.start_mark, f"nested deeper than {MAX_DEPTH} levels")
        self._stack.append(opened)
        self._keys.append(None)
        # A list at the top is not RDL, whatever is in it: the rest need not be read.
        return is_map or len(self._stack) > 1

    def _close(self, _: Any) -> bool:
        self._stack.pop()
        self._keys.pop()
        return True

    def _alias(self, event: Any) -> bool:
        text = f"anchors and aliases are not taken: {shown('*' + str(event.anchor))}"
        self._report.add(event.start_mark, "text", text)
        return self._place(Text("", event.start_mark, plain=True))

    def _start(self, event: Any) -> bool:
        self._documents += 1
        if self._documents > 1:
            text = "a second document; one file holds one graph"
            self._report.add(event.start_mark, "text", text)
            return False
        if event.tags:
            self._report.add(event.start_mark, "text", "tags are not taken (%TAG)")
        return True

    def _stop(self, mark: Place, text: str) -> bool:
        """Give up: what follows can't be read in bounded time or memory."""
        self._report.add(mark, "text", text)
        self._root = None
        return False

    def _place(self, node: Node) -> bool:
        """Put a node where it belongs; False when the document has too many."""
        self._values += 1
        if self._values > MAX_VALUES:
            return self._stop(node.mark, f"more than {MAX_VALUES} values")
        if not self._stack:
            self._root = node
            return True
        top = self._stack[-1]
        if isinstance(top, Items):
            top.items.append(node)
            return True
        waiting = self._keys[-1]
        if waiting is None:
            self._keys[-1] = self._key(node)
            return True
        key, mark = waiting
        self._keys[-1] = None
        if key is None:  # was no text, and is refused already
            return True
        first = top.keys.setdefault(key, (mark, node))
        if first[1] is not node:
            text = f"duplicate key, first at line {first[0].line + 1}"
            self._report.add(mark, label(key) or "''", text)
        return True

    def _key(self, node: Node) -> tuple[str | None, Place]:
        if isinstance(node, Text):
            return node.text, node.mark
        self._report.add(node.mark, "text", f"a key must be text, this is {kind_of(node)}")
        return None, node.mark

    def _refuse_properties(self, event: Any) -> None:
        if event.tag:
            self._report.add(event.start_mark, "text", f"tags are not taken: {shown(event.tag)}")
        if event.anchor:
            text = f"anchors and aliases are not taken: {shown('&' + event.anchor)}"
            self._report.add(event.start_mark, "text", text)
