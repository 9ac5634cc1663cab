"""The agent's VNodes on real bridges: life, isolation, shaping, crashes, nothing left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hostagent_support import Agent, Lab, Tap, gets_what_is_reserved, spec, tool, until

from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.faults import BadRequest, Conflict, Forbidden, NotFound
from hostagent.names import Names
from hostagent.shaping import LEAST_BANDWIDTH, MOST_BANDWIDTH
from hostagent.spec import Key

pytestmark = pytest.mark.ovs

MBPS = 1e6


@pytest.fixture(scope="module")
def lab(tmp_path_factory, open_vswitch):
    laboratory = Lab(tmp_path_factory.mktemp("lab"))
    try:
        yield laboratory
    finally:
        laboratory.close()


@pytest.fixture(scope="module")
def hosts(lab):
    """Two hosts with a wire between their bridges, and their uplinks."""
    one, other = lab.bridge("a"), lab.bridge("b")
    ends = lab.wire(one, other)
    agents = []
    for bridge, uplink in zip((one, other), ends, strict=True):
        agent = lab.agent(bridge, bridge=bridge, uplinks=[uplink])
        agent.start()
        agents.append(agent)
    return list(zip(agents, ends, strict=True))


@pytest.fixture
def clean(hosts):
    """Removes whatever VNodes a test made."""
    yield
    for agent, _ in hosts:
        for key in agent.call("vnode.list"):
            agent.call("vnode.delete", key)


def running(agent: Agent, key: str, *interfaces: dict) -> str:
    """A running VNode; answers its namespace."""
    agent.call("vnode.put", key, spec(*interfaces))
    got = agent.call("vnode.start", key)
    assert (got["state"], got["reason"]) == ("running", "")
    assert all(port["up"] for port in got["ports"] if port["vlan"])
    return got["netns"]


def ping(netns: str, address: str, *, count: int = 1) -> bool:
    argv = ["ip", "netns", "exec", netns, "ping", "-c", str(count), "-W", "1", address]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def trunks(port: str) -> list[int]:
    return json.loads(tool("ovs-vsctl", "get", "port", port, "trunks"))


def test_vnodes_reach_each_other_on_one_host_and_across_two(hosts, clean):
    (left, up0), (right, up1) = hosts
    link = {"name": "lan", "vlan": 101, "bandwidth": 50 * MBPS}
    web = running(left, "shop.web", {**link, "address": "10.0.0.1/24", "uplink": up0})
    running(left, "shop.api", {**link, "address": "10.0.0.2/24", "uplink": up0})
    running(right, "shop.db", {**link, "address": "10.0.0.3/24", "uplink": up1})
    assert ping(web, "10.0.0.2")
    assert ping(web, "10.0.0.3")


def test_a_vnode_has_the_address_mac_and_device_it_was_given(hosts, clean):
    agent, uplink = hosts[0]
    asked = {"name": "web-db", "mac": "52:54:00:00:00:01", "address": "10.0.0.1/24", "vlan": 7}
    netns = running(agent, "shop.web", {**asked, "uplink": uplink})
    (seen,) = json.loads(tool("ip", "-n", netns, "-j", "addr", "show", "dev", "web-db"))
    assert seen["address"] == "52:54:00:00:00:01"
    assert "10.0.0.1" in [one["local"] for one in seen["addr_info"]]
    port = agent.call("vnode.get", "shop.web")["ports"]
    assert port == [{"name": "web-db", "device": "web-db", "vlan": 7, "up": True}]


@pytest.mark.parametrize("bandwidth", [LEAST_BANDWIDTH, 1234.5, MOST_BANDWIDTH])
def test_the_kernel_takes_every_bandwidth_within_the_limits(hosts, clean, bandwidth):
    agent, _ = hosts[0]
    running(agent, "shop.web", {"name": "e", "vlan": 7, "bandwidth": bandwidth})


@pytest.mark.parametrize("address", ["10.0.0.1/0", "10.0.0.0/31", "10.0.0.1/32", "fd00::1/127"])
def test_the_kernel_takes_every_length_of_a_prefix(hosts, clean, address):
    agent, _ = hosts[0]
    running(agent, "shop.web", {"name": "e", "vlan": 7, "address": address})


@pytest.mark.parametrize(
    "member",
    [
        ("bandwidth", 1.0),
        ("bandwidth", 1e12),
        ("address", "ff02::1/64"),
        ("mac", "00:00:00:00:00:00"),
    ],
)
def test_what_the_kernel_would_not_take_is_refused_by_its_name(hosts, clean, member):
    agent, _ = hosts[0]
    with pytest.raises(BadRequest) as refused:
        agent.call("vnode.put", "shop.web", spec({"name": "e", "vlan": 7, member[0]: member[1]}))
    assert refused.value.about == f"e.{member[0]}"
    assert agent.call("vnode.list") == []


@pytest.mark.parametrize("name", ["-e", "-", "-n", "_", "n" * 63, "lo", "all"])
def test_any_name_of_the_language_is_one_of_a_vnode_and_of_its_interface(hosts, clean, name):
    """Names that are an option, a device or too long for one elsewhere."""
    agent, _ = hosts[0]
    netns = running(agent, f"shop.{name}", {"name": name, "vlan": 7})
    (pid,) = _first_processes(netns)
    host_name = tool("nsenter", "--target", pid, "--uts", "uname", "-n").strip()
    assert host_name == name


def _first_processes(netns: str) -> list[str]:
    """What is process 1 of its own process namespace there."""
    pids = tool("ip", "netns", "pids", netns).split()
    inner = {p: Path(f"/proc/{p}/status").read_text() for p in pids}
    return [p for p, text in inner.items() if re.search(r"^NSpid:.*\t1$", text, re.MULTILINE)]


def test_uplinks_trunk_exactly_the_tags_in_use(hosts, clean):
    agent, uplink = hosts[0]
    assert trunks(uplink) == [4095]
    agent.call("vnode.put", "shop.a", spec({"name": "x", "vlan": 11, "uplink": uplink}))
    agent.call("vnode.put", "shop.b", spec({"name": "x", "vlan": 10, "uplink": uplink}))
    agent.call("vnode.put", "shop.c", spec({"name": "x", "vlan": 12, "uplink": ""}))
    assert trunks(uplink) == [10, 11]
    agent.call("vnode.delete", "shop.b")
    assert trunks(uplink) == [11]
    agent.call("vnode.delete", "shop.a")
    assert trunks(uplink) == [4095]


def test_frames_stay_on_their_vlink_whatever_tag_they_forge(hosts, clean):
    """Broadcast, forged and stacked tags from one VNode reach its own VLink alone."""
    (left, up0), (right, up1) = hosts
    places = {
        "mine": running(left, "shop.a", {"name": "e", "vlan": 201, "uplink": up0}),
        "peer": running(right, "shop.b", {"name": "e", "vlan": 201, "uplink": up1}),
        "near": running(left, "bank.c", {"name": "e", "vlan": 202, "uplink": up0}),
        "far": running(right, "bank.d", {"name": "e", "vlan": 202, "uplink": up1}),
        "here": running(left, "bank.e", {"name": "e", "vlan": 203, "uplink": ""}),
    }
    taps = {name: Tap(netns, "e") for name, netns in places.items()}
    taps["mine"].send("plain")
    for tags in ([201], [202], [203], [0], [0, 202], [201, 202], [202, 201], [4095]):
        taps["mine"].send("tags" + "-".join(map(str, tags)), tags=tags)
        taps["mine"].send("to" + str(tags[0]), tags=tags, to=taps["far"].mac)
    heard = {name: tap.heard() for name, tap in taps.items()}
    for tap in taps.values():
        tap.close()
    assert "plain" in heard["peer"]
    assert heard["near"] == heard["far"] == heard["here"] == {}


def test_a_vlink_that_stays_on_a_host_never_leaves_it(hosts, clean):
    """The same tag on another host, not trunked, is another VLink."""
    (left, _), (right, up1) = hosts
    one = running(left, "shop.a", {"name": "e", "vlan": 301, "uplink": ""})
    two = running(left, "shop.b", {"name": "e", "vlan": 301, "uplink": ""})
    other = running(right, "bank.c", {"name": "e", "vlan": 301, "uplink": up1})
    taps = [Tap(netns, "e") for netns in (one, two, other)]
    taps[0].send("inside")
    heard = [tap.heard() for tap in taps[1:]]
    for tap in taps:
        tap.close()
    assert "inside" in heard[0]
    assert heard[1] == {}


def test_the_host_itself_keeps_silent_on_a_vnodes_wire(lab, hosts, clean):
    """An address of the host is not to be had from a VNode, and the host says nothing there."""
    agent, uplink = hosts[0]
    link = {"name": "e", "vlan": 401, "uplink": uplink, "address": "10.0.0.1/24"}
    netns = running(agent, "shop.web", link)
    tool("ip", "link", "add", f"{lab.prefix}d", "type", "bridge")
    tool("ip", "addr", "add", "192.0.2.77/32", "dev", f"{lab.prefix}d")
    tool("ip", "link", "set", "dev", f"{lab.prefix}d", "up")
    tool("ip", "-n", netns, "route", "add", "192.0.2.77", "dev", "e")
    assert not ping(netns, "192.0.2.77")
    assert "lladdr" not in tool("ip", "-n", netns, "neigh", "show", "192.0.2.77")
    tool("ip", "link", "del", f"{lab.prefix}d")


@pytest.mark.parametrize("mbps", [8, 60])
def test_greedy_tcp_gets_what_was_reserved(hosts, clean, need, mbps):
    need("iperf3")
    (left, up0), (right, up1) = hosts
    link = {"name": "e", "vlan": 101, "bandwidth": mbps * MBPS}
    one = running(left, "shop.a", {**link, "address": "10.0.0.1/24", "uplink": up0})
    two = running(right, "shop.b", {**link, "address": "10.0.0.2/24", "uplink": up1})
    gets_what_is_reserved(one, two, mbps * MBPS)


def test_start_stop_and_powercycle(hosts, clean):
    agent, uplink = hosts[0]
    put = agent.call(
        "vnode.put",
        "shop.web",
        spec({"name": "e", "vlan": 5, "uplink": uplink, "address": "10.0.0.1/24"}),
    )
    assert put["state"] == "stopped"
    assert put["ports"] == [{"name": "e", "device": "e", "vlan": 5, "up": False}]
    assert tool("ip", "netns", "pids", put["netns"]) == ""
    assert agent.call("vnode.start", "shop.web")["state"] == "running"
    first = tool("ip", "netns", "pids", put["netns"])
    assert first
    assert agent.call("vnode.start", "shop.web")["state"] == "running"
    assert tool("ip", "netns", "pids", put["netns"]) == first
    assert agent.call("vnode.powercycle", "shop.web", "w1")["state"] == "running"
    assert set(tool("ip", "netns", "pids", put["netns"]).split()).isdisjoint(first.split())
    stopped = agent.call("vnode.stop", "shop.web")
    assert (stopped["state"], stopped["ports"][0]["up"]) == ("stopped", False)
    assert tool("ip", "netns", "pids", put["netns"]) == ""


def test_a_vnode_that_ends_by_itself_has_failed_and_can_be_started(hosts, clean):
    agent, _ = hosts[0]
    netns = running(agent, "shop.web", {"name": "e", "vlan": 5})
    for pid in tool("ip", "netns", "pids", netns).split():
        if Path(f"/proc/{pid}").exists():
            os.kill(int(pid), signal.SIGKILL)
    got = until(lambda: agent.call("vnode.get", "shop.web"), lambda g: g["state"] != "running")
    assert (got["state"], got["reason"]) == ("failed", "it has ended by itself")
    assert agent.call("vnode.start", "shop.web")["state"] == "running"


def test_put_changes_a_running_vnode_in_place(hosts, clean):
    agent, uplink = hosts[0]
    keep = {"name": "keep", "vlan": 21, "uplink": uplink, "address": "10.0.0.1/24"}
    netns = running(agent, "shop.web", keep, {"name": "old", "vlan": 22, "uplink": uplink})
    before = tool("ip", "netns", "pids", netns)
    moved = {**keep, "vlan": 23, "address": "10.0.1.1/24", "bandwidth": 5 * MBPS}
    fresh = {"name": "new-with-a-long-name", "vlan": 24, "uplink": ""}
    got = agent.call("vnode.put", "shop.web", spec(moved, fresh))
    assert got["state"] == "running"
    assert [(p["name"], p["vlan"], p["up"]) for p in got["ports"]] == [
        ("keep", 23, True),
        ("new-with-a-long-name", 24, True),
    ]
    assert tool("ip", "netns", "pids", netns) == before
    assert trunks(uplink) == [23]
    seen = {d["ifname"]: d for d in json.loads(tool("ip", "-n", netns, "-j", "addr"))}
    assert set(seen) == {"lo", "keep", got["ports"][1]["device"]}
    assert [a["local"] for a in seen["keep"]["addr_info"] if a["scope"] == "global"] == ["10.0.1.1"]
    assert "tbf" in tool("tc", "-n", netns, "qdisc", "show", "dev", "keep")


def test_what_a_vnode_breaks_of_its_wiring_is_seen_and_mended(hosts, clean):
    agent, uplink = hosts[0]
    link = {"name": "e", "vlan": 5, "uplink": uplink}
    web = running(agent, "shop.web", {**link, "address": "10.0.0.1/24"})
    db = running(agent, "shop.db", {**link, "address": "10.0.0.2/24"})
    tool("ip", "-n", web, "link", "del", "e")
    got = agent.call("vnode.get", "shop.web")
    assert (got["state"], got["reason"]) == ("failed", "e: its device is gone")
    tool("ovs-vsctl", "del-port", names_of(agent).outer(Key("shop.db"), "e"))
    assert agent.call("vnode.get", "shop.db")["reason"] == "e: its port is gone"
    for key, number in (("shop.web", 1), ("shop.db", 2)):
        mended = agent.call("vnode.put", key, spec({**link, "address": f"10.0.0.{number}/24"}))
        assert (mended["state"], mended["ports"][0]["up"]) == ("running", True)
    assert ping(web, "10.0.0.2")
    assert ping(db, "10.0.0.1")


def test_nothing_is_left_of_a_deleted_vnode(hosts, clean):
    agent, uplink = hosts[0]
    before = footprint(agent)
    running(agent, "shop.web", {"name": "e", "vlan": 5, "uplink": uplink})
    running(agent, "shop.db", {"name": "e", "vlan": 5, "uplink": uplink})
    assert footprint(agent) != before
    for key in ("shop.web", "shop.db", "shop.never-was"):
        assert agent.call("vnode.delete", key) is True
        assert agent.call("vnode.delete", key) is True
    assert until(lambda: footprint(agent), lambda seen: seen == before) == before
    assert agent.call("vnode.list") == []
    with pytest.raises(NotFound):
        agent.call("vnode.get", "shop.web")


def footprint(agent: Agent) -> tuple[list[str], list[str], str]:
    """Namespaces, devices and ports that are this agent's."""
    names = names_of(agent)
    devices = [d["ifname"] for d in json.loads(tool("ip", "-j", "link"))]
    outers = {names.outer(Key(key), "e") for key in ("shop.web", "shop.db")}
    return (
        [n for n in tool("ip", "netns").split() if n.startswith(names.prefix)],
        [d for d in devices if d in outers],
        tool("ovs-vsctl", "list-ports", names.owner),
    )


