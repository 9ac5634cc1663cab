"""The VLink controller on real Open vSwitch datapaths, its process started and killed for real."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import Fault

import pytest
from controller_support import Controller, Host, Lab, Switch, laboratory, run, until

pytestmark = [pytest.mark.ovs, pytest.mark.timeout(60)]


@dataclass
class Triangle:
    """Three switches, each joined to the others, five hosts, a controller that knows them all."""

    lab: Lab
    controller: Controller
    switches: list[Switch]
    ports: dict[tuple[int, int], int]
    hosts: list[Host]

    @property
    def rpc(self) -> Any:
        return self.controller.rpc

    def put(self, vlink: str, *ends: dict[str, Any], **more: Any) -> Any:
        spec = {"ends": list(ends), "bandwidth": 0.0, "protection": "none", "path": []} | more
        return self.rpc.vlinks.put(vlink, spec)

    def hop(self, a: int, b: int, vlan: int) -> list[Any]:
        return [self.switches[a].dpid, self.ports[a, b], vlan]

    def clear(self) -> None:
        self.rpc.vlinks.delete_many(self.rpc.vlinks.list())

    def residue(self) -> list[str]:
        left = [flow for switch in self.switches for flow in switch.vlink_flows()]
        return left + [meter for switch in self.switches for meter in switch.meters()]


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, open_vswitch: None, need: Callable[[str], str]
) -> Iterator[Triangle]:
    need("iperf3")
    with laboratory(tmp_path_factory.mktemp("controller")) as (lab, controller):
        switches = [lab.switch() for _ in range(3)]
        ports = {}
        for join, a, b in ((lab.patch, 0, 1), (lab.patch, 1, 2), (lab.wire, 0, 2)):
            ports[a, b], ports[b, a] = join(switches[a], switches[b])
        hosts = [lab.host(switches[place]) for place in (0, 1, 2, 0, 2)]
        controller.start()
        lab.connect(controller.openflow)
        controller.await_switches(3, 3)
        yield Triangle(lab, controller, switches, ports, hosts)


@pytest.fixture
def net(built: Triangle) -> Iterator[Triangle]:
    yield built
    built.clear()


def test_a_vlink_carries_over_the_links_and_tags_given(net: Triangle) -> None:
    """A path of [dpid, out_port, vlan] hops is what is installed, and answered."""
    a, c = net.hosts[0], net.hosts[2]
    path = [net.hop(0, 1, 101), net.hop(1, 2, 102)]
    answer = net.put("net.a-c", a.end(), c.end(), bandwidth=5e6, path=path)
    assert answer["state"] == "up", answer
    assert answer["path"] == [switch.dpid for switch in net.switches]
    assert answer["tags"] == path
    assert a.reaches(c)
    assert any("dl_vlan=102" in flow for flow in net.switches[2].vlink_flows())
    assert net.rpc.vlinks.validate("") == {"ok": True, "differences": []}


def test_the_controller_chooses_the_shortest_path_and_free_tags(net: Triangle) -> None:
    """Without a path; two VLinks between the same switches get different tags."""
    first = net.put("one", net.hosts[0].end(), net.hosts[2].end())
    second = net.put("two", net.hosts[3].end(), net.hosts[4].end())
    assert first["path"] == second["path"] == [net.switches[0].dpid, net.switches[2].dpid]
    assert first["tags"] != second["tags"]
    assert net.hosts[0].reaches(net.hosts[2])
    assert net.hosts[3].reaches(net.hosts[4])


def test_vlinks_are_isolated_also_from_forged_tags_and_discovery(net: Triangle) -> None:
    """Broadcasts, foreign tags and our LLDP never come out at an end they aren't meant for."""
    a, b, c, d, e = net.hosts
    tag = net.put("one", a.end(), c.end())["tags"][0][2]
    net.put("two", d.end(), e.end())
    forged = (
        "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0));"
        f"[s.send(b'\\xff' * 6 + b'\\x02' * 6 + bytes([0x81, 0, 0, {tag}, 8, 6]) + bytes(60))"
        " for _ in range(20)]"
    )
    with e.listening() as seen:
        assert not a.reaches(e, count=1)
        for host in (a, b, d):
            host.run("python3", "-c", forged)
        assert d.reaches(e)
    assert {frame.source for frame in seen} == {d.mac}
    assert {frame.vlan for frame in seen} == {0}
    assert 0x88CC not in {frame.kind for frame in seen}


def test_more_than_two_ends_share_one_segment(net: Triangle) -> None:
    """A tree floods to all its ends and to nobody else."""
    a, b, c, d, _ = net.hosts
    answer = net.put(
        "tree", a.end(), b.end(), c.end(), path=[net.hop(0, 1, 201), net.hop(2, 1, 202)]
    )
    assert answer["state"] == "up", answer
    for one, other in ((a, b), (b, c), (c, a)):
        assert one.reaches(other)
    assert not d.reaches(a, count=1)


