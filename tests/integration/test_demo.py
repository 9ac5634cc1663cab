"""`cloudnet demo` as a whole: what it reports, and that nothing of it is left."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cloudnet_sdn.demo.story import DemoFailed
from cloudnet_sdn.demo.world import Ports

COMMAND = [sys.executable, "-m", "cloudnet_sdn", "demo"]

pytestmark = [pytest.mark.mininet, pytest.mark.timeout(240)]


def test_the_demo_does_the_main_job(tmp_path: Path, need: Any) -> None:
    """Two providers, a transit link, every VLink as reserved and kept to itself."""
    for tool in ("openvpn", "iperf3", "ping", "mnexec"):
        need(tool)
    got = subprocess.run(
        [*COMMAND, "--format", "json", "--state", str(tmp_path / "state")],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert got.returncode == 0, got.stdout + got.stderr
    report = json.loads(got.stdout)
    assert report["ok"]
    assert report["left_behind"] == []
    assert len(report["vnodes"]) >= 3
    assert {v["provider"] for v in report["vnodes"].values()} == {"berlin", "munich"}
    assert len(report["vlinks"]) >= 3
    assert any(len(v["providers"]) == 2 for v in report["vlinks"].values())
    for vlink in report["vlinks"].values():
        assert vlink["carries"]
        assert vlink["isolated"]
        assert 0.8 <= vlink["measured_mbps"] / vlink["reserved_mbps"] <= 1.05
    changed = report["modified"]
    # One frame each millisecond; a switch in user space that gets no time may miss a few.
    assert changed["lost"] <= 3 + 0.01 * 1000 * changed["seconds"]
    assert changed["lost_changed"] is not None
    assert not (tmp_path / "state").exists()


def test_a_request_that_does_not_fit_ends_with_3(tmp_path: Path, need: Any) -> None:
    """The report is whole all the same, and says why on stderr."""
    for tool in ("openvpn", "iperf3", "ping", "mnexec"):
        need(tool)
    file = tmp_path / "big.rdl.yaml"
    file.write_text("rdl: 1\ngraph: big\nnodes:\n  a: {cpu: 1000}\n")
    got = _demo("--request", str(file), "--state", str(tmp_path / "state"))
    assert got.returncode == 3, got.stdout + got.stderr
    report = json.loads(got.stdout)
    assert not report["ok"]
    assert report["left_behind"] == []
    assert list(report["seconds"]) == ["set_up", "request", "confirm", "start", "total"]
    assert "a: cpu: 1000 wanted" in got.stderr


def test_an_invalid_request_ends_with_4_before_anything_is_built(tmp_path: Path) -> None:
    """Every error with its place."""
    file = tmp_path / "bad.rdl.yaml"
    file.write_text("rdl: 1\ngraph: bad\nnodes:\n  a: {cpu: no}\n  b: {memroy: 1GiB}\n")
    got = _demo("--request", str(file), "--state", str(tmp_path / "state"))
    assert (got.returncode, got.stdout) == (4, "")
    assert f"{file}:4:12:" in got.stderr
    assert f"{file}:5:" in got.stderr
    assert not (tmp_path / "state").exists()


def test_no_port_is_given_out_twice() -> None:
    """Servers bind theirs long after they were chosen."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = taken.getsockname()[1]
        ports = Ports([used, *range(20000, 20040)])
        given = [port for _ in range(10) for port in ports.take(2)]
        assert len(set(given)) == 20
        with pytest.raises(DemoFailed):
            ports.take(22)
        assert used not in given


def _demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--format", "json", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
