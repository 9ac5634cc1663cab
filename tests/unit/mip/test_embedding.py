"""Embedding from outside: single rules of the contract, reasons, limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mip_graphs import (
    ETHERNET,
    GENERIC,
    GIB,
    HOST,
    MBPS,
    PIP,
    SWITCH,
    VLINK,
    apart,
    element,
    join,
    not_on,
    on,
    same,
    together,
    underlay,
)

from mip.errors import UnknownMethodError, UnknownObjectiveError
from mip.mapping import map_request, mapping_graph
from mip.problem.plan import plan_dict
from mip.problem.statement import Code, Embedded, Options, Problem, Result, Status
from mip.verify.verifier import verify
from rdl.graph import Amount, Element, Graph, Interface, Range


def line(hosts: int = 3, bandwidth: float = 100 * MBPS) -> Graph:
    """Hosts `h0…`, each on its own switch; the switches in a line."""
    elements = [element(f"h{k}", HOST, {"cpu": 4, "memory": 8 * GIB}) for k in range(hosts)]
    elements += [element(f"s{k}", SWITCH) for k in range(hosts)]
    ends = {f"a{k}": (f"h{k}", f"s{k}") for k in range(hosts)}
    ends |= {f"l{k}": (f"s{k}", f"s{k + 1}") for k in range(hosts - 1)}
    elements += [element(name, ETHERNET, {"bandwidth": bandwidth}, latency=0.001) for name in ends]
    return underlay(elements, ends)


def pair(bandwidth: float = 10 * MBPS, cpu: float = 1, rules=(), **features) -> Graph:
    """Two VNodes and a VLink."""
    elements = [element("a", GENERIC, {"cpu": cpu}), element("b", GENERIC, {"cpu": cpu})]
    elements.append(element("ab", VLINK, {"bandwidth": bandwidth}, **features))
    return join("net", elements, {"ab": ("a", "b")}, rules)


def codes(result: Result) -> set[Code]:
    return {r.code for r in result.reasons}


def test_ends_on_one_host_need_no_path() -> None:
    """Co-location is allowed and free."""
    result = map_request(Problem(line(), pair()))
    assert result.status is Status.OPTIMAL
    assert result.value == 0
    assert result.links == {"ab": ()}


def test_path_lists_links_and_switches_in_order() -> None:
    """The two hosts are left out."""
    asked = pair(rules=[apart("a", "b"), on(["h0"], "a"), on(["h2"], "b")])
    result = map_request(Problem(line(), asked))
    assert result.links["ab"] == ("a0", "s0", "l0", "s1", "l1", "s2", "a2")
    assert result.value == pytest.approx(40)


def test_hosts_pass_nothing_on() -> None:
    """A host with two links is no way between its switches."""
    elements = [element(f"h{k}", HOST, {"cpu": 1}) for k in range(3)]
    elements += [element("s0", SWITCH), element("s1", SWITCH)]
    ends = {"x": ("h0", "s0"), "y": ("h1", "s1"), "u": ("h2", "s0"), "v": ("h2", "s1")}
    elements += [element(name, ETHERNET, {"bandwidth": 100 * MBPS}) for name in ends]
    asked = pair(rules=[on(["h0"], "a"), on(["h1"], "b")])
    result = map_request(Problem(underlay(elements, ends), asked))
    assert result.status is Status.INFEASIBLE
    assert Code.NO_PATH in codes(result) or Code.CONSTRAINT in codes(result)


def test_what_is_embedded_counts() -> None:
    """Two that fill the way leave no room for a third."""
    ul = line(2, 10 * MBPS)
    asked = pair(rules=[apart("a", "b")])
    first = map_request(Problem(ul, asked))
    there = Embedded(asked, mapping_graph(first, Problem(ul, asked)))
    second = map_request(Problem(ul, replace(asked, name="other"), (there,)))
    assert second.status is Status.INFEASIBLE
    assert Code.CAPACITY in codes(second)


@pytest.mark.parametrize(
    ("ids", "shown"),
    [(["nowhere"], None), (["h1"], frozenset({"h0"})), (["nowhere"], frozenset({"h0"}))],
)
def test_hidden_and_missing_targets_are_refused_alike(ids, shown) -> None:
    """Nothing tells an id that isn't shown from one that isn't there."""
    texts = set()
    for rule in (on(ids, "a"), not_on(ids, "a")):
        result = map_request(Problem(line(), pair(rules=[rule]), shown=shown))
        assert result.status is Status.INFEASIBLE
        assert codes(result) == {Code.UNKNOWN_TARGET}
        texts |= {r.text.replace(ids[0], "X") for r in result.reasons}
    assert texts == {"X is not a place that can be asked for here"}


def test_latency_bounds_the_whole_path() -> None:
    """Four links of 1 ms are more than 3 ms; the reason says what would do."""
    rules = [on(["h0"], "a"), on(["h2"], "b")]
    assert map_request(Problem(line(), pair(rules=rules, latency=Range(max=0.004)))).value == 40
    refused = map_request(Problem(line(), pair(rules=rules, latency=Range(max=0.003))))
    assert Code.LATENCY in codes(refused)
    assert any("4 ms" in r.text for r in refused.reasons)


def test_refusal_says_how_much_is_short() -> None:
    """On one host, and in all."""
    alone = map_request(Problem(line(), pair(cpu=5)))
    assert {r.element for r in alone.reasons} == {"a", "b"}
    assert all("short by 1" in r.text for r in alone.reasons)
    together_ = map_request(Problem(line(), pair(cpu=3, rules=[together("a", "b")])))
    assert codes(together_) == {Code.FRAGMENTED, Code.CONSTRAINT}


def test_smallest_change_is_told() -> None:
    """What would fit instead is a figure that does fit."""
    asked = pair(20 * MBPS, rules=[apart("a", "b")])
    refused = map_request(Problem(line(2, 15 * MBPS), asked))
    assert any("15 Mbps" in r.text for r in refused.reasons)
    assert map_request(Problem(line(2, 15 * MBPS), pair(15 * MBPS, rules=[apart("a", "b")]))).nodes


def test_kept_vnodes_stay_even_on_a_drained_host() -> None:
    """`keep` wins over `unavailable`, which nothing new may use."""
    asked = pair(rules=[apart("a", "b")])
    problem = Problem(line(), asked, unavailable=frozenset({"h0"}), keep={"a": "h0"})
    assert map_request(problem).nodes["a"] == "h0"
    assert "h0" not in map_request(replace(problem, keep={})).nodes.values()


def test_anchor_ends_a_path_at_its_bridge() -> None:
    """The bridge is on the path, its interface's bandwidth is used up."""
    ul = line(2)
    port = Interface("s1.t1", resources={"bandwidth": Amount(15 * MBPS)})
    s1 = replace(ul.elements["s1"], interfaces=(*ul.elements["s1"].interfaces, port))
    ul = replace(ul, elements={**ul.elements, "s1": s1})
    elements = {
        "a": Element("a", GENERIC, {"cpu": Amount(1)}, interfaces=(Interface("a.out"),)),
        "out": Element(
            "out",
            VLINK,
            {"bandwidth": Amount(10 * MBPS)},
            interfaces=(Interface("out.0"), Interface("out.1")),
        ),
        "_t1-x": Element("_t1-x", "/link/transit", interfaces=(Interface("_t1-x.0"),)),
        "_munich": Element("_munich", PIP),
    }
    connections = (("a.out", "out.0"), ("out.1", "_t1-x.0"))
    asked = Graph("part", elements=elements, connections=connections)
    problem = Problem(ul, asked, anchors={"_t1-x": "s1.t1"}, keep={"a": "h0"})
    result = map_request(problem)
    assert result.links == {"out": ("a0", "s0", "l0", "s1")}
    there = Embedded(asked, mapping_graph(result, problem), problem.anchors)
    second = map_request(replace(problem, embedded=(there,), keep={}))
    assert codes(second) == {Code.CAPACITY}


