"""The Mininet testbed: up, described, usable by agents, and down without a trace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from hostagent_support import (
    ROOT,
    Agent,
    Lab,
    certificate,
    gets_what_is_reserved,
    spec,
    tool,
    tunnel_config,
    until,
)

pytestmark = pytest.mark.mininet

SCRIPT = ["/usr/bin/python3", str(ROOT / "mininet" / "testbed.py")]
RESERVED = 20e6
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
    copied = tmp_path / "copied"
    shutil.copytree(state, copied)  # as if an earlier run of these names had been killed
    names = json.loads((copied / "names.json").read_text())
    (copied / "names.json").write_text(json.dumps({**names, "pid": 2**22}))
    subprocess.run([*SCRIPT, "--state", str(copied), "--clean"], check=True)
    assert list(copied.iterdir()) == []
    assert f"{prefix()}b-sw1" in left()
    process.stdin.close()
    assert process.wait(20) == 0
    process.stderr.close()


def test_vnodes_of_both_sites_meet_through_switches_and_tunnel(state, tmp_path, need):
    """Over switches programmed by hand, with the guard's meters: tags, tunnel, bandwidth."""
    for program in ("openvpn", "nft", "iperf3"):
        need(program)
    process = up(state)
    seen = json.loads((state / "testbed.json").read_text())
    lab = Lab(tmp_path / "lab")
    try:
        places = [one_end(lab, seen, number) for number in range(2)]
        until(lambda: [a.call("tunnel.status", "t1")["up"] for a, _ in places], all, 20)
        gets_what_is_reserved(*(netns for _, netns in places), RESERVED)
    finally:
        lab.close()
        process.stdin.close()
        process.wait(20)
        process.stderr.close()
    assert left() == []


def one_end(lab: Lab, seen: dict, number: int) -> tuple[Agent, str]:
    """A site's VNode, its way to the tunnel and the tunnel's end; the agent and the namespace."""
    site = list(seen["sites"].values())[number]
    host, tunnel = site["hosts"][0], site["tunnel_bridges"][0]
    (uplink,) = host["uplinks"]
    assert uplink["switch"] == tunnel["switch"]
    forward(uplink["switch"], [uplink["switch_port"], tunnel["switch_port"]])
    agent = lab.agent(host["name"], bridge=host["bridge"], uplinks=[uplink["port"]])
    agent.start()
    link = {"name": "e", "vlan": 2001, "uplink": uplink["port"], "bandwidth": RESERVED}
    agent.call("vnode.put", "shop.v", spec({**link, "address": f"10.0.0.{number + 1}/24"}))
    netns = agent.call("vnode.start", "shop.v")["netns"]
    ends = [w["wide_area"]["address"] for w in tunnel_bridges(seen)]
    certificates = certificate(lab, 0), certificate(lab, 1)
    more = tunnel_config(tunnel, ends[number], ends[1 - number], *certificates[:: 1 - 2 * number])
    bridge = lab.agent(tunnel["name"], more=more)
    bridge.start()
    bridge.call("tunnel.admit", "shop._t1", "t1", 2001)
    return bridge, netns


def tunnel_bridges(seen: dict) -> list[dict]:
    return [site["tunnel_bridges"][0] for site in seen["sites"].values()]


def forward(switch: str, ports: list[int]) -> None:
    """Carry tag 2001 between two ports, metered a little above what is reserved."""
    kbps = int(RESERVED * 1.05 / 1000)
    for come, go in (ports, ports[::-1]):
        band = f"meter={come},kbps,burst,band=type=drop,rate={kbps},burst_size={kbps // 20}"
        tool("ovs-ofctl", "-O", "OpenFlow13", "add-meter", switch, band)
        flow = f"in_port={come},dl_vlan=2001,actions=meter:{come},output:{go}"
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
