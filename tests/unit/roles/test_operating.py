"""What operators see and do: who uses what, what would break, what is emptied, what is gone."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fakes.world import (
    OPERATOR,
    OTHER,
    PAIR,
    SPLIT,
    TENANT,
    Federation,
    Machine,
    provider,
    request,
    ringed,
)

from cloudnet_sdn.wire.faults import BadRequest, Forbidden, NotFound
from rdl.graph import Amount, Graph
from rdl.language.dump import dump
from rdl.language.load import load_graph


def operate(machine: Machine, method: str, *args: Any) -> Any:
    return machine.call(f"operator.{method}", *args, caller=OPERATOR)


def running(machine: Machine, graph: str = PAIR) -> dict[str, Any]:
    offer = request(machine, graph, start=True)
    machine.call("negotiation.confirm", offer["offer"])
    machine.settle()
    return offer


def places(machine: Machine) -> dict[str, tuple[str, str]]:
    """By VNode, its host and state."""
    assert machine.site is not None
    return {
        key.partition(".")[2]: (host, vnode.state)
        for host, agent in machine.site.agents.items()
        for key, vnode in agent.vnodes.items()
    }


def changed(machine: Machine, change: Any) -> str:
    """The substrate with something changed."""
    graph = load_graph(operate(machine, "substrate"))
    found: Graph = change(graph)
    return dump(found)


def without_end_point(graph: Graph) -> Graph:
    tbr = graph.elements["tbr"]
    kept = tuple(i for i in tbr.interfaces if i.id != "tbr.t1")
    return dataclasses.replace(
        graph, elements={**graph.elements, "tbr": dataclasses.replace(tbr, interfaces=kept)}
    )


def rewired(graph: Graph) -> Graph:
    joined = tuple(("sw2.p3", b) if a == "sw1.p3" else (a, b) for a, b in graph.connections)
    return dataclasses.replace(graph, connections=joined)


def starved(graph: Graph) -> Graph:
    elements = dict(graph.elements)
    for host in ("sn1", "sn2"):
        small = {**elements[host].resources, "cpu": Amount(0.1)}
        elements[host] = dataclasses.replace(elements[host], resources=small)
    return dataclasses.replace(graph, elements=elements)


def test_operators_alone_see_everybody_and_what_is_used(pip):
    offer = running(pip)
    request(pip, PAIR, "o1", caller=OTHER)
    listed = operate(pip, "list")
    assert {(c["owner"], c["state"]) for c in listed} == {
        (TENANT.uri, "running"), (OTHER.uri, "preliminary"),
    }  # fmt: skip
    used = operate(pip, "usage")
    assert used["sn1"]["cpu"] == {"capacity": 8.0, "used": 2.0, "held": 2.0}
    pip.call("negotiation.release", offer["cloudnet"])
    pip.settle()
    assert operate(pip, "usage")["sn1"]["cpu"]["used"] == 0
    for method in ("list", "usage"):
        with pytest.raises(Forbidden):
            pip.call(f"operator.{method}")


@pytest.mark.parametrize("change", [without_end_point, rewired, starved])
def test_a_substrate_that_would_break_something_is_not_put_in_force(
    federation: Federation, change: Any
):
    berlin = federation.berlin
    offer = request(federation.vnp, SPLIT)
    federation.vnp.call("negotiation.confirm", offer["offer"])
    before = operate(berlin, "substrate")
    text = changed(berlin, change)
    answer = operate(berlin, "load", text, {})
    assert answer["revision"] == 0
    (mine,) = berlin.call("negotiation.list", caller=federation.wires["berlin"].caller)
    assert set(answer["breaks"]) == {mine["cloudnet"]}
    assert all(answer["breaks"].values())
    assert operate(berlin, "substrate") == before
    # The same by file, at the next start.
    assert berlin.settings.substrate is not None
    Path(berlin.settings.substrate.file).write_text(text)
    federation.restart("berlin")
    assert operate(berlin, "substrate") == before
    events = operate(berlin, "events", 0, 0.0)["events"]
    assert "substrate refused" in {e["event"] for e in events}


def test_what_still_fits_stays_untouched(pip):
    running(pip)
    before = places(pip)
    more = changed(
        pip,
        lambda g: dataclasses.replace(
            g,
            elements={
                **g.elements,
                "sn1": dataclasses.replace(
                    g.elements["sn1"],
                    resources={**g.elements["sn1"].resources, "cpu": Amount(16)},
                ),
            },
        ),
    )
    assert operate(pip, "load", more) == {"revision": 2, "breaks": {}, "mending": []}
    pip.settle()
    assert places(pip) == before


def test_with_force_what_breaks_is_mapped_anew(pip):
    one = "rdl: 1\ngraph: one\nnodes:\n  a: {cpu: 2}\n"
    offer = running(pip, one)
    host = places(pip)["a"][0]

    def smaller(graph: Graph) -> Graph:
        small = {**graph.elements[host].resources, "cpu": Amount(1)}
        changed_ = dataclasses.replace(graph.elements[host], resources=small)
        return dataclasses.replace(graph, elements={**graph.elements, host: changed_})

    text = changed(pip, smaller)
    assert operate(pip, "load", text, {})["revision"] == 0
    answer = operate(pip, "load", text, {"force": True})
    assert (answer["revision"], answer["mending"]) == (2, [offer["cloudnet"]])
    awaited(pip, lambda: places(pip)["a"][0] != host)
    assert places(pip)["a"][1] == "running"
    with pytest.raises(BadRequest):
        operate(pip, "load", text, {"farce": True})


def test_who_insists_again_has_mended_what_is_still_broken(pip):
    one = "rdl: 1\ngraph: {}\nnodes:\n  a: {{cpu: {}}}\n"
    offer = running(pip, one.format("one", 6))
    host = places(pip)["a"][0]
    (vnode,) = pip.site.agents[host].vnodes
    filling = request(pip, one.format("two", 6), "r2")
    pip.call("negotiation.confirm", filling["offer"])

    def smaller(graph: Graph) -> Graph:
        small = {**graph.elements[host].resources, "cpu": Amount(5)}
        changed_ = dataclasses.replace(graph.elements[host], resources=small)
        return dataclasses.replace(graph, elements={**graph.elements, host: changed_})

    text = changed(pip, smaller)
    first = operate(pip, "load", text, {"force": True})
    assert first["mending"] == [offer["cloudnet"]]
    pip.settle()
    assert vnode in pip.site.agents[host].vnodes
    pip.call("negotiation.release", "two")
    pip.settle()
    again = operate(pip, "load", text, {"force": True})
    assert again["breaks"] == first["breaks"]
    assert again["mending"] == [offer["cloudnet"]]
    pip.settle()
    assert vnode not in pip.site.agents[host].vnodes
    assert places(pip)["a"][1] == "running"
    assert operate(pip, "load", text, {"force": True})["breaks"] == {}


def test_an_element_is_emptied(pip):
    one = "rdl: 1\ngraph: one\nnodes:\n  a: {cpu: 2}\n"
    offer = running(pip, one)
    host = places(pip)["a"][0]
    assert operate(pip, "drain", host, {"evacuate": True})["evacuating"] == [offer["cloudnet"]]
    awaited(pip, lambda: places(pip)["a"][0] != host)
    assert places(pip)["a"][1] == "running"
    events = [e["event"] for e in pip.call("negotiation.history", "one")]
    assert "mended" in events
    pip.call("negotiation.release", "one")
    pip.settle()
    assert pip.site.empty()


def test_who_empties_an_element_is_told_what_moves_and_how(pip):
    offer = running(pip)
    host = places(pip)["web"][0]
    answer = operate(pip, "drain", host, {"evacuate": True})
    (moving,) = answer["moving"].values()
    assert answer["evacuating"] == list(answer["moving"]) == [offer["cloudnet"]]
    assert set(moving["vnodes"]) == {"web"}
    assert set(moving["vlinks"]) == {"web-db"}
    assert "stopped and started elsewhere" in moving["vnodes"]["web"]
    assert operate(pip, "drain", "tbr", {"evacuate": True})["moving"] == {}


def test_who_empties_a_link_moves_vlinks_alone(tmp_path, clock):
    pip = provider(tmp_path, "berlin", "munich", "b", clock, changed=ringed)
    running(pip)
    before = places(pip)
    (moving,) = operate(pip, "drain", "m", {"evacuate": True})["moving"].values()
    assert (set(moving["vnodes"]), set(moving["vlinks"])) == (set(), {"web-db"})
    pip.settle()
    assert places(pip) == before
    assert operate(pip, "usage")["m"]["bandwidth"]["used"] == 0
    pip.stop()


def test_a_dead_host_keeps_nothing_once_it_is_forgotten(pip):
    offer = running(pip)
    pip.peers["http://berlin.sn1/RPC2"].down = True
    pip.call("negotiation.release", "pair")
    for _ in range(5):
        pip.role.reconciler.tick()
        pip.clock.advance(60)
        time.sleep(0.02)
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "releasing"
    assert operate(pip, "forget", "sn1")["forgotten"] == 1
    assert pip.call("negotiation.status", offer["cloudnet"])["state"] == "released"
    assert request(pip, PAIR.replace("  - {apart: [web, db]}", "  []"), "r2")["state"] == "held"
    with pytest.raises(NotFound):
        operate(pip, "forget", "nothing")


def test_a_cloudnet_on_a_dead_host_is_mended_where_policy_says_so(tmp_path, clock):
    settings = {"heal": {"enabled": True, "after_s": 60.0, "every_s": 120.0}}
    pip = provider(tmp_path, "berlin", "munich", "b", clock, settings=settings)
    one = "rdl: 1\ngraph: one\nnodes:\n  a: {cpu: 2}\n"
    running(pip, one)
    host = places(pip)["a"][0]
    pip.peers[f"http://berlin.{host}/RPC2"].down = True
    pip.role.reconciler.tick()
    pip.role.reconciler.wait_for_inventory()
    clock.advance(30)
    pip.role.reconciler.tick()
    assert not [e for e in pip.call("negotiation.history", "one") if e["event"] == "mending"]
    clock.advance(40)

    def running_again() -> bool:
        return bool(pip.call("negotiation.status", "one")["state"] == "running")

    awaited(pip, running_again, settle=False)
    pip.peers[f"http://berlin.{host}/RPC2"].down = False
    pip.settle()
    assert [h for h, _ in places(pip).values()] == [h for h in ("sn1", "sn2") if h != host]
    pip.stop()


def test_what_a_provider_gives_up_is_mended_by_the_broker(tmp_path, clock):
    heal = {"enabled": True, "after_s": 60.0, "every_s": 120.0}
    federation = Federation(tmp_path, clock, settings={"vnp": {"heal": heal}})
    vnp = federation.vnp
    offer = request(vnp, SPLIT, start=True)
    vnp.call("negotiation.confirm", offer["offer"])
    federation.settle()
    broker = federation.wires["munich"].caller
    (part,) = federation.munich.call("negotiation.list", caller=broker)
    federation.munich.call("negotiation.release", part["cloudnet"], caller=broker)
    federation.settle()
    assert vnp.call("negotiation.status", "shop")["state"] == "degraded"

    def whole() -> bool:
        clock.advance(70)
        federation.settle()
        return bool(vnp.call("negotiation.status", "shop")["state"] == "running")

    awaited(vnp, whole)
    assert federation.fabric().reached(("app", "app-db")) == {("db", "app-db")}
    vnp.call("negotiation.release", "shop")
    federation.settle()
    assert federation.empty()
    federation.stop()


def test_events_come_to_who_waits_for_them(pip):
    first = pip.call("negotiation.events", 0, 0.0)
    assert first == {"next": 0, "events": []}
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(pip.call("negotiation.events", 0, 20.0)))
    waiting.start()
    offer = request(pip, PAIR)
    waiting.join(10)
    (answer,) = got
    assert answer["events"][0]["event"] == "requested"
    assert answer["events"][0]["cloudnet"] == offer["cloudnet"]
    later = pip.call("negotiation.events", answer["next"], 0.0)
    assert [e["id"] for e in later["events"]] == sorted(e["id"] for e in later["events"])
    assert pip.call("negotiation.events", 0, 0.0, caller=OTHER)["events"] == []
    assert operate(pip, "events", 0, 0.0)["events"]
    with pytest.raises(BadRequest):
        pip.call("negotiation.events", 0, 26.0)


def test_a_check_says_what_differs_and_nothing_of_the_inside(federation: Federation):
    vnp = federation.vnp
    offer = request(vnp, SPLIT)
    vnp.call("negotiation.confirm", offer["offer"])
    good = vnp.call("negotiation.check", "shop")
    assert set(good) == {"web-app", "app-db", "web-db"}
    assert all(v == {"ok": True, "differences": []} for v in good.values())
    assert federation.berlin.site is not None
    federation.berlin.site.controller.differences["app-db"] = "00000000000000b1: a flow is missing"
    bad = vnp.call("negotiation.check", "shop")["app-db"]
    assert not bad["ok"]
    assert bad["differences"]
    assert "00000000000000b1" not in str(bad)
    own = operate(federation.berlin, "list")[0]["cloudnet"]
    assert "00000000000000b1" in str(operate_check(federation.berlin, own))


def test_a_provider_that_does_not_answer_is_said_not_to(federation: Federation):
    offer = request(federation.vnp, SPLIT)
    federation.vnp.call("negotiation.confirm", offer["offer"])
    federation.wires["munich"].down = True
    found = federation.vnp.call("negotiation.check", "shop")
    assert {v for v, d in found.items() if d["ok"]} == {"web-app"}
    assert "what carries it doesn't answer" in found["web-db"]["differences"]


def operate_check(machine: Machine, cloudnet: str) -> Any:
    return machine.call("negotiation.check", cloudnet, caller=OPERATOR)


def awaited(machine: Machine, true: Any, *, settle: bool = True) -> None:
    """Tick until it is so."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        machine.busy()
        time.sleep(0.02)
    if settle:
        machine.settle()


