"""Whether all sides agree on what stands: graphs, journal, tags, amounts, machines, providers.

What stands is what the graphs of offers in force and of held ones say. All else is compared with
that, each by a way of its own, once everybody has settled. The answers are what is wrong, in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import sqlalchemy as sa
from fakes.world import BROKER, TENANT, Federation, Machine

from cloudnet_sdn.model.identifiers import cloudnet_in
from cloudnet_sdn.model.power import Power, power_of
from cloudnet_sdn.model.states import LIVE, SETTLED, CloudnetState, OfferState
from cloudnet_sdn.roles.offers.pricing import price
from cloudnet_sdn.store import cloudnets, offers, tasks, usage
from cloudnet_sdn.store.cloudnets import Cloudnet
from cloudnet_sdn.store.offers import GraphLayer, Offer
from cloudnet_sdn.store.schema import cloudnets as cloudnet_rows
from cloudnet_sdn.store.schema import names, tags
from cloudnet_sdn.store.schema import offers as offer_rows
from cloudnet_sdn.store.schema import tasks as task_rows
from cloudnet_sdn.store.schema import usage as usage_rows
from cloudnet_sdn.store.tasks import Entry
from rdl.graph import Graph, MappingGraph
from rdl.language.dump import to_data
from rdl.language.load import load_graph, load_mapping


@dataclass(frozen=True)
class Standing:
    """A generation that is in force, or held."""

    cloudnet: Cloudnet
    offer: Offer
    in_force: bool
    asked: Graph
    overlay: Graph
    mapping: MappingGraph
    entries: tuple[Entry, ...]
    substrate: Graph

    @property
    def vnodes(self) -> dict[str, str]:
        """Its VNodes and their hosts."""
        placed = self.mapping.mapping
        ids = [e.id for e in self.overlay.nodes() if not e.is_stub]
        return {v: placed[v].on[0] for v in ids if v in placed}

    def tags(self) -> Iterator[tuple[str, int, str]]:
        """(place, tag, VLink): a place is a link, a host's bridge or a transit end point."""
        for vlink, placement in self.mapping.mapping.items():
            for segment in placement.segments:
                element = self.substrate.elements.get(segment.on)
                kind = "/link/transit" if element is None else element.type
                # Of a broker's ends, which are providers, the tag is that of the transit between.
                if segment.vlan is not None and kind != "/node/host/pip":
                    ended = kind == "/node/bridge/tunnel" and segment.interface
                    yield ended or segment.on, segment.vlan, vlink


def standing(machine: Machine) -> list[Standing]:
    """All that stands at a role."""
    found = []
    with machine.role.store.read() as conn:
        base = machine.role.mapping.base(conn)
        in_force = sa.select(cloudnet_rows.c.offer).where(cloudnet_rows.c.generation > 0)
        held = offer_rows.c.state.in_([OfferState.HELD.value, OfferState.CONFIRMING.value])
        every = sa.select(offer_rows.c.id).where(sa.or_(held, offer_rows.c.id.in_(in_force)))
        for identifier in sorted(conn.scalars(every)):
            offer = offers.get(conn, identifier)
            assert offer is not None
            cloudnet = cloudnets.get(conn, offer.cloudnet)
            assert cloudnet is not None
            if not cloudnet.live or cloudnet.state is CloudnetState.RELEASING:
                continue
            layers = [offers.graph(conn, identifier, layer) or "" for layer in GraphLayer]
            found.append(
                Standing(
                    cloudnet,
                    offer,
                    in_force=cloudnet.offer == identifier,
                    asked=load_graph(layers[0]),
                    overlay=load_graph(layers[1]),
                    mapping=load_mapping(layers[2]),
                    entries=tuple(tasks.of_offer(conn, offer)),
                    substrate=base,
                )
            )
    return found


def faults(machine: Machine) -> list[str]:
    """What is wrong at a role that has settled."""
    ones = standing(machine)
    found = [*_states(machine, ones), *_journal(machine, ones), *_tags(machine, ones)]
    found += [*_amounts(machine, ones), *_names(machine, ones)]
    if machine.site is not None:
        found += [*_machines(machine, ones), *_tagged(machine, ones), *_prices(ones)]
    return [f"{machine.settings.name}: {text}" for text in found]


