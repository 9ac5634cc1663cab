"""What tenants do while a process is killed: creation, changes, ends; at a PIP and at a VNP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fakes.killing import HOLD_S, Scenario, Tenant
from fakes.world import BROKER, PAIR

from rdl.graph import Amount, Graph
from rdl.language.dump import dump
from rdl.language.load import load_graph

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


LOOSE = PAIR.partition("constraints")[0]
ROVING = SHOP.replace("site: munich", "site: [munich, hamburg]")

_BELOW = ("berlin",)
_FOUR = ("vnp", "berlin", "munich", "hamburg")


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


# -- what happens to a CloudNet that stands: it is as it was asked for, here or elsewhere


def _host(tenant: Tenant, vnode: str) -> tuple[str, str]:
    (place,) = tenant.world.places(vnode)
    return place


def _moved(tenant: Tenant, vnode: str, place: tuple[str, str]) -> None:
    """Wait until a VNode runs elsewhere, and all is well."""

    def so() -> bool:
        runs = tenant.world.places(vnode) - {place}
        return bool(runs) and tenant.state() == "running"

    tenant.await_(f"{vnode} runs elsewhere than at {place}", so)


def host_dies(vnode: str) -> Act:
    """The host of a VNode is away for long enough to have it mapped anew, and comes back."""

    def act(tenant: Tenant) -> None:
        place = _host(tenant, vnode)
        wire = tenant.world.cut(*place)
        _moved(tenant, vnode, place)
        wire.down = False

    return act


def host_dies_in_vain(tenant: Tenant) -> None:
    """There is no other place; once the host is back all is where it was."""
    wire = tenant.world.cut(*_host(tenant, "web"))
    front = tenant.world.front

    def refused() -> bool:
        events = [e["event"] for e in front.call("negotiation.history", tenant.cloudnet)]
        told = front.call("negotiation.status", tenant.cloudnet)
        why = told["elements"]["web"]["reason"]
        return "mending" in events and "refused" in events and told["state"] == "degraded" and why

    tenant.await_("mending is refused, and the CloudNet said to be degraded", refused)
    wire.down = False


def part_is_given_up(tenant: Tenant) -> None:
    """A provider gives its part up, and the broker has it made anew."""
    given = tenant.give_up("munich")
    tenant.world.clock.advance(60)  # providers are asked for a list once a minute
    munich = tenant.world.machines["munich"]

    def so() -> bool:
        parts = {p["cloudnet"] for p in munich.call("negotiation.list", caller=BROKER)}
        return bool(parts - {given}) and tenant.state() == "running"

    tenant.await_("munich has another part", so)


def provider_goes(tenant: Tenant) -> None:
    """A provider is away for long enough to have its part mapped anew, and comes back."""
    place = _host(tenant, "db")
    wire = tenant.world.cut("munich")
    _moved(tenant, "db", place)
    wire.down = False


def _empty(tenant: Tenant, vnode: str, machine: str, element: str) -> None:
    """The operator empties a host or provider, again where there was no place elsewhere."""
    place = _host(tenant, vnode)
    front = tenant.world.front
    asked = 0

    def so() -> bool:
        nonlocal asked
        events = [e["event"] for e in front.call("negotiation.history", tenant.cloudnet)]
        if asked <= events.count("refused"):
            asked = events.count("refused") + 1
            tenant.operate(machine, "drain", element, {"evacuate": True})
        return bool(tenant.world.places(vnode) - {place}) and tenant.state() == "running"

    tenant.await_(f"{vnode} runs elsewhere than at {place}", so)


def evacuates(vnode: str, machine: str = "berlin", element: str = "") -> Act:
    """The operator empties a host, or a provider, and takes it into use again."""

    def act(tenant: Tenant) -> None:
        emptied = element or _host(tenant, vnode)[1]
        _empty(tenant, vnode, machine, emptied)
        tenant.world.settle()
        tenant.operate(machine, "undrain", emptied)

    return act


def is_forgotten(vnode: str, machine: str = "berlin", element: str = "") -> Act:
    """A host or provider is gone for good and forgotten; it comes back all the same."""

    def act(tenant: Tenant) -> None:
        place = _host(tenant, vnode)
        emptied = element or place[1]
        wire = tenant.world.cut(place[0]) if element else tenant.world.cut(*place)
        _empty(tenant, vnode, machine, emptied)
        tenant.operate(machine, "forget", emptied)
        tenant.world.settle()
        wire.down = False
        tenant.world.settle()
        tenant.world.clock.advance(60)  # providers are asked for a list once a minute
        tenant.world.settle()
        tenant.operate(machine, "undrain", emptied)

    return act


def _force(tenant: Tenant, graph: Graph) -> None:
    """The operator puts another substrate of berlin in force; so it is there."""
    site = tenant.world.machines["berlin"].site
    assert site is not None
    tenant.operate("berlin", "load", dump(graph), {"force": True})
    site.substrate = graph


def host_shrinks(tenant: Tenant) -> None:
    """By another substrate, there is no room any more for a VNode where it is."""
    place = _host(tenant, "web")
    graph = load_graph(tenant.operate("berlin", "substrate"))
    host = graph.elements[place[1]]
    small = replace(host, resources={**host.resources, "cpu": Amount(1)})
    _force(tenant, replace(graph, elements={**graph.elements, place[1]: small}))
    _moved(tenant, "web", place)


def bridge_is_rewired(tenant: Tenant) -> None:
    """By another substrate, the tunnels of a provider below are behind another switch."""
    berlin = tenant.world.machines["berlin"]
    graph = load_graph(tenant.operate("berlin", "substrate"))
    joined = tuple(("sw2.p3", b) if a == "sw1.p3" else (a, b) for a, b in graph.connections)
    _force(tenant, replace(graph, connections=joined))

    def so() -> bool:
        (part,) = berlin.call("negotiation.list", caller=BROKER)
        events = berlin.call("negotiation.history", part["cloudnet"], caller=BROKER)
        return any(e["event"] == "mended" for e in events)

    tenant.await_("berlin's part is mended", so)


def all_is_lost(tenant: Tenant) -> None:
    """Shells come back with nothing of what they had."""
    site = tenant.world.machines["berlin"].site
    assert site is not None
    for agent in site.agents.values():
        agent.vnodes.clear()
        agent.admitted.clear()
    site.controller.vlinks.clear()
    tenant.await_("all is there again", lambda: tenant.state() == "running")


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
    *(
        Scenario(name, False, act, LOOSE, (LOOSE,), created=PAIR, heals=heals, alike=True)
        for name, act, heals in (
            ("death of a host", host_dies("web"), True),
            ("evacuation", evacuates("web"), False),
            ("forgetting", is_forgotten("web"), False),
            ("forced substrate", host_shrinks, False),
        )
    ),
    Scenario("death in vain", False, host_dies_in_vain, PAIR, (PAIR,), heals=True),
    Scenario("loss", False, all_is_lost, PAIR, (PAIR,)),
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
    Scenario("death of a host", True, host_dies("app"), SHOP, (SHOP,), victims=_BELOW, heals=True),
    Scenario(
        "part given up",
        True,
        part_is_given_up,
        SHOP,
        (SHOP,),
        victims=("vnp", "munich"),
        heals=True,
    ),
    *(
        Scenario(name, True, act, ROVING, (ROVING,), victims=_FOUR, third=True, heals=heals)
        for name, act, heals in (
            ("death of a provider", provider_goes, True),
            ("evacuation", evacuates("db", "vnp", "munich"), False),
            ("forgetting", is_forgotten("db", "vnp", "munich"), False),
        )
    ),
    Scenario("forced substrate", True, bridge_is_rewired, SHOP, (SHOP,), victims=_BELOW),
    Scenario("loss", True, all_is_lost, SHOP, (SHOP,), victims=_BELOW),
]
EVERY = [
    (s, v) for s in (*PIP, *VNP) for v in s.victims or (("vnp", "berlin") if s.broker else _BELOW)
]
"""Each scenario with who is killed: the provider or broker asked, or a provider below."""


def name_of(scenario: Scenario, victim: str) -> str:
    """What a test of it is called."""
    return f"{scenario.name} at a {'VNP' if scenario.broker else 'PIP'}, {victim} killed"


def called_at_once(scenario: Scenario, victim: str) -> tuple[bool, ...]:
    """Whether who is killed is there when it is called again, or is seen to be away first."""
    return (False, True) if scenario.broker and victim != "vnp" else (False,)
