"""The agent's TOML: everything in it is known, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudnet_sdn.wire.configuration import ConfigurationError
from hostagent.bridge import DEFAULT_DB
from hostagent.config import Address, load

BASE = """
name = "b-sn1"
provider = "berlin"
state = "state"
listen = "127.0.0.1:9101"
"""
TLS = """
[tls]
ca = "tls/ca.pem"
cert = "tls/cert.pem"
key = "/etc/key.pem"
"""
BRIDGE = """
[bridge]
name = "b-sn1"
uplinks = ["b-sn1-eth1"]
"""
TUNNEL = """
[[tunnel]]
name = "t1"
bridge = "br-t1"
port = "b-tbr-eth0"
netns = "/proc/1/ns/net"
local = "192.0.2.1"
remote = "192.0.2.2:1195"
cert = "c.pem"
key = "k.pem"
"""
FINGERPRINT = f'peer_fingerprint = "{":".join(["ab"] * 32)}"\n'


def write(directory: Path, text: str) -> Path:
    path = directory / "agent.toml"
    path.write_text(text)
    return path


def test_a_host(tmp_path):
    config = load(write(tmp_path, BASE + TLS + BRIDGE + '[console]\nlisten = "[::1]:9201"\n'))
    assert config.name == "b-sn1"
    assert config.state == tmp_path / "state"
    assert config.listen == Address("127.0.0.1", 9101)
    assert config.console.listen == Address("::1", 9201)
    assert (config.tls.ca, config.tls.key) == (tmp_path / "tls/ca.pem", Path("/etc/key.pem"))
    assert config.bridge is not None
    assert (config.bridge.uplinks, config.bridge.db) == (("b-sn1-eth1",), DEFAULT_DB)
    assert config.driver == "namespace"
    assert config.tunnel == ()


def test_a_tunnel_bridge(tmp_path):
    config = load(write(tmp_path, BASE + TLS + TUNNEL + FINGERPRINT))
    (tunnel,) = config.tunnel
    assert config.bridge is None
    assert tunnel.local == Address("192.0.2.1", 1194)
    assert tunnel.remote == Address("192.0.2.2", 1195)
    assert tunnel.peer_fingerprint == ":".join(["AB"] * 32)
    assert tunnel.cert == tmp_path / "c.pem"


def test_the_two_ends_of_a_tunnel_play_different_parts(tmp_path):
    swapped = TUNNEL.replace('local = "192.0.2.1"', 'local = "192.0.2.2:1195"').replace(
        'remote = "192.0.2.2:1195"', 'remote = "192.0.2.1"'
    )
    parts = {
        load(write(tmp_path, BASE + TLS + text + FINGERPRINT)).tunnel[0].is_server
        for text in (TUNNEL, swapped)
    }
    assert parts == {True, False}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1", "colour: unknown key(.|\\n)*tls: missing"),
        (BASE, "tls: missing"),
        ('colour = "red"\n' + BASE + TLS, "colour: unknown key"),
        (BASE + TLS + "extra = 1\n", "tls.extra: unknown key; there are ca, cert, key"),
        (BASE + TLS + BRIDGE + "tag = 1\n", "bridge.tag: unknown key"),
        (BASE + TLS + "[console]\nport = 1\n", "console.port: unknown key"),
        (BASE.replace('"berlin"', "5") + TLS, "provider: text is wanted"),
        (BASE.replace(":9101", "") + TLS, "listen: .* is not ADDRESS:PORT"),
        (BASE.replace("127.0.0.1", "localhost") + TLS, "listen"),
        (BASE.replace(":9101", ":99999") + TLS, "listen"),
        (BASE + TLS + BRIDGE.replace('"b-sn1"\n', '"a-name-of-16-chars"\n'), "bridge.name"),
        (BASE + TLS + BRIDGE.replace('["b-sn1-eth1"]', "[1]"), "bridge.uplinks"),
        (BASE + TLS + TUNNEL, "peer_fingerprint or ca"),
        (BASE + TLS + TUNNEL + FINGERPRINT + 'ca = "x"\n', "peer_fingerprint or ca"),
        (BASE + TLS + TUNNEL + 'peer_fingerprint = "AB"\n', "32 hex"),
        (BASE + TLS + TUNNEL + FINGERPRINT + 'tls = "peer"\n', "'peer' is none of"),
        (BASE + TLS + TUNNEL + FINGERPRINT + "fragment = true\n", "fragment"),
        (BASE + TLS + 2 * (TUNNEL + FINGERPRINT), "two have one name"),
        ("name = ", "agent.toml: "),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(ConfigurationError, match=said):
        load(write(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.toml"):
        load(tmp_path / "none.toml")
