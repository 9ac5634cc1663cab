"""What is refused whatever is free: too large, not offered, not found out in time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.world import BROKER, PAIR, PART, SPLIT, DirectMapper, provider, request

from cloudnet_sdn.model.settings import Quota
from cloudnet_sdn.roles.offers.admission import objections
from mip.workers.process import map_in_process
from rdl.language.load import load_graph


@pytest.fixture
def small(tmp_path, clock):
    """A provider that takes three VNodes and one VLink at a time."""
    settings = {"quota": {"vnodes": 3, "vlinks": 1}}
    machine = provider(tmp_path, "berlin", "munich", "b", clock, settings=settings)
    yield machine
    machine.stop()


def row(vnodes: int) -> str:
    nodes = "".join(f"  v{k}: {{cpu: 1}}\n" for k in range(vnodes))
    return f"rdl: 1\ngraph: row\nnodes:\n{nodes}"


def test_a_request_may_be_as_large_as_the_quota_and_no_larger(small):
    assert request(small, row(3))["state"] == "held"
    large = request(small, row(4).replace("row", "large"), "r2")
    assert large["state"] == "refused"
    assert large["reasons"] == [
        {
            "element": "large",
            "code": "quota",
            "text": "a CloudNet may have 3 VNodes here, this has 4",
        }
    ]
    assert [c["name"] for c in small.call("negotiation.list")] == ["row"]


def test_vlinks_count_and_what_stands_for_others_parts_does_not():
    assert objections(load_graph(PART), Quota(vnodes=1, vlinks=1)) == []
    found = objections(load_graph(SPLIT), Quota(vnodes=3, vlinks=2))
    assert [r.text for r in found] == ["a CloudNet may have 2 VLinks here, this has 3"]
    assert objections(load_graph(SPLIT), Quota(vnodes=0, vlinks=0)) == []


def test_by_default_a_request_has_a_largest_size():
    count = Quota().vnodes + 1
    assert {r.code for r in objections(load_graph(row(count)), Quota())} == {"quota"}


@pytest.mark.parametrize("kind", ["link", "node"])
def test_protection_is_refused_rather_than_pretended(pip, kind):
    offer = request(pip, PAIR.replace("10Mbps", f"10Mbps, protection: {kind}"))
    assert offer["state"] == "refused"
    text = f"protection {kind} is not offered by this provider yet"
    assert offer["reasons"] == [{"element": "web-db", "code": "policy", "text": text}]
    assert pip.site.empty()
    none = PAIR.replace("10Mbps", "10Mbps, protection: none")
    assert request(pip, none, "r2")["state"] == "held"


@pytest.mark.parametrize("vlink", ["web-app", "web-db"])
def test_protection_is_refused_through_a_broker(federation, vlink):
    """Within one provider and across two; nobody keeps anything of it."""
    ends = f"{vlink}: {{ends: [{vlink.replace('-', ', ')}], "
    assert ends in SPLIT
    offer = request(federation.vnp, SPLIT.replace(ends, ends + "protection: link, "))
    assert offer["state"] == "refused"
    assert [(r["element"], r["code"]) for r in offer["reasons"]] == [(vlink, "policy")]
    assert "not offered" in offer["reasons"][0]["text"]
    assert federation.empty()


def test_a_broker_s_part_with_protection_is_refused_as_well(pip):
    part = PART.replace(
        "resources: {bandwidth: 10Mbps},\n     interfaces: [web-db.0",
        "resources: {bandwidth: 10Mbps}, features: {protection: link},\n     interfaces: [web-db.0",
    )
    assert part != PART
    offer = request(pip, part, caller=BROKER)
    assert [(r["element"], r["code"]) for r in offer["reasons"]] == [("web-db", "policy")]


def test_a_solve_that_overstays_is_ended_and_the_refusal_says_so(pip, monkeypatch):
    """The real worker, which can't even start within the time it is given."""

    def hurried(self, problem, options):
        return map_in_process(problem, replace(options, time_limit=0.01), grace=0.0)

    # The real solve in its process, with less time than any solve takes.
    monkeypatch.setattr(DirectMapper, "map", hurried)
    offer = request(pip, PAIR)
    assert offer["state"] == "refused"
    assert [r["code"] for r in offer["reasons"]] == ["timeout"]
    assert offer["reasons"][0]["text"].startswith("no mapping was found within 20 s")
    assert pip.site.empty()
