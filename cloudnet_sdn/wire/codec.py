"""XML-RPC as text: values to XML and back, strictly, in bounded depth.

Own reader and writer because the standard library's take nil, integers of any length, structs
with half a member and document types, and write control characters no parser accepts.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape
from xmlrpc.client import Fault

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from cloudnet_sdn.wire.faults import CloudnetError, InvalidCall, ParseFault, TooLarge, from_fault

MAX_DEPTH = 32
"""Arrays and structs within each other."""

MAX_ELEMENTS = 100_000
"""XML elements of a call: a second's work of a slow machine, and what 2,000 VNodes need."""

MAX_ANSWER_ELEMENTS = 4_000_000

INT_RANGE = range(-(2**31), 2**31)

_HEAD = "<?xml version='1.0'?>\n"
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONG_TAG = re.compile(rb"<(?!!\[CDATA\[)[^<>]{1000}")
"""XML-RPC's are short; the parser would take each of many attributes apart."""
_INT = re.compile(r"[+-]?[0-9]{1,10}")
_SCALARS = frozenset({"string", "int", "i4", "boolean", "double", "base64", "dateTime.iso8601"})
_LEAVES = _SCALARS | {"name", "methodName", "value"}
_CHILDREN: Mapping[str, frozenset[str]] = {
    "": frozenset({"methodCall", "methodResponse"}),
    "methodCall": frozenset({"methodName", "params"}),
    "methodResponse": frozenset({"params", "fault"}),
    "params": frozenset({"param"}),
    "param": frozenset({"value"}),
    "fault": frozenset({"value"}),
    "value": _SCALARS | {"struct", "array"},
    "struct": frozenset({"member"}),
    "member": frozenset({"name", "value"}),
    "array": frozenset({"data"}),
    "data": frozenset({"value"}),
}


class Unsendable(ValueError):
    """A value that XML-RPC can't carry; says where it is."""


# -- writing ------------------------------------------------------------------------------


def dump_call(method: str, args: Sequence[Any]) -> bytes:
    """The request body. Raises Unsendable."""
    name = escape(_clean(method))
    params = "".join(f"<param>{_value(a, f'argument {n}', 0)}</param>" for n, a in _count(args))
    return _text(
        f"<methodCall><methodName>{name}</methodName><params>{params}</params></methodCall>"
    )


def dump_answer(value: Any) -> bytes:
    """The body of an answer with one value. Raises Unsendable."""
    param = _value(value, "the answer", 0)
    return _text(f"<methodResponse><params><param>{param}</param></params></methodResponse>")


def dump_fault(fault: Fault) -> bytes:
    """The body of an answer that is a fault."""
    struct = {"faultCode": fault.faultCode, "faultString": fault.faultString}
    return _text(f"<methodResponse><fault>{_value(struct, 'fault', 0)}</fault></methodResponse>")


def _count(args: Sequence[Any]) -> enumerate[Any]:
    return enumerate(args, start=1)


def _text(document: str) -> bytes:
    return (_HEAD + document).encode()