def test_the_number_to_ask_with_moves_past_what_others_do(pip):
    request(pip, PAIR, caller=OTHER)
    first = pip.call("negotiation.events", 0, 0.0)
    assert first["events"] == []
    assert first["next"] == operate(pip, "events", 0, 0.0)["next"] > 0


def test_a_shell_with_several_plugins_goes_and_comes_back_once(pip):
    pip.peers["http://berlin.sn1/RPC2"].down = True
    pip.busy()
    pip.peers["http://berlin.sn1/RPC2"].down = False
    pip.busy()
    events = operate(pip, "events", 0, 0.0)["events"]
    assert [(e["element"], e["event"]) for e in events] == [("sn1", "away"), ("sn1", "back")]


def test_a_check_covers_vlinks_within_a_host_and_what_is_seen_of_all(pip):
    near = PAIR.replace("apart: [web, db]", "together: [web, db]")
    offer = running(pip, near)
    assert pip.call("negotiation.check", "pair") == {"web-db": {"ok": True, "differences": []}}
    for agent in pip.site.agents.values():
        agent.vnodes.pop(f"{offer['cloudnet']}.web", None)
    found = pip.call("negotiation.check", "pair")["web-db"]
    assert found == {"ok": False, "differences": ["it is failed: it is gone"]}


