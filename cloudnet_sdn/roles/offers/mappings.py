"""The mapping of a round: what can stay stays, what is unchanged before what isn't.

A modification keeps as many VNodes where they are as it can; a further round, what is held already.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as MappingOf

from cloudnet_sdn.model.settings import RoleKind, Settings
from cloudnet_sdn.model.states import OfferKind
from cloudnet_sdn.ports import Refused
from cloudnet_sdn.roles.access import is_operator
from cloudnet_sdn.roles.mapping.component import Mapping, Nogoods, View
from cloudnet_sdn.roles.mapping.standing import carried, unchanged, with_old_paths
from cloudnet_sdn.roles.offers.discretion import discreet
from cloudnet_sdn.roles.offers.learning import Learned
from cloudnet_sdn.roles.offers.rounds import Assignment, Made
from cloudnet_sdn.roles.offers.stages import Stage
from cloudnet_sdn.roles.reserving.reservation import Solved
from cloudnet_sdn.store.offers import Offer
from cloudnet_sdn.wire.identity import Caller
from mip.problem.statement import Code, Problem, Reason

log = logging.getLogger(__name__)


class Mappings:
    """Finds a mapping for each round of an offer."""

    def __init__(self, mapping: Mapping, settings: Settings) -> None:
        self._mapping = mapping
        self._settings = settings

    def find(self, task: Assignment, learned: Learned, over: Made | None) -> Solved:
        """A mapping of what is to be embedded.

        Args:
            task: what that is.
            learned: what earlier rounds have shown.
            over: the round that this one's is to take the place of.

        Raises:
            Refused: there is none, or none was found in time.
        """
        standing = [] if task.standing is None else [task.standing]
        standing += [] if over is None else [over.standing]
        with learned.took.of(Stage.LOOK):
            view = self._mapping.view(without=task.offer.cloudnet, standing=standing)
        keeps = list(self._keeps(task, view, learned, over))
        tries = [(keep, nogoods) for nogoods in learned.nogoods for keep in keeps]
        for keep, nogoods in tries[:-1]:
            try:
                return self._mapped(task, view, keep, nogoods, learned, explain=False)
            except Refused as exc:
                if any(r.code is Code.TIMEOUT for r in exc.reasons):
                    raise
        keep, nogoods = tries[-1]
        return self._mapped(task, view, keep, nogoods, learned)

    def _keeps(
        self, task: Assignment, view: View, learned: Learned, over: Made | None
    ) -> Iterator[MappingOf[str, str]]:
        """By VNode the host that it is to keep: what is tried, the most first, each but once."""
        told: list[MappingOf[str, str]] = []
        for keep in self._wishes(task, view, learned, over):
            if keep not in told:
                told.append(keep)
                yield keep

    def _wishes(
        self, task: Assignment, view: View, learned: Learned, over: Made | None
    ) -> Iterator[MappingOf[str, str]]:
        standing = task.standing
        if over is not None:
            held = {v: h for v, h in over.solved.result.nodes.items() if h in over.held}
            yield held
            if over.outcome.whole:
                return
        if standing is None or task.relocate:
            yield {}
            return
        asked = {e.id for e in task.graph.nodes()}
        places = {v: host for v, host in standing.hosts().items() if v in asked}
        mending = task.offer.kind is OfferKind.MENDING
        if mending:
            unusable = view.unavailable | learned.unavailable
            there = view.substrate.elements.keys() - unusable
            places = {v: h for v, h in places.items() if h in there and not learned.lost(v, h)}
        same = unchanged(task.graph, standing)
        yield places
        yield {v: host for v, host in places.items() if v in same}
        if mending or learned.turned_down:
            yield {}

    def _mapped(
        self,
        task: Assignment,
        view: View,
        keep: MappingOf[str, str],
        nogoods: Nogoods,
        learned: Learned,
        *,
        explain: bool = True,
    ) -> Solved:
        offer, standing = task.offer, task.standing
        graph = task.graph
        if standing is not None and self._settings.kind is RoleKind.PIP:
            graph = carried(graph, standing, relocate=task.relocate)
        anchors = self._mapping.anchors(view, graph, offer.owner)
        if anchors.reasons:
            raise Refused(anchors.reasons)
        problem = self._mapping.problem(
            view,
            graph,
            anchors,
            operator=is_operator(Caller.parse(offer.owner), self._settings),
            unavailable=frozenset(learned.unavailable),
            keep=keep,
            nogoods=nogoods,
        )
        try:
            with learned.took.of(Stage.SOLVE):
                result = self._mapping.solve(problem, offer.id, explain=explain)
        except Refused as exc:
            log.info("offer=%s refused: %s", offer.id, exc)
            raise Refused(self._why(exc.reasons, problem, view, offer, learned)) from exc
        if standing is not None and not task.relocate:
            result = with_old_paths(problem, result, standing)
        overlay = self._mapping.completed(graph, problem, result)
        return Solved(view, problem, result, anchors, overlay)

    def _why(
        self,
        reasons: Sequence[Reason],
        problem: Problem,
        view: View,
        offer: Offer,
        learned: Learned,
    ) -> list[Reason]:
        """What to tell of a mapping that can't be: what was seen first, then what is left."""
        if problem.shown is not None:
            reasons = discreet(reasons, problem.request, self._mapping.told(offer.owner, view))
        if learned.unavailable:
            # It did fit before: what is away took the places of that type.
            reasons = [r for r in reasons if r.code is not Code.TYPE]
        said = learned.reasons()
        if any(r.code is not Code.PEER_AWAY for r in said):
            # Providers have said no: that nothing is left without them is but what comes of it.
            reasons = []
        return list(dict.fromkeys((*view.away, *said, *reasons)))
