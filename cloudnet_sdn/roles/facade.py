"""The facade both roles serve (contract, section 1): XML-RPC methods over the engine.

Only shapes are made here: dictionaries out, arguments in. What a caller may do is decided below.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from cloudnet_sdn.model.settings import Settings
from cloudnet_sdn.model.times import timestamp
from cloudnet_sdn.ports import Clock, Difference, Json
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.roles.effects.observing import Observer
from cloudnet_sdn.roles.mapping.component import Mapping
from cloudnet_sdn.roles.offers.negotiation import Negotiation
from cloudnet_sdn.roles.operating.audit import Audit
from cloudnet_sdn.roles.operating.events import News, Watch
from cloudnet_sdn.roles.operating.operator import Operator
from cloudnet_sdn.roles.operating.provisioning import Provisioning
from cloudnet_sdn.store import cloudnets, offers
from cloudnet_sdn.store.cloudnets import Cloudnet
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.offers import GraphLayer, Offer
from cloudnet_sdn.wire.exposing import entries, exposed
from cloudnet_sdn.wire.faults import (
    BadRequest,
    Busy,
    Conflict,
    Forbidden,
    Gone,
    NotFound,
    PeerAway,
    TooLarge,
)
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.rpc import Method
from rdl.language.dump import dump

CAPABILITIES = (
    "create",
    "modify",
    "choices",
    "replaces",
    "renew",
    "history",
    "drain",
    "load",
    "events",
    "check",
    "audit",
)

MOVED_VNODE = "it is stopped and started elsewhere"
MOVED_VLINK = "it is made elsewhere first, then removed here"


class Facade:
    """The methods of one role."""

    def __init__(
        self,
        *,
        store: Store,
        mapping: Mapping,
        negotiation: Negotiation,
        provisioning: Provisioning,
        observing: Observer,
        operating: Operator,
        watch: Watch,
        audit: Audit,
        access: Access,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._store = store
        self._mapping = mapping
        self._negotiation = negotiation
        self._provisioning = provisioning
        self._observing = observing
        self._operating = operating
        self._watch = watch
        self._audit = audit
        self._access = access
        self._clock = clock
        self._settings = settings

    # -- negotiation

    @exposed("negotiation.describe")
    def describe(self, _caller: Caller) -> Json:
        """Who answers, and what it can do.

        Answers `{role, name, api, rdl, capabilities: [text]}`.
        """
        capabilities = list(CAPABILITIES)
        if self._settings.console is not None:
            capabilities.append("console")
        return {
            "role": self._settings.kind.value,
            "name": self._settings.name,
            "api": 1,
            "rdl": 1,
            "capabilities": capabilities,
        }

    @exposed("negotiation.substrate", Conflict)
    def substrate(self, caller: Caller) -> str:
        """RDL of what this role offers: one element with sums, features and end points.

        Nothing of its inside is named.
        """
        return dump(self._mapping.shown(caller.uri))

    @exposed("negotiation.request", BadRequest, Conflict, TooLarge, Busy)
    def request(self, caller: Caller, request_id: str, graph: str, options: Json) -> Json:
        """Stage one, creation: embed an overlay graph provisionally, and hold it.

        Answers an offer. The same `request_id` with the same graph answers the same offer, with
        another graph it is a conflict: a lost answer is resolved by asking again. `options` are
        `hold_s`, `wait_s`, `until`, `start` and `replaces`; unknown ones are bad.
        """
        return self._offer(self._negotiation.request(caller, request_id, graph, options))

    @exposed("negotiation.modify", BadRequest, NotFound, Conflict, TooLarge, Busy)
    def modify(
        self, caller: Caller, request_id: str, cloudnet: str, graph: str, options: Json
    ) -> Json:
        """Stage one, change: stage a confirmed CloudNet as another graph, and hold the change.

        Answers an offer. Elements match by their ids. Until the offer is confirmed the CloudNet
        works as it is. `options` as for a creation, and `relocate`.
        """
        return self._offer(self._negotiation.modify(caller, request_id, cloudnet, graph, options))

    @exposed("negotiation.offer", NotFound)
    def offer(self, caller: Caller, offer: str) -> Json:
        """An offer as it stands, by its id or by the id of your request for it.

        Answers `{offer, cloudnet, state, expires, expires_in, lease_until, price, currency,
        reasons: [{element, code, text}], choices: {CONSTRAINT: [value]}, graph}`; `graph` is the
        OL1 graph in RDL, `price` is per hour.
        """
        return self._offer(self._access.offer(caller, offer))

    @exposed("negotiation.confirm", NotFound, Conflict, Gone)
    def confirm(self, caller: Caller, offer: str) -> Json:
        """Stage two: make what is held permanent.

        Answers the offer. May be repeated.
        """
        return self._offer(self._negotiation.confirm(caller, offer))

    @exposed("negotiation.cancel", NotFound, Conflict)
    def cancel(self, caller: Caller, offer: str) -> Json:
        """Stage two: give up what is held.

        Answers the offer. May be repeated.
        """
        return self._offer(self._negotiation.cancel(caller, offer))

    @exposed("negotiation.release", NotFound)
    def release(self, caller: Caller, cloudnet: str) -> Json:
        """Give a CloudNet, by id or name, back.

        Answers `{cloudnet, state, expires}` once that is stored. May be repeated.
        """
        return _stored(self._negotiation.release(caller, cloudnet))

    @exposed("negotiation.renew", BadRequest, NotFound, Conflict, PeerAway)
    def renew(self, caller: Caller, cloudnet: str, until: str) -> Json:
        """Prolong the lease until a time (RFC 3339, UTC).

        Answers `{cloudnet, state, expires}`.
        """
        return _stored(self._negotiation.renew(caller, cloudnet, until))

    @exposed("negotiation.status", NotFound)
    def status(self, caller: Caller, cloudnet: str) -> Json:
        """A CloudNet as observed, not as wished.

        Answers `{cloudnet, name, state, expires, offer, elements: {ID: {state, reason}}}`.
        """
        found = self._access.cloudnet(caller, cloudnet)
        sight = self._observing.look(found)
        with self._store.read() as conn:
            shown = offers.shown(conn, found.id)
        offer = "" if shown is None else shown.id
        elements = {e: {"state": o.state, "reason": o.reason} for e, o in sight.elements.items()}
        return {**_named(found), "state": sight.state, "offer": offer, "elements": elements}

    @exposed("negotiation.list")
    def listed(self, caller: Caller) -> list[Json]:
        """The caller's own CloudNets.

        Answers a list of what `negotiation.status` answers, without `elements`.
        """
        found = self._access.listed(caller)
        seen = self._observing.look_at(found)
        return [{**_named(c), "state": s.state} for c, s in zip(found, seen, strict=True)]

    @exposed("negotiation.history", NotFound)
    def history(self, caller: Caller, cloudnet: str) -> list[Json]:
        """What happened to a CloudNet; also to one that was released.

        Answers `[{time, element, event, text}]`.
        """
        found = self._access.cloudnet(caller, cloudnet)
        with self._store.read() as conn:
            events = cloudnets.events(conn, found.id)
        return [
            {"time": timestamp(e.time), "element": e.element, "event": e.event, "text": e.text}
            for e in events
        ]

    # -- provisioning

    @exposed("provisioning.start", BadRequest, NotFound, Conflict)
    def start(self, caller: Caller, cloudnet: str, vnodes: list[Any]) -> Json:
        """Boot VNodes; all, if the list is empty.

        Answers `{cloudnet, state, expires}` once that is stored.
        """
        return _stored(self._provisioning.start(caller, cloudnet, vnodes))

    @exposed("provisioning.stop", BadRequest, NotFound, Conflict)
    def stop(self, caller: Caller, cloudnet: str, vnodes: list[Any]) -> Json:
        """Shut VNodes down; all, if the list is empty.

        Answers `{cloudnet, state, expires}` once that is stored.
        """
        return _stored(self._provisioning.stop(caller, cloudnet, vnodes))

    @exposed("provisioning.powercycle", BadRequest, NotFound, Conflict)
    def powercycle(self, caller: Caller, cloudnet: str, vnodes: list[Any]) -> Json:
        """Stop and start VNodes; all, if the list is empty.

        Answers `{cloudnet, state, expires}` once that is stored.
        """
        return _stored(self._provisioning.powercycle(caller, cloudnet, vnodes))

    @exposed("provisioning.status", NotFound, PeerAway)
    def vnodes(self, caller: Caller, cloudnet: str) -> Json:
        """The VNodes' states.

        Answers `{VNODE: state}`: stopped, starting, running, stopping, migrating, failed, or
        unknown where what runs it doesn't answer.
        """
        return dict(self._provisioning.status(caller, cloudnet))

    @exposed("provisioning.console", NotFound, Conflict, PeerAway)
    def console(self, caller: Caller, cloudnet: str, vnode: str) -> Json:
        """A single-use `wss://` URL of a VNode's console.

        Answers `{url, expires}`.
        """
        grant = self._provisioning.console(caller, cloudnet, vnode)
        return {"url": grant.url, "expires": timestamp(grant.expires)}

    # -- operator

    @exposed("operator.substrate", Forbidden, Conflict)
    def full_substrate(self, caller: Caller) -> str:
        """RDL of the role's own substrate, in full. Operators only."""
        return self._operating.substrate(caller)

    @exposed("operator.load", BadRequest, Forbidden, Conflict, TooLarge)
    def load(self, caller: Caller, graph: str, options: Json | None = None) -> Json:
        """Put another substrate (RDL) in force. Operators only.

        Answers `{revision, breaks: {CLOUDNET: [text]}, mending: [cloudnet]}`. Where it would break
        CloudNets nothing is done and `revision` is 0, unless `options` have `force`. To insist on
        the same graph again mends what it has broken and still isn't mended.
        """
        loaded, mending = self._operating.load(caller, graph, options or {})
        revision = loaded.revision if loaded.done else 0
        return {"revision": revision, "breaks": loaded.by_cloudnet, "mending": mending}

    @exposed("operator.drain", BadRequest, Forbidden, NotFound, Conflict)
    def drain(self, caller: Caller, element: str, options: Json | None = None) -> Json:
        """Let an element carry nothing new; with `options.evacuate` nothing at all. Operators only.

        Answers `{element, drained, evacuating: [cloudnet], moving: {CLOUDNET: {vnodes: {ID: how},
        vlinks: {ID: how}}}}`: what leaves the element, and how. VNodes are stopped and started
        elsewhere; one that didn't run stays stopped.
        """
        found = self._operating.drain(caller, element, options or {})
        moving = {
            cloudnet: {
                "vnodes": dict.fromkeys(parts.vnodes, MOVED_VNODE),
                "vlinks": dict.fromkeys(parts.vlinks, MOVED_VLINK),
            }
            for cloudnet, parts in found.items()
        }
        return {"element": element, "drained": True, "evacuating": list(moving), "moving": moving}

    @exposed("operator.forget", Forbidden, NotFound, Conflict)
    def forget(self, caller: Caller, element: str) -> Json:
        """Vouch that an element is gone for good: nothing waits for it. Operators only.

        Answers `{element, forgotten}`.
        """
        return {"element": element, "forgotten": self._operating.forget(caller, element)}

    @exposed("operator.list", Forbidden)
    def listed_all(self, caller: Caller) -> list[Json]:
        """Everybody's CloudNets. Operators only.

        Answers a list of what `negotiation.list` answers, with their `owner`.
        """
        return [
            {**_named(c), "state": s.state, "owner": c.owner}
            for c, s in self._operating.listed(caller)
        ]

    @exposed("operator.usage", Forbidden, Conflict)
    def usage(self, caller: Caller) -> Json:
        """What there is of each resource, and who has it. Operators only.

        Answers `{ELEMENT: {RESOURCE: {capacity, used, held}}}`.
        """
        return self._operating.usage(caller)

    @exposed("operator.audit", BadRequest, Forbidden)
    def audit(self, caller: Caller, after: int, limit: int) -> Json:
        """Who asked for what changes something, after the call numbered `after`. Operators only.

        Answers `{next, calls: [{id, time, caller, method, about, outcome, text}]}`, `limit` (1000)
        calls at most. `outcome` is `done`, the state that it came to, or `fault CODE`; '' where its
        process was ended meanwhile.
        """
        found = self._operating.audit(caller, after, limit)
        calls = [
            {
                "id": one.id,
                "time": timestamp(one.time),
                "caller": one.caller,
                "method": one.method,
                "about": one.about,
                "outcome": one.outcome,
                "text": one.text,
            }
            for one in found
        ]
        return {"next": found[-1].id if found else after, "calls": calls}

    # -- what happens

    @exposed("negotiation.events", BadRequest)
    def events(self, caller: Caller, after: int, wait_s: float) -> Json:
        """What happened to the caller's CloudNets since the event numbered `after`.

        Answers `{next, events: [{id, time, cloudnet, element, event, text}]}`; waits at most
        `wait_s` (25) seconds for the first. 0 is all that is kept.
        """
        return _events(self._watch.events(caller, after, wait_s))

    @exposed("operator.events", BadRequest, Forbidden)
    def all_events(self, caller: Caller, after: int, wait_s: float) -> Json:
        """As `negotiation.events`, of the whole role. Operators only."""
        return _events(self._watch.all_events(caller, after, wait_s))

    @exposed("negotiation.check", NotFound, PeerAway)
    def check(self, caller: Caller, cloudnet: str) -> Json:
        """Whether VLinks are as they should be: desired, installed and, where it can be, observed.

        Answers `{VLINK: {ok, differences: [text]}}`.
        """
        found = self._watch.check(caller, cloudnet)
        return {v: {"ok": d.ok, "differences": [*d.texts, *_more(d)]} for v, d in found.items()}

    @exposed("operator.undrain", Forbidden, NotFound, Conflict)
    def undrain(self, caller: Caller, element: str) -> Json:
        """Let an element carry again. Operators only.

        Answers `{element, drained}`.
        """
        self._operating.undrain(caller, element)
        return {"element": element, "drained": False}

    # -- shapes

    def _offer(self, offer: Offer) -> Json:
        with self._store.read() as conn:
            graph = offers.graph(conn, offer.id, GraphLayer.OL1)
            if graph is None:
                graph = offers.graph(conn, offer.id, GraphLayer.OL0)
        left = 0.0
        if offer.expires is not None:
            left = max(0.0, (offer.expires - self._clock.now()) / dt.timedelta(seconds=1))
        return {
            "offer": offer.id,
            "cloudnet": offer.cloudnet,
            "state": offer.state.value,
            "expires": timestamp(offer.expires),
            "expires_in": left,
            "lease_until": timestamp(offer.lease_until),
            "price": float(offer.price),
            "currency": offer.currency,
            "reasons": [dict(r) for r in offer.reasons],
            "choices": dict(offer.choices),
            "graph": graph or "",
        }

    def methods(self) -> list[Method]:
        """The table of methods, with calls of those that change something written down."""
        return self._audit.of(entry.bound(self) for entry in entries(Facade))


def _named(cloudnet: Cloudnet) -> Json:
    return {**_stored(cloudnet), "name": cloudnet.name}


def _events(news: News) -> Json:
    return {
        "next": news.next,
        "events": [
            {
                "id": e.id,
                "time": timestamp(e.time),
                "cloudnet": e.cloudnet,
                "element": e.element,
                "event": e.event,
                "text": e.text,
            }
            for e in news.events
        ],
    }


def _more(difference: Difference) -> list[str]:
    """What is told in other words only."""
    return [text for text in difference.shown if text not in difference.texts]


def _stored(cloudnet: Cloudnet) -> Json:
    return {
        "cloudnet": cloudnet.id,
        "state": cloudnet.state.value,
        "expires": timestamp(cloudnet.expires),
    }
