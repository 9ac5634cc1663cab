"""The mapping component (paper, sections 4.2 and 5.2 to 5.3): a view of the world, and solving.

Solving happens on a snapshot; whoever reserves checks again (`Mapping.conflicts`) in the reserving
transaction.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import sqlalchemy as sa

from cloudnet_sdn.model.settings import RoleKind, Settings
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import (
    Clock,
    Interruptible,
    Inventory,
    Mapper,
    NodePlugin,
    OfferId,
    Refused,
    Synchronised,
    Task,
    Transient,
    Watching,
)
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.mapping import agreement, federation, places, stubs
from cloudnet_sdn.roles.mapping.health import BROKEN, Health
from cloudnet_sdn.roles.mapping.standing import Standing, freed
from cloudnet_sdn.store import offers, substrate, usage
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.wire.faults import Conflict
from mip.instance.capacity import Key, used_by
from mip.problem.amounts import Exact
from mip.problem.statement import Code, Embedded, Options, Problem, Reason, Result, Status
from mip.verify.verifier import verify
from rdl.federation.aggregate import aggregate
from rdl.federation.choices import offers as offers_of
from rdl.federation.complete import NO_POLICY, Policy, complete
from rdl.graph import Element, Graph, Interface, MappingGraph, Range, Scalar

log = logging.getLogger(__name__)

Nogoods = tuple[tuple[frozenset[str], str], ...]
"""As `mip.problem.statement.Problem.nogoods`."""

_AT_ONCE = 256
"""Providers asked at a time: they are waited for, so the slowest of them counts."""
_RECHECK_S = 1.0
"""How long a request waits for shells that were away a moment ago."""


@dataclass(frozen=True)
class View:
    """The world as it was at one moment.

    Attributes:
        substrate: the UL graph; of a VNP with what its providers offered.
        used: what is taken of it; nothing where the substrate tells what is left.
        unavailable: elements that may carry nothing new.
        down: those of them that carry nothing at all.
        revision: the store's, to see later whether anything moved.
        away: providers that couldn't be asked.
    """

    substrate: Graph
    used: usage.Totals
    unavailable: frozenset[str]
    revision: int
    away: tuple[Reason, ...] = ()
    down: frozenset[str] = frozenset()


class Mapping:
    """Maps requests onto the role's substrate."""

    def __init__(
        self, store: Store, registry: Registry, mapper: Mapper, clock: Clock, settings: Settings
    ) -> None:
        self._store = store
        self._registry = registry
        self._mapper = mapper
        self._interruptible = mapper if isinstance(mapper, Interruptible) else None
        self._settings = settings
        self.health = Health(clock)
        self._pool = concurrent.futures.ThreadPoolExecutor(8, thread_name_prefix="recheck")
        self._tally = usage.Tally()
        self._running: dict[str, bool] = {}
        self._base: tuple[str, Graph] | None = None

    def close(self) -> None:
        """Ask nobody any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- the world

    def view(self, *, without: str = "", standing: Sequence[Standing] = ()) -> View:
        """The world now.

        Args:
            without: a CloudNet whose use counts as free.
            standing: what it is, or holds, for brokers: their providers count it as used.

        Raises:
            Conflict: no substrate has been loaded.
        """
        with self._store.read() as conn:
            # First: whatever is read after it is as new at least, and what is newer is noticed.
            revision = substrate.revision(conn)
            base = self.base(conn)
            drained = substrate.all_drained(conn)
            # A broker's providers tell what they have left, and whether they are there.
            used = usage.Totals() if self._is_broker else self._tally.in_use(conn, without=without)
        whole, away = self.synchronised(base)
        if self._is_broker:
            whole = freed(whole, standing)
            return View(whole, used, drained, revision, away)
        down = self._still_away() | self._down(base)
        return View(whole, used, drained | down, revision, away, down)

    def _still_away(self) -> frozenset[str]:
        """The shells that were away and are so now: one that is back is used at once.

        One that hangs is used once the reconciler has had an answer: each request would wait.
        """
        asked, hang = {}, set()
        for name, target in self.health.all_away():
            plugin = self._registry.get(name)
            if self.health.hangs(name, target):
                hang.add(target)
            elif isinstance(plugin, Inventory):
                asked[self._pool.submit(plugin.inventory, target)] = target
        concurrent.futures.wait(asked, timeout=_RECHECK_S)
        back = {t for f, t in asked.items() if f.done() and not f.exception()}
        for future in asked:
            future.cancel()
        return frozenset(asked.values()) - back | hang

    def _down(self, base: Graph) -> frozenset[str]:
        """What is seen not to carry. A shell that can't say is found out when it is called."""
        found: frozenset[str] = frozenset()
        for name, plugin in self._registry.items():
            if isinstance(plugin, Watching):
                try:
                    found |= plugin.down(base)
                except (Transient, Refused) as exc:
                    log.info("unseen plugin=%s: %s", name, exc)
        return found

    def watch(self, name: str, plugin: Watching) -> None:
        """Note which elements a plugin's shell sees to be down. Raises Transient, Refused."""
        with self._store.read() as conn:
            if substrate.newest_digest(conn) is None:
                return
            base = self.base(conn)
        self.health.saw_down(name, plugin.down(base))

    def broken(self, task: Task) -> MappingOf[str, str]:
        """What a provider sees broken of a task's elements, with the reasons; nothing if away."""
        try:
            seen = self._registry.get(task.plugin).observe(task)
        except (Transient, Refused) as exc:
            log.info("unseen plugin=%s target=%s: %s", task.plugin, task.target, exc)
            return {}
        return {e: o.reason for e, o in seen.items() if o.state in BROKEN}

    def base(self, conn: sa.Connection) -> Graph:
        """The substrate as configured or loaded, before anybody is asked."""
        if self._is_broker:
            return federation.skeleton(self._settings)
        digest = substrate.newest_digest(conn)
        known = self._base
        if known is not None and known[0] == digest:
            return known[1]  # the text may be a megabyte, and each request asks
        loaded = substrate.newest(conn)
        if loaded is None:
            raise Conflict("no substrate has been loaded yet")
        graph = documents.graph(loaded.graph)
        self._base = loaded.digest, graph
        return graph

    def synchronised(self, base: Graph) -> tuple[Graph, tuple[Reason, ...]]:
        """The substrate with what those who must be asked say, all at once and in bounded time."""
        known: dict[str, Synchronised] = {}
        for type_ in {e.type for e in base.nodes()}:
            plugin = self._registry.for_type(type_)
            if isinstance(plugin, Synchronised):
                known[type_] = plugin
        asked = [(e, known[e.type]) for e in base.nodes() if e.type in known]
        if not asked:
            return base, ()
        answers: dict[str, Element] = {}
        away: list[Reason] = []
        pool = concurrent.futures.ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(asked)))
        futures = {e.id: pool.submit(plugin.offered, e) for e, plugin in asked}
        concurrent.futures.wait(futures.values(), timeout=self._settings.timing.peer_s + 1)
        pool.shutdown(wait=False, cancel_futures=True)
        for name, future in futures.items():
            try:
                answers[name] = future.result(timeout=0)
            except (Transient, Refused, TimeoutError, concurrent.futures.CancelledError) as exc:
                log.warning("away at synchronisation provider=%s: %s", name, exc)
                away.append(Reason(name, Code.PEER_AWAY, f"{name} can't be reached"))
        return federation.joined(base, answers, self._settings.transit), tuple(away)

    def shown(self, caller: str, view: View | None = None) -> Graph:
        """What a caller may see of the substrate, as it is now or in `view`: sums only."""
        view = view or self.view()
        return aggregate(
            view.substrate,
            name=self._settings.name,
            used=use_by_element(view.substrate, view.used),
            unavailable=view.unavailable,
            grants=self.grants(view.substrate, caller),
        )

    def told(self, caller: str, view: View) -> Element:
        """The one element that a caller's refusals speak of; a broker's providers have names."""
        shown = self.shown(caller, view).elements[self._settings.name]
        if not self._is_broker:
            return shown
        providers = tuple(e.id for e in view.substrate.nodes())
        return replace(shown, features={**shown.features, "provider": providers})

    def grants(self, graph: Graph, caller: str) -> MappingOf[str, Range]:
        """The end points a caller may use, with its tags."""
        return stubs.granted(self._settings.grant, caller, graph)

    # -- one request

    def anchors(self, view: View, request: Graph, caller: str) -> stubs.Anchors:
        """Where the stubs of a request end."""
        allowed = stubs.granted(self._settings.grant, caller, view.substrate)
        return stubs.anchors(request, view.substrate, name=self._settings.name, allowed=allowed)

    def problem(
        self,
        view: View,
        request: Graph,
        anchors: stubs.Anchors,
        *,
        operator: bool,
        unavailable: frozenset[str] = frozenset(),
        keep: MappingOf[str, str] | None = None,
        nogoods: Nogoods = (),
    ) -> Problem:
        """What is to be solved: the request completed as far as it goes without a mapping.

        Raises:
            Refused: nothing here takes the type of a VNode.
        """
        name = self._settings.name
        if self._is_broker:
            request = agreement.numbered(request)
        request = places.placeable(request, view.substrate, role=name, runs=self._runs_vnodes)
        return Problem(
            substrate=view.substrate,
            request=complete(request, policy=self._policy, role=self._role),
            taken=view.used.amounts,
            occupied=view.used.hosts,
            anchors=anchors.at,
            unavailable=view.unavailable | unavailable,
            keep=keep or {},
            nogoods=nogoods,
            shown=None if operator else self._nameable(view.substrate),
        )

    def _nameable(self, graph: Graph) -> frozenset[str]:
        """What callers may name in `on` and `not_on`: of a PIP nothing of its inside."""
        return frozenset(e.id for e in graph.nodes()) if self._is_broker else frozenset()

    def _runs_vnodes(self, element: Element) -> bool:
        known = self._running.get(element.type)
        if known is None:
            plugin = self._registry.for_type(element.type)
            # Of a protocol with many methods this is slow, and there may be thousands of hosts.
            known = self._running[element.type] = isinstance(plugin, NodePlugin)
        return known

    def attending(self, offer: OfferId) -> AbstractContextManager[None]:
        """For the time that an offer is worked on: `interrupt` counts from its beginning."""
        if self._interruptible is None:
            return contextlib.nullcontext()
        return self._interruptible.attending(offer)

    def interrupt(self, offer: OfferId) -> None:
        """End what is solved for an offer, where the solver lets us."""
        if self._interruptible is not None:
            self._interruptible.interrupt(offer)

    def solve(self, problem: Problem, offer: OfferId, *, explain: bool = True) -> Result:
        """A mapping for an offer that is attended to, or reasons; none without `explain`.

        Raises:
            Refused: it can't be embedded, or not found out in time, or isn't wanted any more.
        """
        limit = self._settings.timing.solve_s
        options = Options(objective=self._settings.objective, time_limit=limit, explain=explain)
        if self._interruptible is None:
            result = self._mapper.map(problem, options)
        else:
            result = self._interruptible.map_for(offer, problem, options)
        if result.status is Status.INFEASIBLE:
            raise Refused(result.reasons)
        if result.status is Status.TIMEOUT:
            text = f"no mapping was found within {limit:g} s; a smaller request may fit"
            raise Refused([Reason(problem.request.name, Code.TIMEOUT, text)])
        return result

    def completed(self, asked: Graph, problem: Problem, result: Result) -> Graph:
        """The OL1 graph: what was left open, settled by the mapping and the role's policy.

        A broker settles nothing: it passes absences on (paper, section 2.3).
        """
        if self._is_broker:
            return replace(problem.request, constraints=agreement.numbered(asked).constraints)
        hosts = {v: problem.substrate.elements[h] for v, h in result.nodes.items()}
        return complete(
            replace(problem.request, constraints=asked.constraints),
            policy=self._policy,
            role=self._role,
            hosts=hosts,
            chosen=result.chosen,
        )

    def choices(self, problem: Problem) -> dict[str, list[Scalar]]:
        """The values that constraints partly elsewhere could take here."""
        hosts = (e for e in problem.substrate.nodes() if e.id not in problem.unavailable)
        return {c: list(values) for c, values in offers_of(problem.request, hosts).items()}

    def conflicts(
        self, conn: sa.Connection, view: View, problem: Problem, result: Result, without: str
    ) -> bool:
        """Whether the mapping no longer fits, in the transaction that would reserve it."""
        if substrate.lock(conn) == view.revision or self._is_broker:
            return False
        used = self._tally.in_use(conn, without=without)
        now = replace(
            problem,
            substrate=self.base(conn),
            taken=used.amounts,
            occupied=used.hosts,
            unavailable=problem.unavailable | substrate.all_drained(conn),
        )
        return bool(verify(now, result))

    def takes(self, base: Graph, overlay: Graph, mapping: MappingGraph) -> dict[Key, Exact]:
        """What an embedded graph takes of our substrate, by holder and resource."""
        if self._is_broker:
            return {}
        at = stubs.anchors(overlay, base, name=self._settings.name, allowed=None).at
        found = dict(used_by(base, Embedded(overlay, mapping, at)).fixed)
        for vnode in overlay.nodes():
            placed = mapping.mapping.get(vnode.id)
            if placed is not None and not vnode.is_stub:
                for host in placed.on[:1]:
                    key = (host, usage.VNODES)
                    found[key] = found.get(key, 0) + 1
        return found

    @repeatable
    def complete_usage(self) -> int:
        """Write down what CloudNets take that an earlier version kept graphs of alone; how many."""
        if self._is_broker:
            return 0
        with self._store.write() as conn:
            untold = usage.untold(conn)
            if not untold:
                return 0
            base = self.base(conn)
            for identifier, overlay, mapping in offers.in_use(conn):
                offer = offers.get(conn, identifier) if identifier in untold else None
                if offer is not None:
                    graphs = documents.graph(overlay), documents.mapping(mapping)
                    usage.put(conn, offer.cloudnet, offer.round, self.takes(base, *graphs))
        return len(untold)

    @property
    def _is_broker(self) -> bool:
        return self._settings.kind is RoleKind.VNP

    @property
    def _role(self) -> str:
        return f"{self._settings.kind}:{self._settings.name}"

    @property
    def _policy(self) -> Policy:
        return NO_POLICY if self._is_broker else Policy()


def use_by_element(graph: Graph, totals: usage.Totals) -> dict[tuple[str, str], int | float]:
    """What is used of each element and end point, for `rdl.federation.aggregate`.

    The use of a shared pool stands at the first of those that draw on it.
    """
    first: dict[tuple[str, str], str] = {}
    for element in graph.elements.values():
        holders: tuple[Element | Interface, ...] = (element, *element.interfaces)
        for holder in holders:
            for resource, amount in holder.resources.items():
                if amount.pool is not None:
                    first.setdefault((f"pool {amount.pool}", resource), holder.id)
    return {
        (first.get(key, key[0]), key[1]): float(amount) for key, amount in totals.amounts.items()
    }
