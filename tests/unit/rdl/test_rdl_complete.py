# ruff: noqa: E501 - RDL texts are easier to read unbroken
"""OL0 to OL1: values filled in, each with who chose it, and consistent across constraints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdl.compare.match import ABSENT, accepts
from rdl.federation.choices import ChoiceError, allot, bind, common, domain, offers, possible
from rdl.federation.complete import CompletionError, Policy, complete
from rdl.graph import Amount, NotIn, Range
from rdl.language.load import load_graph

REQUEST = load_graph("""
rdl: 1
graph: g
nodes:
  web: {cpu: 2, arch: [aarch64, x86_64]}
  db: {memory: 1GiB}
  log: {site: {not: [hall-1]}}
links: {l: {ends: [web, db]}}
constraints:
  - {same: arch, of: [web, db]}
  - {different: site, of: [web, db, log]}
""")
HOSTS = load_graph("""
rdl: 1
graph: u
layer: underlay
nodes:
  h1: {type: /node/host/server/kvm, arch: [x86_64, aarch64], site: [hall-1, hall-2]}
  h2: {type: /node/host/server/xen, arch: [x86_64], site: [hall-1]}
  h3: {type: /node/host/server/kvm, arch: [aarch64, riscv64], site: [hall-1, hall-2, hall-3]}
""").elements
POLICY = Policy(node_resources={"cpu": 1, "memory": 2**28}, link_resources={"bandwidth": 10**6})


def placed(**hosts):
    return {vnode: HOSTS[host] for vnode, host in hosts.items()}


def test_absent_resources_are_raised_by_policy_and_marked():
    """What the request names stays."""
    done = complete(REQUEST, policy=POLICY, role="pip:berlin")
    assert done.elements["web"].resources == {"cpu": Amount(2), "memory": Amount(2**28)}
    assert done.elements["web"].chosen == {"memory": "pip:berlin"}
    assert done.elements["l"].resources == {"bandwidth": Amount(10**6)}
    assert done.elements["web"].features == REQUEST.elements["web"].features


def test_open_features_are_settled_on_what_the_host_offers():
    """One value for `same`, different ones for `different`, never what a demand forbids."""
    done = complete(
        REQUEST, policy=POLICY, role="pip:berlin", hosts=placed(web="h1", db="h2", log="h3")
    )
    assert [done.elements[v].features["arch"] for v in ("web", "db")] == ["x86_64", "x86_64"]
    assert done.elements["web"].features["virtualization"] == "kvm"
    sites = [done.elements[v].features["site"] for v in ("web", "db", "log")]
    assert sites == ["hall-2", "hall-1", "hall-3"]
    assert done.elements["db"].chosen["site"] == "pip:berlin"


def test_preferences_and_the_mapping_decide_where_there_is_a_choice():
    """`prefers` by policy; what the mapping has chosen already stands."""
    hosts = placed(web="h1", db="h1", log="h3")
    policy = Policy(prefers={"arch": ("aarch64",)})
    done = complete(REQUEST, policy=policy, role="pip:b", hosts=hosts)
    assert done.elements["web"].features["arch"] == "aarch64"
    given_ = {"web": {"arch": "x86_64"}, "db": {"arch": "x86_64"}}
    done = complete(REQUEST, policy=policy, role="pip:b", hosts=hosts, chosen=given_)
    assert done.elements["db"].features["arch"] == "x86_64"
    assert done.elements["db"].chosen["arch"] == "pip:b"


def test_completion_is_complete():
    """A second time changes nothing."""
    hosts = placed(web="h1", db="h2", log="h3")
    done = complete(REQUEST, policy=POLICY, role="pip:berlin", hosts=hosts)
    assert complete(done, policy=POLICY, role="pip:other", hosts=hosts) == done


def test_no_choice_that_all_constraints_allow():
    """Told, not broken."""
    hosts = placed(web="h2", db="h3", log="h3")
    with pytest.raises(CompletionError, match="arch"):
        complete(REQUEST, policy=POLICY, role="pip:berlin", hosts=hosts)


def part(members: str, arch: str = "") -> str:
    """A partial graph with one cut constraint."""
    return f"rdl: 1\ngraph: g\nnodes: {{a: {{{arch}}}, b: {{}}}}\nconstraints: [{members}]\n"


SAME = "{id: k, same: arch, of: [a, b], elsewhere: 1}"
BERLIN = load_graph("""
rdl: 1
graph: b
layer: underlay
nodes:
  h1: {type: /node/host/server/kvm, arch: [x86_64, aarch64]}
  h2: {type: /node/host/server/kvm, arch: [riscv64]}
