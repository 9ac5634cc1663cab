"""The whole, on real parts: two providers and a broker on Open vSwitch, seen by a plain client.

Everything a customer does goes through `xmlrpc.client` and a certificate; what came of it is read
from the switches, bridges and namespaces themselves.
"""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import time
import uuid
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from first_light_support import (
    Sight,
    anonymous_client,
    close_clients,
    flows,
    look,
    packets,
    plain_client,
    running_below,
    until,
)
from websockets.sync.client import connect

from cloudnet_sdn import pki
from cloudnet_sdn.demo.world import Access, World

pytestmark = [pytest.mark.mininet, pytest.mark.timeout(240)]

PAIR = """\
rdl: 1
graph: {name}
nodes:
  left: {{cpu: 1, memory: 128MiB, site: berlin}}
  right: {{cpu: 1, memory: 128MiB, site: munich}}
links:
  wire: {{ends: [left, right], bandwidth: 8Mbps, addresses: [10.9.0.1/24, 10.9.0.2/24]}}
"""
LOCAL = """\
rdl: 1
graph: {name}
nodes:
  one: {{cpu: 1, memory: 128MiB, site: berlin}}
  two: {{cpu: 1, memory: 128MiB, site: berlin}}
links:
  wire: {{ends: [one, two], bandwidth: 8Mbps, addresses: [10.8.0.1/24, 10.8.0.2/24]}}
constraints:
  - {{apart: [one, two]}}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, need: Any) -> Iterator[World]:
    """Everything up, once for the module; nothing left afterwards."""
    for tool in ("openvpn", "iperf3", "ping", "mnexec"):
        need(tool)
    built = World(
        tmp_path_factory.mktemp("world"), timing={"confirm_s": 3.0, "retry_longest_s": 3.0}
    )
    try:
        built.up()
        yield built
    finally:
        built.down(released=False)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Connections end with their test."""
    yield
    close_clients()


def client(access: Access) -> Any:
    return plain_client(access.url, access.tls.ca, access.tls.cert, access.tls.key)


@pytest.fixture
def vnp(world: World) -> Iterator[Any]:
    """The broker, as its customer sees it; what a failed test left is released."""
    yield client(world.access())
    broker = client(world.access())
    for left in broker.negotiation.list():
        if left["state"] not in ("released", "failed"):
            broker.negotiation.release(left["cloudnet"])


@pytest.fixture
def untouched(world: World) -> Iterator[Sight]:
    """What the substrate looks like; the test must leave it so, within a while."""
    before = look(world)
    yield before
    until(lambda: look(world), lambda now: now == before, 40)


def ask(vnp: Any, text: str, **options: Any) -> dict[str, Any]:
    offer: dict[str, Any] = vnp.negotiation.request(str(uuid.uuid4()), text, options)
    return offer


def hold(vnp: Any, text: str, **options: Any) -> dict[str, Any]:
    offer = ask(vnp, text, **options)
    assert offer["state"] == "held", offer["reasons"]
    return offer


def name() -> str:
    return f"n{uuid.uuid4().hex[:10]}"


def status(vnp: Any, cloudnet: str) -> dict[str, Any]:
    got: dict[str, Any] = vnp.negotiation.status(cloudnet)
    return got


def release(vnp: Any, cloudnet: str) -> None:
    vnp.negotiation.release(cloudnet)
    until(lambda: status(vnp, cloudnet), lambda s: s["state"] == "released")


def running(vnp: Any, text: str) -> dict[str, Any]:
    """A CloudNet that is confirmed and runs; answers its offer."""
    offer = hold(vnp, text)
    vnp.negotiation.confirm(offer["offer"])
    until(lambda: vnp.negotiation.offer(offer["offer"]), lambda o: o["state"] == "confirmed")
    vnp.provisioning.start(offer["cloudnet"], [])
    until(
        lambda: vnp.provisioning.status(offer["cloudnet"]),
        lambda s: set(s.values()) == {"running"},
    )
    return offer


@pytest.mark.parametrize("bandwidth", ["1bps", "1Tbps"])
def test_a_bandwidth_that_no_host_keeps_to_is_refused_by_its_name(
    vnp: Any, untouched: Sight, bandwidth: str
) -> None:
    """Through the broker, by the word of a real driver; nobody is taken for away."""
    offer = ask(
        vnp, LOCAL.format(name=name()).replace("8Mbps", bandwidth).replace("apart", "together")
    )
    assert offer["state"] == "refused"
    assert [(r["element"], r["code"]) for r in offer["reasons"]] == [("wire", "capacity")]
    assert offer["reasons"][0]["text"].startswith("bandwidth: ")