def test_providers_pass_vlinks_on_and_hold_what_is_together() -> None:
    """At a VNP: paths through a provider; `apart` inside one is that provider's business."""
    elements = [element(f"p{k}", PIP, {"cpu": 4}, types=(HOST,), arch="x86_64") for k in range(3)]
    ends = {"t01": ("p0", "p1"), "t12": ("p1", "p2")}
    elements += [element(n, "/link/transit", {"bandwidth": 100 * MBPS}) for n in ends]
    ul = underlay(elements, ends)
    far = map_request(Problem(ul, pair(rules=[on(["p0"], "a"), on(["p2"], "b")])))
    assert far.links["ab"] == ("t01", "p1", "t12")
    near = map_request(Problem(ul, pair(rules=[apart("a", "b"), same("arch", "a", "b")])))
    assert near.value == 0
    assert near.chosen == {"a": {"arch": "x86_64"}, "b": {"arch": "x86_64"}}
    split = map_request(Problem(ul, pair(rules=[apart("a", "b", by="provider")])))
    assert len(set(split.nodes.values())) == 2


def test_backups_share_room_only_if_no_failure_needs_both() -> None:
    """Two protected VLinks between the same hosts need it twice."""
    elements = [element(f"h{k}", HOST, {"cpu": 4}) for k in range(2)]
    elements += [element(f"s{k}", SWITCH) for k in range(3)]
    ends = {f"h{h}-s{s}": (f"h{h}", f"s{s}") for h in range(2) for s in range(3)}
    elements += [element(n, ETHERNET, {"bandwidth": 10 * MBPS}) for n in ends]
    ul = underlay(elements, ends)
    vnodes = [element(n, GENERIC, {"cpu": 1}) for n in "ab"]
    links = [element(n, VLINK, {"bandwidth": 10 * MBPS}, protection="link") for n in ("x", "y")]
    rules = [apart("a", "b")]
    both = join("net", [*vnodes, *links], {"x": ("a", "b"), "y": ("a", "b")}, rules)
    result = map_request(Problem(ul, both))
    assert result.status is Status.OPTIMAL
    assert result.backups["x"] == result.backups["y"]
    assert set(result.links["x"]).isdisjoint(result.links["y"])


