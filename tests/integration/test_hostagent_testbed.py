"""The Mininet testbed: up, described, usable by agents, and down without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from hostagent_support import ROOT, Lab, Tap, spec, tool, until

pytestmark = pytest.mark.mininet

SCRIPT = ["/usr/bin/python3", str(ROOT / "mininet" / "testbed.py")]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def prefix() -> str:
    """Something of this process's own, of three letters."""
    number = os.getpid()
    return "".join(LETTERS[number // 26**n % 26] for n in range(3))


def up(state: Path, *more: str) -> subprocess.Popen:
    """Start a testbed and wait for its description."""
    process = subprocess.Popen(
        [*SCRIPT, "--state", str(state), "--prefix", prefix(), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    described = state / "testbed.json"
    until(lambda: described.exists() or process.poll() is not None, bool, 30)
    assert described.exists(), process.stderr.read().decode()
    return process


def left() -> list[str]:
    """Whatever of this testbed's names is on the machine."""
    mark = f"{prefix()}"
    found = [b for b in tool("ovs-vsctl", "list-br").split() if b.startswith(mark)]
    found += [d.name for d in Path("/sys/class/net").iterdir() if d.name.startswith(mark)]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"mininet:{mark}".encode() in words:
                found.append(f"process {entry.name}")
    return found


@pytest.fixture
def state(tmp_path, open_vswitch):
    yield tmp_path / "testbed"
    subprocess.run([*SCRIPT, "--state", str(tmp_path / "testbed"), "--clean"], check=True)


def test_it_describes_what_is_there_and_leaves_nothing(state):
    process = up(state, "--controller", "berlin=127.0.0.1:16653")
    seen = json.loads((state / "testbed.json").read_text())
    assert set(seen["sites"]) == {"berlin", "munich"}
    berlin = seen["sites"]["berlin"]
    assert berlin["controller"] == "tcp:127.0.0.1:16653"
    for site in seen["sites"].values():
        assert len(site["switches"]) >= 3
        assert len(site["hosts"]) >= 3
        for switch in site["switches"]:
            assert column(switch["name"], "datapath_id") == switch["dpid"]
            assert column(switch["name"], "fail_mode") == "secure"
            assert column(switch["name"], "protocols") == "[OpenFlow13]"
            wanted = site["controller"]
            assert tool("ovs-vsctl", "get-controller", switch["name"]).strip() == wanted
        for link in site["links"]:
            for end in (link["a"], link["b"]):
                if end["kind"] != "tunnel_bridge":
                    number = tool("ovs-vsctl", "get", "interface", end["name"], "ofport")
                    assert int(number) == end["port"]
                    assert end["name"] in tool("ovs-vsctl", "list-ports", end["node"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    process.stderr.close()
    process.stdin.close()
    assert left() == []
    assert list(state.iterdir()) == []


def column(bridge: str, name: str) -> str:
    return tool("ovs-vsctl", "get", "bridge", bridge, name).strip().replace('"', "")


def test_it_goes_down_with_its_standard_input(state):
    process = up(state)
    process.stdin.close()
    assert process.wait(20) == 0
    process.stderr.close()
    assert left() == []


def test_what_a_killed_run_left_is_cleaned(state):
    process = up(state)
    process.kill()
    process.wait()
    process.stderr.close()
    process.stdin.close()
    assert left() != []
    again = subprocess.run(
        [*SCRIPT, "--state", str(state), "--prefix", prefix()], capture_output=True, check=False
    )
    assert again.returncode == 1
    assert b"--clean" in again.stderr
    for _ in range(2):
        subprocess.run([*SCRIPT, "--state", str(state), "--clean"], check=True)
        assert left() == []


def test_names_that_are_taken_are_refused_and_left_alone(state, tmp_path):
    process = up(state)
    other = tmp_path / "other"
    refused = subprocess.run(
        [*SCRIPT, "--state", str(other), "--prefix", prefix()], capture_output=True, check=False
    )
    assert refused.returncode == 1
    assert b"taken" in refused.stderr
    assert list(other.iterdir()) == []
    assert f"{prefix()}b-sw1" in left()
    process.stdin.close()
    assert process.wait(20) == 0
    process.stderr.close()


def test_agents_run_vnodes_and_a_tunnel_on_it(state, tmp_path, need):
    """VNodes of two hosts meet over switches that an operator programmed by hand."""
    for program in ("openvpn", "nft"):
        need(program)
    process = up(state)
    seen = json.loads((state / "testbed.json").read_text())
    lab = Lab(tmp_path / "lab")
    try:
        hosts = seen["sites"]["berlin"]["hosts"][:2]
        for switch in seen["sites"]["berlin"]["switches"][:2]:
            forward(switch["name"], ports=[1, 3])
        places = []
        for number, host in enumerate(hosts):
            uplink = host["uplinks"][0]["port"]
            agent = lab.agent(host["name"], bridge=host["bridge"], uplinks=[uplink])
            agent.start()
            key = f"shop.v{number}"
            agent.call("vnode.put", key, spec({"name": "e", "vlan": 101, "uplink": uplink}))
            places.append(agent.call("vnode.start", key)["netns"])
        here, there = (Tap(place, "e") for place in places)
        until(lambda: here.send("over") or there.heard(0.2), lambda heard: "over" in heard)
        here.close()
        there.close()
    finally:
        lab.close()
        process.stdin.close()
        process.wait(20)
        process.stderr.close()
    assert left() == []


def forward(switch: str, *, ports: list[int]) -> None:
    one, other = ports
    for come, go in ((one, other), (other, one)):
        flow = f"in_port={come},dl_vlan=101,actions=output:{go}"
        tool("ovs-ofctl", "-O", "OpenFlow13", "add-flow", switch, flow)


def test_bad_specifications_are_refused(state, tmp_path):
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({"sites": {"berlin": {"colour": "red"}}}))
    for argv, said in (
        (["--spec", str(file)], b"sites.berlin.colour"),
        (["--controller", "paris=127.0.0.1:1"], b"SITE=HOST:PORT"),
        (["--prefix", "far-too-long"], b"prefix"),
    ):
        done = subprocess.run(
            [*SCRIPT, "--state", str(state), *argv], capture_output=True, check=False
        )
        assert done.returncode == 1
        assert said in done.stderr
