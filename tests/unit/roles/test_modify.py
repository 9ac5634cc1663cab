"""`negotiation.modify`: a CloudNet changes in two stages, and works whole until the second."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.scenarios import TRIO
from fakes.shells import Fabric
from fakes.world import OPERATOR, PAIR, SPLIT, Federation, Machine, request

from cloudnet_sdn.wire.faults import BadRequest, Conflict
from rdl.language.load import load_graph


def running(machine: Machine, graph: str, settle: Any = None) -> dict[str, Any]:
    """A CloudNet that stands, its VNodes up."""
    offer = request(machine, graph, "r0", start=True)
    assert offer["state"] == "held", offer["reasons"]
    assert machine.call("negotiation.confirm", offer["offer"])["state"] == "confirmed"
    (settle or machine.settle)()
    return offer


def modify(
    machine: Machine, cloudnet: str, graph: str, request_id: str = "m1", **options: Any
) -> Any:
    return machine.call("negotiation.modify", request_id, cloudnet, graph, options)


def things(machine: Machine) -> dict[str, Any]:
    """What is on a provider's machines, as told to them."""
    assert machine.site is not None
    vnodes = {
        key: (host, vnode.spec, vnode.state, vnode.boots)
        for host, agent in machine.site.agents.items()
        for key, vnode in agent.vnodes.items()
    }
    admitted = {h: dict(a.admitted) for h, a in machine.site.agents.items()}
    return {"vnodes": vnodes, "vlinks": dict(machine.site.controller.vlinks), "tags": admitted}


def test_a_cloudnet_grows_and_what_it_had_stays_where_it_is(pip):
    offer = running(pip, PAIR)
    before = things(pip)
    change = modify(pip, "pair", TRIO)
    assert change["state"] == "held", change["reasons"]
    assert change["cloudnet"] == offer["cloudnet"]
    held = things(pip)
    assert {k: v for k, v in held["vnodes"].items() if k in before["vnodes"]} == before["vnodes"]
    assert {k: v for k, v in held["vlinks"].items() if k in before["vlinks"]} == before["vlinks"]
    assert len(held["vnodes"]) == 3
    assert pip.call("negotiation.status", "pair")["state"] == "modifying"
    assert set(pip.call("provisioning.status", "pair")) == {"web", "db"}
    assert pip.call("negotiation.confirm", change["offer"])["state"] == "confirmed"
    pip.settle()
    status = pip.call("negotiation.status", "pair")
    assert set(status["elements"]) == {"web", "db", "log", "web-db", "db-log"}
    assert pip.call("provisioning.status", "pair") == {
        "web": "running", "db": "running", "log": "stopped",
    }  # fmt: skip
    after = things(pip)
    for key, (host, _, state, boots) in before["vnodes"].items():
        assert after["vnodes"][key][0] == host
        assert (after["vnodes"][key][2], after["vnodes"][key][3]) == (state, boots)
    (vlink,) = [v for k, v in after["vlinks"].items() if k.endswith(".web-db")]
    assert vlink.bandwidth == 20e6
    assert pip.site.vnode("db").spec.interfaces[1].bandwidth == 5e6
    was = load_graph(offer["graph"]).elements["web"].interfaces
    assert load_graph(change["graph"]).elements["web"].interfaces == was
    events = [e["event"] for e in pip.call("negotiation.history", "pair")]
    assert events.count("modified") == 1


@pytest.mark.parametrize("end", ["cancel", "expire", "kill"])
def test_a_change_that_comes_to_nothing_leaves_all_as_it_was(pip, end):
    running(pip, PAIR)
    before, free = things(pip), pip.call("negotiation.substrate")
    change = modify(pip, "pair", TRIO, hold_s=5.0)
    assert pip.call("negotiation.substrate") != free
    if end == "cancel":
        assert pip.call("negotiation.cancel", change["offer"])["state"] == "cancelled"
    elif end == "kill":
        pip.kill()
        pip.boot()
    pip.clock.advance(6)
    pip.settle()
    assert things(pip) == before
    assert pip.call("negotiation.substrate") == free
    assert pip.call("negotiation.status", "pair")["state"] == "running"