def _clean(text: str) -> str:
    """Without what XML 1.0 has no way to write: control characters, lone surrogates."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _escape(text: str) -> str:
    # A bare carriage return would be read back as a line feed.
    return escape(_clean(text), {"\r": "&#13;"})


def _value(value: Any, where: str, depth: int) -> str:
    return f"<value>{_typed(value, where, depth)}</value>"


def _typed(value: Any, where: str, depth: int) -> str:
    match value:
        case str():
            return f"<string>{_escape(value)}</string>"
        case bool():
            return f"<boolean>{value:d}</boolean>"
        case int():
            if value not in INT_RANGE:
                raise Unsendable(f"{where}: {value} needs more than 32 bit: send a double or text")
            return f"<int>{value:d}</int>"
        case float():
            if not math.isfinite(value):
                raise Unsendable(f"{where}: {value} is no number XML-RPC has")
            return f"<double>{value!r}</double>"
        case bytes():
            return f"<base64>{base64.b64encode(value).decode()}</base64>"
        case Mapping() | list() | tuple() if depth >= MAX_DEPTH:
            raise Unsendable(f"{where}: more than {MAX_DEPTH} levels of nesting")
        case Mapping():
            members = "".join(_member(k, v, where, depth + 1) for k, v in value.items())
            return f"<struct>{members}</struct>"
        case list() | tuple():
            data = "".join(_value(v, f"{where}[{n}]", depth + 1) for n, v in enumerate(value))
            return f"<array><data>{data}</data></array>"
        case None:
            raise Unsendable(f"{where}: nothing (nil) can't be sent")
        case _:
            raise Unsendable(f"{where}: {type(value).__name__} can't be sent")


def _member(key: Any, value: Any, where: str, depth: int) -> str:
    if not isinstance(key, str):
        raise Unsendable(f"{where}: the key {key!r} is no text")
    return f"<member><name>{_escape(key)}</name>{_value(value, f'{where}.{key}', depth)}</member>"


# -- reading ------------------------------------------------------------------------------


def load_call(body: bytes, *, most: int = MAX_ELEMENTS) -> tuple[str, list[Any]]:
    """Method name and arguments of a request body of at most `most` elements.

    Raises:
        ParseFault: no well-formed XML, or with a document type.
        InvalidCall: no XML-RPC call.
        TooLarge: more elements.
    """
    method, params = _read(body, "methodCall", most)
    return method, params


def load_answer(body: bytes) -> Any | CloudnetError:
    """The value of an answer, or the error of the fault that it is.

    Raises:
        ParseFault: no well-formed XML, or with a document type.
        InvalidCall: no XML-RPC answer.
        TooLarge: more than `MAX_ANSWER_ELEMENTS`.
    """
    return _read(body, "methodResponse", MAX_ANSWER_ELEMENTS)


def _read(body: bytes, root: str, most: int) -> Any:
    if _LONG_TAG.search(body):
        raise InvalidCall("a tag has more than 1000 characters")
    reader = _Reader(root, most)
    parser = DefusedXMLParser(target=reader, forbid_dtd=True)
    try:
        parser.feed(body)
        return parser.close()
    except DefusedXmlException as exc:
        raise ParseFault("document types and entities aren't taken") from exc
    except ParseError as exc:
        raise ParseFault(f"no well-formed XML: {exc}") from exc
    except (LookupError, ValueError) as exc:  # an encoding the parser hasn't got
        raise ParseFault("no well-formed XML: an unknown encoding") from exc


class _Reader:
    """Builds the document's value from the parser's events, one frame per open element."""

    def __init__(self, root: str, most: int) -> None:
        self._root = root
        self._most = most
        self._left = most
        self._tags: list[str] = [""]
        self._found: list[list[Any]] = [[]]
        self._text: list[str] = []
        self._depth = 0

    def start(self, tag: str, _attributes: Mapping[str, str]) -> None:
        """An element opens."""
        above, siblings = self._tags[-1], self._found[-1]
        if tag not in _CHILDREN.get(above, ()) or (not above and tag != self._root):
            raise InvalidCall(f"<{_short(tag)}> has no place in <{above or 'the document'}>")
        if above == "member" and (tag == "value") != (len(siblings) == 1):
            raise InvalidCall("a member is one name and one value")
        if tag in ("struct", "array"):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise InvalidCall(f"more than {MAX_DEPTH} levels of nesting")
        self._left -= 1
        if self._left < 0:
            raise TooLarge(f"more than {self._most} XML elements aren't taken")
        self._no_text(above)
        self._tags.append(tag)
        self._found.append([])

    def data(self, text: str) -> None:
        """Text of the innermost element."""
        self._text.append(text)

    def end(self, tag: str) -> None:
        """An element closes: its value goes to the one around it."""
        self._tags.pop()
        found = self._found.pop()
        if tag in _LEAVES and not found:
            text = "".join(self._text)
            self._text.clear()
            value = text if tag == "value" else _scalar(tag, text)
        else:
            self._no_text(tag)
            value = self._assemble(tag, found)
            self._depth -= tag in ("struct", "array")
        self._found[-1].append(value)

    def close(self) -> Any:
        """The whole document's value."""
        return self._found[0][0]

    def _assemble(self, tag: str, found: list[Any]) -> Any:
        match tag:
            case "params" if self._root == "methodCall":
                return found
            case "params" | "param" | "value" | "array" | "methodResponse":
                return _only(tag, found)
            case "data":
                return found
            case "member":
                if len(found) != 2:
                    raise InvalidCall("a member is one name and one value")
                return tuple(found)
            case "struct":
                return _struct(found)
            case "fault":
                return _fault(_only(tag, found))
            case _:
                return _call(found)

    def _no_text(self, tag: str) -> None:
        if "".join(self._text).strip():
            raise InvalidCall(f"text has no place in <{tag}>")
        self._text.clear()


def _short(tag: str) -> str:
    return tag if len(tag) <= 40 else f"{tag[:40]}…"


def _only(tag: str, found: list[Any]) -> Any:
    if len(found) != 1:
        raise InvalidCall(f"<{tag}> has {len(found)} values in it instead of one")
    return found[0]


def _struct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    struct = dict(members)
    if len(struct) != len(members):
        raise InvalidCall("a struct has two members of the same name")
    return struct


def _call(found: list[Any]) -> tuple[str, list[Any]]:
    match found:
        case [str(name)]:
            return name, []
        case [str(name), list(params)]:
            return name, params
        case _:
            raise InvalidCall("a call is a method's name and its parameters")


def _fault(struct: Any) -> CloudnetError:
    match struct:
        case {"faultCode": int(code), "faultString": str(text)}:
            return from_fault(Fault(code, text))
        case _:
            raise InvalidCall("a fault is a code and a text")


def _int(text: str) -> int:
    if not _INT.fullmatch(text.strip()) or int(text) not in INT_RANGE:
        raise ValueError(text)
    return int(text)


def _double(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or "_" in text:
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    return {"0": False, "1": True}[text.strip()]


def _base64(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


_CONVERT: Mapping[str, Callable[[str], Any]] = {
    "int": _int,
    "i4": _int,
    "boolean": _boolean,
    "double": _double,
    "base64": _base64,
}


def _scalar(tag: str, text: str) -> Any:
    convert = _CONVERT.get(tag)
    if convert is None:
        return text
    try:
        return convert(text)
    except (ValueError, KeyError, binascii.Error) as exc:
        raise InvalidCall(f"{_short(text)!r} is no {tag}") from exc
