"""The fault codes of the contract, and that an error survives the wire."""

from __future__ import annotations

from xmlrpc.client import Fault

import pytest

from cloudnet_sdn.wire import faults
from cloudnet_sdn.wire.codec import dump_fault, load_answer

CONTRACT = {
    "BadRequest": 400,
    "Unauthenticated": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "Conflict": 409,
    "Gone": 410,
    "TooLarge": 413,
    "Busy": 429,
    "Internal": 500,
    "PeerAway": 503,
    "TimedOut": 504,
    "ParseFault": -32700,
    "InvalidCall": -32600,
    "NoSuchMethod": -32601,
    "BadParameters": -32602,
}


def leaves(kind: type[faults.CloudnetError]) -> list[type[faults.CloudnetError]]:
    # A shell's own kinds travel as the one of the wire they stand below.
    below = [k for k in kind.__subclasses__() if k.__module__ == faults.__name__]
    return [leaf for branch in below for leaf in leaves(branch)] if below else [kind]


def test_codes_are_the_contracts_and_no_others() -> None:
    """Every error that can cross the wire has the code the contract gives it."""
    assert {k.__name__: k.code for k in leaves(faults.CloudnetError)} == CONTRACT


@pytest.mark.parametrize("kind", leaves(faults.CloudnetError), ids=lambda k: k.__name__)
def test_errors_come_back_as_themselves(kind: type[faults.CloudnetError]) -> None:
    """An error that crosses the wire is of the same class with the same text at the other end."""
    error = kind("line 3, column 7: <cpu> & more\nsecond line")
    back = load_answer(dump_fault(faults.to_fault(error)))
    assert type(back) is kind
    assert back.text == error.text
    assert back.code == kind.code


def test_busy_tells_when_to_come_back() -> None:
    """The pause crosses the wire, readable for people too."""
    fault = faults.to_fault(faults.Busy("over quota", 12.5))
    assert "retry after 12.5" in fault.faultString
    back = faults.from_fault(fault)
    assert isinstance(back, faults.Busy)
    assert back.retry_after_s == 12.5


def test_internal_errors_have_an_id_to_quote() -> None:
    """Two incidents have two ids, and the caller learns its own."""
    one, two = faults.Internal(), faults.Internal()
    assert one.incident != two.incident
    back = faults.from_fault(faults.to_fault(one))
    assert isinstance(back, faults.Internal)
    assert back.incident == one.incident
    assert one.incident in str(back)


def test_unforeseen_exceptions_tell_nothing() -> None:
    """Neither class nor text of a foreign exception leaves the process."""
    fault = faults.to_fault(ZeroDivisionError("/etc/secret"))
    assert fault.faultCode == 500
    assert "secret" not in fault.faultString
    assert "Zero" not in fault.faultString


def test_unknown_codes_are_the_peers_fault() -> None:
    """A peer with codes of its own gives an internal error that names them."""
    back = faults.from_fault(Fault(17, "EXPIRED"))
    assert isinstance(back, faults.Internal)
    assert "17" in back.text
    assert "EXPIRED" in back.text


@pytest.mark.parametrize("text", ["(retry after x s)", "no pause", "a (retry after 1 s) b"])
def test_busy_of_a_foreign_peer_is_still_busy(text: str) -> None:
    """A 429 without our form has a pause of its own."""
    back = faults.from_fault(Fault(429, text))
    assert isinstance(back, faults.Busy)
    assert back.text == text
    assert back.retry_after_s > 0