def test_a_cloudnet_shrinks_and_what_it_gives_up_is_free(pip):
    free = pip.call("negotiation.substrate")
    running(pip, TRIO)
    change = modify(pip, "pair", PAIR)
    assert len(things(pip)["vnodes"]) == 3
    pip.call("negotiation.confirm", change["offer"])
    pip.settle()
    assert len(things(pip)["vnodes"]) == 2
    assert len(things(pip)["vlinks"]) == 1
    pip.call("negotiation.release", "pair")
    pip.settle()
    assert pip.site.empty()
    assert pip.call("negotiation.substrate") == free


def test_own_capacity_is_free_and_the_greater_is_reserved(pip):
    graph = "rdl: 1\ngraph: big\nnodes:\n  a: {{cpu: {a}}}\n  b: {{cpu: {b}}}\n"
    running(pip, graph.format(a=7, b=8))
    change = modify(pip, "big", graph.format(a=8, b=2))
    assert change["state"] == "held", change["reasons"]
    other = "rdl: 1\ngraph: other\nnodes:\n  a: {cpu: 1}\n"
    assert request(pip, other, "o1")["state"] == "refused"
    pip.call("negotiation.confirm", change["offer"])
    pip.settle()
    assert sorted(v[1].cpu for v in things(pip)["vnodes"].values()) == [2, 8]
    assert request(pip, other, "o2")["state"] == "held"


def test_what_does_not_fit_is_refused_and_changes_nothing(pip):
    running(pip, PAIR)
    before = things(pip)
    change = modify(pip, "pair", PAIR.replace("cpu: 2", "cpu: 9"))
    assert change["state"] == "refused"
    assert {r["code"] for r in change["reasons"]} == {"capacity"}
    pip.settle()
    assert things(pip) == before


def test_a_vnode_that_must_move_is_made_elsewhere_and_runs_there(pip):
    one = "rdl: 1\ngraph: one\nnodes:\n  a: {cpu: 4}\n"
    running(pip, one)
    host = next(iter(things(pip)["vnodes"].values()))[0]
    other = "sn2" if host == "sn1" else "sn1"
    pip.call("operator.drain", other, caller=OPERATOR)
    assert request(pip, one.replace("one", "rest"), "x")["state"] == "held"
    pip.call("operator.undrain", other, caller=OPERATOR)
    before = things(pip)["vnodes"]
    change = modify(pip, "one", one.replace("cpu: 4", "cpu: 8"))
    assert {k: v for k, v in things(pip)["vnodes"].items() if k in before} == before
    assert change["state"] == "held", change["reasons"]
    pip.call("negotiation.confirm", change["offer"])
    pip.settle()
    (now,) = [v for v in things(pip)["vnodes"].values() if v[1].cpu == 8]
    assert (now[0], now[2]) == (other, "running")
    assert len(things(pip)["vnodes"]) == 2


@pytest.mark.parametrize("way", ["together", "apart"])
def test_vnodes_of_a_vlink_come_together_on_a_host_and_part_again(pip, way):
    """The VLink's tag on the host that stays is another one: it has another way off its bridge."""
    apart = PAIR.partition("constraints")[0] + "constraints:\n  - {apart: [web, db]}\n"
    together = PAIR.partition("constraints")[0] + "constraints:\n  - {together: [web, db]}\n"
    before, after = (apart, together) if way == "together" else (together, apart)
    running(pip, before)
    change = modify(pip, "pair", after, relocate=True)
    assert change["state"] == "held", change["reasons"]
    assert pip.call("negotiation.confirm", change["offer"])["state"] == "confirmed"
    pip.settle()
    assert len({host for host, *_ in things(pip)["vnodes"].values()}) == (
        2 if way == "apart" else 1
    )
    assert Fabric([pip.site]).reached(("web", "web-db")) == {("db", "web-db")}


def test_one_change_at_a_time_and_only_of_what_stands(pip):
    offer = request(pip, PAIR)
    with pytest.raises(Conflict, match="preliminary"):
        modify(pip, "pair", TRIO)
    pip.call("negotiation.confirm", offer["offer"])
    first = modify(pip, "pair", TRIO)
    assert modify(pip, "pair", TRIO)["offer"] == first["offer"]
    with pytest.raises(Conflict, match="changed already"):
        modify(pip, "pair", TRIO.replace("20Mbps", "30Mbps"), "m2")
    second = modify(pip, "pair", TRIO.replace("20Mbps", "30Mbps"), "m3", replaces=first["offer"])
    assert second["state"] == "held", second["reasons"]
    assert pip.call("negotiation.offer", first["offer"])["state"] == "cancelled"
    with pytest.raises(BadRequest, match="named other"):
        modify(pip, "pair", TRIO.replace("graph: pair", "graph: other"), "m4")
    pip.call("negotiation.confirm", second["offer"])
    pip.settle()
    (vlink,) = [v for k, v in things(pip)["vlinks"].items() if k.endswith(".web-db")]
    assert vlink.bandwidth == 30e6
    assert len(things(pip)["vnodes"]) == 3