def test_what_a_role_says_of_itself_names_nothing_inside(world: World, vnp: Any) -> None:
    """describe and substrate answer sums and end points, upward only what is unpaired."""
    described = vnp.negotiation.describe()
    assert (described["role"], described["name"], described["api"]) == ("vnp", "vnp", 1)
    inner = [h for s in world.sites.values() for h in (*s.hosts, *s.switches, s.tunnel_host)]
    for url in (world.access().url, *(s.api_url for s in world.sites.values())):
        text = client(Access(url, world.access().tls)).negotiation.substrate()
        (element,) = yaml.safe_load(text)["elements"]
        assert element["type"] == "/node/host/pip"
        assert not [secret for secret in inner if secret in text]
    berlin = client(world.provider_access("berlin"))
    (element,) = yaml.safe_load(berlin.negotiation.substrate())["elements"]
    assert element["resources"]["cpu"] == 24
    assert element["resources"]["memory"] == 3 * (16 << 30)


def test_a_hold_is_real_and_a_cancel_leaves_nothing(
    world: World, vnp: Any, untouched: Sight
) -> None:
    """Flows, ports and stopped VNodes exist while an offer is held, and status reports them."""
    offer = hold(vnp, PAIR.format(name=name()))
    held = look(world)
    assert sum(map(len, held.flows.values())) > sum(map(len, untouched.flows.values()))
    assert len(held.namespaces - untouched.namespaces) == 2
    assert sum(map(len, held.ports.values())) == sum(map(len, untouched.ports.values())) + 2
    got = status(vnp, offer["cloudnet"])
    assert got["state"] == "preliminary"
    assert {k: v["state"] for k, v in got["elements"].items()} == {
        "left": "stopped",
        "right": "stopped",
        "wire": "up",
    }
    vnp.negotiation.cancel(offer["offer"])
    vnp.negotiation.cancel(offer["offer"])
    assert vnp.negotiation.offer(offer["offer"])["state"] == "cancelled"


def test_a_whole_life_by_a_plain_client(world: World, vnp: Any, untouched: Sight) -> None:
    """Request, confirm, start, console, stop, release: each by xmlrpc.client alone."""
    offer = running(vnp, PAIR.format(name=name()))
    cloudnet = offer["cloudnet"]
    until(lambda: status(vnp, cloudnet), lambda s: s["state"] == "running")
    console = vnp.provisioning.console(cloudnet, "left")
    trust = ssl.create_default_context(cafile=str(world.access().tls.ca))
    with connect(console["url"], ssl=trust) as line:
        line.send(b"ping -c1 -W5 10.9.0.2 | tail -3; echo $((20 + 3))rd\n")
        seen = b""
        deadline = time.monotonic() + 15
        while b"23rd" not in seen and time.monotonic() < deadline:
            got = line.recv(timeout=15)
            seen += got if isinstance(got, bytes) else got.encode()
    assert b"23rd" in seen
    assert b" 0% packet loss" in seen
    with pytest.raises(Exception, match=r"HTTP 4\d\d|rejected"), connect(console["url"], ssl=trust):
        pass
    vnp.provisioning.stop(cloudnet, ["left"])
    until(
        lambda: vnp.provisioning.status(cloudnet),
        lambda s: s == {"left": "stopped", "right": "running"},
    )
    assert cloudnet in [c["cloudnet"] for c in vnp.negotiation.list()]
    release(vnp, cloudnet)
    events = [e["event"] for e in vnp.negotiation.history(cloudnet)]
    assert events
    assert status(vnp, cloudnet)["state"] == "released"


def test_a_repeated_request_answers_the_same_offer(vnp: Any, untouched: Sight) -> None:
    """The same id and graph: the same offer. The same id with another graph: 409."""
    request_id, text = str(uuid.uuid4()), LOCAL.format(name=name())
    first = vnp.negotiation.request(request_id, text, {})
    again = vnp.negotiation.request(request_id, text, {})
    assert (first["offer"], first["cloudnet"]) == (again["offer"], again["cloudnet"])
    with pytest.raises(xmlrpc.client.Fault) as fault:
        vnp.negotiation.request(request_id, LOCAL.format(name=name()), {})
    assert fault.value.faultCode == 409
    vnp.negotiation.cancel(first["offer"])