def faults_of(federation: Federation) -> list[str]:
    """What is wrong at a broker, at its providers, and between them."""
    found = faults(federation.vnp)
    for name, pip in federation.pips.items():
        found += faults(pip)
        found += [f"vnp and {name}: {t}" for t in _between(federation.vnp, name, pip)]
    found += [f"vnp: {text}" for text in _sums(federation)]
    return found


def _differ(what: str, there: Iterable[object], wanted: Iterable[object]) -> Iterator[str]:
    more, less = Counter(there), Counter(wanted)
    if more != less:
        yield f"{what}: too many {sorted((more - less).elements(), key=str)}, missing " + str(
            sorted((less - more).elements(), key=str)
        )


# -- the store


def _states(machine: Machine, ones: list[Standing]) -> Iterator[str]:
    with machine.role.store.read() as conn:
        rows = conn.execute(sa.select(cloudnet_rows)).all()
        every = [offers.get(conn, o) for o in conn.scalars(sa.select(offer_rows.c.id))]
    states = {row.id: CloudnetState(row.state) for row in rows}
    for cloudnet, state in states.items():
        if state is CloudnetState.RELEASING:
            yield f"{cloudnet} is releasing"
    for offer in every:
        assert offer is not None
        settled = offer.state in SETTLED
        if not settled and (
            offer.state is not OfferState.HELD or states[offer.cloudnet] not in LIVE
        ):
            yield f"{offer.id} is {offer.state}, its CloudNet {states[offer.cloudnet]}"
    for row in rows:
        if row.state == CloudnetState.READY:
            force = [o for o in ones if o.cloudnet.id == row.id and o.in_force]
            if len(force) != 1:
                yield f"{row.id} is ready, and {len(force)} are in force"
            elif (force[0].offer.state, force[0].offer.round) != (
                OfferState.CONFIRMED,
                row.generation,
            ):
                yield f"{row.id} is in generation {row.generation}, not {force[0].offer}"
        if row.state == CloudnetState.PRELIMINARY and not any(
            o.cloudnet.id == row.id for o in ones
        ):
            yield f"{row.id} is preliminary, and nothing is held"


def _journal(machine: Machine, ones: list[Standing]) -> Iterator[str]:
    with machine.role.store.read() as conn:
        there = [tasks.get(conn, t) for t in conn.scalars(sa.select(task_rows.c.id))]
    wanted = {e.id for one in ones for e in one.entries}
    yield from _differ("tasks", (e.id for e in there if e), wanted)
    for entry in there:
        if entry is not None and (entry.open or not entry.agreed):
            yield f"task {entry.key} is {entry.state}, wanted {entry.wanted}, open {entry.open}"
    for one in ones:
        for entry in one.entries:
            if one.in_force and entry.succeeds is not None:
                yield f"{entry.key} is in force and still succeeds {entry.succeeds}"


def _tags(machine: Machine, ones: list[Standing]) -> Iterator[str]:
    with machine.role.store.read() as conn:
        rows = conn.execute(sa.select(tags)).all()
    there = [(r.link, r.tag, r.cloudnet, r.vlink) for r in rows]
    wanted = {(p, t, o.cloudnet.id, v) for o in ones for p, t, v in o.tags()}
    yield from _differ("tags", there, wanted)


def _amounts(machine: Machine, ones: list[Standing]) -> Iterator[str]:
    most: dict[str, dict[usage.Key, Fraction]] = {}
    rounds = set()
    for one in ones:
        takes = machine.role.mapping.takes(one.substrate, one.overlay, one.mapping)
        if takes:
            rounds.add((one.cloudnet.id, one.offer.round))
        mine = most.setdefault(one.cloudnet.id, {})
        for key, amount in takes.items():
            mine[key] = max(mine.get(key, Fraction(0)), Fraction(amount))
    with machine.role.store.read() as conn:
        query = sa.select(usage_rows.c.cloudnet, usage_rows.c.round).distinct()
        there = [tuple(row) for row in conn.execute(query)]
        totals = usage.Tally().in_use(conn)
        added_up, kept = usage.added_up(conn), usage.kept(conn)
    yield from _differ("totals", kept.items(), added_up.items())
    yield from _differ("rounds in usage", there, rounds)
    wanted: dict[usage.Key, Fraction] = {}
    for mine in most.values():
        for key, amount in mine.items():
            wanted[key] = wanted.get(key, Fraction(0)) + amount
    plain = {k: v for k, v in wanted.items() if k[1] != usage.VNODES and v}
    yield from _differ("usage", totals.amounts.items(), plain.items())
    if machine.site is not None:
        yield from _shown(machine, plain)


