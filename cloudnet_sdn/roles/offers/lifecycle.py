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

from cloudnet_sdn.model.states import SETTLED, CloudnetState, OfferState, TaskState, Wanted
from cloudnet_sdn.model.times import timestamp
from cloudnet_sdn.ports import Clock, CloudnetId, OfferId
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.roles.effects.runner import RUNNING, Effects, refusals
from cloudnet_sdn.store import cloudnets, offers, tasks
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.offers import Offer

_NEVER_WAS = frozenset(
    {OfferState.REFUSED, OfferState.FAILED, OfferState.EXPIRED, OfferState.CANCELLED}
)
"""Ends of an offer that came to nothing: its name is free at once, whatever is still there."""


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

    def hold(self, offer_id: OfferId, hold: Hold) -> None:
        """Everything is there; what the offer replaces is given up."""
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
            if held:
                text = f"until {timestamp(hold.expires)}"
                cloudnets.record(conn, offer.cloudnet, now, "held", text)
            else:
                # Cancelled while it was worked on: what has been made since must go as well.
                tasks.want(conn, offer.cloudnet, Wanted.ABSENT, now)
                return
        if offer.options.get("replaces"):
            self.cancel(OfferId(offer.options["replaces"]), "another took its place")

    def _restore_replaced(self, conn: sa.Connection, offer: Offer) -> None:
        """What was to be replaced stays held, under its name."""
        replaced = offers.get(conn, str(offer.options.get("replaces", "")))
        if replaced is not None:
            cloudnets.give_up_name(conn, offer.cloudnet)
            cloudnets.take_back_name(conn, replaced.cloudnet)

    def cancel(self, offer_id: OfferId, text: str) -> None:
        """It isn't wanted any more."""
        now = self._clock.now()
        with self._store.write() as conn:
            offer = _locked(conn, offer_id)
            if offer is not None and offers.step(conn, offer_id, OfferState.CANCELLED):
                self._let_go(conn, offer.cloudnet, now, "cancelled", text)
        self._interrupt(offer_id)

    def confirm(self, offer_id: OfferId) -> Offer | None:
        """Take the offer at its word, while it is held; answers it as it stands then."""
        now = self._clock.now()
        with self._store.write() as conn:
            offer = _locked(conn, offer_id)
            if offer is None or offer.state is not OfferState.HELD:
                return offer
            if offer.expires is not None and offer.expires <= now:
                offers.step(conn, offer_id, OfferState.EXPIRED)
                self._let_go(conn, offer.cloudnet, now, "expired", "it wasn't confirmed in time")
            else:
                offers.step(conn, offer_id, OfferState.CONFIRMING)
                tasks.want(conn, offer.cloudnet, Wanted.CONFIRMED, now)
                cloudnets.record(conn, offer.cloudnet, now, "confirming", "")
            return offers.get(conn, offer_id)

    def conclude(self, offer_id: OfferId) -> None:
        """Bring an offer from `confirming` to its end, if its tasks have come to theirs."""
        now = self._clock.now()
        with self._store.write() as conn:
            offer = _locked(conn, offer_id)
            if offer is None or offer.state is not OfferState.CONFIRMING:
                return
            entries = tasks.current(conn, offer.cloudnet)
            reasons = [r for e in entries for r in e.problem.get("reasons", []) if refusals(e)]
            if reasons:
                self._fail(conn, offer, reasons, now)
            elif all(e.state is TaskState.CONFIRMED for e in entries):
                self._confirmed(conn, offer, now)

    def _confirmed(self, conn: sa.Connection, offer: Offer, now: dt.datetime) -> None:
        offers.step(conn, offer.id, OfferState.CONFIRMED)
        cloudnets.step(conn, offer.cloudnet, CloudnetState.READY, expires=offer.lease_until)
        cloudnets.record(conn, offer.cloudnet, now, "confirmed", "")
        if offer.options.get("start"):
            for entry, vnodes in self._access.vnodes(conn, offer.cloudnet):
                tasks.want_power(conn, entry, dict.fromkeys(vnodes, RUNNING), now)
                lines = [(v, "starting", "with the confirmation") for v in vnodes]
                cloudnets.record_of(conn, offer.cloudnet, now, lines)

    def expire(self, offer: Offer) -> None:
        """The hold is over."""
        now = self._clock.now()
        with self._store.write() as conn:
            _locked(conn, offer.id)
            if offers.step(conn, offer.id, OfferState.EXPIRED):
                self._let_go(conn, offer.cloudnet, now, "expired", "it wasn't confirmed in time")
        self._effects.kick(offer.cloudnet)

    def refuse(self, offer_id: OfferId, reasons: list[Mapping[str, str]]) -> None:
        """It can't be embedded."""
        self._end(offer_id, OfferState.REFUSED, reasons)

    def fail(self, offer_id: OfferId, reasons: list[Mapping[str, str]]) -> None:
        """It came to nothing, for no fault of the request."""
        self._end(offer_id, OfferState.FAILED, reasons)

    def _end(self, offer_id: OfferId, state: OfferState, reasons: list[Mapping[str, str]]) -> None:
        now = self._clock.now()
        with self._store.write() as conn:
            offer = _locked(conn, offer_id)
            if offer is None:
                return
            if offers.step(conn, offer_id, state, reasons=reasons):
                text = "; ".join(r["text"] for r in reasons)
                self._let_go(conn, offer.cloudnet, now, state.value, text)
                self._restore_replaced(conn, offer)
            else:
                # Cancelled while it was worked on: what has been made since must go as well.
                tasks.want(conn, offer.cloudnet, Wanted.ABSENT, now)

    def _fail(
        self,
        conn: sa.Connection,
        offer: Offer,
        reasons: list[Mapping[str, str]],
        now: dt.datetime,
    ) -> None:
        offers.step(conn, offer.id, OfferState.FAILED, reasons=reasons)
        self._let_go(conn, offer.cloudnet, now, "failed", "; ".join(r["text"] for r in reasons))

    def _let_go(
        self, conn: sa.Connection, cloudnet: str, now: dt.datetime, event: str, text: str
    ) -> None:
        """Want nothing of a CloudNet any more."""
        cloudnets.record(conn, cloudnet, now, event, text)
        tasks.want(conn, cloudnet, Wanted.ABSENT, now)
        every = tasks.of_cloudnet(conn, cloudnet)
        if not every:
            failed = event in (OfferState.REFUSED, OfferState.FAILED)
            if not (failed and cloudnets.step(conn, cloudnet, CloudnetState.FAILED)):
                cloudnets.step(conn, cloudnet, CloudnetState.RELEASING)
                cloudnets.step(conn, cloudnet, CloudnetState.RELEASED)
            return
        cloudnets.step(conn, cloudnet, CloudnetState.RELEASING)
        if event in _NEVER_WAS:
            cloudnets.give_up_name(conn, cloudnet)
        if all(e.state is TaskState.ABSENT for e in every):
            cloudnets.step(conn, cloudnet, CloudnetState.RELEASED)
            tasks.forget(conn, cloudnet)

    def finish(self, cloudnet: CloudnetId) -> None:
        """Release what has nothing left, should the step have been missed."""
        now = self._clock.now()
        with self._store.write() as conn:
            cloudnets.lock(conn, cloudnet)
            every = tasks.of_cloudnet(conn, cloudnet)
            gone = all(e.wanted is Wanted.ABSENT and e.state is TaskState.ABSENT for e in every)
            if gone and cloudnets.step(conn, cloudnet, CloudnetState.RELEASED):
                cloudnets.record(conn, cloudnet, now, "released", "nothing of it is left")
                tasks.forget(conn, cloudnet)

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
            offer = offers.of_cloudnet(conn, cloudnet)
            if offer is not None and offer.state not in SETTLED:
                offers.step(conn, offer.id, OfferState.CANCELLED)
                offers.step(conn, offer.id, OfferState.FAILED)
            self._let_go(conn, cloudnet, now, "releasing", text)
        if offer is not None:
            self._interrupt(offer.id)
        self._effects.kick(cloudnet)


def _locked(conn: sa.Connection, offer_id: str) -> Offer | None:
    """The offer as it stands once its CloudNet is locked."""
    found = offers.get(conn, offer_id)
    if found is None:
        return None
    cloudnets.lock(conn, found.cloudnet)
    return offers.get(conn, offer_id)