def test_a_hold_lapses_when_its_client_is_gone(vnp: Any, untouched: Sight) -> None:
    """Nobody confirms: the hold expires on time, confirming is 410, nothing stays."""
    offer = hold(vnp, PAIR.format(name=name()), hold_s=3)
    until(lambda: vnp.negotiation.offer(offer["offer"]), lambda o: o["state"] == "expired", 10)
    with pytest.raises(xmlrpc.client.Fault) as fault:
        vnp.negotiation.confirm(offer["offer"])
    assert fault.value.faultCode == 410


def test_strangers_are_kept_out(world: World, vnp: Any, tmp_path: Path) -> None:
    """No certificate 401, another authority's refused, another's CloudNet 404, operator's 403."""
    offer = hold(vnp, LOCAL.format(name=name()))
    ca = world.access().tls.ca
    with pytest.raises(xmlrpc.client.Fault) as fault:
        anonymous_client(world.access().url, ca).negotiation.substrate()
    assert fault.value.faultCode == 401
    other = client(world.access("somebody-else"))
    for call in (other.negotiation.status, other.negotiation.release):
        with pytest.raises(xmlrpc.client.Fault) as fault:
            call(offer["cloudnet"])
        assert fault.value.faultCode == 404
    with pytest.raises(xmlrpc.client.Fault) as fault:
        vnp.operator.substrate()
    assert fault.value.faultCode == 403
    pki.init_authority(tmp_path / "foreign", "foreign")
    foreign = pki.issue(tmp_path / "foreign", "cloudnet:tenant:demo", out=tmp_path / "them")
    stranger = plain_client(world.access().url, ca, foreign.cert, foreign.key)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        stranger.negotiation.substrate()
    vnp.negotiation.cancel(offer["offer"])


def test_what_cannot_be_taken_is_said(vnp: Any, untouched: Sight) -> None:
    """Invalid RDL: fault 400 with every place. Too much: refused, with what is short."""
    with pytest.raises(xmlrpc.client.Fault) as fault:
        ask(vnp, "rdl: 1\ngraph: x\nnodes:\n  a: {cpu: no}\n  b: {memroy: 1GiB}\n")
    assert fault.value.faultCode == 400
    assert ":4:" in fault.value.faultString
    assert ":5:" in fault.value.faultString
    offer = ask(vnp, "rdl: 1\ngraph: big\nnodes:\n  a: {cpu: 1000}\n")
    assert offer["state"] == "refused"
    assert {(r["element"], r["code"]) for r in offer["reasons"]} == {("a", "capacity")}


def test_a_provider_killed_while_an_offer_is_held(world: World, vnp: Any, untouched: Sight) -> None:
    """kill -9 of a PIP, then a restart: the offer lapses on time, and all is as before."""
    offer = hold(vnp, PAIR.format(name=name()), hold_s=8)
    world.kill("pip-munich")
    time.sleep(1)
    world.restart("pip-munich")
    until(lambda: vnp.negotiation.offer(offer["offer"]), lambda o: o["state"] == "expired", 15)


def test_a_provider_away_at_confirmation_and_back(world: World, vnp: Any, untouched: Sight) -> None:
    """A confirmation meets an absent PIP; once it is back, the whole is confirmed."""
    offer = hold(vnp, PAIR.format(name=name()), hold_s=60)
    world.kill("pip-munich")
    vnp.negotiation.confirm(offer["offer"])
    assert vnp.negotiation.offer(offer["offer"])["state"] == "confirming"
    world.restart("pip-munich")
    until(lambda: vnp.negotiation.offer(offer["offer"]), lambda o: o["state"] == "confirmed", 30)
    release(vnp, offer["cloudnet"])


def test_a_provider_away_for_good_at_confirmation(world: World, vnp: Any, untouched: Sight) -> None:
    """It stays away past its hold: the others are released and the offer fails, as a whole."""
    offer = hold(vnp, PAIR.format(name=name()), hold_s=5)
    world.kill("pip-munich")
    vnp.negotiation.confirm(offer["offer"])
    until(lambda: vnp.negotiation.offer(offer["offer"]), lambda o: o["state"] == "failed", 60)
    world.restart("pip-munich")


def test_a_provider_away_at_synchronisation(world: World, vnp: Any, untouched: Sight) -> None:
    """It is mapped without, and said so."""
    world.kill("pip-munich")
    offer = hold(vnp, "rdl: 1\ngraph: solo\nnodes:\n  a: {cpu: 1}\n")
    assert ("munich", "peer-away") in {(r["element"], r["code"]) for r in offer["reasons"]}
    refused = ask(vnp, PAIR.format(name=name()))
    assert refused["state"] == "refused"
    vnp.negotiation.cancel(offer["offer"])
    world.restart("pip-munich")