def test_four_vnodes_start_well_under_two_seconds(hosts, clean):
    agent, uplink = hosts[0]
    keys = [f"shop.v{number}" for number in range(4)]
    for key in keys:
        links = [{"name": f"l{n}", "vlan": 40 + n, "uplink": uplink} for n in range(3)]
        agent.call("vnode.put", key, spec(*links))
    began = time.monotonic()
    assert [agent.call("vnode.start", key)["state"] for key in keys] == ["running"] * 4
    assert time.monotonic() - began < 2.0


def test_tags_that_would_join_vlinks_are_refused(hosts, clean):
    agent, uplink = hosts[0]
    agent.call("vnode.put", "shop.web", spec({"name": "e", "vlan": 5, "uplink": uplink}))
    with pytest.raises(Conflict, match="another CloudNet"):
        agent.call("vnode.put", "bank.web", spec({"name": "e", "vlan": 5, "uplink": uplink}))
    with pytest.raises(Conflict, match="in use on"):
        agent.call("vnode.put", "shop.db", spec({"name": "e", "vlan": 5, "uplink": ""}))
    assert agent.call("vnode.list") == ["shop.web"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"vlan": 4095}, "vlan"),
        ({"mac": "01:00:00:00:00:00"}, "MAC"),
        ({"address": "10.0.0.0.1"}, "address"),
        ({"speed": 1}, "no speed"),
        ({"uplink": "nowhere"}, "uplink"),
        ({"bandwidth": -1.0}, "bandwidth"),
    ],
)
def test_bad_specs_are_refused_and_change_nothing(hosts, clean, wrong, said):
    agent, _ = hosts[0]
    with pytest.raises(BadRequest, match=said):
        agent.call("vnode.put", "shop.web", spec({"name": "e", "vlan": 5, **wrong}))
    assert agent.call("vnode.list") == []


