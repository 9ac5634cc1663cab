"""Stage one of a generation: synchronise, solve, reserve, embed, hold (paper, sections 5.2 to 5.6).

An offer is worked on in *rounds*: a provider that refuses a transit's tag, or a shell that turns
out to be away, sends it into the next one with that shunned. Rounds are bounded.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from cloudnet_sdn.model.reasons import as_json
from cloudnet_sdn.model.settings import RoleKind, Settings
from cloudnet_sdn.model.states import OfferKind, OfferState, Wanted
from cloudnet_sdn.model.times import parse_time, timestamp
from cloudnet_sdn.ports import Clock, Json, OfferId, Refused
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.access import is_operator
from cloudnet_sdn.roles.documents import parse_overlay
from cloudnet_sdn.roles.effects.runner import Effects, Outcome
from cloudnet_sdn.roles.mapping import agreement
from cloudnet_sdn.roles.mapping.agreement import Part
from cloudnet_sdn.roles.mapping.component import Mapping, View
from cloudnet_sdn.roles.mapping.standing import Standing, carried, unchanged, with_old_paths
from cloudnet_sdn.roles.offers import admission, pricing
from cloudnet_sdn.roles.offers.discretion import discreet
from cloudnet_sdn.roles.offers.lifecycle import Hold
from cloudnet_sdn.roles.offers.stages import Stage, Stages
from cloudnet_sdn.roles.reserving.reservation import (
    Moved,
    Place,
    Reservations,
    Reserved,
    Solved,
    Withdrawn,
)
from cloudnet_sdn.store import cloudnets, generations, offers, tasks
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.offers import GraphLayer, Offer
from cloudnet_sdn.store.schema import CURRENCY_LONGEST
from cloudnet_sdn.store.tasks import Entry
from cloudnet_sdn.wire.identity import Caller
from mip.problem.statement import Code, Reason
from rdl.federation.merge import merge
from rdl.federation.partition import PartitionError
from rdl.graph import Graph, Scalar
from rdl.language.dump import dump
from rdl.language.load import load_graph

log = logging.getLogger(__name__)

ROUNDS = 4
_SOLVES = 5
_EARLIER_S = 2.0
"""By how much our hold ends before the first of those below."""


@dataclass
class Learned:
    """What earlier rounds of an offer have shown.

    Attributes:
        shunned: tags that a provider has in use.
        unavailable: substrate elements whose shells are away.
        reasons: what the caller should know although it worked.
        took: how long the stages took.
    """

    shunned: set[Place] = field(default_factory=set)
    unavailable: set[str] = field(default_factory=set)
    reasons: list[Reason] = field(default_factory=list)
    took: Stages = field(default_factory=Stages)


@dataclass(frozen=True)
class Assignment:
    """What is to be embedded.

    Attributes:
        offer: for whom.
        graph: what is asked for, or proposed to providers.
        standing: the generation that it is to follow.
    """

    offer: Offer
    graph: Graph
    standing: Standing | None

    @property
    def relocate(self) -> bool:
        """Whether what could stay may move."""
        return bool(self.offer.options.get("relocate"))


@dataclass(frozen=True)
class Made:
    """A round in which everything was made."""

    solved: Solved
    reserved: Reserved
    outcome: Outcome

    @property
    def round(self) -> int:
        """Its number."""
        return self.reserved.round

    @cached_property
    def parts(self) -> dict[str, Part]:
        """What each provider below answered."""
        answers = {e.task.target: e.task.answer for e in self.outcome.entries}
        return {
            target: Part(load_graph(answer["graph"]), answer["choices"])
            for target, answer in answers.items()
            if "choices" in answer
        }


class StageOne:
    """Carries stage one out."""

    def __init__(
        self,
        *,
        store: Store,
        mapping: Mapping,
        reserving: Reservations,
        effects: Effects,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._store = store
        self._mapping = mapping
        self._reservations = reserving
        self._effects = effects
        self._clock = clock
        self._settings = settings

    def work(self, offer_id: OfferId) -> Hold:
        """Embed an offer's request provisionally.

        Raises:
            Refused: it can't be; what was made is on its way out.
        """
        with self._mapping.attending(offer_id):
            return self._work(offer_id)

    def _work(self, offer_id: OfferId) -> Hold:
        with self._store.read() as conn:
            offer = offers.get(conn, offer_id)
            text = offers.graph(conn, offer_id, GraphLayer.OL0)
        if offer is None or text is None or offer.state is not OfferState.WORKING:
            raise Refused([])
        graph = parse_overlay(text)
        if objections := admission.objections(graph, self._settings.quota):
            raise Refused(objections)
        task = Assignment(offer, graph, self._standing(offer))
        learned = Learned()
        for number in range(1, ROUNDS + 1):
            solved, reserved = self._reserved(task, learned)
            with learned.took.of(Stage.EMBED):
                outcome = self._effects.make_all(offer.id)
            if outcome.whole:
                made = self._agreed(task, Made(solved, reserved, outcome), learned)
                with learned.took.of(Stage.STORE):
                    self._keep_completed(offer, made)
                log.info("whole offer=%s rounds=%s %s", offer.id, number, learned.took)
                return self._held(offer, made, learned)
            self._abandon(offer, reserved.round)
            self._learn(outcome, reserved, solved.view, learned)
        raise Refused([Reason(graph.name, Code.CAPACITY, "it didn't work out in several attempts")])

    def _standing(self, offer: Offer) -> Standing | None:
        """The generation that an offer's is to follow."""
        with self._store.read() as conn:
            found = cloudnets.get(conn, offer.cloudnet)
            before = offer.replaces if found is None or not found.offer else found.offer
            texts = [offers.graph(conn, before, layer) for layer in GraphLayer] if before else []
        if len(texts) < len(GraphLayer) or None in texts:
            return None
        request, overlay, mapping = (text or "" for text in texts)
        return Standing(
            documents.graph(request), documents.graph(overlay), documents.mapping(mapping)
        )

    # -- one round

    def _reserved(
        self, task: Assignment, learned: Learned, *, over: Made | None = None
    ) -> tuple[Solved, Reserved]:
        """Solve and reserve, again where somebody else was faster.

        `over` is what this round is to replace: it keeps the places, and providers are told.
        """
        offer = task.offer
        options: Json = {
            **offer.options,
            "until": timestamp(offer.lease_until),
            "replaces_below": self._held_below(offer, over),
        }
        for _ in range(_SOLVES):
            solved = self._solved(task, learned, over)
            try:
                with learned.took.of(Stage.STORE):
                    reserved = self._reservations.reserve(
                        offer,
                        solved,
                        options=options,
                        shunned=frozenset(learned.shunned),
                        over=None if over is None else over.round,
                        now=self._clock.now(),
                    )
            except Moved:
                log.info("offer=%s: the substrate has moved, solving anew", offer.id)
                continue
            except Withdrawn as exc:
                raise Refused([]) from exc
            return solved, reserved
        raise Refused([Reason(task.graph.name, Code.CAPACITY, "too many others are reserving")])

    def _held_below(self, offer: Offer, over: Made | None) -> dict[str, str]:
        """By provider, the change held there that this round's is to take the place of."""
        if over is not None:
            entries: Sequence[Entry] = over.outcome.entries
        elif offer.kind is OfferKind.MODIFICATION and offer.replaces:
            with self._store.read() as conn:
                replaced = offers.get(conn, offer.replaces)
                entries = [] if replaced is None else tasks.of_offer(conn, replaced)
        else:
            return {}
        return {
            e.task.target: e.task.answer["offer"]
            for e in entries
            if "offer" in e.task.answer and not e.task.confirmed
        }

    def _solved(self, task: Assignment, learned: Learned, over: Made | None) -> Solved:
        """A mapping; unchanged VNodes stay, changed ones too where that is possible."""
        offer, standing = task.offer, task.standing
        with learned.took.of(Stage.LOOK):
            view = self._mapping.view(without=offer.cloudnet, standing=standing)
        if over is not None:
            return self._mapped(task, view, over.solved.result.nodes, learned)
        if standing is None or task.relocate:
            return self._mapped(task, view, {}, learned)
        asked = {e.id for e in task.graph.nodes()}
        places = {v: host for v, host in standing.hosts().items() if v in asked}
        if offer.kind is OfferKind.MENDING:
            unusable = view.unavailable | learned.unavailable
            there = view.substrate.elements.keys() - unusable
            places = {v: host for v, host in places.items() if host in there}
        same = unchanged(task.graph, standing)
        firm = {v: host for v, host in places.items() if v in same}
        try:
            return self._mapped(task, view, places, learned)
        except Refused:
            if firm == places and offer.kind is not OfferKind.MENDING:
                raise
        return self._mapped(task, view, {} if firm == places else firm, learned)

    def _mapped(
        self, task: Assignment, view: View, keep: MappingOf[str, str], learned: Learned
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
        )
        try:
            with learned.took.of(Stage.SOLVE):
                result = self._mapping.solve(problem, offer.id)
        except Refused as exc:
            log.info("offer=%s refused: %s", offer.id, exc)
            reasons = exc.reasons
            if problem.shown is not None:
                told = self._mapping.told(offer.owner, view)
                reasons = tuple(discreet(reasons, problem.request, told))
            if learned.unavailable:
                # It did fit before: what is away took the places of that type.
                reasons = tuple(r for r in reasons if r.code is not Code.TYPE)
            raise Refused([*view.away, *learned.reasons, *reasons]) from exc
        if standing is not None and not task.relocate:
            result = with_old_paths(problem, result, standing)
        overlay = self._mapping.completed(graph, problem, result)
        return Solved(view, problem, result, anchors, overlay)

    @repeatable
    def _abandon(self, offer: Offer, round_: int, *, back: Made | None = None) -> None:
        """Have everything of a round removed; the offer is in round `back` again."""
        with self._store.write() as conn:
            cloudnets.lock(conn, offer.cloudnet)
            tasks.want(conn, offer.cloudnet, Wanted.ABSENT, self._clock.now(), rounds=[round_])
            if back is None:
                offers.in_round(conn, offer.id, 0, {})
            else:
                offers.in_round(conn, offer.id, back.round, back.reserved.kept)
        self._effects.run_all(offer.cloudnet, wait_s=self._settings.timing.clean_s)

    def _learn(self, outcome: Outcome, reserved: Reserved, view: View, learned: Learned) -> None:
        """What the next round must do without.

        Raises:
            Refused: another round would end the same way.
        """
        if outcome.reasons:
            if any(r.code is not Code.VLAN_TAKEN for r in outcome.reasons):
                raise Refused(_told(outcome.reasons))
            taken = {
                (r.place, r.tag)
                for r in reserved.tags
                if r.vlink in {reason.element for reason in outcome.reasons}
            }
            if not taken or taken <= learned.shunned:
                raise Refused(_told(outcome.reasons))
            learned.shunned |= taken
            return
        away = {t for t in outcome.away if t in view.substrate.elements}
        waiting = {v for e in outcome.entries if e.task.target in outcome.away for v in _about(e)}
        broker = bool(self._settings.pip)
        reasons = [
            Reason(
                target if broker else vnode,
                Code.PEER_AWAY,
                f"{target} can't be reached" if broker else "a part of the substrate is away",
            )
            for target, vnode in _pairs(outcome.away, sorted(waiting), broker=broker)
        ]
        if not away or away <= learned.unavailable:
            raise Refused(reasons)
        learned.unavailable |= away
        learned.reasons = reasons

    # -- agreed

    def _agreed(self, task: Assignment, made: Made, learned: Learned) -> Made:
        """What was made, or where providers chose differently what must be alike, made anew.

        Raises:
            Refused: they have nothing in common.
        """
        offer, overlay = task.offer, made.solved.overlay
        cut = agreement.unsettled(overlay, made.parts)
        if not cut:
            return made
        by = f"{self._settings.kind}:{self._settings.name}"
        for graph in agreement.proposals(overlay, made.parts, by=by):
            try:
                solved, reserved = self._reserved(replace(task, graph=graph), learned, over=made)
            except Refused as exc:
                log.info("offer=%s: a common value doesn't fit: %s", offer.id, exc)
                continue
            again = Made(solved, reserved, self._effects.make_all(offer.id))
            if again.outcome.whole and not agreement.unsettled(solved.overlay, again.parts):
                self._take_over(offer, made, again)
                return again
            self._abandon(offer, again.round, back=made)
        self._abandon(offer, made.round)
        text = "the providers have no common choice that fits"
        raise Refused([Reason(c.of[0], Code.CONSTRAINT, text) for c in cut])

    @repeatable
    def _take_over(self, offer: Offer, made: Made, again: Made) -> None:
        """The second round stands, and nothing is left of the first."""
        with self._store.write() as conn:
            cloudnets.lock(conn, offer.cloudnet)
            current = offers.get(conn, offer.id)
            if current is not None and current.state is OfferState.WORKING:
                generations.absorb(conn, current, made.round, self._clock.now())
        log.info("offer=%s: round %s instead of %s", offer.id, again.round, made.round)
        self._effects.kick(offer.cloudnet)

    # -- held

    def _held(self, offer: Offer, made: Made, learned: Learned) -> Hold:
        solved, reserved, outcome = made.solved, made.reserved, made.outcome
        now = self._clock.now()
        answers = [e.task.answer for e in outcome.entries]
        held = [e.task.answer for e in outcome.entries if not e.task.confirmed]
        expires = now + dt.timedelta(seconds=float(offer.options["hold_s"]))
        below = [parse_time(a["expires"]) for a in held if a.get("expires")]
        earlier = [t - dt.timedelta(seconds=_EARLIER_S) for t in below]
        if min([expires, *earlier]) < now + dt.timedelta(seconds=1):
            text = "the first provider's hold is over before the last one has answered"
            raise Refused([Reason(solved.overlay.name, Code.TIMEOUT, text)])
        leases = [parse_time(a["lease_until"]) for a in answers if a.get("lease_until")]
        ul = solved.problem.substrate
        price = pricing.price(ul, reserved.overlay, reserved.mapping)
        currency = pricing.currency(ul, self._settings.currency)
        told = [a for a in answers if "price" in a]
        if told:
            price = round(sum(float(a["price"]) for a in told), 6)
            currency = next((a["currency"] for a in told if a.get("currency")), currency)
        return Hold(
            expires=min([expires, *earlier]),
            lease_until=min([offer.lease_until, *leases]),
            price=price,
            currency=currency[:CURRENCY_LONGEST],
            reasons=tuple(as_json(r) for r in self._aside(made, learned)),
            choices=self._choices(made),
        )

    def _aside(self, made: Made, learned: Learned) -> list[Reason]:
        """What was left aside. At a PIP that is its own business, as long as it works."""
        if self._settings.kind is RoleKind.PIP:
            return []
        return list(dict.fromkeys((*made.solved.view.away, *learned.reasons)))

    @repeatable
    def _keep_completed(self, offer: Offer, made: Made) -> None:
        """The OL1 graph with what the providers filled in."""
        if not made.parts:
            return
        graphs = {name: part.graph for name, part in made.parts.items()}
        try:
            whole = merge(made.reserved.overlay, graphs)
        except PartitionError as exc:
            log.warning("offer=%s: the parts don't go together: %s", offer.id, exc)
            return
        with self._store.write() as conn:
            offers.put_graph(conn, offer.id, GraphLayer.OL1, dump(whole))

    def _choices(self, made: Made) -> dict[str, list[Scalar]]:
        """What constraints partly elsewhere could come to here, or below."""
        problem = made.solved.problem
        if self._settings.kind is RoleKind.PIP:
            return self._mapping.choices(problem)
        ids = [c.id for c in problem.request.constraints if c.id is not None and c.elsewhere]
        return agreement.merged(made.parts, ids)


def _told(reasons: Sequence[Reason]) -> list[Reason]:
    return list(dict.fromkeys(reasons))


def _about(entry: Entry) -> tuple[str, ...]:
    return entry.task.elements[:1]


def _pairs(away: frozenset[str], waiting: Sequence[str], *, broker: bool) -> list[tuple[str, str]]:
    """(target, overlay element) pairs to report: at a PIP by what is asked for, else by peer."""
    if broker:
        return [(target, "") for target in sorted(away)]
    return [("", vnode) for vnode in waiting]