def test_the_controller_killed(world: World, vnp: Any, untouched: Sight) -> None:
    """kill -9 of the controller: traffic goes on; after its restart the flows are unchanged."""
    offer = running(vnp, LOCAL.format(name=name()))
    switches = world.sites["berlin"].switches
    where = world.locate(["one", "two"])
    before = {s: flows(s) for s in switches}
    counted = sum(packets(s) for s in switches)
    world.kill("controller-berlin")
    _ping(where)
    world.restart("controller-berlin")
    time.sleep(2)
    _ping(where)
    assert {s: flows(s) for s in switches} == before
    assert sum(packets(s) for s in switches) > counted
    until(lambda: status(vnp, offer["cloudnet"]), lambda s: s["state"] == "running")
    release(vnp, offer["cloudnet"])


def _ping(where: Any) -> None:
    inside = ["ip", "netns", "exec", Path(where["one"].netns).name]
    got = subprocess.run(
        [*inside, "ping", "-c", "3", "-i", "0.2", "-W", "3", "10.8.0.2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert " 0% packet loss" in got.stdout, got.stdout + got.stderr


def test_an_agent_away_when_the_hold_lapses(world: World, vnp: Any, untouched: Sight) -> None:
    """The VNode on the absent host goes when its agent comes back."""
    offer = hold(vnp, PAIR.format(name=name()), hold_s=4)
    hosts = [f"agent-{h}" for h in world.sites["berlin"].hosts]
    for host in hosts:
        world.kill(host)
    until(lambda: vnp.negotiation.offer(offer["offer"]), lambda o: o["state"] == "expired", 15)
    for host in hosts:
        world.restart(host)


def test_a_switch_away_when_the_hold_lapses(world: World, vnp: Any, untouched: Sight) -> None:
    """Its flows go when it finds its controller again."""
    offer = hold(vnp, LOCAL.format(name=name()), hold_s=4)
    site = world.sites["berlin"]
    for switch in site.switches:
        nobody = "tcp:127.0.0.1:1"  # without any controller the switch would flush its flows
        subprocess.run(["ovs-vsctl", "set-controller", switch, nobody], check=True)
    until(lambda: vnp.negotiation.offer(offer["offer"]), lambda o: o["state"] == "expired", 15)
    target = f"tcp:127.0.0.1:{site.of_port}"
    for switch in site.switches:
        subprocess.run(["ovs-vsctl", "set-controller", switch, target], check=True)


def test_a_release_during_a_hold(vnp: Any, untouched: Sight) -> None:
    """Released instead of cancelled: it ends just as whole."""
    offer = hold(vnp, PAIR.format(name=name()))
    release(vnp, offer["cloudnet"])
    assert vnp.negotiation.offer(offer["offer"])["state"] == "cancelled"


def test_a_tunnel_that_is_down_is_seen(world: World, vnp: Any, untouched: Sight) -> None:
    """The VLink over it is not `up` while it is down, and is again once it stands."""
    offer = running(vnp, PAIR.format(name=name()))
    host = world.sites["berlin"].tunnel_host
    os.kill(world.pid(f"agent-{host}"), signal.SIGSTOP)  # so that it is not mended at once
    try:
        (openvpn,) = running_below(world.sites["berlin"].directory, "openvpn")
        os.kill(openvpn, signal.SIGKILL)
        seen = until(
            lambda: status(vnp, offer["cloudnet"]),
            lambda s: s["elements"]["wire"]["state"] != "up",
            60,
        )
        assert seen["state"] == "degraded"
    finally:
        os.kill(world.pid(f"agent-{host}"), signal.SIGCONT)
    until(lambda: status(vnp, offer["cloudnet"]), lambda s: s["state"] == "running", 60)
    release(vnp, offer["cloudnet"])


def test_the_providers_share_nothing(world: World) -> None:
    """No file open in one provider's processes is open in the other's, but the system's own."""

    def opened(site: str) -> set[str]:
        found = set()
        for running in world.processes.running:
            agents = [f"agent-{h}" for h in world.sites[site].agents]
            if running.name in (f"pip-{site}", f"controller-{site}", *agents):
                for entry in Path(f"/proc/{running.popen.pid}/fd").iterdir():
                    found.add(str(entry.readlink()))
        return {path for path in found if path.startswith(str(world.state))}

    assert opened("berlin")
    assert not opened("berlin") & opened("munich")
    keys = [
        set((world.state / s).rglob("*.key")) | set((world.state / s).rglob("key.pem"))
        for s in world.sites
    ]
    contents = [{k.read_bytes() for k in of_site} for of_site in keys]
    assert contents[0]
    assert not contents[0] & contents[1]
