"""Another substrate is put in force under what stands on the one before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
from fakes.world import OPERATOR, PAIR, SPLIT, request

from cloudnet_sdn.wire.faults import BadRequest
from rdl.graph import Amount, Element, Graph
from rdl.language.dump import dump
from rdl.language.load import load_graph


def of(pip) -> Graph:
    return load_graph(pip.call("operator.substrate", caller=OPERATOR))


def load(pip, graph: Graph, **options):
    return pip.call("operator.load", dump(graph), options, caller=OPERATOR)


def with_elements(graph: Graph, elements: Mapping[str, Element]) -> Graph:
    return dataclasses.replace(graph, elements={**graph.elements, **elements})


def without(graph: Graph, *gone: str) -> Graph:
    elements = {i: e for i, e in graph.elements.items() if i not in gone}
    connections = tuple(
        c for c in graph.connections if not {i.partition(".")[0] for i in c} & set(gone)
    )
    return dataclasses.replace(graph, elements=elements, connections=connections)


def confirmed(pip, graph: str = PAIR):
    offer = request(pip, graph)
    pip.call("negotiation.confirm", offer["offer"])
    return offer


def texts(answer) -> str:
    return "\n".join(t for found in answer["breaks"].values() for t in found)


def test_what_breaks_nothing_is_put_in_force(pip):
    confirmed(pip)
    graph = of(pip)
    more = dataclasses.replace(
        graph.elements["sn1"], resources={**graph.elements["sn1"].resources, "cpu": Amount(16)}
    )
    answer = load(pip, with_elements(graph, {"sn1": more}))
    assert answer == {"revision": 2, "breaks": {}, "mending": []}
    assert of(pip).elements["sn1"].amount("cpu") == 16


def test_elements_in_use_that_are_missing_are_named_and_nothing_is_done(pip):
    offer = confirmed(pip)
    answer = load(pip, without(of(pip), "sn1", "a"))
    assert answer["revision"] == 0
    assert "sn1" in texts(answer)
    assert set(answer["breaks"]) == {offer["cloudnet"]}
    assert "sn1" in of(pip).elements


def test_an_end_point_in_use_is_missed(federation):
    confirmed(federation.vnp, SPLIT)
    berlin = federation.berlin
    graph = of(berlin)
    bridge = graph.elements["tbr"]
    bare = dataclasses.replace(
        bridge, interfaces=tuple(i for i in bridge.interfaces if i.id != "tbr.t1")
    )
    answer = load(berlin, with_elements(graph, {"tbr": bare}))
    assert answer["revision"] == 0
    assert "tbr.t1" in texts(answer)


def test_links_that_are_joined_otherwise_are_seen(federation):
    confirmed(federation.vnp, SPLIT)
    graph = of(federation.berlin)
    joined = tuple(("sw2.p3", b) if a == "sw1.p3" else (a, b) for a, b in graph.connections)
    answer = load(federation.berlin, dataclasses.replace(graph, connections=joined))
    assert answer["revision"] == 0
    assert "breaks between" in texts(answer)


def test_a_port_that_is_another_is_seen_though_the_graph_is_alike(pip):
    confirmed(pip)
    graph = of(pip)
    switch = graph.elements["sw1"]
    other = dataclasses.replace(
        switch,
        interfaces=tuple(
            dataclasses.replace(i, features={**i.features, "port": 40}) if i.id == "sw1.p1" else i
            for i in switch.interfaces
        ),
    )
    answer = load(pip, with_elements(graph, {"sw1": other}))
    assert answer["revision"] == 0
    assert "web-db" in texts(answer)


def test_room_that_is_in_use_can_t_be_taken_away(pip):
    confirmed(pip)
    graph = of(pip)
    small = dataclasses.replace(
        graph.elements["sn1"], resources={**graph.elements["sn1"].resources, "cpu": Amount(0.1)}
    )
    answer = load(pip, with_elements(graph, {"sn1": small}))
    assert answer["revision"] == 0
    assert "sn1: 2 of cpu are in use, there would be 0.1" in texts(answer)


def test_an_operator_may_insist_and_everybody_can_read_of_it(pip):
    offer = confirmed(pip)
    answer = load(pip, without(of(pip), "sn1", "a"), force=True)
    assert (answer["revision"], answer["mending"]) == (2, [offer["cloudnet"]])
    assert "sn1" not in of(pip).elements
    history = pip.call("negotiation.history", offer["cloudnet"])
    (broken,) = [e for e in history if e["event"] == "broken"]
    assert "sn1" not in broken["text"]
    pip.settle()
    assert pip.call("negotiation.release", "pair")["state"] in ("releasing", "released")
    pip.settle()
    assert pip.site.empty()


def test_what_is_amiss_already_keeps_nothing_from_being_loaded(pip):
    confirmed(pip)
    load(pip, without(of(pip), "sn1", "a"), force=True)
    pip.settle()
    assert load(pip, without(of(pip), "c"))["revision"] == 3


def test_room_is_counted_anew_where_pools_are_others(pip):
    confirmed(pip)
    graph = of(pip)
    pooled = {
        h: dataclasses.replace(
            graph.elements[h],
            resources={**graph.elements[h].resources, "cpu": Amount(8, "rack")},
        )
        for h in ("sn1", "sn2")
    }
    assert load(pip, with_elements(graph, pooled))["revision"] == 2
    usage = pip.call("operator.usage", caller=OPERATOR)
    assert usage["pool rack"]["cpu"] == {"capacity": 8.0, "used": 4.0, "held": 0.0}
    assert "cpu" not in usage["sn1"]


def test_unknown_options_are_refused(pip):
    for options in ({"forced": True}, {"force": 1}):
        with pytest.raises(BadRequest, match="options"):
            load(pip, of(pip), **options)


def test_a_configured_file_that_would_break_something_is_not_put_in_force(pip, caplog):
    confirmed(pip)
    before = of(pip)
    file = Path(pip.settings.substrate.file)
    pip.kill()
    file.write_text(
        "rdl: 1\ngraph: berlin\nlayer: underlay\n"
        "nodes:\n  x: {type: /node/host/server/namespace, cpu: 100}\n"
    )
    pip.boot()
    assert of(pip) == before
    assert "NOT in force" in caplog.text
    events = pip.call("operator.events", 0, 0.0, caller=OPERATOR)["events"]
    assert any(e["event"] == "substrate refused" and "not in force" in e["text"] for e in events)
    pip.call("operator.load", file.read_text(), {"force": True}, caller=OPERATOR)
    pip.kill()
    pip.boot()
    assert set(of(pip).elements) == {"x"}


def test_a_configured_file_that_breaks_nothing_is(pip):
    confirmed(pip)
    file = Path(pip.settings.substrate.file)
    graph = without(of(pip), "c", "tbr")
    pip.kill()
    file.write_text(dump(graph))
    pip.boot()
    assert set(of(pip).elements) == set(graph.elements)
