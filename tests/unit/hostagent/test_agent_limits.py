"""What a namespace can't be given, found out beforehand; the kernel's own word is the measure."""

from __future__ import annotations

import pytest

from cloudnet_sdn.wire.faults import BadRequest
from hostagent.limits import check
from hostagent.shaping import LEAST_BANDWIDTH, MOST_BANDWIDTH
from hostagent.spec import InterfaceSpec, VNodeSpec


def spec(**members: object) -> VNodeSpec:
    return VNodeSpec(interfaces=(InterfaceSpec("e"), InterfaceSpec("f", **members)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("bandwidth", LEAST_BANDWIDTH / 2),
        ("bandwidth", MOST_BANDWIDTH * 2),
        ("bandwidth", 1e-9),
        ("mac", "00:00:00:00:00:00"),
        ("address", "ff02::1/64"),
        ("address", "::/64"),
        ("address", "::1/128"),
        ("address", "224.0.0.1/4"),
        ("address", "0.0.0.0/0"),
        ("address", "127.0.0.1/8"),
    ],
)
def test_what_no_interface_can_have_is_named(member, value):
    with pytest.raises(BadRequest) as refused:
        check(spec(**{member: value}))
    assert refused.value.about == f"f.{member}"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("bandwidth", 0.0),
        ("bandwidth", LEAST_BANDWIDTH),
        ("bandwidth", MOST_BANDWIDTH),
        ("mac", "02:00:00:00:00:01"),
        ("address", "10.0.0.0/31"),
        ("address", "10.0.0.1/32"),
        ("address", "fe80::1/64"),
        ("address", "fd00::/64"),
        ("address", ""),
    ],
)
def test_what_an_interface_can_have_passes(member, value):
    check(spec(**{member: value}))
