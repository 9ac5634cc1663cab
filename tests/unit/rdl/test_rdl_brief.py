# ruff: noqa: E501 - RDL texts are easier to read unbroken
"""The shorthand, written: what a person would have written, and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from rdl_strategies import graphs
from test_rdl_round_trip import both_spellings

from rdl.language.brief import brief
from rdl.language.dump import dump
from rdl.language.fmt import fmt
from rdl.language.load import load

EXAMPLES = Path(__file__).parents[3] / "examples"
SHOP = """\
rdl: 1
graph: shop
nodes:
  web: {cpu: 2, memory: 2GiB, arch: [x86_64, aarch64]}
  db: {type: /node/host/server, cpu: 4, memory: 8GiB, site: {not: [berlin]}}
links:
  web-db: {ends: [web, db], bandwidth: 50Mbps, latency: {max: 10ms}, addresses: [10.0.0.1/24, 10.0.0.2/24]}
constraints:
  - {same: arch, of: [web, db]}
"""


def test_the_contracts_example_reads_as_it_was_written():
    """Units and all."""
    assert brief(load(SHOP)) == SHOP
    assert fmt(f"# mine\n{SHOP}", shorthand=True) == f"# mine\n{SHOP}"
    assert fmt(fmt(SHOP), shorthand=True) == SHOP


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.rdl.yaml")), ids=lambda p: p.name)
def test_examples_come_back(path):
    """Shorter than canonical, but for mappings."""
    graph = load(path.read_bytes())
    text = brief(graph)
    assert load(text) == graph
    assert len(text) < len(dump(graph)) or path.name.startswith("mapping")


@given(graphs())
@settings(max_examples=50)
def test_any_graph_comes_back(graph):
    """Whatever is in it."""
    assert load(brief(graph)) == graph


@given(both_spellings())
@settings(max_examples=50)
def test_what_was_shorthand_stays_shorthand(pair):
    """No element of a graph that was written in the shorthand needs the canonical spelling."""
    graph, _ = pair
    text = brief(graph)
    assert load(text) == graph
    assert "\nelements:" not in text