def test_a_tagged_end_keeps_its_tag(net: Triangle) -> None:
    """What enters untagged leaves with the tag of the tagged end, and the other way round."""
    a, c = net.hosts[0], net.hosts[2]
    net.put("one", a.end(), c.end(vlan=77))
    with c.listening() as seen:
        a.reaches(c, count=1)
    assert {frame.vlan for frame in seen if frame.source == a.mac} == {77}


FLOOD = ("-u", "-b", "60M")


def measured_mbps(sender: Host, receiver: Host, *how: str) -> float:
    server = subprocess.Popen(
        ["ip", "netns", "exec", receiver.name, "iperf3", "-s", "-1", "-J"], stdout=subprocess.PIPE
    )
    time.sleep(0.3)
    sender.run("iperf3", "-c", receiver.address, "-t", "2", *how)
    result = json.loads(server.communicate(timeout=15)[0])
    return float(result["end"]["sum_received"]["bits_per_second"]) / 1e6


def as_reserved(sender: Host, receiver: Host, reserved: float, *how: str) -> None:
    """Never over 105 %; a busy machine may stall the sender, so three attempts at 80 %."""
    for _ in range(3):
        measured = measured_mbps(sender, receiver, *how)
        assert measured <= 1.05 * reserved
        if measured >= 0.8 * reserved:
            return
    raise AssertionError(f"{measured} of {reserved} Mbit/s")


def test_a_flood_is_cut_to_what_is_reserved(net: Triangle) -> None:
    """Unshaped UDP gets at most 105 % of the reservation; raising it takes effect in place."""
    a, c = net.hosts[0], net.hosts[2]
    net.put("one", a.end(), c.end(), bandwidth=4e6)
    a.reaches(c)
    before = net.switches[0].packets(a.port)
    as_reserved(a, c, 4.0, *FLOOD)
    net.put("one", a.end(), c.end(), bandwidth=8e6)
    assert net.switches[0].packets(a.port) > before > 0
    as_reserved(a, c, 8.0, *FLOOD)


def test_a_shaped_sender_gets_what_is_reserved(net: Triangle) -> None:
    """TCP that is shaped to the reservation, as a host's agent does, passes the meters whole."""
    a, c = net.hosts[0], net.hosts[2]
    net.put("one", a.end(), c.end(), bandwidth=10e6)
    shaper = ("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", "10mbit")
    a.run(*shaper, "burst", "5000", "limit", "70000")
    try:
        as_reserved(a, c, 10.0)
    finally:
        a.run("tc", "qdisc", "delete", "dev", "eth0", "root")


def test_delete_leaves_nothing(net: Triangle) -> None:
    """No flow, no meter, no id; deleting it again succeeds."""
    net.put("one", net.hosts[0].end(), net.hosts[2].end(), bandwidth=1e6)
    assert net.residue()
    assert net.rpc.vlinks.delete("one")["state"] == "gone"
    assert net.residue() == []
    assert net.rpc.vlinks.list() == []
    assert net.rpc.vlinks.delete("one")["state"] == "gone"
    with pytest.raises(Fault, match="no VLink one") as fault:
        net.rpc.vlinks.get("one")
    assert fault.value.faultCode == 404


def test_foreign_flows_and_meters_are_left_alone(net: Triangle) -> None:
    """Others' flows survive everything we do, and are named where they stand in our way."""
    switch, host = net.switches[0], net.hosts[0]
    mine = "cookie=0x77,priority=5,in_port=99,actions=drop"
    inway = f"cookie=0x78,priority=49408,in_port={host.port},vlan_tci=0x0000/0x1fff,actions=drop"
    run(
        "ovs-ofctl",
        "-O",
        "OpenFlow13",
        "add-meter",
        switch.name,
        "meter=7,kbps,band=type=drop,rate=9",
    )
    for flow in (mine, inway):
        run("ovs-ofctl", "-O", "OpenFlow13", "add-flow", switch.name, flow)
    net.lab.detach(switch)
    until(lambda: len(net.rpc.topology.get()["switches"]) == 2)
    net.lab.attach(switch, net.controller.openflow)
    net.controller.await_switches(3, 3)
    answer = net.put("one", host.end(), net.hosts[2].end())
    assert answer["state"] == "failed"
    assert "another application's flow" in answer["reason"]
    net.rpc.vlinks.delete("one")
    assert len(switch.flows("0x77")) == len(switch.flows("0x78")) == 1
    assert "meter=7" in switch.meters()
    run("ovs-ofctl", "-O", "OpenFlow13", "del-flows", switch.name, "cookie=0x70/-16")
    run("ovs-ofctl", "-O", "OpenFlow13", "del-meter", switch.name, "meter=7")


def test_what_others_remove_comes_back(net: Triangle) -> None:
    """Flows deleted behind our back are put back within seconds."""
    a, c = net.hosts[0], net.hosts[2]
    net.put("one", a.end(), c.end())
    flows = net.switches[0].flows("0xc10d")
    run("ovs-ofctl", "-O", "OpenFlow13", "del-flows", net.switches[0].name)
    until(lambda: net.switches[0].flows("0xc10d") == flows)
    assert until(lambda: net.rpc.vlinks.get("one")["state"] == "up")