def test_only_the_provider_may_call(lab, hosts):
    agent, _ = hosts[0]
    stranger = Client(agent.url, lab.stranger, timeout_s=10)
    with pytest.raises(Forbidden):
        stranger.call("vnode.list")
    stranger.close()


def test_an_agent_killed_and_restarted_finds_its_vnodes_running(hosts, clean):
    agent, uplink = hosts[0]
    link = {"name": "e", "vlan": 5, "uplink": uplink, "address": "10.0.0.1/24"}
    netns = running(agent, "shop.web", link)
    agent.call("vnode.put", "shop.db", spec({**link, "address": "10.0.0.2/24"}))
    before = tool("ip", "netns", "pids", netns)
    agent.end(signal.SIGKILL)
    assert tool("ip", "netns", "pids", netns) == before
    agent.start()
    assert agent.call("vnode.list") == ["shop.db", "shop.web"]
    assert agent.call("vnode.get", "shop.web")["state"] == "running"
    assert agent.call("vnode.get", "shop.db")["state"] == "stopped"
    assert tool("ip", "netns", "pids", netns) == before
    agent.call("vnode.start", "shop.db")
    assert ping(netns, "10.0.0.2")


def test_an_agent_completes_what_a_killed_one_had_begun(hosts, clean):
    """Ports and devices taken away, a step noted as under way: the next agent brings it about."""
    agent, uplink = hosts[0]
    running(agent, "shop.web", {"name": "e", "vlan": 5, "uplink": uplink})
    agent.call("vnode.put", "shop.db", spec({"name": "e", "vlan": 5, "uplink": uplink}))
    running(agent, "shop.old", {"name": "e", "vlan": 5, "uplink": uplink})
    agent.call("vnode.put", "shop.half", spec({"name": "e", "vlan": 5, "uplink": uplink}))
    half = names_of(agent).outer(Key("shop.half"), "e")
    agent.end(signal.SIGKILL)
    tool("ip", "link", "set", "dev", half, "alias", "", "down")  # as it is before it is done
    tool("ethtool", "-K", half, "tx", "on")
    tool("ip", "netns", "del", agent_netns(agent, "shop.db"))
    step(agent, "shop.db", "start", on=True)
    step(agent, "shop.old", "delete", on=False)
    agent.start()
    assert agent.call("vnode.list") == ["shop.db", "shop.half", "shop.web"]
    assert agent.call("vnode.start", "shop.half")["ports"][0]["up"] is True
    assert "tx-checksumming: off" in tool("ethtool", "-k", half)
    got = agent.call("vnode.get", "shop.db")
    assert (got["state"], got["ports"][0]["up"]) == ("running", True)
    assert agent.call("vnode.get", "shop.web")["state"] == "running"


