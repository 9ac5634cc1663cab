"""What no shell can bring about is refused at once, by its name; what is away is another thing."""

from __future__ import annotations

import pytest
from fakes.world import SPLIT, request

HERE = """\
rdl: 1
graph: odd
nodes:
  a: {{cpu: 1, {a}}}
  b: {{cpu: 1}}
links:
  l: {{ends: [a, b], {l}}}
"""
LONG = "n" * 63


def overlay(vnode: str = "", vlink: str = "bandwidth: 1Mbps") -> str:
    return HERE.format(a=vnode, l=vlink)


def shells(pip):
    return [peer.calls for peer in pip.peers.values()]


@pytest.mark.parametrize("bandwidth", ["1bps", "0.5bps", "999bps", "999.9bps", "1Tbps", "9" * 300])
def test_a_bandwidth_that_no_host_keeps_to_is_refused_by_its_name(pip, bandwidth):
    offer = request(pip, overlay(vlink=f"bandwidth: {bandwidth}"))
    assert offer["state"] == "refused"
    assert [(r["element"], r["code"]) for r in offer["reasons"]] == [("l", "capacity")]
    assert offer["reasons"][0]["text"].startswith("bandwidth: ")
    assert not any(host in str(offer["reasons"]) for host in ("sn1", "sn2", "sw1", "sw2"))
    assert pip.site.empty()
    # Asked once for each VNode, not again and again as one that is away.
    assert all(calls.count("vnode.put") <= 2 for calls in shells(pip))


@pytest.mark.parametrize(
    ("vnode", "vlink"),
    [
        ("", "bandwidth: 0"),
        ("", "bandwidth: 1kbps"),
        ("", "bandwidth: 1234.5678kbps"),
        ("", "addresses: [10.0.0.0/31, 10.0.0.1/31]"),
        ("", "addresses: [10.0.0.1/32, 10.0.0.2/32]"),
        ("", "addresses: ['fd00::/127', 'fd00::1/127']"),
        ("", "addresses: ['fd00::1/128', 10.0.0.1/0]"),
        ("", "latency: {max: 0}"),
        ("memory: 0.5", ""),
        ("storage: 1", ""),
        ("interfaces: [{id: a.l, features: {mac: 'FE:00:00:00:00:01'}}]", ""),
    ],
)
def test_odd_values_that_can_be_had_are_held(pip, vnode, vlink):
    offer = request(pip, overlay(vnode, vlink))
    assert offer["state"] == "held", offer["reasons"]


@pytest.mark.parametrize(
    ("vnode", "vlink", "codes"),
    [
        ("memory: 1000000TiB", "", {"capacity"}),
        ("storage: 1.5PB", "", {"capacity"}),
        ("apples: 1", "", {"feature", "capacity"}),
        ("resources: {apples: 0.25}", "", {"capacity"}),
        ("site: nowhere", "", {"feature"}),
        ("type: /node/host/mainframe", "", {"type"}),
    ],
)
def test_what_is_not_there_is_refused_with_its_code(pip, vnode, vlink, codes):
    offer = request(pip, overlay(vnode, vlink))
    assert offer["state"] == "refused"
    assert {r["code"] for r in offer["reasons"]} <= codes


def test_names_as_long_as_they_may_be_are_held_and_run(pip):
    text = overlay(vlink="bandwidth: 1Mbps").replace("graph: odd", f"graph: {LONG}")
    text = text.replace("  b:", f"  {LONG}:").replace("[a, b]", f"[a, {LONG}]")
    text = text.replace("  l:", f"  {'l' * 63}:")
    offer = request(pip, text, start=True)
    assert offer["state"] == "held", offer["reasons"]
    pip.call("negotiation.confirm", offer["offer"])
    pip.settle()
    assert pip.call("provisioning.status", LONG) == {"a": "running", LONG: "running"}


def test_a_broker_passes_on_what_a_provider_says(federation):
    """The code and the words of the provider that refused, not the broker's own guess."""
    offer = request(federation.vnp, SPLIT.replace("bandwidth: 10Mbps}", "bandwidth: 1bps}", 1))
    assert offer["state"] == "refused"
    assert {(r["element"], r["code"]) for r in offer["reasons"]} == {("web-app", "capacity")}
    assert all(r["text"].startswith("bandwidth: 1 bit/s") for r in offer["reasons"])
    federation.settle()
    assert federation.empty()


def test_a_member_that_a_driver_cannot_do_is_told_as_a_feature(pip):
    """Drivers differ: what one of them can't do is its own to say."""
    for agent in pip.site.agents.values():
        agent.foreign = {"02:00:00:00:00:99"}
    mac = "interfaces: [{id: a.l, features: {mac: '02:00:00:00:00:99'}}]"
    offer = request(pip, overlay(mac))
    assert offer["state"] == "refused"
    assert offer["reasons"] == [
        {"element": "a", "code": "feature", "text": "mac: 02:00:00:00:00:99 can't be had here"}
    ]
    assert pip.site.empty()


def test_hosts_that_are_all_away_are_no_matter_of_type(pip):
    for url, peer in pip.peers.items():
        peer.down = "controller" not in url
    offer = request(pip, overlay())
    assert offer["state"] == "refused"
    assert {r["code"] for r in offer["reasons"]} == {"peer-away"}


def test_a_vnode_that_cannot_be_started_is_failed_and_says_why(pip):
    offer = request(pip, overlay())
    pip.call("negotiation.confirm", offer["offer"])
    for agent in pip.site.agents.values():
        agent.unbootable = {"a"}
    pip.call("provisioning.start", "odd", [])
    for _ in range(3):
        pip.busy()
        pip.clock.advance(1.0)
    seen = pip.call("negotiation.status", "odd")
    assert seen["elements"]["a"] == {"state": "failed", "reason": "it could not be started"}
    assert seen["elements"]["b"]["state"] == "running"
    assert seen["state"] == "degraded"
    for agent in pip.site.agents.values():
        agent.unbootable = set()
    pip.settle()
    assert pip.call("negotiation.status", "odd")["state"] == "running"
