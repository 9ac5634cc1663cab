"""Tags, trunks, names and rates as values."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostagent.names import Names, inner
from hostagent.ports import NOTHING, AccessPort, clash, trunks
from hostagent.shaping import shape
from hostagent.spec import InterfaceSpec, Key, VNodeSpec


def port(vlan: int, uplink: str) -> AccessPort:
    return AccessPort(f"d{vlan}{uplink}", Key("shop.web"), "e", vlan, uplink)


def vnode(vlan: int, uplink: str = "up") -> VNodeSpec:
    return VNodeSpec(interfaces=(InterfaceSpec("e", vlan=vlan, uplink=uplink),))


def test_an_uplink_trunks_the_tags_that_leave_by_it():
    ports = [port(7, "a"), port(5, "a"), port(7, "a"), port(9, "b"), port(11, ""), port(0, "a")]
    assert trunks(ports, "a") == (5, 7)
    assert trunks(ports, "b") == (9,)


def test_an_idle_uplink_trunks_nothing_rather_than_everything():
    assert trunks([port(11, "")], "a") == (NOTHING,)


def test_a_tag_belongs_to_one_cloudnet_and_one_way_off_the_host():
    others = {Key("shop.web"): vnode(5), Key("shop.db"): vnode(6, "")}
    assert clash(Key("shop.api"), vnode(5), others) == ""
    assert clash(Key("shop.api"), vnode(7), others) == ""
    assert "another CloudNet" in clash(Key("bank.api"), vnode(5), others)
    assert "'up'" in clash(Key("shop.api"), vnode(5, ""), others)
    assert "this host only" in clash(Key("shop.api"), vnode(6), others)


def test_a_vnode_does_not_clash_with_itself_and_unplugged_ones_with_nothing():
    others = {Key("shop.web"): vnode(5), Key("bank.db"): vnode(0)}
    assert clash(Key("shop.web"), vnode(5, "other"), others) == ""
    assert clash(Key("shop.api"), vnode(0), others) == ""


@given(
    st.text("abc.-_", min_size=1, max_size=80),
    st.from_regex(r"[A-Za-z0-9_-]{1,63}", fullmatch=True),
)
def test_names_fit_the_kernel(key, interface):
    names = Names("host", "bridge")
    assert len(names.outer(Key(key), interface)) <= 15
    assert len(inner(interface)) <= 15
    assert re.fullmatch(r"02(:[0-9a-f]{2}){5}", names.mac(Key(key), interface))


def test_names_differ_between_hosts_vnodes_and_interfaces():
    hosts = [Names("h", "br0"), Names("h", "br1"), Names("i", "br0")]
    keys = [Key("a.b"), Key("a.c")]
    assert len({h.namespace(k) for h in hosts for k in keys}) == 6
    assert len({h.outer(k, i) for h in hosts for k in keys for i in "xy"}) == 12
    assert all(h.namespace(k).startswith(h.prefix) for h in hosts for k in keys)


def test_an_interface_keeps_its_name_where_it_can():
    assert inner("web-db") == "web-db"
    assert inner("lo") != "lo"
    assert not inner("-e").startswith("-")
    assert not inner("-" * 20).startswith("-")
    assert inner("a-very-long-interface-1") != inner("a-very-long-interface-2")


@pytest.mark.parametrize("mbps", [0.1, 1, 10, 100, 1000])
def test_queues_are_short_and_hold_some_frames(mbps):
    words = shape("e", mbps * 1e6).split()
    burst, limit = (int(words[words.index(name) + 1]) for name in ("burst", "limit"))
    assert words[words.index("rate") + 1] == f"{int(mbps * 1e6)}bit"
    assert burst >= 2 * 1518
    assert limit - burst >= 16 * 1518
    assert limit * 8 <= max(0.1 * mbps * 1e6, 50 * 1518 * 8)


def test_no_bandwidth_is_no_limit():
    assert "tbf" not in shape("e", 0.0)
