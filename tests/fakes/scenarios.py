"""What tenants do while a process is killed: creation, changes, ends; at a PIP and at a VNP."""

from __future__ import annotations

from collections.abc import Callable

from fakes.killing import HOLD_S, Scenario, Tenant
from fakes.world import PAIR

Act = Callable[[Tenant], None]

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


def creates(graph: str) -> Act:
    def act(tenant: Tenant) -> None:
        tenant.confirm(tenant.request(graph, start=True))

    return act


def changes(graph: str, **options: object) -> Act:
    def act(tenant: Tenant) -> None:
        tenant.confirm(tenant.modify(graph, **options))

    return act


def replaces(graph: str, other: str) -> Act:
    def act(tenant: Tenant) -> None:
        tenant.confirm(tenant.request(other, replaces=tenant.request(graph)))

    return act


def changes_its_mind(graph: str, other: str) -> Act:
    def act(tenant: Tenant) -> None:
        tenant.confirm(tenant.modify(other, replaces=tenant.modify(graph)))

    return act


def cancels(graph: str) -> Act:
    def act(tenant: Tenant) -> None:
        tenant.cancel(tenant.modify(graph) if tenant.cloudnet else tenant.request(graph))

    return act


def forgets(graph: str) -> Act:
    def act(tenant: Tenant) -> None:
        if tenant.cloudnet:
            tenant.modify(graph)
        else:
            tenant.request(graph)
        tenant.wait(HOLD_S + 1)

    return act


def releases(graph: str) -> Act:
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
    Scenario(
        "second thoughts", True, changes_its_mind(SHOP_MORE, SHOP_WIDE), SHOP, (SHOP, SHOP_WIDE)
    ),
    Scenario("cancel", True, cancels(SHOP), "", ("",)),
    Scenario("cancelled change", True, cancels(SHOP_MORE), SHOP, (SHOP,)),
    Scenario("expiry", True, forgets(SHOP), "", ("",)),
    Scenario("expired change", True, forgets(SHOP_MORE), SHOP, (SHOP,)),
    Scenario("release", True, releases(""), SHOP, (SHOP, "")),
    Scenario("release during a change", True, releases(SHOP_MORE), SHOP, (SHOP, "")),
]
EVERY = [(s, "berlin") for s in PIP] + [(s, v) for s in VNP for v in ("vnp", "berlin")]
"""Each scenario with who is killed: the provider or broker asked, or a provider below."""


def name_of(scenario: Scenario, victim: str) -> str:
    """What a test of it is called."""
    return f"{scenario.name} at a {'VNP' if scenario.broker else 'PIP'}, {victim} killed"