def names_of(agent: Agent) -> Names:
    """The names the agent gives: it, its bridge and its directory go by one name here."""
    name = agent.config.parent.name
    return Names(name, name)


def agent_netns(agent: Agent, key: str) -> str:
    return names_of(agent).namespace(Key(key))


def step(agent: Agent, key: str, name: str, *, on: bool) -> None:
    """Have the journal say that a step was under way."""
    path = agent.config.parent / "state" / "vnodes" / f"{key}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "step": name, "on": on}))


def test_leftovers_are_listed_and_can_be_deleted(hosts, clean):
    """What an agent made and has no record of any more is told from what is others'."""
    agent, uplink = hosts[0]
    running(agent, "shop.web", {"name": "e", "vlan": 5, "uplink": uplink})
    netns = agent_netns(agent, "shop.web")
    agent.end()
    (agent.config.parent / "state" / "vnodes" / "shop.web.json").unlink()
    agent.start()
    assert agent.call("vnode.list") == ["shop.web"]
    assert agent.call("vnode.get", "shop.web")["state"] == "failed"
    agent.call("vnode.delete", "shop.web")
    assert agent.call("vnode.list") == []
    assert netns not in tool("ip", "netns")
    assert trunks(uplink) == [4095]


def test_ports_of_others_are_left_alone(lab, hosts, clean):
    agent, _ = hosts[0]
    bridge = agent.config.parent.name
    tool(
        "ovs-vsctl",
        "add-port",
        bridge,
        f"{lab.prefix}x",
        "tag=77",
        "--",
        "set",
        "interface",
        f"{lab.prefix}x",
        "type=internal",
    )
    running(agent, "shop.web", {"name": "e", "vlan": 5})
    agent.call("vnode.delete", "shop.web")
    assert agent.call("vnode.list") == []
    assert tool("ovs-vsctl", "get", "port", f"{lab.prefix}x", "tag").strip() == "77"
    tool("ovs-vsctl", "del-port", bridge, f"{lab.prefix}x")
