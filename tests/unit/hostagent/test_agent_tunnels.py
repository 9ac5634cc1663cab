"""Tunnels as values, and what is said of one that can't be set up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cloudnet_sdn.wire.faults import BadRequest, Conflict, NotFound
from hostagent.config import Address, TunnelConfig
from hostagent.crossing import ruleset
from hostagent.openvpn import configuration
from hostagent.spec import Key
from hostagent.tunnels import Tunnels

TUNNEL = TunnelConfig(
    name="t1",
    bridge="br-t1",
    port="data",
    local=Address("192.0.2.1", 1194),
    remote=Address("192.0.2.2", 1195),
    cert=Path("/x/my cert.pem"),
    key=Path("/x/key.pem"),
    peer_fingerprint="AB:" * 31 + "AB",
    tls="server",
    netns=Path("/nowhere/at/all"),
)


def text(tunnel: TunnelConfig) -> list[str]:
    return configuration(tunnel, "tap0", Path("/state/t1")).splitlines()


def test_an_openvpn_end_is_configured_for_its_peer_alone():
    lines = text(TUNNEL)
    assert "local 192.0.2.1" in lines
    assert "remote 192.0.2.2 1195" in lines
    assert f"peer-fingerprint {TUNNEL.peer_fingerprint}" in lines
    assert {"tls-server", "dh none", "dev tap0", "dev-type tap"} <= set(lines)
    assert 'cert "/x/my cert.pem"' in lines
    assert not [line for line in lines if line.startswith(("ca ", "secret", "fragment"))]


def test_an_authority_and_openvpns_own_cutting_can_be_chosen():
    lines = text(
        replace(TUNNEL, peer_fingerprint="", ca=Path("/x/ca.pem"), tls="client", fragment=1400)
    )
    assert {'ca "/x/ca.pem"', "tls-client", "fragment 1400"} <= set(lines)
    assert not [line for line in lines if line.startswith(("peer-fingerprint", "dh"))]


def test_a_ruleset_replaces_the_table_in_one_transaction():
    rules = ruleset("cn", ("data", "tap0"), {102, 101})
    assert rules.index("delete table bridge cn") < rules.index("elements = { 101, 102 }")
    assert 'iifname { "data", "tap0" } vlan id @tags accept' in rules
    assert 'iifname { "data", "tap0" } drop' in rules
    assert "elements" not in ruleset("cn", ("data",), ())


@pytest.fixture
def tunnels(tmp_path):
    """A tunnel whose namespace isn't there."""
    made = Tunnels([TUNNEL], tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_tunnel_that_is_down_says_why_and_still_takes_tags(tunnels):
    got = tunnels.admit(Key("shop.t"), "t1", 2001)
    assert got["up"] is False
    assert "namespace is gone" in got["reason"]
    status = tunnels.status("t1")
    assert (status["up"], status["tags"]) == (False, [2001])


def test_admitted_tags_are_remembered_by_the_next_agent(tunnels, tmp_path):
    tunnels.admit(Key("shop.a"), "t1", 2001)
    tunnels.admit(Key("shop.b"), "t1", 2002)
    tunnels.dismiss(Key("shop.a"))
    assert Tunnels([TUNNEL], tmp_path).all_keys() == ["shop.b"]
    tunnels.purge()
    assert Tunnels([TUNNEL], tmp_path).all_keys() == []


def test_a_tag_is_one_keys_alone(tunnels):
    tunnels.admit(Key("shop.a"), "t1", 2001)
    with pytest.raises(Conflict):
        tunnels.admit(Key("bank.a"), "t1", 2001)
    tunnels.dismiss(Key("shop.a"))
    tunnels.admit(Key("bank.a"), "t1", 2001)
    assert tunnels.all_keys() == ["bank.a"]


@pytest.mark.parametrize("vlan", [-1, 0, 1, 4095])
def test_tags_that_a_transit_can_not_have_are_refused(tunnels, vlan):
    with pytest.raises(BadRequest):
        tunnels.admit(Key("shop.a"), "t1", vlan)


def test_unknown_tunnels_are_not_found(tunnels):
    with pytest.raises(NotFound):
        tunnels.admit(Key("shop.a"), "t2", 2001)
    with pytest.raises(NotFound):
        tunnels.status("t2")
    tunnels.dismiss(Key("shop.a"))