def test_a_broker_tells_what_it_has_of_its_providers(federation: Federation):
    vnp = federation.vnp
    offer = request(vnp, SPLIT)
    assert operate(vnp, "usage")["berlin"]["cpu"] == {"capacity": 16.0, "used": 0.0, "held": 2.0}
    vnp.call("negotiation.confirm", offer["offer"])
    usage = operate(vnp, "usage")
    assert usage["berlin"]["cpu"] == {"capacity": 16.0, "used": 2.0, "held": 0.0}
    assert usage["munich"]["cpu"] == {"capacity": 16.0, "used": 1.0, "held": 0.0}
    assert usage["tr"]["bandwidth"] == {"capacity": 1e8, "used": 2e7, "held": 0.0}


def test_of_a_change_that_is_held_the_greater_counts(pip):
    running(pip)
    more = PAIR.replace("cpu: 2", "cpu: 3").replace("10Mbps", "5Mbps")
    assert pip.call("negotiation.modify", "m1", "pair", more, {})["state"] == "held"
    usage = operate(pip, "usage")
    assert usage["sn1"]["cpu"] == {"capacity": 8.0, "used": 2.0, "held": 1.0}
    assert usage["m"]["bandwidth"] == {"capacity": 1e8, "used": 1e7, "held": 0.0}
