"""`kill -9` wherever it makes a difference: every write to a store, every call to a shell or peer.

What the shells were told in between stays told, as it would. The next process must bring everything
to a whole end: what was promised is kept, what came to nothing is gone, and all sides agree.
"""

from __future__ import annotations

import os

import pytest
from fakes.killing import HOLD_S, Scenario, Tenant
from fakes.world import PAIR, SPLIT

TRIO = """\
rdl: 1
graph: pair
nodes:
  web: {cpu: 2, memory: 1GiB}
  db: {cpu: 2, memory: 1GiB}
  log: {cpu: 1, memory: 1GiB}
links:
  web-db: {ends: [web, db], bandwidth: 20Mbps, addresses: [10.0.0.1/24, 10.0.0.2/24]}
  db-log: {ends: [db, log], bandwidth: 5Mbps}
constraints:
  - {apart: [web, db]}
"""
WIDE = PAIR.replace("10Mbps", "20Mbps")
HERE = PAIR.replace("web: {cpu: 2,", "web: {cpu: 2, arch: x86_64,")
THERE = PAIR.replace("web: {cpu: 2,", "web: {cpu: 2, arch: arm64,")
TOGETHER = THERE.partition("constraints")[0]
OTHER = WIDE.replace("graph: pair", "graph: other")

SHOP = """\
rdl: 1
graph: shop
nodes:
  app: {cpu: 1, memory: 1GiB, site: berlin}
  db: {cpu: 1, memory: 1GiB, site: munich}
links:
  app-db: {ends: [app, db], bandwidth: 10Mbps, addresses: [10.0.0.1/24, 10.0.0.2/24]}
"""
SHOP_WIDE = SHOP.replace("10Mbps", "20Mbps")
SHOP_OTHER = SHOP_WIDE.replace("graph: shop", "graph: store")
SHOP_MORE = SHOP.replace(
    "links:\n",
    "  log: {cpu: 1, memory: 1GiB, site: munich}\nlinks:\n"
    "  app-log: {ends: [app, log], bandwidth: 5Mbps}\n",
)
SHOP_MOVED = SHOP_MORE.replace(
    "log: {cpu: 1, memory: 1GiB, site: munich", "log: {cpu: 1, memory: 1GiB, site: berlin"
)


def creates(graph):
    def act(tenant: Tenant) -> None:
        tenant.confirm(tenant.request(graph, start=True))

    return act


def changes(graph, **options):
    def act(tenant: Tenant) -> None:
        tenant.confirm(tenant.modify(graph, **options))

    return act


def replaces(graph, other):
    def act(tenant: Tenant) -> None:
        tenant.confirm(tenant.request(other, replaces=tenant.request(graph)))

    return act


def changes_its_mind(graph, other):
    def act(tenant: Tenant) -> None:
        tenant.confirm(tenant.modify(other, replaces=tenant.modify(graph)))

    return act


def cancels(graph):
    def act(tenant: Tenant) -> None:
        tenant.cancel(tenant.modify(graph) if tenant.cloudnet else tenant.request(graph))

    return act


def forgets(graph):
    def act(tenant: Tenant) -> None:
        if tenant.cloudnet:
            tenant.modify(graph)
        else:
            tenant.request(graph)
        tenant.wait(HOLD_S + 1)

    return act


def releases(graph):
    def act(tenant: Tenant) -> None:
        if graph:
            tenant.modify(graph)
        tenant.release()

    return act


PIP = [
    Scenario("creation", False, creates(PAIR), "", ("", PAIR)),
    Scenario("growth", False, changes(TRIO), PAIR, (PAIR, TRIO)),
    Scenario("shrinking", False, changes(PAIR), TRIO, (TRIO, PAIR)),
    Scenario("bandwidth", False, changes(WIDE), PAIR, (PAIR, WIDE)),
    Scenario("move", False, changes(TOGETHER), HERE, (HERE, TOGETHER)),
    Scenario("parting", False, changes(HERE, relocate=True), TOGETHER, (TOGETHER, HERE)),
    Scenario("swap", False, changes(THERE, relocate=True), HERE, (HERE, THERE)),
    Scenario("replacement", False, replaces(PAIR, OTHER), "", ("", OTHER)),
    Scenario("second thoughts", False, changes_its_mind(TRIO, WIDE), PAIR, (PAIR, WIDE)),
    Scenario("cancel", False, cancels(PAIR), "", ("",)),
    Scenario("cancelled change", False, cancels(TRIO), PAIR, (PAIR,)),
    Scenario("expiry", False, forgets(PAIR), "", ("",)),
    Scenario("expired change", False, forgets(TRIO), PAIR, (PAIR,)),
    Scenario("release", False, releases(""), PAIR, (PAIR, "")),
    Scenario("release during a change", False, releases(TRIO), PAIR, (PAIR, "")),
]
VNP = [
    Scenario("creation", True, creates(SHOP), "", ("", SHOP)),
    Scenario("growth", True, changes(SHOP_MORE), SHOP, (SHOP, SHOP_MORE)),
    Scenario("shrinking", True, changes(SHOP), SHOP_MORE, (SHOP_MORE, SHOP)),
    Scenario("bandwidth", True, changes(SHOP_WIDE), SHOP, (SHOP, SHOP_WIDE)),
    Scenario("move", True, changes(SHOP_MOVED), SHOP_MORE, (SHOP_MORE, SHOP_MOVED)),
    Scenario("replacement", True, replaces(SHOP, SHOP_OTHER), "", ("", SHOP_OTHER)),
    Scenario("second thoughts", True, changes_its_mind(SHOP_MORE, SHOP_WIDE), SHOP,
             (SHOP, SHOP_WIDE)),
    Scenario("cancel", True, cancels(SHOP), "", ("",)),
    Scenario("cancelled change", True, cancels(SHOP_MORE), SHOP, (SHOP,)),
    Scenario("expiry", True, forgets(SHOP), "", ("",)),
    Scenario("expired change", True, forgets(SHOP_MORE), SHOP, (SHOP,)),
    Scenario("release", True, releases(""), SHOP, (SHOP, "")),
    Scenario("release during a change", True, releases(SHOP_MORE), SHOP, (SHOP, "")),
]
EVERY = [(s, "berlin") for s in PIP] + [(s, v) for s in VNP for v in ("vnp", "berlin")]


@pytest.mark.parametrize(
    ("scenario", "victim"), EVERY, ids=[f"{'vnp' if s.broker else 'pip'} {s.name} {v}" for s, v in EVERY]
)
def test_points(tmp_path, scenario, victim):
    points = scenario.points(tmp_path / "whole", victim)
    print(scenario.name, victim, len(points))
    if os.environ.get("ONLY"):
        wanted = [int(os.environ["ONLY"])]
    else:
        wanted = range(1, len(points) + 1, int(os.environ.get("STRIDE", "1")))
    bad = {}
    for number in wanted:
        for at_once in (False, True) if scenario.broker and victim != "vnp" else (False,):
            wrong = scenario.killed(tmp_path / f"{number} {at_once}", victim, number, at_once=at_once)
            if wrong:
                bad[number, at_once] = (points[number - 1], wrong)
    for k, v in bad.items():
        print(k, v[0]); [print("     ", t) for t in v[1]]
    assert not bad
