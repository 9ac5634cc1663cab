"""Specs: what is taken, and that everything wrong is said at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet_sdn.wire.faults import BadRequest
from ryu_apps.spec import Hop, parse_id, parse_spec

A, B = "00000000000000Aa", "00000000000000bb"
ENDS = [{"dpid": A, "port": 1, "vlan": 0}, {"dpid": B, "port": "eth1", "vlan": 4094}]


def test_the_contracts_form() -> None:
    parsed = parse_spec(
        {
            "ends": ENDS,
            "bandwidth": 5e6,
            "protection": "none",
            "path": [[A, 2, 100], [B, "eth2", 7]],
            "backup": [],
        }
    )
    assert parsed.ends[0].dpid == A.lower()
    assert parsed.hops[1] == Hop(parsed.ends[1].dpid, "eth2", 7)
    assert parse_spec(parsed.document()) == parsed


def test_what_may_be_left_out() -> None:
    parsed = parse_spec({"ends": [{"dpid": A, "port": 1}, {"dpid": B, "port": 1}]})
    assert (parsed.bandwidth, parsed.hops, parsed.via) == (0.0, (), ())
    assert parsed.ends[0].vlan == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ends": ENDS[:1]}, "two or more"),
        ({"ends": ENDS[:1] * 2}, "twice"),
        ({"ends": [{"dpid": "1", "port": 0, "vlan": 4095}, 3]}, "16 hex digits"),
        ({"ends": [{"dpid": A, "port": True}, *ENDS]}, "ends\\[0\\].port"),
        ({"ends": [{"dpid": A, "port": 1, "tag": 1}, *ENDS]}, "unknown: tag"),
        ({"bandwidth": -1.0}, "bandwidth"),
        ({"bandwidth": float("nan")}, "bandwidth"),
        ({"bandwidth": True}, "bandwidth"),
        ({"bandwith": 5.0}, "unknown: bandwith"),
        ({"protection": "link"}, "not offered by this controller yet"),
        ({"protection": "lots"}, "one of none, link, node"),
        ({"backup": [A, B]}, "not offered by this controller yet"),
        ({"path": [A, A]}, "twice"),
        ({"path": [A, [A, 1, 2]]}, "as in all other places"),
        ({"path": [[A, 1, 5000]]}, "0 to 4094"),
        ({"path": "nowhere"}, "a list"),
    ],
)
def test_what_is_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(BadRequest, match=text):
        parse_spec({"ends": ENDS} | change)


def test_all_errors_at_once() -> None:
    with pytest.raises(BadRequest) as error:
        parse_spec({"ends": [], "bandwidth": "much", "x": 1})
    assert error.value.text.count(";") == 2


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ends", "path", "backup", "bandwidth", "dpid", "port", "vlan"]), inner
        )
    ),
    max_leaves=10,
)


@given(JUNK)
def test_junk_is_a_bad_request(raw: Any) -> None:
    with pytest.raises(BadRequest):
        parse_spec(raw)


@pytest.mark.parametrize("raw", ["", "a b", "ü", "x" * 256, 5, "a\n"])
def test_ids_that_are_none(raw: Any) -> None:
    with pytest.raises(BadRequest):
        parse_id(raw)
