"""Types, demands and units, by the contract's own sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdl import types, units
from rdl.compare.match import ABSENT, accepts, element_fits
from rdl.graph import Element, NotIn, Range
from rdl.units import Quantity


@pytest.mark.parametrize(
    ("request_type", "substrate_type", "fits"),
    [
        ("/node/host/generic", "/node/host/server/kvm", True),
        ("/node/host/generic", "/node/host/mainframe", True),
        ("/node/host/server", "/node/host/server/kvm", True),
        ("/node/host/server/kvm", "/node/host/server/kvm", True),
        ("/node/host/server/generic", "/node/host/server/xen", True),
        ("/node/host/server/kvm", "/node/host/server", False),
        ("/node/host/serv", "/node/host/server", False),
        ("/node/host/generic", "/node/switch/openflow", False),
        ("/node/host/server/xen", "/node/host/server/kvm", False),
        ("/link/generic", "/link/ethernet", True),
        ("/link/generic", "/link/transit/openvpn", True),
    ],
)
def test_fits(request_type, substrate_type, fits):
    """Equal, an ancestor, or generic below a common parent."""
    assert types.fits(request_type, substrate_type) is fits


def test_a_providers_types_decide_what_it_hosts():
    """Its own type hosts nothing; stubs host nothing at all."""
    web = Element("web", "/node/host/generic")
    pip = Element("berlin", types.PIP, features={"types": ("/node/host/server/kvm",)})
    bare = Element("berlin", types.PIP)
    stub = Element("_munich", types.PIP, features=pip.features)
    assert element_fits(web, pip) == ()
    assert [m.code for m in element_fits(web, bare)] == ["type"]
    assert [m.code for m in element_fits(web, stub)] == ["type"]


@pytest.mark.parametrize(
    ("demand", "offered", "met"),
    [
        (ABSENT, ABSENT, True),
        (ABSENT, "x", True),
        ("x", ABSENT, False),
        (NotIn(("x",)), ABSENT, True),
        (Range(1, 2), ABSENT, False),
        (None, ABSENT, False),
        (None, None, True),
        ("x", "x", True),
        ("x", ("y", "x"), True),
        (("x", "z"), ("y", "z"), True),
        (("x", "z"), "y", False),
        (NotIn(("x",)), "x", False),
        (NotIn(("x",)), ("x", "y"), True),
        (Range(None, 0.01), 0.008, True),
        (Range(None, 0.01), 0.02, False),
        (Range(2, 3), (1, 5, 3), True),
        (Range(2, 3), Range(3, 9), True),
        (Range(2, 3), Range(4, 9), False),
        (2005, Range(2000, 2099), True),
        (3000, Range(2000, 2099), False),
        ((1, 2001), Range(2000, 2099), True),
        ("x", Range(1, 2), False),
        (Range(1, 2), "x", False),
        (True, 1, False),
        (1, True, False),
        (1, 1.0, True),
    ],
)
def test_accepts(demand, offered, met):
    """Met if some offered value satisfies it; a lacking feature fails every demand but `not`."""
    assert accepts(demand, offered) is met


def test_virtualization_is_implied_by_the_type():
    """And what is written out wins."""
    kvm = Element("h", "/node/host/server/kvm")
    wants = Element("v", "/node/host/generic", features={"virtualization": "kvm"})
    assert element_fits(wants, kvm) == ()
    assert [m.text for m in element_fits(wants, Element("h", "/node/host/server/xen"))] == [
        "v asks for virtualization kvm, h has xen"
    ]


@pytest.mark.parametrize(
    ("text", "quantity", "value"),
    [
        ("2GiB", Quantity.BYTES, 2 * 2**30),
        ("500MB", Quantity.BYTES, 500_000_000),
        ("1.5Gbps", Quantity.RATE, 1_500_000_000),
        ("50Mbps", Quantity.RATE, 50_000_000),
        ("10ms", Quantity.TIME, 0.01),
        ("2s", Quantity.TIME, 2),
        ("250us", Quantity.TIME, 0.00025),
    ],
)
def test_units(text, quantity, value):
    """Exact, whole numbers as integers."""
    found = units.parse(text, quantity)
    assert found == value
    assert type(found) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300))
def test_numbers_read_back(value):
    """`text_of` has no exponent and loses nothing."""
    text = units.text_of(value)
    assert "e" not in text.casefold()
    assert units.plain_number(text) == value
    assert type(units.plain_number(text)) is type(value)


@pytest.mark.parametrize(
    ("value", "quantity", "text"),
    [
        (50_000_000, Quantity.RATE, "50 Mbit/s"),
        (2 * 2**30, Quantity.BYTES, "2 GiB"),
        (0.008, Quantity.TIME, "8 ms"),
        (2, Quantity.CORES, "2"),
    ],
)
def test_numbers_for_people(value, quantity, text):
    """Short, with the unit."""
    assert units.human(value, quantity) == text
