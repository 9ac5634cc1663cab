"""What an offer costs per hour."""

from __future__ import annotations

import pytest

from cloudnet_sdn.roles.offers.pricing import price
from rdl.language.load import load_graph, load_mapping

SITE = """\
rdl: 1
graph: berlin
layer: underlay
nodes:
  h1: {type: /node/host/server/kvm, cpu: 8, memory: 16GiB, price: 1, price.cpu: 0.5,
       features: {price.memory: 0.25, price.bandwidth: 0.01}}
  h2: {type: /node/host/server/kvm, cpu: 8, memory: 16GiB, features: {price.bandwidth: 0.02}}
  s1: {type: /node/switch/openflow}
links:
  h1-s1: {ends: [h1, s1], bandwidth: 1Gbps}
  h2-s1: {ends: [h2, s1], bandwidth: 1Gbps}
"""
PAIR = """\
rdl: 1
graph: pair
nodes:
  a: {cpu: 2, memory: 4GiB}
  b: {cpu: 2, memory: 4GiB}
links:
  ab: {ends: [a, b], bandwidth: 50Mbps}
  best-effort: {ends: [a, b]}
"""
MAPPED = """\
rdl: 1
graph: pair
layer: mapping
underlay: berlin
mapping:
  a: {on: [h1]}
  b: {on: [h2]}
  ab: {on: [h1-s1, s1, h2-s1]}
  best-effort: {on: [h1-s1, s1, h2-s1]}
"""


def test_vnodes_cost_what_their_hosts_ask_and_bandwidth_what_the_role_shows():
    """Bandwidth once, at the highest of its prices, which is the one that a role shows."""
    costs = price(load_graph(SITE), load_graph(PAIR), load_mapping(MAPPED))
    assert costs == pytest.approx((1 + 2 * 0.5 + 4 * 0.25) + 50 * 0.02)
