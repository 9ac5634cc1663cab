"""Stage one of a generation: synchronise, solve, reserve, embed, hold (paper, sections 5.2 to 5.6).

An offer is worked on in *rounds*: a provider that turns its part down, or a shell that turns out to
be away, sends it into the next one without that (`learning.py`). What is held elsewhere stays and
only what must moves. Rounds are bounded in number and time.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import replace

from cloudnet_sdn.model.reasons import as_json
from cloudnet_sdn.model.settings import RoleKind, Settings
from cloudnet_sdn.model.states import OfferKind, OfferState, TaskState, Wanted
from cloudnet_sdn.model.times import parse_time, timestamp
from cloudnet_sdn.ports import Clock, Json, OfferId, Refused
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.documents import parse_overlay
from cloudnet_sdn.roles.effects.runner import Effects, Outcome
from cloudnet_sdn.roles.mapping import agreement
from cloudnet_sdn.roles.mapping.component import Mapping
from cloudnet_sdn.roles.mapping.standing import Standing
from cloudnet_sdn.roles.offers import admission, breakage, pricing
from cloudnet_sdn.roles.offers.learning import Learned, tried
from cloudnet_sdn.roles.offers.lifecycle import Hold
from cloudnet_sdn.roles.offers.mappings import Mappings
from cloudnet_sdn.roles.offers.rounds import Assignment, Made
from cloudnet_sdn.roles.offers.stages import Stage
from cloudnet_sdn.roles.reserving.reservation import (
    Moved,
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
from mip.problem.statement import Code, Reason
from rdl.federation.merge import merge
from rdl.federation.partition import PartitionError
from rdl.graph import Scalar
from rdl.language.dump import dump

log = logging.getLogger(__name__)

ROUNDS = 8
_SOLVES = 5
_EARLIER_S = 2.0
"""By how much our hold ends before the first of those below."""

_LEAST_HOLD_S = 2.0
"""A shorter hold is of no use to anybody, unless it was asked for."""


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
        self._mappings = Mappings(mapping, settings)
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
        until = self._clock.now() + dt.timedelta(seconds=self._settings.timing.rounds_s)
        task = Assignment(offer, graph, self._standing(offer), until)
        try:
            return self._rounds(task, self._lessons(task))
        except Refused:
            self._give_up(offer)
            raise

    def _rounds(self, task: Assignment, learned: Learned) -> Hold:
        """Work on an offer until everything is there."""
        offer = task.offer
        over: Made | None = None
        for number in range(1, ROUNDS + 1):
            solved, reserved = self._reserved(task, learned, over=over)
            with learned.took.of(Stage.EMBED):
                outcome = self._effects.make_all(offer.id)
            made = Made(solved, reserved, outcome)
            if outcome.whole:
                if over is not None:
                    self._take_over(offer, over, made)
                made = self._agreed(task, made, learned)
                with learned.took.of(Stage.STORE):
                    self._keep_completed(offer, made)
                log.info("whole offer=%s rounds=%s %s", offer.id, number, learned.took)
                return self._held(offer, made, learned)
            self._learn(made, learned)
            if self._clock.now() >= task.until:
                break
            over = self._salvaged(offer, made)
            learned.before = solved.result.nodes
        text = "it didn't work out in several attempts"
        raise Refused([*learned.reasons(), Reason(task.graph.name, Code.CAPACITY, text)])

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

    def _lessons(self, task: Assignment) -> Learned:
        """What is known before anything is tried: what is to be mended is broken somewhere."""
        if task.offer.kind is not OfferKind.MENDING or task.standing is None:
            return Learned()
        with self._store.read() as conn:
            entries = tasks.current(conn, task.offer.cloudnet)
        since = self._clock.now() - dt.timedelta(seconds=self._settings.heal.after_s)
        ailing = self._mapping.health.ailing_since(since)
        broken = {e.id: self._mapping.broken(e.task) for e in entries if e.id in ailing}
        transits = [t.id for t in self._settings.transit]
        return breakage.lessons(entries, task.standing, broken, transits)

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
            "outlast_s": self._left(task),
            "until": timestamp(offer.lease_until),
            "replaces_below": self._held_below(offer, over),
        }
        for _ in range(_SOLVES):
            solved = self._mappings.find(task, learned, over)
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
            self._tell(offer, solved, learned)
            return solved, reserved
        raise Refused([Reason(task.graph.name, Code.CAPACITY, "too many others are reserving")])

    def _left(self, task: Assignment) -> float:
        """For how long stage one may still go on: what is held below has to outlast it."""
        timing = self._settings.timing
        until = (task.until - self._clock.now()).total_seconds()
        return max(0.0, until) + timing.hold_try_s + timing.shell_s

    @repeatable
    def _tell(self, offer: Offer, solved: Solved, learned: Learned) -> None:
        """Write down why there is another round, and what it tries."""
        if not learned.last:
            return
        names = self._is_broker
        text = f"{learned.last}; {tried(learned.before, solved.result.nodes, names=names)}"
        with self._store.write() as conn:
            cloudnets.record(conn, offer.cloudnet, self._clock.now(), "round", text)
        learned.last = ""

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

    # -- the next round

    def _learn(self, made: Made, learned: Learned) -> None:
        """What the next round must do without.

        Raises:
            Refused: another round would end the same way.
        """
        outcome, reserved = made.outcome, made.reserved
        if self._is_broker:
            learned.from_providers(outcome, reserved.tags, made.solved.problem.request)
        else:
            known = made.solved.view.substrate.elements
            learned.from_shells(outcome, reserved.tags, known)

    @repeatable
    def _salvaged(self, offer: Offer, made: Made) -> Made | None:
        """What is held of a round that isn't whole, once the rest is on its way out; None: nothing.

        A provider that hasn't answered yet is waited for, within bounds: it may hold its part.
        """
        if self._is_broker:
            self._effects.wait_for(offer.cloudnet, self._settings.timing.hold_try_s)
        now = self._clock.now()
        with self._store.write() as conn:
            cloudnets.lock(conn, offer.cloudnet)
            current = offers.get(conn, offer.id)
            if current is None or current.state is not OfferState.WORKING:
                raise Refused([])
            entries = tasks.of_offer(conn, current)
            stays = self._is_broker and any(_stays(e, current) for e in entries)
            lost = [e for e in entries if e.offer == offer.id and not (stays and _is_there(e))]
            tasks.want_absent(conn, [e.id for e in lost], now)
            if stays:
                generations.absorb(conn, replace(current, kept=_without(current, lost)), now)
            else:
                offers.in_round(conn, offer.id, 0, {})
            gone = {e.id for e in lost}
            left = tuple(e for e in tasks.of_offer(conn, current) if e.id not in gone)
        self._effects.run_all(offer.cloudnet, wait_s=self._settings.timing.clean_s)
        return replace(made, outcome=Outcome(left, made.outcome.reasons)) if stays else None

    @repeatable
    def _give_up(self, offer: Offer) -> None:
        """Have everything that was made for an offer removed, and wait for that within bounds."""
        with self._store.write() as conn:
            cloudnets.lock(conn, offer.cloudnet)
            current = offers.get(conn, offer.id) or offer
            made = any(e.offer == offer.id for e in tasks.of_offer(conn, current))
            generations.unstage(conn, current, self._clock.now())
        if made:
            self._effects.run_all(offer.cloudnet, wait_s=self._settings.timing.clean_s)

    @repeatable
    def _abandon(self, offer: Offer, round_: int, back: Made) -> None:
        """Have everything of a round removed; the offer is in round `back` again."""
        with self._store.write() as conn:
            cloudnets.lock(conn, offer.cloudnet)
            tasks.want(conn, offer.cloudnet, Wanted.ABSENT, self._clock.now(), rounds=[round_])
            offers.in_round(conn, offer.id, back.round, {**back.reserved.kept, "rounds": []})
        self._effects.run_all(offer.cloudnet, wait_s=self._settings.timing.clean_s)

    @property
    def _is_broker(self) -> bool:
        return self._settings.kind is RoleKind.VNP

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
            self._abandon(offer, again.round, made)
        text = "the providers have no common choice that fits"
        raise Refused([Reason(c.of[0], Code.CONSTRAINT, text) for c in cut])

    @repeatable
    def _take_over(self, offer: Offer, made: Made, again: Made) -> None:
        """The second round stands, and nothing is left of the first."""
        with self._store.write() as conn:
            cloudnets.lock(conn, offer.cloudnet)
            current = offers.get(conn, offer.id)
            if current is not None and current.state is OfferState.WORKING:
                generations.absorb(conn, current, self._clock.now())
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
        ends = min([expires, *earlier])
        self._check_left(offer, (ends - now).total_seconds())
        leases = [parse_time(a["lease_until"]) for a in answers if a.get("lease_until")]
        ul = solved.problem.substrate
        price = pricing.price(ul, reserved.overlay, reserved.mapping)
        currency = pricing.currency(ul, self._settings.currency)
        told = [a for a in answers if "price" in a]
        if told:
            price = round(sum(float(a["price"]) for a in told), 6)
            currency = next((a["currency"] for a in told if a.get("currency")), currency)
        return Hold(
            expires=ends,
            lease_until=min([offer.lease_until, *leases]),
            price=price,
            currency=currency[:CURRENCY_LONGEST],
            reasons=tuple(as_json(r) for r in self._aside(made, learned)),
            choices=self._choices(made),
        )

    @staticmethod
    def _check_left(offer: Offer, left_s: float) -> None:
        """An offer that is over before anybody can confirm it is none.

        Raises:
            Refused: providers took so long that what they hold is over.
        """
        if left_s < min(float(offer.options["hold_s"]), _LEAST_HOLD_S):
            text = "it took so long that what is held of it is over before it could be confirmed"
            raise Refused([Reason("", Code.TIMEOUT, text)])

    def _aside(self, made: Made, learned: Learned) -> list[Reason]:
        """What was left aside. At a PIP that is its own business, as long as it works."""
        if self._settings.kind is RoleKind.PIP:
            return []
        return list(dict.fromkeys((*made.solved.view.away, *learned.aside)))

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


def _is_there(entry: Entry) -> bool:
    return entry.state in (TaskState.PRESENT, TaskState.CONFIRMED)


def _stays(entry: Entry, offer: Offer) -> bool:
    """Whether a task is something that a broker's next round can follow: a part that is held."""
    return entry.offer == offer.id and _is_there(entry) and "choices" in entry.task.answer


def _without(offer: Offer, lost: Sequence[Entry]) -> Json:
    """What an offer keeps, some tasks excepted."""
    gone = {e.id for e in lost}
    return {**offer.kept, "tasks": [t for t in offer.kept_tasks if t not in gone]}
