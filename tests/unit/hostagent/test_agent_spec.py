"""What a provider may ask for, and what it is told when it may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet_sdn.wire.faults import BadRequest
from hostagent.spec import (
    InterfaceSpec,
    Key,
    VNodeSpec,
    cloudnet_of,
    dump_spec,
    element_of,
    parse_key,
    parse_spec,
)

amounts = st.floats(0, 1e15)
names = st.from_regex(r"[A-Za-z0-9_-]{1,63}", fullmatch=True)
interfaces = st.builds(
    InterfaceSpec,
    name=names,
    mac=st.sampled_from(["", "52:54:00:ab:cd:ef"]),
    address=st.sampled_from(["", "10.0.0.1/24", "fd00::1/64"]),
    vlan=st.integers(0, 4094),
    uplink=st.sampled_from(["", "up1"]),
    bandwidth=amounts,
)
specs = st.builds(
    VNodeSpec,
    cpu=amounts,
    memory=amounts,
    storage=amounts,
    image=st.text(max_size=5),
    interfaces=st.lists(interfaces, max_size=3, unique_by=lambda i: i.name).map(tuple),
)


@given(specs)
def test_a_spec_is_written_as_it_is_read(spec):
    assert parse_spec(dump_spec(spec)) == spec


def test_absent_members_take_their_defaults():
    spec = parse_spec({"interfaces": [{"name": "e"}]})
    assert spec == VNodeSpec(interfaces=(InterfaceSpec("e"),))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"colour": "red"}, "no colour"),
        ({"cpu": "two"}, "cpu"),
        ({"cpu": True}, "cpu"),
        ({"memory": float("nan")}, "memory"),
        ({"image": 5}, "image"),
        ({"interfaces": {}}, "list"),
        ({"interfaces": ["e"]}, "structure"),
        ({"interfaces": [{}]}, "name"),
        ({"interfaces": [{"name": "a b"}]}, "name"),
        ({"interfaces": [{"name": "e"}, {"name": "e"}]}, "twice"),
        ({"interfaces": [{"name": "e", "vlan": -1}]}, "vlan"),
        ({"interfaces": [{"name": "e", "vlan": True}]}, "vlan"),
        ({"interfaces": [{"name": "e", "vlan": "5"}]}, "vlan"),
        ({"interfaces": [{"name": "e", "mac": "52:54:00"}]}, "MAC"),
        ({"interfaces": [{"name": "e", "mac": "ff:ff:ff:ff:ff:ff"}]}, "MAC"),
        ({"interfaces": [{"name": "e", "address": "10.0.0.1/33"}]}, "address"),
        ({"interfaces": [{"name": "e", "address": "x; reboot"}]}, "address"),
    ],
)
def test_a_bad_spec_is_refused_with_what_is_wrong(raw, said):
    with pytest.raises(BadRequest, match=said):
        parse_spec(raw)


def test_a_key_names_a_cloudnet_and_an_element():
    key = parse_key("cn-12.a.web_1")
    assert (cloudnet_of(key), element_of(key)) == ("cn-12.a", "web_1")


@pytest.mark.parametrize(
    ("key", "cloudnet"),
    [
        ("berlin-p6z6u4cbez.app", "berlin-p6z6u4cbez"),
        ("berlin-p6z6u4cbez-4.app", "berlin-p6z6u4cbez"),
        ("berlin-2345672345-12.app", "berlin-2345672345"),
        ("berlin-2345672345.app", "berlin-2345672345"),
        ("lab-2.app", "lab-2"),
    ],
)
def test_what_later_rounds_of_a_cloudnet_make_is_the_cloudnet_s(key, cloudnet):
    assert cloudnet_of(parse_key(key)) == cloudnet
    assert isinstance(key, str)


@pytest.mark.parametrize("bad", ["", "web", ".web", "shop.", "shop/..", "a.b/c", "x." * 150 + "y"])
def test_other_keys_are_refused(bad):
    with pytest.raises(BadRequest):
        parse_key(Key(bad))