""").elements.values()
MUNICH = load_graph("""
rdl: 1
graph: m
layer: underlay
nodes:
  h1: {type: /node/host/server/kvm, arch: [ppc64, aarch64]}
""").elements.values()


def test_providers_whose_only_common_value_is_not_the_first():
    """Each answers what it could take; the common one is what a naive early choice would not be."""
    ours, theirs = load_graph(part(SAME)), load_graph(part(SAME))
    answers = [offers(ours, BERLIN)["k"], offers(theirs, MUNICH)["k"]]
    assert answers == [("x86_64", "aarch64", "riscv64"), ("ppc64", "aarch64")]
    assert common(answers) == ("aarch64",)
    settled = bind(ours, "k", "aarch64", by="vnp:broker")
    assert settled.elements["a"].features["arch"] == "aarch64"
    assert settled.elements["b"].chosen == {"arch": "vnp:broker"}


def test_choices_respect_what_the_members_ask_for():
    """A member's own demands narrow what it could take."""
    graph = load_graph(part(SAME, "arch: [riscv64, aarch64], type: /node/host/server"))
    assert offers(graph, BERLIN) == {"k": ("aarch64", "riscv64")}
    nowhere = load_graph(part(SAME, "type: /node/host/server/xen"))
    assert offers(nowhere, BERLIN) == {"k": ()}


def test_whole_constraints_are_no_choices():
    """Only what is partly elsewhere is asked about."""
    assert offers(load_graph(part("{id: k, same: arch, of: [a, b]}")), BERLIN) == {}
    assert offers(load_graph(part("{id: k, apart: [a, b], elsewhere: 1}")), BERLIN) == {}
    wide = load_graph(part("{id: k, apart: [a, b], by: arch, elsewhere: 1}"))
    assert possible(wide, wide.constraints[0], MUNICH) == ("ppc64", "aarch64")


def test_binding_what_is_not_there_or_not_allowed():
    """Refused."""
    graph = load_graph(part(SAME, "arch: {not: [x86_64]}"))
    with pytest.raises(ChoiceError, match="no constraint z"):
        bind(graph, "z", "x86_64")
    with pytest.raises(ChoiceError, match="a does not take arch x86_64"):
        bind(graph, "k", "x86_64")


def test_different_values_are_allotted_across_providers():
    """Disjoint shares, where there are any."""
    wanted = {"berlin": 2, "munich": 1}
    offered = {"berlin": ("s1", "s2", "s3"), "munich": ("s1",)}
    assert allot(wanted, offered) == {"berlin": ("s2", "s3"), "munich": ("s1",)}
    assert allot({"berlin": 2, "munich": 1}, {"berlin": ("s1", "s2"), "munich": ("s1",)}) is None
    graph = bind(
        load_graph(part("{id: k, different: site, of: [a, b], elsewhere: 1}")), "k", ("s2", "s3")
    )
    assert graph.elements["a"].features["site"] == ("s2", "s3")


values = st.sampled_from(["x", "y", "z", 1, 2, True, None])
some = st.lists(values, min_size=1, max_size=3).map(tuple)
spans = st.builds(Range, st.integers(0, 2), st.integers(2, 4))


@given(st.just(ABSENT) | values | some | some.map(NotIn) | spans, values | some)
def test_a_domain_is_what_is_accepted(demand, offered):
    """Of values on offer, `domain` lists exactly those that alone would meet the demand."""
    listed = offered if isinstance(offered, tuple) else (offered,)
    assert domain(demand, offered) == tuple(v for v in listed if accepts(demand, v))
    assert bool(domain(demand, offered)) == accepts(demand, offered)


def test_a_widened_constraint_binds_the_choice_too():
    """`apart` by a feature wants different values of it, `together` equal ones."""
    for kind, expected in (("apart", ["hall-1", "hall-2"]), ("together", ["hall-1", "hall-1"])):
        graph = load_graph(
            f"rdl: 1\ngraph: g\nnodes: {{a: {{}}, b: {{}}}}\nconstraints: [{{{kind}: [a, b], by: site}}]"
        )
        done = complete(graph, policy=Policy(), role="pip:b", hosts=placed(a="h2", b="h1"))
        assert [done.elements[v].features["site"] for v in "ab"] == expected
