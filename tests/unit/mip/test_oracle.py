"""The oracle itself, on problems that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from mip_cases import case
from oracle import OBJECTIVES, Best, Oracle
from oracle_check import close, faults

from mip.problem.statement import Problem, Result, Status
from mip.verify.verifier import verify
from rdl.language.load import load_graph

LINE = """
rdl: 1
graph: ul
layer: underlay
nodes:
  h0: {type: /node/host/server/kvm, resources: {cpu: 4}, features: {price: 1, arch: [m, n]}}
  h1: {type: /node/host/server/kvm, resources: {cpu: 2}, features: {price.cpu: 0.1, arch: n}}
  s0: {type: /node/switch/openflow, features: {latency: 0.001}}
links:
  l0:
    ends: [h0, s0]
    resources: {bandwidth: 3Mbps}
    features: {latency: 0.001, colour: [red, blue]}
  l1: {ends: [h1, s0], resources: {bandwidth: 3Mbps}, features: {latency: 0.001, colour: red}}
  l2: {ends: [h0, h1], resources: {bandwidth: 1Mbps}, features: {colour: blue}}
"""


def asked(body: str, substrate: str = LINE) -> Oracle:
    """The oracle for a request on the line."""
    head = "rdl: 1\ngraph: r\n"
    return Oracle(Problem(load_graph(substrate), load_graph(head + body)))


PAIR = "nodes: {a: {cpu: 1}, b: {cpu: 1}}\n"


def test_hosts_and_links_are_paid_for():
    """1 for h0, 0.1 for a core of h1, 2 Mbit/s over the two links round the narrow one."""
    best = asked(
        PAIR + "links: {ab: {ends: [a, b], bandwidth: 2Mbps}}\nconstraints: [{apart: [a, b]}]\n"
    ).best()
    assert best["cost"].value == 1 + Fraction(1, 10) + 4
    assert best["balance"].value == Fraction(2, 3)
    assert best["compact"].value == 2


def test_the_cheapest_of_equals_is_known():
    """Two cores are half of h0; they could be on h1, or there and here, for less."""
    best = asked("nodes: {a: {cpu: 1}, b: {cpu: 1}}\n").best()
    assert (best["compact"].value, best["compact"].cost) == (1, Fraction(2, 10))
    assert (best["balance"].value, best["balance"].cost) == (Fraction(1, 2), Fraction(11, 10))


@pytest.mark.parametrize(
    ("vlink", "possible"),
    [
        ("latency: {max: 0.003}", True),
        ("latency: {max: 0.0029}", True),  # directly
        ("latency: {min: 0.003}", True),
        ("latency: {min: 0.0031}", False),
        ("latency: 0", True),
        ("bandwidth: 3Mbps", True),
        ("bandwidth: 3000001", False),
        ("colour: blue", True),
        ("colour: {not: [red, blue]}", False),
        ("protection: node", True),
        ("protection: node, bandwidth: 2Mbps", False),
        ("type: /link/transit", False),
    ],
)
def test_what_a_vlink_asks_for_decides(vlink: str, possible: bool):
    body = f"links: {{ab: {{ends: [a, b], {vlink}}}}}\nconstraints: [{{apart: [a, b]}}]\n"
    assert bool(asked(PAIR + body).best()) is possible


@pytest.mark.parametrize(
    ("rule", "possible"),
    [
        ("{same: arch, of: [a, b]}", True),
        ("{different: arch, of: [a, b]}", True),
        ("{together: [a, b]}", False),
        ("{on: [h1], of: [a, b]}", False),
        ("{on: [/node/host/server/xen], of: [a]}", False),
        ("{not_on: [h0], of: [a]}", True),
        ("{not_on: [nowhere], of: [a]}", False),
        ("{apart: [a, b], by: provider}", False),
        ("{together: [a, b], by: provider}", True),
        ("{same: colour, of: [ab, ba]}", True),
        ("{different: colour, of: [ab, ba]}", True),
        ("{different: arch, of: [a, ab]}", False),
    ],
)
def test_what_a_constraint_asks_for_decides(rule: str, possible: bool):
    links = "links: {ab: {ends: [a, b]}, ba: {ends: [b, a]}}\n"
    body = f"constraints: [{{apart: [a, b]}}, {rule}]\n"
    assert bool(asked(PAIR + links + body).best()) is possible


def test_backups_share_what_no_single_failure_needs_at_once():
    """Two protected VLinks go different ways, and each way has room for one and a half."""
    links = "".join(
        f"  w{k}{side}: {{ends: [{end}, s{k}], resources: {{bandwidth: {3 if k == 2 else 2}}}}}\n"
        for k in range(3)
        for side, end in (("a", "h0"), ("b", "h1"))
    )
    nodes = "".join(f"  h{k}: {{type: /node/host/server/kvm}}\n" for k in range(2))
    nodes += "".join(f"  s{k}: {{type: /node/switch/openflow}}\n" for k in range(3))
    substrate = f"rdl: 1\ngraph: ul\nlayer: underlay\nnodes:\n{nodes}links:\n{links}"
    vlink = "{ends: [a, b], bandwidth: 2, protection: link}"
    two = f"nodes: {{a: {{}}, b: {{}}}}\nlinks: {{x: {vlink}, y: {vlink}}}\n"
    best = asked(two + "constraints: [{apart: [a, b]}]\n", substrate).best()
    mapping = best["balance"].mapping
    assert mapping.backup["x"].on == mapping.backup["y"].on
    assert best["balance"].value == 1
    three = two.replace("links: {", f"links: {{z: {vlink}, ")
    assert not asked(three + "constraints: [{apart: [a, b]}]\n", substrate).best()


def test_a_host_is_a_leaf_of_a_tree():
    """Three hosts in a row that are joined by links alone have no tree."""
    nodes = "nodes: {h0: {}, h1: {}, h2: {}}\n"
    row = "links: {x: {ends: [h0, h1]}, y: {ends: [h1, h2]}}\n"
    tree = "nodes: {a: {}, b: {}, c: {}}\nlinks: {t: {ends: [a, b, c]}}\n"
    apart = "constraints: [{apart: [a, b, c]}]\n"
    head = "rdl: 1\ngraph: ul\nlayer: underlay\n"
    assert not asked(tree + apart, head + nodes + row).best()
    shared = "links: {x: {ends: [h0, h1, h2]}}\n"
    best = asked(tree + apart, head + nodes + shared).best()
    assert best["cost"].mapping.working["t"].on == ("x",)


def as_result(best: Best) -> Result:
    """The oracle's mapping as the product would tell it."""
    return Result(
        Status.OPTIMAL,
        "cost",
        nodes=best.mapping.nodes,
        links={v: r.on for v, r in best.mapping.working.items()},
        backups={v: r.on for v, r in best.mapping.backup.items()},
    )


