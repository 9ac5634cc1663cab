"""The bridge's database: away, back again, without a daemon, and what others put there."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostagent_support import tool, until

from cloudnet_sdn.wire.faults import PeerAway
from hostagent import bridge as module
from hostagent.bridge import Bridge, BridgeGoneError
from hostagent.ports import AccessPort
from hostagent.spec import Key

pytestmark = pytest.mark.ovs
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Database:
    """An ovsdb-server of the test's own, with a bridge `br` and no ovs-vswitchd."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.remote = f"unix:{directory}/db.sock"
        self.process: subprocess.Popen | None = None
        tool("ovsdb-tool", "create", str(directory / "conf.db"), SCHEMA)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *["ovsdb-server", str(self.directory / "conf.db"), f"--remote=p{self.remote}"],
                *["--unixctl=none", "--no-chdir", "-vconsole:off"],
            ]
        )
        until((self.directory / "db.sock").exists, bool)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def vsctl(self, *argv: str) -> str:
        return tool("ovs-vsctl", f"--db={self.remote}", "--no-wait", *argv)


@pytest.fixture
def database(open_vswitch) -> Iterator[Database]:
    directory = Path(tempfile.mkdtemp(prefix="ovsdb"))  # short: sockets' paths are
    made = Database(directory)
    made.start()
    try:
        made.vsctl("init", "--", "add-br", "br", "--", "add-port", "br", "up")
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory)


@pytest.fixture
def bridge(database, monkeypatch) -> Iterator[Bridge]:
    # The real limits, shortened: a test would wait for tens of seconds.
    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(module, "CONNECT_S", 0.5)
    made = Bridge("br", "host", ["up"], database.remote)
    yield made
    made.close()


def put(bridge: Bridge, *ports: AccessPort) -> None:
    """Plug ports in, though nobody will ever say that it is carried out."""
    with pytest.raises(PeerAway, match="does not answer"):
        bridge.apply(ports)


def port(device: str, vlan: int) -> AccessPort:
    return AccessPort(device, Key("shop.web"), "e", vlan, "up")


def test_ports_are_written_with_owner_tag_and_trunk(database, bridge):
    put(bridge, port("cv1", 5), port("cv2", 6))
    assert [seen.port for seen in sorted(bridge.ports(), key=lambda s: s.port.device)] == [
        port("cv1", 5),
        port("cv2", 6),
    ]
    assert database.vsctl("get", "port", "up", "trunks", "vlan_mode").split("\n")[:2] == [
        "[5, 6]",
        "trunk",
    ]
    assert "cloudnet-owner=host" in database.vsctl("get", "port", "cv1", "external_ids")


def test_what_is_not_ours_is_neither_seen_nor_removed(database, bridge):
    database.vsctl("add-port", "br", "theirs", "tag=9")
    other = Bridge("br", "other-host", [], database.remote)
    put(other, port("cv9", 9))
    other.close()
    with contextlib.suppress(PeerAway):
        bridge.apply(gone=["theirs", "cv9"])
    assert bridge.ports() == []
    assert set(database.vsctl("list-ports", "br").split()) == {"up", "theirs", "cv9"}


def test_a_database_that_goes_and_comes_back_is_used_again(database, bridge):
    put(bridge, port("cv1", 5))
    database.stop()
    with pytest.raises(PeerAway):
        bridge.ports()
    database.start()
    until(lambda: seen(bridge), lambda found: found == ["cv1"])


def seen(bridge: Bridge) -> list[str]:
    with contextlib.suppress(PeerAway):
        return [one.port.device for one in bridge.ports()]
    return []


def test_no_open_vswitch_and_no_bridge_are_told_apart(database, tmp_path):
    nobody = Bridge("br", "host", [], f"unix:{tmp_path}/none.sock")
    with pytest.raises(PeerAway, match="not running"):
        nobody.ports()
    gone = Bridge("nowhere", "host", [], database.remote)
    with pytest.raises(BridgeGoneError, match="no bridge nowhere"):
        gone.ports()
    gone.close()