def _shown(machine: Machine, taken: dict[usage.Key, Fraction]) -> Iterator[str]:
    """The sums shown to others are what is installed without what is taken."""
    assert machine.site is not None
    installed = machine.site.substrate
    shown = load_graph(machine.call("negotiation.substrate", caller=BROKER))
    element = shown.elements[machine.settings.name]
    for resource in ("cpu", "memory", "storage"):
        hosts = [e for e in installed.nodes() if e.type.startswith("/node/host/")]
        free = sum(h.amount(resource) - taken.get((h.id, resource), 0) for h in hosts)
        if element.amount(resource) != free:
            yield f"{resource}: {element.amount(resource)} shown, {free} free"
    for interface in element.interfaces:
        tunnel = f"tbr.{interface.name}"
        whole = installed.interface(tunnel).resources["bandwidth"].amount
        free = whole - taken.get((tunnel, "bandwidth"), 0)
        if interface.resources["bandwidth"].amount != free:
            yield f"{tunnel}: {interface.resources['bandwidth'].amount} shown, {free} free"


def _names(machine: Machine, ones: list[Standing]) -> Iterator[str]:
    wanted = {(o.cloudnet.owner, o.cloudnet.name, o.cloudnet.id) for o in ones}
    with machine.role.store.read() as conn:
        there = [(row.owner, row.name, row.cloudnet) for row in conn.execute(sa.select(names))]
    yield from _differ("names", there, wanted)
    for one in ones:
        if one.asked.name != one.cloudnet.name:
            yield f"{one.cloudnet.id} is called {one.cloudnet.name}, asked for was {one.asked.name}"


def _prices(ones: list[Standing]) -> Iterator[str]:
    for one in ones:
        wanted = price(one.substrate, one.overlay, one.mapping)
        if one.offer.price != wanted:
            yield f"{one.offer.id} costs {one.offer.price}, its mapping {wanted}"


# -- a provider's machines


def _machines(machine: Machine, ones: list[Standing]) -> Iterator[str]:
    """VNodes, VLinks and admitted tags are those of the graphs, as they are in force."""
    site = machine.site
    assert site is not None
    cores: dict[tuple[str, str, str], float] = {}
    rates: dict[tuple[str, str], float] = {}
    admitted = set()
    for one in sorted(ones, key=lambda o: o.in_force):  # what is in force says how things are
        own = one.cloudnet.id
        for vnode, host in one.vnodes.items():
            cores[host, own, vnode] = float(one.overlay.elements[vnode].amount("cpu"))
        for vlink, placement in one.mapping.mapping.items():
            element = one.overlay.elements[vlink]
            if element.is_link and any(on.startswith("sw") for on in placement.on):
                rates[own, vlink] = float(element.amount("bandwidth"))
        admitted |= {(p, own, t) for p, t, _ in one.tags() if p.startswith("tbr.")}
    vnodes = [
        ((host, cloudnet_in(key), key.partition(".")[2]), vnode.spec.cpu)
        for host, agent in site.agents.items()
        for key, vnode in agent.vnodes.items()
    ]
    vlinks = [
        ((cloudnet_in(key), key.partition(".")[2]), spec.bandwidth)
        for key, spec in site.controller.vlinks.items()
    ]
    let_through = [
        (f"{host}.{tunnel}", cloudnet_in(key), tag)
        for host, agent in site.agents.items()
        for key, (tunnel, tag) in agent.admitted.items()
    ]
    yield from _differ("VNodes", vnodes, cores.items())
    yield from _differ("VLinks", vlinks, rates.items())
    yield from _differ("tags admitted", let_through, admitted)
    for one in ones:
        yield from _powered(machine, one)