def test_gap_and_time_limit_leave_a_true_bound() -> None:
    """Whatever is left open, the bound is one."""
    asked = pair(rules=[apart("a", "b")])
    exact = map_request(Problem(line(), asked))
    loose = map_request(Problem(line(), asked), Options(gap=0.5))
    assert loose.bound is not None
    assert loose.bound <= exact.value <= loose.value
    quick = map_request(Problem(line(), asked), Options(method="fast"))
    assert quick.value is not None
    assert quick.value >= exact.value


@pytest.mark.parametrize("solver", ["cbc", "highs"])
@pytest.mark.parametrize("objective", ["cost", "balance", "compact"])
def test_solvers_agree(solver, objective) -> None:
    """The same optimum from both."""
    asked = pair(30 * MBPS, cpu=3, rules=[apart("a", "b")], protection="none")
    options = Options(objective=objective, solver=solver)
    values = {"cost": 90.0, "balance": 0.75, "compact": 2.0}
    assert map_request(Problem(line(), asked), options).value == pytest.approx(values[objective])


def test_unknown_names_are_errors() -> None:
    """They list what there is."""
    with pytest.raises(UnknownObjectiveError, match="balance, compact, cost"):
        map_request(Problem(line(), pair()), Options(objective="speed"))
    with pytest.raises(UnknownMethodError):
        map_request(Problem(line(), pair()), Options(method="magic"))
    with pytest.raises(UnknownMethodError):
        map_request(Problem(line(), pair()), Options(solver="magic"))


def test_plan_has_the_contract_s_keys() -> None:
    """Values that JSON knows, whole numbers as such."""
    told = plan_dict(map_request(Problem(line(), pair(rules=[apart("a", "b")]))))
    assert told["status"] == "optimal"
    assert told["objective"] == {"name": "cost", "value": 30, "bound": 30, "gap": 0}
    assert set(told) == {
        "status",
        "objective",
        "nodes",
        "links",
        "backups",
        "chosen",
        "reasons",
        "seconds",
    }
    assert set(told["seconds"]) == {"build", "solve", "total"}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"nodes": {"a": "h0"}}, "b is not placed"),
        ({"nodes": {"a": "h0", "b": "h0"}, "links": {"ab": ()}}, "to be apart"),
        ({"links": {"ab": ("a0", "s0", "s1", "a1")}}, "breaks between"),
        ({"links": {"ab": ("a0", "s0", "l0", "s1")}}, "doesn't join"),
        ({"links": {}}, "has no path"),
        ({"backups": {"ab": ("a0", "s0", "l0", "s1", "a1")}}, "didn't ask for"),
        ({"nodes": {"a": "s0", "b": "h1"}}, "asks for"),
    ],
)
def test_verifier_turns_wrong_mappings_down(change, fault) -> None:
    """Each kind of fault is found by the check that every mapping passes."""
    problem = Problem(line(2), pair(rules=[apart("a", "b")]))
    good = Result(
        Status.OPTIMAL,
        "cost",
        nodes={"a": "h0", "b": "h1"},
        links={"ab": ("a0", "s0", "l0", "s1", "a1")},
    )
    assert verify(problem, good) == ()
    assert any(fault in f for f in verify(problem, replace(good, **change)))


def test_verifier_counts_exactly() -> None:
    """Ten times a tenth is one, and a billionth more is too much."""
    ul = underlay([element("h", HOST, {"cpu": 1})], {})
    names = [f"v{k}" for k in range(10)]
    full = join("net", [element(n, GENERIC, {"cpu": 0.1}) for n in names], {})
    assert map_request(Problem(ul, full)).status is Status.OPTIMAL
    over = [element(n, GENERIC, {"cpu": 0.1 if n != "v0" else 0.1000000001}) for n in names]
    assert map_request(Problem(ul, join("net", over, {}))).status is Status.INFEASIBLE
