"""The negotiation interface: two-stage creation, cancelling, releasing, renewing.

Stage one embeds for real but provisionally and holds it; stage two makes it permanent. Everything
that must survive a crash is in the store before anything is done about it, so this module may stop
at any line: `roles/upkeep/reconcile.py` goes on from there.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime as dt
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudnet_sdn.model.identifiers import new_id
from cloudnet_sdn.model.reasons import as_json
from cloudnet_sdn.model.settings import Settings
from cloudnet_sdn.model.states import CloudnetState, OfferKind, OfferState
from cloudnet_sdn.model.times import HOLD_LONGEST_S, Wrong, parse_time, timestamp
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import Clock, CloudnetId, Leased, OfferId, Refused, Transient
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.roles.documents import parse_overlay
from cloudnet_sdn.roles.effects.runner import Effects
from cloudnet_sdn.roles.offers.lifecycle import Hold, Lifecycle
from cloudnet_sdn.roles.offers.options import RequestOptions, parse_options
from cloudnet_sdn.roles.offers.quotas import Admitted, Quotas
from cloudnet_sdn.store import cloudnets, offers, substrate, tasks, workers
from cloudnet_sdn.store.cloudnets import Cloudnet
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.offers import GraphLayer, Offer
from cloudnet_sdn.wire.faults import BadRequest, Busy, Conflict, Gone, PeerAway
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.places import waiting
from rdl.graph import Graph
from rdl.language.dump import dump, to_data

log = logging.getLogger(__name__)

_LOOK_S = 1.0
"""Between looks at an offer that somebody waits for, should nobody say that it is settled."""
_REQUEST_ID = re.compile(r"[!-~]{1,200}")

_ASKED = {
    OfferKind.CREATION: "requested",
    OfferKind.REPLACEMENT: "requested",
    OfferKind.MODIFICATION: "modifying",
    OfferKind.MENDING: "mending",
}
"""What the history calls the beginning of an offer."""

_LONGEST = dt.timedelta(hours=1)
"""An offer that is worked on for longer comes to nothing."""

Worker = Callable[[OfferId], Hold]


class Negotiation:
    """What callers may ask about CloudNets as a whole."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        effects: Effects,
        access: Access,
        clock: Clock,
        settings: Settings,
        lifecycle: Lifecycle,
        worker: Worker,
    ) -> None:
        """Put together.

        Args:
            store: the role's database.
            registry: the plugins.
            effects: carries tasks out.
            access: who may do what.
            clock: time.
            settings: the role's configuration.
            lifecycle: takes the steps of offers and CloudNets.
            worker: carries stage one out (`roles/offers/stage_one.py`); raises Refused.
        """
        self._store = store
        self._registry = registry
        self._effects = effects
        self._access = access
        self._clock = clock
        self._settings = settings
        self._lifecycle = lifecycle
        self._worker = worker
        self._quotas = Quotas(settings.quota, clock)
        self._pool = concurrent.futures.ThreadPoolExecutor(16, thread_name_prefix="offer")
        self._settled: dict[OfferId, threading.Event] = {}
        self._closed = False

    def close(self) -> None:
        """Take nothing more on."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- stage one

    def request(self, caller: Caller, request_id: str, text: str, raw: Mapping[str, Any]) -> Offer:
        """Ask for a new CloudNet (paper, section 5.1).

        Raises:
            BadRequest: the graph, the options or the request id are invalid.
            Conflict: the name is taken, or the request id stands for another graph.
            Busy: over quota.
        """
        options, graph = self._asked(request_id, text, raw)
        known = self._known(caller, request_id, _digest(graph))
        if known is None:
            known = self._open(caller, request_id, graph, options)
        return self._wait(known.id, options.wait_s)

    def modify(
        self, caller: Caller, request_id: str, cloudnet: str, text: str, raw: Mapping[str, Any]
    ) -> Offer:
        """Ask for the next generation of a CloudNet that stands (contract, `negotiation.modify`).

        Raises:
            BadRequest: the graph, the options or the request id are invalid.
            Conflict: the CloudNet isn't confirmed, or is being changed already.
        """
        options, graph = self._asked(request_id, text, raw)
        digest = _digest(graph)
        known = self._known(caller, request_id, digest)
        if known is None:
            found = self._access.cloudnet(caller, cloudnet)
            kind = OfferKind.MODIFICATION
            known = self._open_change(
                caller, found, request_id, graph=graph, options=options, kind=kind
            )
        return self._wait(known.id, options.wait_s)

    def mend(self, cloudnet: CloudnetId, request_id: str) -> Offer:
        """Have a CloudNet that stands mapped anew, as it was asked for; answers at once.

        Raises:
            Conflict: it doesn't stand, or is being changed already.
        """
        with self._store.read() as conn:
            found = cloudnets.get(conn, cloudnet)
            text = None if found is None else offers.graph(conn, found.offer, GraphLayer.OL0)
        if found is None or text is None:
            raise Conflict("the CloudNet doesn't stand")
        options = RequestOptions(hold_s=HOLD_LONGEST_S)
        kind = OfferKind.MENDING
        owner = Caller.parse(found.owner)
        graph = parse_overlay(text)
        return self._open_change(
            owner,
            found,
            request_id,
            graph=replace(graph, name=found.name),
            options=options,
            kind=kind,
        )

    @staticmethod
    def _asked(request_id: str, text: str, raw: Mapping[str, Any]) -> tuple[RequestOptions, Graph]:
        options = parse_options(raw)
        if not _REQUEST_ID.fullmatch(request_id):
            raise BadRequest("request_id: 1 to 200 printable ASCII characters are wanted")
        return options, parse_overlay(text)

    def _known(self, caller: Caller, request_id: str, digest: str) -> Offer | None:
        with self._store.read() as conn:
            offer = offers.requested(conn, caller.uri, request_id)
        if offer is not None and offer.digest != digest:
            raise Conflict(f"request_id {request_id} was used for another graph")
        return offer

    @repeatable
    def _open(
        self,
        caller: Caller,
        request_id: str,
        graph: Graph,
        options: RequestOptions,
    ) -> Offer:
        now = self._clock.now()
        lease_until = self._lease(options.until, now)
        replaced = self._replaced(caller, options)
        cloudnet = (
            CloudnetId(new_id(self._settings.name)) if replaced is None else replaced.cloudnet
        )
        kind = OfferKind.CREATION if replaced is None else OfferKind.REPLACEMENT
        offer = self._new_offer(
            caller, cloudnet, request_id, graph=graph, options=options, kind=kind, until=lease_until
        )
        try:
            with self._taking_on(offer.id), self._store.write() as conn:
                if replaced is None:
                    admitted = self._quotas.admit(conn, offer, graph, dump(graph))
                    state = CloudnetState.PRELIMINARY
                    record = Cloudnet(cloudnet, caller.uri, graph.name, state, lease_until, now)
                    cloudnets.insert(conn, record)
                else:
                    cloudnets.lock(conn, cloudnet)
                    self._check_replaced(conn, replaced)
                    admitted = self._quotas.admit(conn, offer, graph, dump(graph))
                    cloudnets.take_name(conn, replaced.owner, graph.name, cloudnet)
                self._put(conn, admitted.offer, graph, f"as {graph.name}")
        except IntegrityError as exc:
            again = self._known(caller, request_id, offer.digest)
            if again is not None:
                return again
            raise Conflict(f"you have a CloudNet named {graph.name} already") from exc
        self._begin(admitted)
        return offer

    @repeatable
    def _open_change(
        self,
        caller: Caller,
        cloudnet: Cloudnet,
        request_id: str,
        *,
        graph: Graph,
        options: RequestOptions,
        kind: OfferKind,
    ) -> Offer:
        """Have a CloudNet's next generation worked on."""
        if graph.name != cloudnet.name:
            text = f"graph: it is named {graph.name}, and the CloudNet stays {cloudnet.name}"
            raise BadRequest(text)
        now = self._clock.now()
        until = cloudnet.expires if options.until is None else self._lease(options.until, now)
        offer = self._new_offer(
            caller, cloudnet.id, request_id, graph=graph, options=options, kind=kind, until=until
        )
        try:
            with self._taking_on(offer.id), self._store.write() as conn:
                found = cloudnets.lock(conn, cloudnet.id)
                if found is None or found.state is not CloudnetState.READY:
                    raise Conflict(f"the CloudNet is {(found or cloudnet).state}")
                pending = offers.unsettled(conn, cloudnet.id)
                replaced = [o for o in pending if o.id == options.replaces]
                if options.replaces and not replaced:
                    raise Conflict("options.replaces: no such change is held")
                if pending != replaced or any(o.state is not OfferState.HELD for o in replaced):
                    raise Conflict(f"the CloudNet is being changed already, by {pending[0].id}")
                if tasks.reverting(conn, cloudnet.id):
                    raise Conflict("an earlier change of the CloudNet is still being taken back")
                admitted = self._quotas.admit(conn, offer, graph, dump(graph))
                self._put(conn, admitted.offer, graph, "")
        except IntegrityError:
            again = self._known(caller, request_id, offer.digest)
            if again is None:
                raise
            return again
        self._begin(admitted)
        return offer

    def _new_offer(
        self,
        caller: Caller,
        cloudnet: CloudnetId,
        request_id: str,
        *,
        graph: Graph,
        options: RequestOptions,
        kind: OfferKind,
        until: dt.datetime,
    ) -> Offer:
        identifier = f"offer-{cloudnet}"
        if kind is not OfferKind.CREATION:
            identifier = f"offer-{new_id(self._settings.name)}"
        return Offer(
            id=OfferId(identifier),
            cloudnet=cloudnet,
            owner=caller.uri,
            request_id=request_id,
            digest=_digest(graph),
            options=options.to_json(),
            state=OfferState.WORKING,
            lease_until=until,
            created=self._clock.now(),
            kind=kind,
        )

    @contextlib.contextmanager
    def _taking_on(self, offer: OfferId) -> Iterator[None]:
        """This process is at an offer from before it is written down."""
        self._settled[offer] = threading.Event()
        try:
            yield
        except BaseException:
            self._settled.pop(offer, None)
            raise

    def attended(self) -> Collection[OfferId]:
        """The offers that this process is at."""
        return frozenset(self._settled.copy())

    def _put(self, conn: sa.Connection, offer: Offer, graph: Graph, text: str) -> None:
        offers.insert(conn, offer)
        workers.work_on(conn, offer.id, self._store.worker, self._clock.now() + _LONGEST)
        offers.put_graph(conn, offer.id, GraphLayer.OL0, dump(graph))
        event = _ASKED[offer.kind]
        cloudnets.record(conn, offer.cloudnet, offer.created, event, text)

    def _begin(self, admitted: Admitted) -> None:
        """Have an offer worked on, or refuse it at once."""
        offer = admitted.offer.id
        if admitted.objections:
            self._lifecycle.refuse(offer, [as_json(r) for r in admitted.objections])
            self._settle(offer)
            return
        self._pool.submit(self._work, offer)

    def _work(self, offer: OfferId) -> None:
        try:
            self._lifecycle.hold(offer, self._worker(offer))
        except Refused as exc:
            self._lifecycle.refuse(offer, [as_json(r) for r in exc.reasons])
        except concurrent.futures.CancelledError:
            log.info("offer=%s is left as it is: shutting down", offer)
        except Exception:
            if self._closed:
                # Whatever it was in the midst of was closed under it; the next process goes on.
                log.info("offer=%s is left as it is: shutting down", offer)
                return
            log.exception("offer=%s broke down", offer)
            text = "an internal error ended the negotiation"
            self._lifecycle.fail(offer, [{"element": "", "code": "policy", "text": text}])
        finally:
            self._settle(offer)

    def _settle(self, offer: OfferId) -> None:
        """Wake those who wait for an offer."""
        settled = self._settled.pop(offer, None)
        if settled is not None:
            settled.set()

    def _lease(self, until: dt.datetime | None, now: dt.datetime) -> dt.datetime:
        leases = self._settings.leases
        if until is None:
            return now + dt.timedelta(hours=leases.default_h)
        if until <= now:
            raise BadRequest("options.until: that has been already")
        return min(until, now + dt.timedelta(hours=leases.longest_h))

    def _replaced(self, caller: Caller, options: RequestOptions) -> Offer | None:
        if not options.replaces:
            return None
        replaced = self._access.offer(caller, options.replaces)
        if replaced.state is not OfferState.HELD:
            raise Conflict(f"options.replaces: that offer is {replaced.state}, not held")
        return replaced

    @staticmethod
    def _check_replaced(conn: sa.Connection, replaced: Offer) -> None:
        now = offers.get(conn, replaced.id)
        if now is None or now.state is not OfferState.HELD:
            raise Conflict("options.replaces: that offer isn't held any more")
        if any(o.id != replaced.id for o in offers.unsettled(conn, replaced.cloudnet)):
            raise Conflict("options.replaces: another is to replace that offer already")

    def _wait(self, offer: OfferId, seconds: float) -> Offer:
        """The offer once it is more than `working`, or after `seconds`."""
        with waiting() as may:
            deadline = time.monotonic() + (seconds if may else 0.0)
            while True:
                settled = self._settled.get(offer)
                with self._store.read() as conn:
                    found = offers.get(conn, offer)
                if found is None:
                    raise Gone("the offer is gone")
                left = deadline - time.monotonic()
                if found.state is not OfferState.WORKING or left <= 0:
                    return found
                if settled is None:
                    time.sleep(min(_LOOK_S / 10, left))  # another process has it, or it's over
                else:
                    settled.wait(min(_LOOK_S, left))

    # -- stage two

    def confirm(self, caller: Caller, offer_id: str) -> Offer:
        """Make what is held permanent; may be repeated.

        Raises:
            Gone: the hold is over.
            Conflict: there is nothing to confirm.
        """
        offer = self._access.offer(caller, offer_id)
        offer = self._lifecycle.confirm(offer.id) or offer
        if offer.state is OfferState.EXPIRED:
            self._effects.kick(offer.cloudnet)
            raise Gone("the offer has expired")
        if offer.state not in (OfferState.CONFIRMING, OfferState.CONFIRMED):
            raise Conflict(f"the offer is {offer.state}")
        if offer.state is not OfferState.CONFIRMED:
            with waiting() as may:
                wait_s = self._settings.timing.confirm_s if may else 0.0
                self._effects.run_all(offer.cloudnet, wait_s=wait_s)
            self._lifecycle.conclude(offer.id)
        return self._access.offer(caller, offer_id)

    # -- ends

    def cancel(self, caller: Caller, offer_id: str) -> Offer:
        """Give up what is held, or being worked on; may be repeated.

        Raises:
            Conflict: it has been confirmed: release the CloudNet instead.
        """
        offer = self._access.offer(caller, offer_id)
        self._lifecycle.cancel(offer.id, "")
        self._settle(offer.id)
        offer = self._access.offer(caller, offer_id)
        if offer.state in (OfferState.CONFIRMING, OfferState.CONFIRMED):
            raise Conflict(f"the offer is {offer.state}: release the CloudNet instead")
        with waiting() as may:
            wait_s = self._settings.timing.clean_s if may else 0.0
            self._effects.run_all(offer.cloudnet, wait_s=wait_s)
        return offer

    # -- later

    def release(self, caller: Caller, cloudnet_id: str) -> Cloudnet:
        """Give a CloudNet back, whatever its state; may be repeated."""
        cloudnet = self._access.cloudnet(caller, cloudnet_id)
        self._lifecycle.let_go(cloudnet.id, "released by its owner")
        return self._access.cloudnet(caller, cloudnet.id)

    def renew(self, caller: Caller, cloudnet_id: str, until: str) -> Cloudnet:
        """Prolong the lease, with all roles below first; it never becomes shorter.

        Raises:
            BadRequest: no time, or one that has been.
            Conflict: the CloudNet isn't ready, or a role below refuses.
            Gone, Busy: a role below says so.
            PeerAway: a role below can't be reached; the lease is as before.
        """
        cloudnet = self._access.cloudnet(caller, cloudnet_id)
        now = self._clock.now()
        try:
            wanted = parse_time(until)
        except Wrong as exc:
            raise BadRequest(f"until: {exc}") from exc
        if wanted <= now:
            raise BadRequest("until: that has been already")
        if cloudnet.state is not CloudnetState.READY:
            raise Conflict(f"the CloudNet is {cloudnet.state}")
        asked = min(wanted, now + dt.timedelta(hours=self._settings.leases.longest_h))
        if asked > cloudnet.expires:
            self._prolong(cloudnet, min([asked, *self._renew_below(cloudnet, asked)]))
        return self._access.cloudnet(caller, cloudnet.id)

    @repeatable
    def _prolong(self, cloudnet: Cloudnet, until: dt.datetime) -> None:
        now = self._clock.now()
        with self._store.write() as conn:
            current = cloudnets.lock(conn, cloudnet.id)
            if current is None or current.state is not CloudnetState.READY:
                raise Conflict("the CloudNet is being given back")
            if until > current.expires:
                cloudnets.renew(conn, cloudnet.id, until)
                cloudnets.record(conn, cloudnet.id, now, "renewed", f"until {timestamp(until)}")

    def _renew_below(self, cloudnet: Cloudnet, until: dt.datetime) -> list[dt.datetime]:
        margin = dt.timedelta(seconds=self._settings.timing.margin_s)
        with self._store.read() as conn:
            entries = tasks.current(conn, cloudnet.id)
        found = []
        for entry in entries:
            plugin = self._registry.get(entry.task.plugin)
            if isinstance(plugin, Leased):
                try:
                    found.append(plugin.renew(entry.task, until + margin))
                except Refused as exc:
                    refusal = Gone if isinstance(exc.__cause__, Gone) else Conflict
                    raise refusal(f"{entry.task.target} doesn't prolong its lease") from exc
                except Transient as exc:
                    if isinstance(exc.__cause__, Busy):
                        raise Busy(f"{entry.task.target} is busy", 10.0) from exc
                    raise PeerAway(f"{entry.task.target} can't be reached") from exc
        return found


def _digest(graph: Graph) -> str:
    """The same for two spellings of one graph."""
    return substrate.digest_of(json.dumps(to_data(graph), sort_keys=True))
