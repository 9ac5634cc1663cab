"""Tables of methods that are made from classes."""

from __future__ import annotations

from typing import Any

import pytest

from cloudnet_sdn.roles.facade import Facade
from cloudnet_sdn.wire.exposing import Argument, entries, exposed
from cloudnet_sdn.wire.faults import Conflict, NotFound
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.rpc import Service

CALLER = Caller.parse("cloudnet:tenant:a")


class Counter:
    def __init__(self) -> None:
        self.count = 0

    @exposed("counter.add", NotFound, Conflict)
    def add(self, _caller: Caller, what: str, by: float, options: dict[str, Any]) -> list[str]:
        """Count.

        By so much.
        """
        return [what, str(by), *options]

    def hidden(self) -> None:
        """No method of the service."""


def test_an_entry_is_what_its_method_says():
    (entry,) = entries(Counter)
    assert entry.form == "counter.add(what, by, options)"
    assert entry.arguments == (
        Argument("what", "string"),
        Argument("by", "double"),
        Argument("options", "struct"),
    )
    assert (entry.result, entry.faults) == ("array", (NotFound, Conflict))


def test_introspection_tells_the_same():
    (entry,) = entries(Counter)
    service = Service([entry.bound(Counter())])
    assert service.invoke("counter.add", ["x", 1, {"o": 1}], CALLER) == ["x", "1.0", "o"]
    signature = service.invoke("system.methodSignature", ["counter.add"], None)
    assert signature == [["array", "string", "double", "struct"]]
    help_ = service.invoke("system.methodHelp", ["counter.add"], None)
    assert help_ == "counter.add(what, by, options)\n\nCount.\n\nBy so much.\n\nFaults: 404, 409."


def test_what_has_a_default_may_be_left_out():
    class Gate:
        @exposed("gate.open")
        def open(self, _caller: Caller, name: str, options: dict[str, Any] | None = None) -> int:
            """Open."""
            return len(name) + len(options or {})

    (entry,) = entries(Gate)
    assert entry.form == "gate.open(name, [options])"
    service = Service([entry.bound(Gate())])
    assert service.invoke("gate.open", ["ab"], CALLER) == 2
    assert service.invoke("gate.open", ["ab", {"x": 1}], CALLER) == 3


def test_what_xml_rpc_cannot_carry_is_no_method():
    class Odd:
        @exposed("odd")
        def odd(self, _caller: Caller, what: set[int]) -> int:
            """Odd."""
            return len(what)

    class Silent:
        @exposed("silent")
        def silent(self, _caller: Caller) -> int:
            return 1

    with pytest.raises(TypeError, match="XML-RPC knows no"):
        entries(Odd)
    with pytest.raises(TypeError, match="no docstring"):
        entries(Silent)


def test_every_exposed_method_of_a_facade_has_a_name_of_its_own():
    names = [entry.name for entry in entries(Facade)]
    assert len(set(names)) == len(names) > 20
