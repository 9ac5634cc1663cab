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
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.rpc import Method
from rdl.language.dump import dump

_OPTIONAL = {"operator.load": 1, "operator.drain": 1}
"""Methods whose last arguments, the options, may be left out."""

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

    def describe(self, _caller: Caller) -> Json:
        """Who answers, and what it can do."""
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

    def substrate(self, caller: Caller) -> str:
        """RDL of what this role offers, in sums."""
        return dump(self._mapping.shown(caller.uri))

    def request(self, caller: Caller, request_id: str, graph: str, options: Json) -> Json:
        """Stage one (paper, section 5.1)."""
        return self._offer(self._negotiation.request(caller, request_id, graph, options))

    def modify(
        self, caller: Caller, request_id: str, cloudnet: str, graph: str, options: Json
    ) -> Json:
        """Stage one of a change."""
        return self._offer(self._negotiation.modify(caller, request_id, cloudnet, graph, options))

    def offer(self, caller: Caller, offer: str) -> Json:
        """An offer as it stands."""
        return self._offer(self._access.offer(caller, offer))

    def confirm(self, caller: Caller, offer: str) -> Json:
        """Stage two."""
        return self._offer(self._negotiation.confirm(caller, offer))

    def cancel(self, caller: Caller, offer: str) -> Json:
        """Give up an offer."""
        return self._offer(self._negotiation.cancel(caller, offer))

    def release(self, caller: Caller, cloudnet: str) -> Json:
        """Give a CloudNet back."""
        return _stored(self._negotiation.release(caller, cloudnet))

    def renew(self, caller: Caller, cloudnet: str, until: str) -> Json:
        """Prolong a lease."""
        return _stored(self._negotiation.renew(caller, cloudnet, until))

    def status(self, caller: Caller, cloudnet: str) -> Json:
        """A CloudNet as observed."""
        found = self._access.cloudnet(caller, cloudnet)
        sight = self._observing.look(found)
        with self._store.read() as conn:
            shown = offers.shown(conn, found.id)
        offer = "" if shown is None else shown.id
        elements = {e: {"state": o.state, "reason": o.reason} for e, o in sight.elements.items()}
        return {**_named(found), "state": sight.state, "offer": offer, "elements": elements}

    def listed(self, caller: Caller) -> list[Json]:
        """The caller's own."""
        found = self._access.listed(caller)
        seen = self._observing.look_at(found)
        return [{**_named(c), "state": s.state} for c, s in zip(found, seen, strict=True)]

    def history(self, caller: Caller, cloudnet: str) -> list[Json]:
        """What happened to a CloudNet."""
        found = self._access.cloudnet(caller, cloudnet)
        with self._store.read() as conn:
            events = cloudnets.events(conn, found.id)
        return [
            {"time": timestamp(e.time), "element": e.element, "event": e.event, "text": e.text}
            for e in events
        ]

    # -- provisioning

    def start(self, caller: Caller, cloudnet: str, vnodes: list[Any]) -> Json:
        """Boot VNodes."""
        return _stored(self._provisioning.start(caller, cloudnet, vnodes))

    def stop(self, caller: Caller, cloudnet: str, vnodes: list[Any]) -> Json:
        """Shut VNodes down."""
        return _stored(self._provisioning.stop(caller, cloudnet, vnodes))

    def powercycle(self, caller: Caller, cloudnet: str, vnodes: list[Any]) -> Json:
        """Stop and start VNodes."""
        return _stored(self._provisioning.powercycle(caller, cloudnet, vnodes))

    def vnodes(self, caller: Caller, cloudnet: str) -> Json:
        """The VNodes' states."""
        return dict(self._provisioning.status(caller, cloudnet))

    def console(self, caller: Caller, cloudnet: str, vnode: str) -> Json:
        """A console's URL."""
        grant = self._provisioning.console(caller, cloudnet, vnode)
        return {"url": grant.url, "expires": timestamp(grant.expires)}

    # -- operator

    def full_substrate(self, caller: Caller) -> str:
        """The substrate in full."""
        return self._operating.substrate(caller)

    def load(self, caller: Caller, graph: str, options: Json | None = None) -> Json:
        """Put another substrate in force."""
        loaded, mending = self._operating.load(caller, graph, options or {})
        revision = loaded.revision if loaded.done else 0
        return {"revision": revision, "breaks": loaded.by_cloudnet, "mending": mending}

    def drain(self, caller: Caller, element: str, options: Json | None = None) -> Json:
        """Let an element carry nothing new, or nothing at all."""
        moving = self._operating.drain(caller, element, options or {})
        return {"element": element, "drained": True, "evacuating": list(moving)}

    def forget(self, caller: Caller, element: str) -> Json:
        """Wait no more for an element."""
        return {"element": element, "forgotten": self._operating.forget(caller, element)}

    def listed_all(self, caller: Caller) -> list[Json]:
        """Everybody's CloudNets."""
        return [
            {**_named(c), "state": s.state, "owner": c.owner}
            for c, s in self._operating.listed(caller)
        ]

    def usage(self, caller: Caller) -> Json:
        """Who uses how much of what."""
        return self._operating.usage(caller)

    def audit(self, caller: Caller, after: int, limit: int) -> Json:
        """Who asked for what."""
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

    def events(self, caller: Caller, after: int, wait_s: float) -> Json:
        """The caller's events."""
        return _events(self._watch.events(caller, after, wait_s))

    def all_events(self, caller: Caller, after: int, wait_s: float) -> Json:
        """The role's events."""
        return _events(self._watch.all_events(caller, after, wait_s))

    def check(self, caller: Caller, cloudnet: str) -> Json:
        """Whether VLinks are as they should be."""
        found = self._watch.check(caller, cloudnet)
        return {v: {"ok": d.ok, "differences": [*d.texts, *_more(d)]} for v, d in found.items()}

    def undrain(self, caller: Caller, element: str) -> Json:
        """Let an element carry again."""
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
        return self._audit.of(self._methods())

    def _methods(self) -> list[Method]:
        return [
            Method(name, call, signature, text, optional=_OPTIONAL.get(name, 0))
            for name, call, signature, text in (
                (
                    "negotiation.describe",
                    self.describe,
                    ("struct",),
                    "Who answers: {role, name, api, rdl, capabilities}.",
                ),
                (
                    "negotiation.substrate",
                    self.substrate,
                    ("string",),
                    "RDL of what this role offers: one element with sums and end points.",
                ),
                (
                    "negotiation.request",
                    self.request,
                    ("struct", "string", "string", "struct"),
                    "Stage one: (request_id, graph, options) is embedded provisionally and held.",
                ),
                (
                    "negotiation.modify",
                    self.modify,
                    ("struct", "string", "string", "string", "struct"),
                    "Stage one of a change: (request_id, cloudnet, graph, options) is held.",
                ),
                (
                    "negotiation.offer",
                    self.offer,
                    ("struct", "string"),
                    "The offer as it stands.",
                ),
                (
                    "negotiation.confirm",
                    self.confirm,
                    ("struct", "string"),
                    "Stage two: make what is held permanent. May be repeated.",
                ),
                (
                    "negotiation.cancel",
                    self.cancel,
                    ("struct", "string"),
                    "Give up what is held. May be repeated.",
                ),
                (
                    "negotiation.release",
                    self.release,
                    ("struct", "string"),
                    "Give a CloudNet (id or name) back: {cloudnet, state, expires}.",
                ),
                (
                    "negotiation.renew",
                    self.renew,
                    ("struct", "string", "string"),
                    "Prolong the lease until a time: {cloudnet, state, expires}.",
                ),
                (
                    "negotiation.status",
                    self.status,
                    ("struct", "string"),
                    "Observed: {cloudnet, name, state, expires, offer, elements}.",
                ),
                (
                    "negotiation.list",
                    self.listed,
                    ("array",),
                    "The caller's CloudNets, as status without elements.",
                ),
                (
                    "negotiation.history",
                    self.history,
                    ("array", "string"),
                    "What happened to a CloudNet: [{time, element, event, text}].",
                ),
                (
                    "provisioning.start",
                    self.start,
                    ("struct", "string", "array"),
                    "Boot VNodes, all for an empty list: {cloudnet, state, expires}.",
                ),
                (
                    "provisioning.stop",
                    self.stop,
                    ("struct", "string", "array"),
                    "Shut VNodes down, all for an empty list: {cloudnet, state, expires}.",
                ),
                (
                    "provisioning.powercycle",
                    self.powercycle,
                    ("struct", "string", "array"),
                    "Stop and start VNodes, all for an empty list: {cloudnet, state, expires}.",
                ),
                (
                    "provisioning.status",
                    self.vnodes,
                    ("struct", "string"),
                    "{VNODE: state}: stopped, starting, running, stopping, migrating, failed.",
                ),
                (
                    "provisioning.console",
                    self.console,
                    ("struct", "string", "string"),
                    "{url, expires}: a single-use wss:// URL of the VNode's console.",
                ),
                (
                    "operator.substrate",
                    self.full_substrate,
                    ("string",),
                    "RDL of the role's own substrate, in full. Operators only.",
                ),
                (
                    "operator.load",
                    self.load,
                    ("struct", "string", "struct"),
                    (
                        "Put another substrate (RDL) in force, options {force}: {revision, breaks: "
                        "{CLOUDNET: [text]}, mending}; revision 0: it isn't. Operators only."
                    ),
                ),
                (
                    "operator.drain",
                    self.drain,
                    ("struct", "string", "struct"),
                    "Let an element carry nothing new, options {evacuate}. Operators only.",
                ),
                (
                    "operator.undrain",
                    self.undrain,
                    ("struct", "string"),
                    "Let an element carry again. Operators only.",
                ),
                (
                    "operator.forget",
                    self.forget,
                    ("struct", "string"),
                    "An element is gone for good: nothing waits for it. Operators only.",
                ),
                (
                    "operator.list",
                    self.listed_all,
                    ("array",),
                    "Everybody's CloudNets, with their owners. Operators only.",
                ),
                (
                    "operator.usage",
                    self.usage,
                    ("struct",),
                    "{ELEMENT: {RESOURCE: {capacity, used, held}}}. Operators only.",
                ),
                (
                    "operator.audit",
                    self.audit,
                    ("struct", "int", "int"),
                    (
                        "Calls that change something, newer than a number, so many at most: {next, "
                        "calls: [{id, time, caller, method, about, outcome, text}]}. "
                        "Operators only."
                    ),
                ),
                (
                    "operator.events",
                    self.all_events,
                    ("struct", "int", "double"),
                    "As negotiation.events, of the whole role. Operators only.",
                ),
                (
                    "negotiation.events",
                    self.events,
                    ("struct", "int", "double"),
                    (
                        "What is newer than the number after, waiting wait_s (25 at most) for the "
                        "first: {next, events: [{id, time, cloudnet, element, event, text}]}."
                    ),
                ),
                (
                    "negotiation.check",
                    self.check,
                    ("struct", "string"),
                    "{VLINK: {ok, differences: [text]}}: desired, installed and observed.",
                ),
            )
        ]


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
