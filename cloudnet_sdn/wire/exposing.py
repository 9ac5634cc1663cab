"""Methods of a class as methods of a service: one decorated method is one entry of the table.

Names and types of arguments are the signature's, the help is the docstring; only the name it is
called by, and the faults that it may answer, are told besides.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from cloudnet_sdn.wire.faults import (
    Busy,
    CloudnetError,
    Internal,
    PeerAway,
    ProtocolError,
    TimedOut,
    Unauthenticated,
)
from cloudnet_sdn.wire.rpc import Method

F = TypeVar("F", bound=Callable[..., Any])

EVERYWHERE = (Unauthenticated, Busy, Internal, PeerAway, TimedOut, ProtocolError)
"""What any method may answer."""

_MARK = "__exposed__"
_TYPES: dict[Any, str] = {
    int: "int",
    float: "double",
    bool: "boolean",
    str: "string",
    bytes: "base64",
    dict: "struct",
    list: "array",
}


@dataclass(frozen=True)
class Argument:
    """One argument: its name, its XML-RPC type, and whether it may be left out."""

    name: str
    type: str
    optional: bool = False


@dataclass(frozen=True)
class Entry:
    """One method of a table.

    Attributes:
        name: with its dots, as called.
        attribute: the method of the class.
        arguments: after the caller, in order.
        result: its XML-RPC type.
        faults: what it answers besides those that every method does.
        help: the docstring.
    """

    name: str
    attribute: str
    arguments: tuple[Argument, ...]
    result: str
    faults: tuple[type[CloudnetError], ...]
    help: str

    @property
    def form(self) -> str:
        """How it is called: `NAME(ARGUMENT, …)`, brackets around what may be left out."""
        names = [f"[{one.name}]" if one.optional else one.name for one in self.arguments]
        return f"{self.name}({', '.join(names)})"

    def bound(self, instance: object) -> Method:
        """The method of a service that calls `instance`."""
        signature = (self.result, *(one.type for one in self.arguments))
        text = f"{self.form}\n\n{self.help}"
        if self.faults:
            text += f"\n\nFaults: {', '.join(map(str, fault_codes(self.faults)))}."
        optional = sum(one.optional for one in self.arguments)
        call = getattr(instance, self.attribute)
        return Method(self.name, call, signature, text, optional=optional)


def exposed(name: str, *faults: type[CloudnetError]) -> Callable[[F], F]:
    """Make a method, `(self, caller, …)`, the service's method `name` with these faults."""

    def mark(function: F) -> F:
        function.__dict__[_MARK] = (name, faults)
        return function

    return mark


def entries(kind: type[Any]) -> tuple[Entry, ...]:
    """The table of a class, in the order of its methods.

    Raises:
        TypeError: a method has a type that XML-RPC doesn't know, or no docstring.
    """
    return tuple(
        _entry(attribute, function, *function.__dict__[_MARK])
        for attribute, function in vars(kind).items()
        if _MARK in getattr(function, "__dict__", {})
    )


def fault_codes(faults: tuple[type[CloudnetError], ...]) -> list[int]:
    """Their codes, in order, each once."""
    return sorted({kind.code for kind in faults})


def _entry(
    attribute: str,
    function: Callable[..., Any],
    name: str,
    faults: tuple[type[CloudnetError], ...],
) -> Entry:
    hints = typing.get_type_hints(function)
    text = inspect.getdoc(function)
    if not text:
        raise TypeError(f"{name}: {attribute} has no docstring")
    parameters = list(inspect.signature(function).parameters.values())[2:]  # self and caller
    return Entry(
        name,
        attribute,
        tuple(
            Argument(one.name, _type(name, hints[one.name]), one.default is not one.empty)
            for one in parameters
        ),
        _type(name, hints["return"]),
        faults,
        text,
    )


def _type(name: str, hint: Any) -> str:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):  # left out, it is None
        hint = next(one for one in typing.get_args(hint) if one is not type(None))
    found = _TYPES.get(typing.get_origin(hint) or hint)
    if found is None:
        raise TypeError(f"{name}: XML-RPC knows no {hint}")
    return found