def test_a_mapping_is_worth_what_it_is():
    oracle = asked(PAIR + "links: {ab: {ends: [a, b], bandwidth: 1Mbps, protection: link}}\n")
    for name in OBJECTIVES:
        best = oracle.best()[name]
        wrong, mapped = faults(oracle, as_result(best))
        assert (wrong, mapped and oracle.value(mapped, name)) == ([], best.value)


def test_what_is_wrong_with_a_mapping_is_said():
    oracle = asked(
        PAIR + "links: {ab: {ends: [a, b], bandwidth: 2Mbps}}\nconstraints: [{apart: [a, b]}]\n"
    )
    right = as_result(oracle.best()["cost"])
    around = right.links["ab"]
    bad = {
        "a can't be on s0": replace(right, nodes={**right.nodes, "a": "s0"}),
        "VNodes": replace(right, nodes={"a": "h0"}),
        "VLinks": replace(right, links={}),
        "ab can't go": replace(right, links={"ab": around[:2]}),
        "l2: too much bandwidth": replace(right, links={"ab": ("l2",)}),
        "apart": replace(right, nodes={"a": "h0", "b": "h0"}, links={"ab": ()}),
        "ab has a backup": replace(right, backups={"ab": ("l2",)}),
        "isn't offered": replace(right, chosen={"a": {"arch": "z"}}),
    }
    assert faults(oracle, right)[0] == []
    assert faults(oracle, replace(right, links={"ab": around[::-1]}))[0] == []
    for words, result in bad.items():
        assert words in "; ".join(faults(oracle, result)[0])


def test_the_oracle_and_the_verifier_are_of_one_mind():
    """What the oracle holds for best of the random cases, the product's own check lets pass."""
    checked = 0
    for seed in range(60):
        problem, _ = case(seed)
        if problem.request.constraints:
            continue  # the oracle's mapping doesn't say which values it chose
        for best in Oracle(problem).best().values():
            assert verify(problem, as_result(best)) == (), seed
            checked += 1
    assert checked > 20


def test_floats_are_close_to_what_they_tell():
    assert close(0.1, Fraction(1, 10))
    assert close(2e12 + 1, Fraction(2 * 10**12))
    assert not close(1.00000001, Fraction(1))
    assert not close(float("nan"), Fraction(1))
