"""Choices left open that providers must make alike."""

from __future__ import annotations

import pytest
from fakes.world import Federation, request

from cloudnet_sdn.wire.faults import Conflict
from rdl.language.load import load_graph

ALIKE = """\
rdl: 1
graph: alike
nodes:
  web: {cpu: 1, site: berlin}
  db: {cpu: 1, site: munich}
links:
  web-db: {ends: [web, db], bandwidth: 1Mbps}
constraints:
  - {same: arch, of: [web, db]}
"""


def archs(federation: Federation) -> dict[str, str]:
    """The architecture of the host where each VNode is."""
    found = {}
    for pip in federation.pips.values():
        for host, agent in pip.site.agents.items():
            for key in agent.vnodes:
                features = pip.site.substrate.elements[host].features
                found[key.partition(".")[2]] = features["arch"]
    return found


@pytest.fixture
def apart(tmp_path, clock):
    """Berlin would rather take arm64, Munich riscv64; what they share is x86_64."""
    made = Federation(
        tmp_path,
        clock,
        archs={
            "berlin": {"arch1": "arm64", "arch2": "x86_64"},
            "munich": {"arch1": "riscv64", "arch2": "x86_64"},
        },
    )
    yield made
    made.stop()


def test_the_common_architecture_is_found_where_each_would_choose_another(apart):
    free = ALIKE.partition("constraints")[0].replace("alike", "free")
    offer = request(apart.vnp, free, "r0")
    assert archs(apart) == {"web": "arm64", "db": "riscv64"}  # what each chooses left alone
    apart.vnp.call("negotiation.cancel", offer["offer"])
    offer = request(apart.vnp, ALIKE)
    assert offer["state"] == "held"
    apart.settle()
    assert archs(apart) == {"web": "x86_64", "db": "x86_64"}
    overlay = load_graph(offer["graph"])
    assert overlay.elements["web"].features["arch"] == "x86_64"
    assert overlay.elements["web"].chosen["arch"] == "vnp:vnp"
    assert apart.fabric().reached(("web", "web-db")) == {("db", "web-db")}
    assert apart.vnp.call("negotiation.confirm", offer["offer"])["state"] == "confirmed"
    apart.vnp.call("negotiation.release", "alike")
    apart.settle()
    assert apart.empty()


def test_nothing_in_common_is_refused_whole(tmp_path, clock):
    made = Federation(
        tmp_path,
        clock,
        archs={
            "berlin": {"arch1": "arm64", "arch2": "arm64"},
            "munich": {"arch1": "riscv64", "arch2": "riscv64"},
        },
    )
    offer = request(made.vnp, ALIKE)
    assert offer["state"] == "refused"
    made.settle()
    assert made.empty()
    made.stop()


def test_different_values_are_shared_out(apart):
    graph = ALIKE.replace("same", "different")
    assert request(apart.vnp, graph)["state"] == "held"
    found = archs(apart)
    assert found["web"] != found["db"]


def test_a_provider_says_what_a_constraint_could_come_to(apart):
    part = (
        ALIKE.replace("  db: {cpu: 1, site: munich}\n", "")
        .replace("links:\n  web-db: {ends: [web, db], bandwidth: 1Mbps}\n", "")
        .replace("{same: arch, of: [web, db]}", "{id: k, same: arch, of: [web], elsewhere: 1}")
    )
    offer = request(apart.berlin, part)
    assert {c: sorted(v) for c, v in offer["choices"].items()} == {"k": ["arm64", "x86_64"]}


def test_an_offer_takes_over_the_hold_of_another(apart):
    berlin = apart.berlin
    big = "rdl: 1\ngraph: big\nnodes:\n  a: {cpu: 7}\n  b: {cpu: 7}\n"
    first = request(berlin, big)
    other = big.replace("cpu: 7", "cpu: 8")
    with pytest.raises(Conflict):
        request(berlin, other, "r2")
    second = request(berlin, other, "r3", replaces=first["offer"])
    assert second["state"] == "held"
    assert berlin.call("negotiation.offer", first["offer"])["state"] == "cancelled"
    berlin.settle()
    assert sorted(v.spec.cpu for a in berlin.site.agents.values() for v in a.vnodes.values()) == [
        8,
        8,
    ]
    third = request(berlin, big.replace("cpu: 7", "cpu: 9"), "r4", replaces=second["offer"])
    assert third["state"] == "refused"
    assert berlin.call("negotiation.offer", second["offer"])["state"] == "held"
    assert [c["cloudnet"] for c in berlin.call("negotiation.list")] == [second["cloudnet"]]
    assert berlin.call("negotiation.status", "big")["cloudnet"] == second["cloudnet"]
