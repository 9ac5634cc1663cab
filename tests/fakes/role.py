"""A role small enough to read, behind the real wire: it knows offers, holds, leases and VNodes.

It places nothing: a request for more than `CORES` cores is refused, all else is held.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloudnet_sdn.wire.faults import BadRequest, Busy, Conflict, Forbidden, Gone, NotFound
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.rpc import Method, Service
from cloudnet_sdn.wire.server import Server
from rdl.errors import DocumentError
from rdl.language.load import load_graph

CORES = 8
SUBSTRATE = """\
rdl: 1
graph: berlin
layer: underlay
nodes:
  sn1: {type: /node/host/server/namespace, cpu: 8}
  sn2: {type: /node/host/server/namespace, cpu: 8}
links:
  sn1-sn2: {ends: [sn1, sn2], bandwidth: 100Mbps}
"""
OFFERED = """\
rdl: 1
graph: berlin
layer: underlay
nodes:
  berlin: {type: /node/host/pip, cpu: 16}
"""
END = "2030-01-01T00:00:00Z"


class FakeRole:
    """The facade's methods as the contract has them, over dictionaries."""

    def __init__(self) -> None:
        self.offers: dict[str, dict[str, Any]] = {}
        self.cloudnets: dict[str, dict[str, Any]] = {}
        self.vnodes: dict[str, dict[str, str]] = {}
        self.requests: dict[str, tuple[str, str]] = {}
        self.options: dict[str, Any] = {}
        self.until = ""
        self.drained: set[str] = set()
        self.substrate = SUBSTRATE
        self.busy = False
        self.operator = True
        self.polls_left = 0
        self.boots = True
        self._numbers = itertools.count(1)

    # -- negotiation

    def request(self, _caller: object, request_id: str, text: str, options: dict[str, Any]) -> Any:
        if self.busy:
            raise Busy("too many requests", 7)
        try:
            graph = load_graph(text)
        except DocumentError as error:
            raise BadRequest(str(error)) from error
        if request_id in self.requests:
            before, offer = self.requests[request_id]
            if before != text:
                raise Conflict(f"request {request_id} was another one")
            return self.offers[offer]
        if any(
            c["name"] == graph.name and c["state"] != "released" for c in self.cloudnets.values()
        ):
            raise Conflict(f"there is a CloudNet {graph.name!r} already")
        self.options = options
        number = next(self._numbers)
        offer = {
            "offer": f"o{number}",
            "cloudnet": f"c{number}",
            "state": "working" if self.polls_left else "held",
            "expires": END,
            "expires_in": 120.0,
            "lease_until": END,
            "price": 1.5,
            "currency": "EUR",
            "reasons": [],
            "choices": {},
            "graph": text,
        }
        if sum(n.amount("cpu") for n in graph.nodes()) > CORES:
            short = {"element": "web", "code": "capacity", "text": f"more than {CORES} cores"}
            offer |= {"state": "refused", "reasons": [short]}
        else:
            self.cloudnets[offer["cloudnet"]] = {
                "cloudnet": offer["cloudnet"],
                "name": graph.name,
                "state": "preliminary",
                "expires": END,
            }
            self.vnodes[offer["cloudnet"]] = {n.id: "stopped" for n in graph.nodes()}
        self.offers[offer["offer"]] = offer
        self.requests[request_id] = (text, offer["offer"])
        return offer

    def modify(
        self, _caller: object, request_id: str, cloudnet: str, text: str, options: dict[str, Any]
    ) -> Any:
        found = self._cloudnet(cloudnet)
        if found["state"] != "ready":
            raise Conflict(f"the CloudNet is {found['state']}")
        before = next(o for o in self.offers.values() if o["cloudnet"] == found["cloudnet"])
        offer = before | {"offer": f"o{next(self._numbers)}", "state": "held", "graph": text}
        if sum(n.amount("cpu") for n in load_graph(text).nodes()) > CORES:
            short = {"element": "web", "code": "capacity", "text": f"more than {CORES} cores"}
            offer |= {"state": "refused", "reasons": [short]}
        self.options = options
        self.offers[offer["offer"]] = offer | {"price": 2.5}
        self.requests[request_id] = (text, offer["offer"])
        return self.offers[offer["offer"]]

    def offer(self, _caller: object, offer: str) -> Any:
        found = self._offer(offer)
        if found["state"] == "working":
            self.polls_left -= 1
            if self.polls_left <= 0:
                found["state"] = "held"
        return found

    def confirm(self, _caller: object, offer: str) -> Any:
        found = self._offer(offer)
        if found["state"] == "expired":
            raise Gone(f"offer {offer} has expired")
        if found["state"] not in {"held", "confirmed"}:
            raise Conflict(f"offer {offer} is {found['state']}")
        found["state"] = "confirmed"
        self.cloudnets[found["cloudnet"]]["state"] = "ready"
        if self.options.get("start"):
            self._power(found["cloudnet"], [], "running")
        return found

    def cancel(self, _caller: object, offer: str) -> Any:
        found = self._offer(offer)
        found["state"] = "cancelled"
        self.cloudnets[found["cloudnet"]]["state"] = "released"
        return found

    def release(self, _caller: object, cloudnet: str) -> Any:
        found = self._cloudnet(cloudnet)
        found["state"] = "released"
        return self._short(found)

    def renew(self, _caller: object, cloudnet: str, until: str) -> Any:
        found = self._cloudnet(cloudnet)
        found["expires"] = self.until = until
        return self._short(found)

    def status(self, _caller: object, cloudnet: str) -> Any:
        found = self._cloudnet(cloudnet)
        states = self.vnodes[found["cloudnet"]]
        offer = [o["offer"] for o in self.offers.values() if o["cloudnet"] == found["cloudnet"]]
        return found | {
            "offer": offer[0],
            "elements": {v: {"state": s, "reason": ""} for v, s in states.items()},
        }

    def list(self, _caller: object) -> Any:
        return [c for c in self.cloudnets.values() if c["state"] != "released"]

    def history(self, _caller: object, cloudnet: str) -> Any:
        self._cloudnet(cloudnet)
        return [{"time": END, "element": "", "event": "held", "text": "until later"}]

    # -- provisioning

    def power(self, state: str) -> Any:
        def verb(_caller: object, cloudnet: str, vnodes: list[str]) -> Any:
            found = self._cloudnet(cloudnet)
            self._power(found["cloudnet"], vnodes, state)
            return self._short(found)

        return verb

    def states(self, _caller: object, cloudnet: str) -> Any:
        return self.vnodes[self._cloudnet(cloudnet)["cloudnet"]]

    def console(self, _caller: object, cloudnet: str, vnode: str) -> Any:
        if vnode not in self.vnodes[self._cloudnet(cloudnet)["cloudnet"]]:
            raise NotFound(f"no VNode {vnode!r}")
        return {"url": "wss://127.0.0.1:1/t0ken", "expires": END}

    # -- operators

    def whole(self, _caller: object) -> str:
        if not self.operator:
            raise Forbidden("for operators")
        return self.substrate

    def load(self, _caller: object, text: str, options: dict[str, Any]) -> Any:
        breaks = {c: ["sn1 is missing"] for c in self.cloudnets if "sn1" not in text}
        if breaks and not options["force"]:
            return {"revision": 0, "breaks": breaks, "mending": []}
        self.substrate = text
        return {"revision": 2, "breaks": breaks, "mending": list(breaks)}

    def drain(self, _caller: object, element: str, options: dict[str, Any]) -> Any:
        if element not in load_graph(self.substrate).elements:
            raise NotFound(f"no element {element!r}")
        self.drained.add(element)
        evacuating = list(self.cloudnets) if options["evacuate"] else []
        parts = {"vnodes": {"web": "it is stopped and started elsewhere"}, "vlinks": {}}
        moving = dict.fromkeys(evacuating, parts)
        return {"element": element, "drained": True, "evacuating": evacuating, "moving": moving}

    def forget(self, _caller: object, element: str) -> Any:
        return {"element": element, "forgotten": len(self.cloudnets)}

    def everybodys(self, _caller: object) -> Any:
        return [c | {"owner": "cloudnet:tenant:acme"} for c in self.cloudnets.values()]

    def audit(self, _caller: object, after: int, limit: int) -> Any:
        asked = [
            {
                "id": n,
                "time": END,
                "caller": "cloudnet:tenant:acme",
                "method": "negotiation.request",
                "about": cloudnet,
                "outcome": "held",
                "text": "",
            }
            for n, cloudnet in enumerate(self.cloudnets, start=1)
        ]
        calls = [c for c in asked if c["id"] > after][:limit]
        return {"next": calls[-1]["id"] if calls else after, "calls": calls}

    def usage(self, _caller: object) -> Any:
        return {"sn1": {"cpu": {"capacity": 8.0, "used": 2.0, "held": 0.5}}}

    def events(self, _caller: object, after: int, _wait_s: float) -> Any:
        event = {"id": 7, "time": END, "cloudnet": "c1", "element": "", "event": "held", "text": ""}
        return {"next": max(after, 7), "events": [event] if after < 7 else []}

    def check(self, _caller: object, cloudnet: str) -> Any:
        self._cloudnet(cloudnet)
        return {
            "web-db": {"ok": self.boots, "differences": [] if self.boots else ["a flow is gone"]}
        }

    def undrain(self, _caller: object, element: str) -> Any:
        self.drained.discard(element)
        return {"element": element, "drained": False}

    # -- inside

    def _offer(self, offer: str) -> dict[str, Any]:
        if offer not in self.offers:
            raise NotFound(f"no offer {offer!r}")
        return self.offers[offer]

    def _cloudnet(self, which: str) -> dict[str, Any]:
        for found in self.cloudnets.values():
            if which in {found["cloudnet"], found["name"]}:
                return found
        raise NotFound(f"no CloudNet {which!r}")

    def _short(self, found: dict[str, Any]) -> dict[str, Any]:
        return {key: found[key] for key in ("cloudnet", "state", "expires")}

    def _power(self, cloudnet: str, vnodes: list[str], state: str) -> None:
        for vnode in vnodes or list(self.vnodes[cloudnet]):
            self.vnodes[cloudnet][vnode] = state if self.boots else "failed"

    def expire(self, offer: str) -> None:
        """The hold is over."""
        self.offers[offer]["state"] = "expired"

    def service(self) -> Service:
        """The methods with the facade's signatures."""
        negotiation: dict[str, tuple[Any, tuple[str, ...]]] = {
            "negotiation.substrate": (lambda _caller: OFFERED, ("string",)),
            "negotiation.request": (self.request, ("struct", "string", "string", "struct")),
            "negotiation.modify": (
                self.modify,
                ("struct", "string", "string", "string", "struct"),
            ),
            "negotiation.offer": (self.offer, ("struct", "string")),
            "negotiation.confirm": (self.confirm, ("struct", "string")),
            "negotiation.cancel": (self.cancel, ("struct", "string")),
            "negotiation.release": (self.release, ("struct", "string")),
            "negotiation.renew": (self.renew, ("struct", "string", "string")),
            "negotiation.status": (self.status, ("struct", "string")),
            "negotiation.list": (self.list, ("array",)),
            "negotiation.history": (self.history, ("array", "string")),
            "provisioning.start": (self.power("running"), ("struct", "string", "array")),
            "provisioning.stop": (self.power("stopped"), ("struct", "string", "array")),
            "provisioning.powercycle": (self.power("running"), ("struct", "string", "array")),
            "provisioning.status": (self.states, ("struct", "string")),
            "provisioning.console": (self.console, ("struct", "string", "string")),
            "operator.substrate": (self.whole, ("string",)),
            "operator.load": (self.load, ("struct", "string", "struct")),
            "operator.drain": (self.drain, ("struct", "string", "struct")),
            "operator.forget": (self.forget, ("struct", "string")),
            "operator.list": (self.everybodys, ("array",)),
            "operator.usage": (self.usage, ("struct",)),
            "operator.audit": (self.audit, ("struct", "int", "int")),
            "negotiation.events": (self.events, ("struct", "int", "double")),
            "operator.events": (self.events, ("struct", "int", "double")),
            "negotiation.check": (self.check, ("struct", "string")),
            "operator.undrain": (self.undrain, ("struct", "string")),
        }
        return Service(Method(n, call, sig, n) for n, (call, sig) in negotiation.items())


class Stage:
    """Serves whichever role is on: starting a server for each test takes longer than the tests."""

    def __init__(self) -> None:
        self.role = FakeRole()

    def dispatch(self, body: bytes, caller: Caller | None) -> bytes:
        return self.role.service().dispatch(body, caller)


@contextmanager
def served(stage: Stage) -> Iterator[str]:
    """The URL, on loopback, of the role that is on, while it is served."""
    server = Server(stage, "127.0.0.1", 0, None, threads=2)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def parse_time(text: str) -> dt.datetime:
    """A time as the facade takes it."""
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
