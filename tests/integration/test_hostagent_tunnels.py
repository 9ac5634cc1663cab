"""Tunnel bridges: two namespaces, each with a data plane and a wide area, OpenVPN between them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostagent_support import MARK, Agent, Lab, Tap, certificate, tool, tunnel_config, until

from cloudnet_sdn.wire.faults import BadRequest, Conflict, NotFound

pytestmark = pytest.mark.ovs  # for root; Open vSwitch itself has no part in it


@pytest.fixture(scope="module")
def lab(tmp_path_factory, open_vswitch, need):
    for program in ("openvpn", "nft"):
        need(program)
    # A socket's path may have 107 characters, a directory's is as long as its owner likes.
    laboratory = Lab(tmp_path_factory.mktemp("lab" + "-and-more" * 10))
    try:
        yield laboratory
    finally:
        laboratory.close()


@pytest.fixture(scope="module")
def sites(lab):
    """Two tunnel bridges' agents with their namespaces; data planes end in devices `plug`."""
    places = [lab.namespace("x"), lab.namespace("y")]
    wide = ["ip", "link", "add", "wan", "netns", places[0], "type", "veth"]
    tool(*wide, "peer", "name", "wan", "netns", places[1])
    certificates = [certificate(lab, number) for number in range(2)]
    for number, place in enumerate(places):
        tool("ip", "-n", place, "addr", "add", f"192.0.2.{number + 1}/30", "dev", "wan")
        tool("ip", "-n", place, "link", "add", "data", "type", "veth", "peer", "name", "plug")
        for device in ("wan", "data", "plug"):
            off = ["ethtool", "-K", device, "tx", "off", "rx", "off"]
            tool("ip", "netns", "exec", place, *off)
            tool("ip", "-n", place, "link", "set", "dev", device, "up")
    agents = []
    for number, place in enumerate(places):
        where = {"netns": f"/run/netns/{place}", "port": "data"}
        ends = [f"192.0.2.{number + 1}", f"192.0.2.{2 - number}"]
        more = tunnel_config(where, *ends, certificates[number], certificates[1 - number])
        agents.append(lab.agent(f"tbr{number}", more=more))
    for agent in agents:
        agent.start()
    until(lambda: [a.call("tunnel.status", "t1")["up"] for a in agents], all, 20)
    return list(zip(agents, places, strict=True))


@pytest.fixture
def clean(sites):
    yield
    for agent, _ in sites:
        for key in agent.call("tunnel.list"):
            agent.call("tunnel.dismiss", key)


def taps(sites) -> tuple[Tap, Tap]:
    return Tap(sites[0][1], "plug"), Tap(sites[1][1], "plug")


def crossing(sites, tags: list[tuple[int, ...]], size: int = 60) -> dict:
    """What of frames with these tags, sent at the first site, arrives at the second."""
    here, there = taps(sites)
    for stack in tags:
        here.send("-".join(map(str, stack)) or "none", tags=stack, size=size)
    heard = there.heard()
    here.close()
    there.close()
    return heard


def admit(sites, *vlans: int) -> None:
    for agent, _ in sites:
        for vlan in vlans:
            got = agent.call("tunnel.admit", f"shop.v{vlan}", "t1", vlan)
            assert (got["up"], got["reason"]) == (True, "")


def test_whole_tagged_frames_cross_with_their_tag(sites, clean):
    admit(sites, 2001, 2002)
    for size in (60, 1400, 1496, 1500):
        heard = crossing(sites, [(2001,), (2002,)], size)
        assert heard == {"2001": (size, 2001), "2002": (size, 2002)}


def test_only_admitted_tags_cross(sites, clean):
    everything = [(), (2001,), (2003,), (0, 2001), (2003, 2001), (4095,)]
    assert crossing(sites, everything) == {}
    admit(sites, 2001)
    assert set(crossing(sites, everything)) == {"2001"}
    sites[1][0].call("tunnel.dismiss", "shop.v2001")
    assert crossing(sites, everything) == {}
    assert sites[0][0].call("tunnel.status", "t1")["tags"] == [2001]
    assert sites[1][0].call("tunnel.status", "t1")["tags"] == []


def test_many_may_ask_at_the_same_time(sites, clean):
    agent, _ = sites[0]
    with ThreadPoolExecutor(8) as pool:
        looks = pool.map(lambda _: agent.call("tunnel.status", "t1"), range(80))
        assert {(look["up"], look["reason"]) for look in looks} == {(True, "")}


def test_a_tag_has_one_key(sites, clean):
    agent, _ = sites[0]
    agent.call("tunnel.admit", "shop.a", "t1", 2001)
    agent.call("tunnel.admit", "shop.a", "t1", 2001)
    with pytest.raises(Conflict):
        agent.call("tunnel.admit", "bank.a", "t1", 2001)
    agent.call("tunnel.admit", "shop.a", "t1", 2005)
    assert agent.call("tunnel.status", "t1")["tags"] == [2005]
    for key in ("shop.a", "shop.a", "never.was"):
        assert agent.call("tunnel.dismiss", key) is True
    assert agent.call("tunnel.list") == []