def test_released_while_it_changes_nothing_is_left(pip):
    running(pip, PAIR)
    modify(pip, "pair", TRIO)
    pip.call("negotiation.release", "pair")
    pip.settle()
    assert pip.site.empty()
    assert pip.call("negotiation.list") == []


WIDER = SPLIT.replace(
    "links:\n",
    "  log: {cpu: 1, memory: 1GiB, site: munich}\nlinks:\n"
    "  db-log: {ends: [db, log], bandwidth: 5Mbps}\n",
).replace(
    "app-db: {ends: [app, db], bandwidth: 10Mbps", "app-db: {ends: [app, db], bandwidth: 20Mbps"
)


def test_a_broker_changes_parts_at_its_providers(federation: Federation):
    vnp = federation.vnp
    running(vnp, SPLIT, federation.settle)
    assert federation.fabric().reached(("app", "app-db")) == {("db", "app-db")}
    before = {n: things(p) for n, p in federation.pips.items()}
    change = modify(vnp, "shop", WIDER)
    assert change["state"] == "held", change["reasons"]
    for name, pip in federation.pips.items():
        now = things(pip)["vlinks"]
        assert {k: v for k, v in now.items() if k in before[name]["vlinks"]} == before[name][
            "vlinks"
        ]
    assert federation.fabric().reached(("app", "app-db")) == {("db", "app-db")}
    assert vnp.call("negotiation.confirm", change["offer"])["state"] == "confirmed"
    federation.settle()
    assert vnp.call("provisioning.status", "shop") == {
        "web": "running", "app": "running", "db": "running", "log": "stopped",
    }  # fmt: skip
    assert federation.fabric().reached(("app", "app-db")) == {("db", "app-db")}
    for pip in federation.pips.values():
        (vlink,) = [v for k, v in things(pip)["vlinks"].items() if k.endswith(".app-db")]
        assert vlink.bandwidth == 20e6
    vnp.call("negotiation.release", "shop")
    federation.settle()
    assert federation.empty()


def test_a_broker_gives_up_a_vnode_that_runs(federation: Federation):
    """What was granted of the VNode's power goes with it: nothing is left to do about it."""
    vnp = federation.vnp
    running(vnp, WIDER, federation.settle)
    change = modify(vnp, "shop", SPLIT)
    assert vnp.call("negotiation.confirm", change["offer"])["state"] == "confirmed"
    federation.settle()
    assert vnp.call("provisioning.status", "shop") == dict.fromkeys(("web", "app", "db"), "running")


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_a_change_at_a_broker_that_comes_to_nothing(federation: Federation, end):
    vnp = federation.vnp
    running(vnp, SPLIT, federation.settle)
    before = {n: things(p) for n, p in federation.pips.items()}
    change = modify(vnp, "shop", WIDER, hold_s=5.0)
    assert change["state"] == "held", change["reasons"]
    if end == "cancel":
        vnp.call("negotiation.cancel", change["offer"])
    federation.clock.advance(6)
    federation.settle()
    assert {n: things(p) for n, p in federation.pips.items()} == before
    assert vnp.call("negotiation.status", "shop")["state"] == "running"


def test_a_provider_that_refuses_a_change_leaves_all_as_it_was(federation: Federation):
    vnp = federation.vnp
    running(vnp, SPLIT, federation.settle)
    before = {n: things(p) for n, p in federation.pips.items()}
    federation.wires["munich"].refused["negotiation.modify"] = Conflict("not now")
    change = modify(vnp, "shop", WIDER)
    assert change["state"] == "refused"
    federation.settle()
    assert {n: things(p) for n, p in federation.pips.items()} == before
    assert vnp.call("negotiation.status", "shop")["state"] == "running"
