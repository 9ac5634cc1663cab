"""The steps an offer and its CloudNet take together, each whole in one transaction.

Whoever takes a step, a caller or the reconciler, takes it here: the state machines of `states` are
checked by the store, so a step that somebody else has taken already does nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from cloudnet_sdn.model.power import Power, power_of, wish
from cloudnet_sdn.model.states import LIVE, CloudnetState, OfferKind, OfferState, TaskState, Wanted
from cloudnet_sdn.model.times import timestamp
from cloudnet_sdn.ports import Clock, CloudnetId, OfferId
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.roles.effects.runner import Effects
from cloudnet_sdn.roles.effects.steps import refusals
from cloudnet_sdn.store import cloudnets, generations, offers, owners, tasks
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.offers import GraphLayer, Offer
from mip.problem.statement import Code

_NEVER_WAS = frozenset(
    {OfferState.REFUSED, OfferState.FAILED, OfferState.EXPIRED, OfferState.CANCELLED}
)
"""Ends of an offer that came to nothing: its name is free at once, whatever is still there."""

_CHANGED = {OfferKind.MODIFICATION: "modified", OfferKind.MENDING: "mended"}


@dataclass(frozen=True)
class Hold:
    """What stage one came to: everything is there, and held.

    Attributes:
        expires: the hold's end.
        lease_until: the lease's end, if it is confirmed.
        price: per hour.
        currency: of the price.
        reasons: what was left aside, such as a provider that is away.
        choices: by constraint, the values that would fit.
    """

    expires: dt.datetime
    lease_until: dt.datetime
    price: float
    currency: str
    reasons: tuple[Mapping[str, str], ...] = ()
    choices: Mapping[str, Any] = field(default_factory=dict)


class Lifecycle:
    """Takes the steps."""

    def __init__(
        self,
        *,
        store: Store,
        effects: Effects,
        access: Access,
        clock: Clock,
        interrupt: Callable[[OfferId], None],
    ) -> None:
        """Put together.

        Args:
            store: the role's database.
            effects: carries tasks out.
            access: who may do what.
            clock: time.
            interrupt: ends what is solved for an offer that isn't wanted any more.
        """
        self._interrupt = interrupt
        self._store = store
        self._effects = effects
        self._access = access
        self._clock = clock

    @repeatable
    def hold(self, offer_id: OfferId, hold: Hold) -> None:
        """Everything is there; what the offer replaces is given up in the same step."""
        now = self._clock.now()
        with self._store.write() as conn:
            offer = _locked(conn, offer_id)
            if offer is None:
                return
            held = offers.step(
                conn,
                offer_id,
                OfferState.HELD,
                expires=hold.expires,
                lease_until=hold.lease_until,
                price=hold.price,
                currency=hold.currency,
                reasons=list(hold.reasons),
                choices=dict(hold.choices),
            )
            if not held:
                # Cancelled while it was worked on: what has been made since must go as well.
                generations.unstage(conn, offer, now)
            else:
                text = f"until {timestamp(hold.expires)}"
                cloudnets.record(conn, offer.cloudnet, now, "held", text)
                self._take_over(conn, offer, now)
        self._effects.kick(offer.cloudnet)

    @staticmethod
    def _take_over(conn: sa.Connection, offer: Offer, now: dt.datetime) -> None:
        """What a held offer replaces is over."""
        replaced = offers.get(conn, offer.replaces) if offer.replaces else None
        if replaced is None or not offers.step(conn, replaced.id, OfferState.CANCELLED):
            return
        text = "another took its place"
        cloudnets.record(conn, offer.cloudnet, now, "cancelled", text)
        if offer.kind is OfferKind.REPLACEMENT:
            _inherit(conn, offer, replaced, now)
        else:
            generations.unstage(conn, replaced, now)

    @repeatable
    def cancel(self, offer_id: OfferId, text: str) -> None:
        """It isn't wanted any more."""
        now = self._clock.now()
        with self._store.write() as conn:
            offer = _locked(conn, offer_id)
            if offer is not None and offers.step(conn, offer_id, OfferState.CANCELLED):
                self._comes_to_nothing(conn, offer, now, "cancelled", text)
        self._interrupt(offer_id)

    @repeatable
    def confirm(self, offer_id: OfferId) -> Offer | None:
        """Take the offer at its word, while it is held; answers it as it stands then."""
        now = self._clock.now()
        withdrawn: list[Offer] = []
        with self._store.write() as conn:
            offer = _locked(conn, offer_id)
            if offer is None or offer.state is not OfferState.HELD:
                return offer
            if offer.expires is not None and offer.expires <= now:
                offers.step(conn, offer_id, OfferState.EXPIRED)
                text = "it wasn't confirmed in time"
                self._comes_to_nothing(conn, offer, now, "expired", text)
            else:
                offers.step(conn, offer_id, OfferState.CONFIRMING)
                withdrawn = self._refuse_heirs(conn, offer, now)
                tasks.want_of(conn, offer, Wanted.CONFIRMED, now)
                cloudnets.record(conn, offer.cloudnet, now, "confirming", "")
            found = offers.get(conn, offer_id)
        for heir in withdrawn:
            self._interrupt(heir.id)
        return found

    @staticmethod
    def _refuse_heirs(conn: sa.Connection, offer: Offer, now: dt.datetime) -> list[Offer]:
        """What was to take over a hold that is confirmed instead has nothing to take over."""
        heirs = [o for o in offers.unsettled(conn, offer.cloudnet) if o.replaces == offer.id]
        text = "the offer that it was to replace has been confirmed"
        for heir in heirs:
            reasons = [{"element": "", "code": Code.POLICY.value, "text": text}]
            offers.step(conn, heir.id, OfferState.REFUSED, reasons=reasons)
            cloudnets.record(conn, offer.cloudnet, now, "refused", text)
            generations.unstage(conn, heir, now)
        if heirs:
            _keep_name(conn, offer)
        return heirs

    @repeatable
    def conclude(self, offer_id: OfferId) -> None:
        """Bring an offer from `confirming` to its end, if its tasks have come to theirs."""
        now = self._clock.now()
        with self._store.write() as conn:
            offer = _locked(conn, offer_id)
            if offer is None or offer.state is not OfferState.CONFIRMING:
                return
            entries = tasks.of_offer(conn, offer)
            own = [e for e in entries if e.offer == offer.id]
            reasons = [r for e in own for r in e.problem.get("reasons", []) if refusals(e)]
            if reasons:
                self._end(conn, offer, OfferState.FAILED, reasons, now)
            elif all(e.state is TaskState.CONFIRMED for e in own):
                self._confirmed(conn, offer, now)
            else:
                return
        self._effects.kick(offer.cloudnet)

    def _confirmed(self, conn: sa.Connection, offer: Offer, now: dt.datetime) -> None:
        offers.step(conn, offer.id, OfferState.CONFIRMED)
        found = cloudnets.get(conn, offer.cloudnet)
        before = None if found is None or not found.offer else offers.get(conn, found.offer)
        cloudnets.put_in_force(conn, offer.cloudnet, offer.round, offer.id)
        if before is None:
            cloudnets.step(conn, offer.cloudnet, CloudnetState.READY, expires=offer.lease_until)
            cloudnets.record(conn, offer.cloudnet, now, "confirmed", "")
        else:
            if offer.options.get("until"):
                cloudnets.renew(conn, offer.cloudnet, offer.lease_until)
            cloudnets.record(conn, offer.cloudnet, now, _CHANGED[offer.kind], "")
        generations.put_in_force(conn, offer, before, Wanted.CONFIRMED, now)
        if offer.options.get("start"):
            for entry, vnodes in self._access.vnodes(conn, offer.cloudnet):
                fresh = [v for v in vnodes if not _runs(entry.power.get(v))]
                if fresh:
                    wishes = {v: wish(Power.RUNNING) for v in fresh}
                    tasks.want_power(conn, entry, wishes, now)
                    lines = [(v, "starting", "with the confirmation") for v in fresh]
                    cloudnets.record_of(conn, offer.cloudnet, now, lines)

    @repeatable
    def expire(self, offer: Offer) -> None:
        """The hold is over."""
        now = self._clock.now()
        with self._store.write() as conn:
            found = _locked(conn, offer.id)
            if found is not None and offers.step(conn, offer.id, OfferState.EXPIRED):
                text = "it wasn't confirmed in time"
                self._comes_to_nothing(conn, found, now, "expired", text)
        self._effects.kick(offer.cloudnet)

    def refuse(self, offer_id: OfferId, reasons: list[Mapping[str, str]]) -> None:
        """It can't be embedded."""
        self._ends(offer_id, OfferState.REFUSED, reasons)

    def fail(self, offer_id: OfferId, reasons: list[Mapping[str, str]]) -> None:
        """It came to nothing, for no fault of the request."""
        self._ends(offer_id, OfferState.FAILED, reasons)

    @repeatable
    def _ends(self, offer_id: OfferId, state: OfferState, reasons: list[Mapping[str, str]]) -> None:
        now = self._clock.now()
        with self._store.write() as conn:
            offer = _locked(conn, offer_id)
            if offer is None:
                return
            if not self._end(conn, offer, state, reasons, now):
                # Cancelled while it was worked on: what has been made since must go as well.
                generations.unstage(conn, offer, now)
        self._effects.kick(offer.cloudnet)

    def _end(
        self,
        conn: sa.Connection,
        offer: Offer,
        state: OfferState,
        reasons: list[Mapping[str, str]],
        now: dt.datetime,
    ) -> bool:
        """Refuse or fail an offer; whether it could be."""
        done = offers.step(conn, offer.id, state, reasons=reasons)
        if done and state is OfferState.REFUSED and offer.kind is not OfferKind.MENDING:
            owners.refused(conn, offer.owner, now)
        if done:
            text = "; ".join(r["text"] for r in reasons)
            self._comes_to_nothing(conn, offer, now, state.value, text)
        return done

    def _comes_to_nothing(
        self, conn: sa.Connection, offer: Offer, now: dt.datetime, event: str, text: str
    ) -> None:
        """An offer has ended without being confirmed: what stands besides it stays.

        A CloudNet of which nothing stands is given back.
        """
        found = cloudnets.get(conn, offer.cloudnet)
        others = offers.unsettled(conn, offer.cloudnet)
        heir = next((o for o in others if o.replaces == offer.id), None)
        stands = found is not None and found.generation
        if not stands and not others:
            self._let_go(conn, offer.cloudnet, now, event, text)
            return
        cloudnets.record(conn, offer.cloudnet, now, event, text)
        if heir is not None and not stands and heir.round:
            _inherit(conn, heir, offer, now)
            return
        generations.unstage(conn, offer, now)
        if not stands:
            _keep_name(conn, heir or others[0])

    def _let_go(
        self, conn: sa.Connection, cloudnet: str, now: dt.datetime, event: str, text: str
    ) -> None:
        """Mark all of a CloudNet's tasks for removal."""
        cloudnets.record(conn, cloudnet, now, event, text)
        tasks.want(conn, cloudnet, Wanted.ABSENT, now)
        failed = event in (OfferState.REFUSED, OfferState.FAILED)
        if failed and not tasks.of_cloudnet(conn, cloudnet):
            cloudnets.step(conn, cloudnet, CloudnetState.FAILED)
        cloudnets.step(conn, cloudnet, CloudnetState.RELEASING)
        if event in _NEVER_WAS:
            cloudnets.free_names(conn, cloudnet)
        if generations.tidy(conn, cloudnet):
            cloudnets.step(conn, cloudnet, CloudnetState.RELEASED)

    @repeatable
    def finish(self, cloudnet: CloudnetId) -> None:
        """Release what has nothing left, should the step have been missed."""
        now = self._clock.now()
        with self._store.write() as conn:
            found = cloudnets.lock(conn, cloudnet)
            if found is None or found.state is not CloudnetState.RELEASING:
                return
            tasks.want(conn, cloudnet, Wanted.ABSENT, now)
            if generations.tidy(conn, cloudnet):
                cloudnets.step(conn, cloudnet, CloudnetState.RELEASED)
                cloudnets.record(conn, cloudnet, now, "released", "nothing of it is left")

    @repeatable
    def sweep(self, cloudnet: CloudnetId) -> None:
        """Remove what is left of a CloudNet that is over."""
        now = self._clock.now()
        with self._store.write() as conn:
            found = cloudnets.lock(conn, cloudnet)
            if found is None or found.state not in LIVE:
                tasks.want(conn, cloudnet, Wanted.ABSENT, now)
                generations.tidy(conn, cloudnet)

    @repeatable
    def let_go(self, cloudnet: CloudnetId, text: str) -> None:
        """Begin to give a CloudNet back."""
        now = self._clock.now()
        with self._store.write() as conn:
            found = cloudnets.lock(conn, cloudnet)
            if found is None or found.state not in (
                CloudnetState.PRELIMINARY,
                CloudnetState.READY,
            ):
                return
            ended = offers.unsettled(conn, cloudnet)
            for offer in ended:
                if not offers.step(conn, offer.id, OfferState.CANCELLED):
                    offers.step(conn, offer.id, OfferState.FAILED)
            self._let_go(conn, cloudnet, now, "releasing", text)
        for offer in ended:
            self._interrupt(offer.id)
        self._effects.kick(cloudnet)


def _runs(power: str | None) -> bool:
    """Whether a VNode is to run already."""
    return power is not None and power_of(power) is not Power.STOPPED


def _inherit(conn: sa.Connection, heir: Offer, offer: Offer, now: dt.datetime) -> None:
    """What replaces a hold is the CloudNet, under its own name."""
    generations.put_in_force(conn, heir, offer, Wanted.PRESENT, now)
    _keep_name(conn, heir)


def _keep_name(conn: sa.Connection, offer: Offer) -> None:
    """The CloudNet goes by the name of an offer's graph."""
    text = offers.graph(conn, offer.id, GraphLayer.OL0)
    if text is not None:
        cloudnets.keep_name(conn, offer.cloudnet, documents.graph(text).name)


def _locked(conn: sa.Connection, offer_id: str) -> Offer | None:
    """The offer as it stands once its CloudNet is locked."""
    found = offers.get(conn, offer_id)
    if found is None:
        return None
    cloudnets.lock(conn, found.cloudnet)
    return offers.get(conn, offer_id)