def test_unknown_tunnels_and_tags_are_refused(sites):
    agent, _ = sites[0]
    with pytest.raises(NotFound):
        agent.call("tunnel.admit", "shop.a", "t9", 2001)
    with pytest.raises(NotFound):
        agent.call("tunnel.status", "t9")
    with pytest.raises(BadRequest):
        agent.call("tunnel.admit", "shop.a", "t1", 4095)
    with pytest.raises(NotFound):
        agent.call("vnode.get", "shop.web")
    assert agent.call("vnode.list") == []
    assert agent.call("agent.describe")["tunnels"] == ["t1"]


def test_a_hundred_megabits_cross(sites, clean):
    """Raw tagged frames of 1500 bytes: the kernel may lack the means for TCP in a VLAN."""
    admit(sites, 2001)
    best = max(throughput(sites, 2001, offered=160e6) for _ in range(3))
    assert best >= 100e6


def throughput(sites, tag: int, *, offered: float, frames: int = 8000) -> float:
    """What of `offered` bit/s of frames of 1500 bytes payload arrives, in bit/s of payload."""
    here, there = taps(sites)
    there.socket.setsockopt(socket.SOL_SOCKET, 33, 16 * 2**20)  # SO_RCVBUFFORCE
    pause = 1500 * 8 / offered
    began = time.monotonic()
    for number in range(frames):
        here.send("load", tags=[tag], size=1500)
        while time.monotonic() < began + number * pause:
            pass
    took = time.monotonic() - began
    there.socket.settimeout(0.3)
    arrived = 0
    with contextlib.suppress(TimeoutError):
        while MARK in there.socket.recv(4096):
            arrived += 1
    here.close()
    there.close()
    return arrived * 1500 * 8 / took


def test_a_dead_openvpn_is_seen_and_started_again(sites, clean):
    agent, _ = sites[0]
    admit(sites, 2001)
    os.kill(openvpn_pid(agent), signal.SIGKILL)
    assert agent.call("tunnel.status", "t1")["up"] is False
    got = agent.call("tunnel.admit", "shop.late", "t1", 2009)
    assert got["up"] is False
    assert got["reason"]
    until(lambda: agent.call("tunnel.status", "t1")["up"], bool, 20)
    assert agent.call("tunnel.status", "t1")["tags"] == [2001, 2009]
    until(lambda: set(crossing(sites, [(2001,)])), lambda seen: seen == {"2001"}, 20)


def test_a_filter_or_device_that_others_remove_is_put_back(sites, clean):
    _, place = sites[0]
    admit(sites, 2001)
    tool("ip", "netns", "exec", place, "nft", "flush", "ruleset")
    until(lambda: tool("ip", "netns", "exec", place, "nft", "list", "ruleset"), bool)
    assert crossing(sites, [(2001,), (2002,)]) == {"2001": (60, 2001)}
    (tap,) = [d for d in devices(place) if d.startswith("ct")]
    tool("ip", "-n", place, "link", "del", tap)
    until(lambda: set(crossing(sites, [(2001,), (2002,)])), lambda seen: seen == {"2001"}, 20)


def devices(place: str) -> list[str]:
    return [d["ifname"] for d in json.loads(tool("ip", "-n", place, "-j", "link"))]


def test_a_peer_that_is_gone_is_seen(sites, clean):
    (here, _), (there, _) = sites
    there.end()
    until(lambda: here.call("tunnel.status", "t1")["up"], lambda up: not up, 15)
    assert here.call("tunnel.status", "t1")["reason"]
    there.start()
    until(lambda: here.call("tunnel.status", "t1")["up"], bool, 20)


def test_a_killed_agent_leaves_traffic_alone_and_is_taken_up_again(sites, clean):
    agent, _ = sites[0]
    admit(sites, 2001)
    pid = openvpn_pid(agent)
    agent.end(signal.SIGKILL)
    assert set(crossing(sites, [(2001,), (2002,)])) == {"2001"}
    agent.start()
    assert openvpn_pid(agent) == pid
    assert agent.call("tunnel.list") == ["shop.v2001"]
    assert agent.call("tunnel.status", "t1")["up"] is True
    assert set(crossing(sites, [(2001,), (2002,)])) == {"2001"}


def test_an_ended_agent_leaves_no_process_or_device(sites, clean):
    agent, place = sites[0]
    pid = openvpn_pid(agent)
    agent.end()
    assert not alive(pid)
    assert sorted(devices(place)) == ["data", "lo", "plug", "wan"]
    assert tool("ip", "netns", "exec", place, "nft", "list", "ruleset").strip() == ""
    agent.start()
    until(lambda: agent.call("tunnel.status", "t1")["up"], bool, 20)


def openvpn_pid(agent: Agent) -> int:
    return int((agent.config.parent / "state" / "tunnels" / "t1.pid").read_text())


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and nobody has waited for does not."""
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and command.read_bytes() != b""