def _powered(machine: Machine, one: Standing) -> Iterator[str]:
    assert machine.site is not None
    for entry in one.entries:
        for vnode, wish in entry.power.items():
            there = machine.site.agents[entry.task.target].vnodes.get(entry.key)
            runs = there is not None and there.state == "running"
            if one.in_force and runs is (power_of(wish) is Power.STOPPED):
                yield f"{vnode} runs: {runs}, wanted {wish}"


def _tagged(machine: Machine, ones: list[Standing]) -> Iterator[str]:
    """What machines are told uses the tags that are reserved, all of them where nothing is held."""
    site = machine.site
    assert site is not None
    dpids = {e.features["dpid"]: e.id for e in site.substrate.nodes() if "dpid" in e.features}

    def link_at(node: str, port: object) -> str:
        ends = site.substrate.ends(node)
        mine = (o for i, o in ends if site.substrate.interface(i).features.get("port") == port)
        return next(mine).partition(".")[0]

    used = set()
    for spec in site.controller.vlinks.values():
        used |= {(link_at(dpids[e.dpid], e.port), e.vlan) for e in spec.ends}
        used |= {(link_at(dpids[h.dpid], h.out_port), h.vlan) for h in spec.hops}
    for host, agent in site.agents.items():
        for vnode in agent.vnodes.values():
            for interface in vnode.spec.interfaces:
                used.add((host, interface.vlan))
                if interface.uplink:
                    used.add((link_at(host, interface.uplink), interface.vlan))
        used |= {(f"{host}.{tunnel}", tag) for tunnel, tag in agent.admitted.values()}
    with machine.role.store.read() as conn:
        reserved = {(r.link, r.tag) for r in conn.execute(sa.select(tags))}
    if all(one.in_force for one in ones):
        yield from _differ("tags of the machines", used, reserved)
    elif used - reserved:
        yield f"tags of the machines that aren't reserved: {sorted(used - reserved)}"


# -- a broker and its providers


def _between(vnp: Machine, name: str, pip: Machine) -> Iterator[str]:
    """A provider has what the broker's tasks say: as much, the same graphs, held or confirmed."""
    below = [o for o in standing(pip) if o.cloudnet.owner == str(BROKER.uri)]
    above = [
        (one, entry)
        for one in standing(vnp)
        for entry in one.entries
        if entry.task.plugin == "provider" and entry.task.target == name
    ]
    yield from _differ(
        "CloudNets", {o.cloudnet.id for o in below}, {e.task.answer["cloudnet"] for _, e in above}
    )
    force = {o.cloudnet.id: o for o in below if o.in_force}
    for one, entry in above:
        if not one.in_force:
            continue
        other = force.get(entry.task.answer["cloudnet"])
        if other is None:
            yield f"{entry.key} is in force at the broker alone"
        elif _alike(other.asked) != _alike(load_graph(entry.task.spec["graph"])):
            yield f"{entry.key} is another one below than above"
        elif other.cloudnet.expires < one.cloudnet.expires:
            yield f"{entry.key}: its lease ends before the broker's"
    held = [o.offer.id for o in below if not o.in_force]
    pending = {e.task.answer["offer"] for o, e in above if not o.in_force and not e.task.confirmed}
    yield from _differ("holds", held, pending)


def _sums(federation: Federation) -> Iterator[str]:
    """A broker charges what its providers charge it."""
    below = {o.cloudnet.id: o for p in federation.pips.values() for o in standing(p) if o.in_force}
    for one in standing(federation.vnp):
        if not one.in_force:
            continue
        parts = [e.task.answer["cloudnet"] for e in one.entries if "cloudnet" in e.task.answer]
        wanted = round(sum(below[c].offer.price for c in parts if c in below), 6)
        if one.offer.price != wanted:
            yield f"{one.offer.id} costs {one.offer.price}, its parts {wanted}"


def _alike(graph: Graph) -> object:
    return to_data(replace(graph, name="any"))


def owners_cloudnets(machine: Machine) -> dict[str, Graph]:
    """What a tenant has in force: graphs as they were asked for, by name."""
    return {
        o.cloudnet.name: o.asked
        for o in standing(machine)
        if o.in_force and o.cloudnet.owner == str(TENANT.uri)
    }