def test_a_refusal_of_a_switch_is_reported(net: Triangle) -> None:
    """A switch whose table is full says no: the VLink is `failed`, with the reason."""
    name = net.switches[1].name
    table = run(
        *("ovs-vsctl", "--", "--id=@t", "create", "Flow_Table", "flow_limit=1"),
        *("overflow_policy=refuse", "--", "set", "Bridge", name, "flow_tables:0=@t"),
    )
    assert table
    try:
        path = [net.hop(0, 1, 101), net.hop(1, 2, 102)]
        answer = net.put("one", net.hosts[0].end(), net.hosts[2].end(), path=path)
        assert answer["state"] == "failed"
        assert net.switches[1].dpid in answer["reason"]
        assert "TABLE_FULL" in answer["reason"]
    finally:
        run("ovs-vsctl", "clear", "Bridge", name, "flow_tables")
    assert net.rpc.vlinks.delete("one")["state"] == "gone"
    assert net.residue() == []


def test_an_absent_switch_gets_its_part_when_it_comes_back(net: Triangle) -> None:
    """Put and delete are answered within seconds as `pending`, and finished on return."""
    away, a, c = net.switches[1], net.hosts[0], net.hosts[2]
    net.put(
        "old", net.hosts[3].end(), net.hosts[4].end(), path=[net.hop(0, 1, 7), net.hop(1, 2, 7)]
    )
    net.lab.detach(away)
    until(lambda: len(net.rpc.topology.get()["switches"]) == 2)
    assert net.rpc.vlinks.get("old")["state"] == "degraded"
    deleted = net.rpc.vlinks.delete("old")
    assert deleted["state"] == "pending"
    assert away.dpid in deleted["reason"]
    with pytest.raises(Fault, match="in use by VLink old"):
        net.put("x", a.end(), net.hosts[1].end(), path=[net.hop(0, 1, 7)])
    started = time.monotonic()
    path = [net.hop(0, 1, 8), net.hop(1, 2, 8)]
    answer = net.put("new", a.end(), c.end(), path=path)
    assert time.monotonic() - started < 8.0
    assert answer["state"] == "pending"
    assert away.dpid in answer["reason"]
    net.lab.attach(away, net.controller.openflow)
    until(lambda: net.rpc.vlinks.get("new")["state"] == "up")
    assert a.reaches(c)
    until(lambda: net.rpc.vlinks.list() == ["new"])
    assert not any("dl_vlan=7 " in flow for s in net.switches for flow in s.vlink_flows())


def test_a_switch_that_forgot_everything_is_filled_again(net: Triangle) -> None:
    """A switch that comes back empty, as after a restart, gets its flows and meters."""
    switch, a, c = net.switches[0], net.hosts[0], net.hosts[2]
    net.put("one", a.end(), c.end(), bandwidth=5e6)
    flows, meters = switch.flows("0xc10d"), switch.meters()
    net.lab.detach(switch)
    until(lambda: net.rpc.vlinks.get("one")["state"] == "degraded")
    for what in ("del-flows", "del-meters"):
        run("ovs-ofctl", "-O", "OpenFlow13", what, switch.name)
    net.lab.attach(switch, net.controller.openflow)
    until(lambda: net.rpc.vlinks.get("one")["state"] == "up")
    assert switch.flows("0xc10d") == flows
    assert switch.meters() == meters
    assert a.reaches(c)


def test_traffic_and_counters_survive_a_killed_controller(net: Triangle) -> None:
    """kill -9 while packets flow: none is lost, and the next start changes nothing."""
    a, c = net.hosts[0], net.hosts[2]
    net.put("one", a.end(), c.end(), bandwidth=3e6)
    a.reaches(c)
    flows = {switch.name: switch.flows() for switch in net.switches}
    pinging = subprocess.Popen(
        ["ip", "netns", "exec", a.name, "ping", "-i", "0.02", "-c", "150", "-q", c.address],
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.5)
    net.controller.stop(signal.SIGKILL)
    time.sleep(0.5)
    counted = net.switches[0].packets(a.port)
    net.controller.start()
    net.controller.await_switches(3, 3)
    until(lambda: net.rpc.vlinks.get("one")["state"] == "up")
    out, _ = pinging.communicate(timeout=10)
    assert "150 received" in out
    assert net.switches[0].packets(a.port) >= counted > 20
    assert {switch.name: switch.flows() for switch in net.switches} == flows
    assert net.rpc.vlinks.validate("")["ok"]


def test_a_dead_port_shows_in_the_state(net: Triangle) -> None:
    """A link that goes down makes its VLinks `failed`, coming up makes them `up`."""
    switch, port = net.switches[0], net.ports[0, 2]
    net.put("one", net.hosts[0].end(), net.hosts[2].end(), path=[net.hop(0, 2, 5)])
    name = next(name for name, number in switch.ports.items() if number == port)
    run("ip", "link", "set", name, "down")
    until(lambda: net.rpc.vlinks.get("one")["state"] == "failed")
    assert "is down" in net.rpc.vlinks.get("one")["reason"]
    run("ip", "link", "set", name, "up")
    until(lambda: net.rpc.vlinks.get("one")["state"] == "up")
