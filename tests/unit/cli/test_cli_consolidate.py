"""`cloudnet consolidate`: the migration question from files."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

SUBSTRATE = """\
rdl: 1
graph: dc
layer: underlay
nodes:
  h1: {type: /node/host/server/kvm, cpu: 4, memory: 8GiB}
  h2: {type: /node/host/server/kvm, cpu: 4, memory: 8GiB}
  h3: {type: /node/host/server/kvm, cpu: 4, memory: 8GiB}
  h4: {type: /node/host/server/kvm, cpu: 4, memory: 8GiB}
  s: {type: /node/switch/openflow}
links:
  l1: {ends: [h1, s], bandwidth: 1Gbps}
  l2: {ends: [h2, s], bandwidth: 1Gbps}
  l3: {ends: [h3, s], bandwidth: 1Gbps}
  l4: {ends: [h4, s], bandwidth: 1Gbps}
"""
OVERLAY = """\
rdl: 1
graph: {name}
nodes:
  a: {{cpu: 1, memory: {memory}GiB}}
  b: {{cpu: 1, memory: 1GiB}}
links:
  ab: {{ends: [a, b], bandwidth: 10Mbps}}
"""
MAPPING = """\
rdl: 1
graph: {name}
layer: mapping
underlay: dc
mapping:
  a: {{on: [h{first}]}}
  b: {{on: [h{second}]}}
  ab: {{on: [l{first}, s, l{second}]}}
"""
GIB = 1 << 30


@pytest.fixture
def embedded(sh):
    """Two CloudNets, a VNode on each of the four hosts; answers the options that name them."""
    (sh.folder / "state").mkdir()
    for number, name in enumerate(("n1", "n2")):
        overlay = OVERLAY.format(name=name, memory=number + 1)
        mapping = MAPPING.format(name=name, first=2 * number + 1, second=2 * number + 2)
        sh.file(f"state/{name}.overlay.yaml", overlay)
        sh.file(f"state/{name}.mapping.yaml", mapping)
    return ["consolidate", "--substrate", sh.file("dc.yaml", SUBSTRATE), "--state", "state"]


@pytest.mark.parametrize(("share", "memory"), [("25%", 1), ("0.5", 2), ("75%", 3)])
def test_the_cheapest_moves_are_found(sh, embedded, share, memory):
    ran = sh(*embedded, "--free", share, "--of", "hosts", "--format", "json")
    assert ran.code == 0
    assert ran.data["possible"]
    assert ran.data["cost"] == {"moves": memory, "memory_bytes": memory * GIB}
    front = [(p["freed"], p["memory_bytes"]) for p in ran.data["frontier"]]
    assert front == sorted(front)
    assert (
        {(0, 0), (memory / 4, memory * GIB)} <= set(front) <= {(n / 4, n * GIB) for n in range(4)}
    )


def test_what_cannot_be_freed_ends_with_3(sh, embedded):
    ran = sh(*embedded, "--free", "100%", "--of", "hosts")
    assert ran.code == 3
    assert "possible: no" in ran.out


def test_the_front_is_drawn(sh, embedded):
    ran = sh(*embedded, "--free", "50%", "--of", "hosts", "-o", "front.svg")
    assert ran.code == 0
    drawn = ET.parse(sh.folder / "front.svg").getroot()
    shown = [e.text for e in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"0 moves", "2 moves"} <= set(shown)


@pytest.mark.parametrize("share", ["0", "0%", "120%", "much", "-1"])
def test_a_share_is_between_nothing_and_all(sh, embedded, share):
    ran = sh(*embedded, f"--free={share}", "--of", "hosts")
    assert ran.code == 2
    assert "no share such as 20%" in ran.err
