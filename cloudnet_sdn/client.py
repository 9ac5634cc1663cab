"""A client of the facade that PIPs and VNPs serve (contract, section 1).

Every answer is as the contract has it: dictionaries of strings, numbers and booleans. Errors are
the tree of `cloudnet_sdn.wire.faults`.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from cloudnet_sdn.ports import Json, Rpc
from cloudnet_sdn.profile import ProfileError, Target
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.faults import PeerAway
from cloudnet_sdn.wire.identity import Peer
from cloudnet_sdn.wire.tls import TlsFiles

T = TypeVar("T")

UNSETTLED = {"working", "confirming"}
CALL_S = 90.0
"""Longer than `wait_s` may be, so that it is the role that ends the waiting."""


class RoleClient:
    """One role, as one caller.

    Attributes:
        tls: the caller's files, for what is reached by other ways (consoles); None on loopback.
        peer: whom the role's certificate has to name.

    Args:
        rpc: how its methods are called.
        tls: see above.
        peer: see above.
        sleep: how time is let pass between polls; a test's own.
    """

    def __init__(
        self,
        rpc: Rpc,
        tls: TlsFiles | None = None,
        peer: Peer = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rpc = rpc
        self.tls = tls
        self.peer = peer
        self._sleep = sleep

    @classmethod
    @contextmanager
    def at(cls, target: Target) -> Iterator[RoleClient]:
        """A client of the role at `target`, for the time of the `with`.

        Raises:
            ProfileError: the caller's files aren't what they should be.
        """
        try:
            rpc = Client(target.at, target.tls, peer=target.peer, timeout_s=CALL_S)
        except ValueError as error:
            raise ProfileError(str(error)) from error
        try:
            yield cls(rpc, target.tls, target.peer)
        finally:
            rpc.close()

    def describe(self) -> Json:
        """`{role, name, api, rdl, capabilities}`."""
        return self._dict("negotiation.describe")

    def offered(self) -> str:
        """RDL of what the role offers: sums, nothing of its inside."""
        return self._text("negotiation.substrate")

    def request(
        self, graph: str, options: Mapping[str, object], request_id: str | None = None
    ) -> Json:
        """Stage one: the offer for `graph` (RDL).

        Where the connection is lost, it is asked again with the same id: the role answers the same
        offer, so nothing is doubled.

        Args:
            graph: the overlay as RDL text.
            options: of the contract: `hold_s`, `wait_s`, `until`, `start`, …
            request_id: a UUID; a new one by default.
        """
        identifier = request_id or str(uuid.uuid4())
        return self._again("negotiation.request", identifier, graph, dict(options))

    def modify(
        self,
        cloudnet: str,
        graph: str,
        options: Mapping[str, object],
        request_id: str | None = None,
    ) -> Json:
        """Stage one of a change: the offer for `cloudnet` to become `graph`; see `request`."""
        identifier = request_id or str(uuid.uuid4())
        return self._again("negotiation.modify", identifier, cloudnet, graph, dict(options))

    def _again(self, method: str, *args: object) -> Json:
        """Call what may be repeated, a few times where the connection is lost."""
        for pause in (0.2, 1.0):
            try:
                return self._dict(method, *args)
            except PeerAway:
                self._sleep(pause)
        return self._dict(method, *args)

    def offer(self, offer: str) -> Json:
        """The offer as it stands, by its id or by the id of the request for it."""
        return self._dict("negotiation.offer", offer)

    def confirm(self, offer: str) -> Json:
        """Stage two: accept. May be repeated."""
        return self._dict("negotiation.confirm", offer)

    def cancel(self, offer: str) -> Json:
        """Stage two: turn down. May be repeated."""
        return self._dict("negotiation.cancel", offer)

    def settled(self, offer: Json, timeout_s: float) -> Json:
        """`offer` once it is no longer being worked on, or as it stands after `timeout_s`."""
        return self._until(
            offer,
            lambda: self.offer(str(offer["offer"])),
            lambda o: o["state"] not in UNSETTLED,
            timeout_s,
        )

    def release(self, cloudnet: str) -> Json:
        """Give back: `{cloudnet, state, expires}`."""
        return self._dict("negotiation.release", cloudnet)

    def renew(self, cloudnet: str, until: dt.datetime) -> Json:
        """Prolong the lease: `{cloudnet, state, expires}`; the role may shorten."""
        return self._dict("negotiation.renew", cloudnet, rfc3339(until))

    def status(self, cloudnet: str) -> Json:
        """`{cloudnet, name, state, expires, elements}` as observed."""
        return self._dict("negotiation.status", cloudnet)

    def list(self) -> list[Json]:
        """The caller's CloudNets, as `status` without `elements`."""
        return [dict(one) for one in self._rpc.call("negotiation.list")]

    def history(self, cloudnet: str) -> Sequence[Json]:
        """`[{time, element, event, text}]`, of released ones too."""
        return [dict(one) for one in self._rpc.call("negotiation.history", cloudnet)]

    def power(self, verb: str, cloudnet: str, vnodes: Sequence[str]) -> Json:
        """`verb` is `start`, `stop` or `powercycle`; no `vnodes` means all."""
        return self._dict(f"provisioning.{verb}", cloudnet, [*vnodes])

    def vnodes(self, cloudnet: str) -> dict[str, str]:
        """`{VNODE: state}`."""
        return self._dict("provisioning.status", cloudnet)

    def reached(
        self, cloudnet: str, vnodes: Sequence[str], state: str, timeout_s: float
    ) -> dict[str, str]:
        """The states of `vnodes` (all if none is named) once each is in `state` or failed.

        After `timeout_s` the states as they are.
        """

        def look() -> dict[str, str]:
            states = self.vnodes(cloudnet)
            return {v: states[v] for v in vnodes} if vnodes else states

        return self._until(
            look(), look, lambda seen: all(s in {state, "failed"} for s in seen.values()), timeout_s
        )

    def console(self, cloudnet: str, vnode: str) -> Json:
        """`{url, expires}`: a single-use `wss://` URL, valid for 60 s."""
        return self._dict("provisioning.console", cloudnet, vnode)

    def substrate(self) -> str:
        """The role's own substrate in full, as RDL; operators only."""
        return self._text("operator.substrate")

    def load(self, graph: str, *, force: bool = False) -> Json:
        """Replace the role's substrate by `graph` (RDL): `{revision, breaks, mending}`.

        Revision 0: it isn't, as it would break what is in `breaks`. Operators only.
        """
        return self._answer("operator.load", graph, {"force": force})

    def drain(self, element: str, *, evacuate: bool = False) -> Json:
        """Put nothing new onto `element`, or with `evacuate` nothing at all; operators only.

        Answers `{element, drained, evacuating: [cloudnet], moving: {CLOUDNET: {vnodes, vlinks}}}`,
        the latter two by id with how each is moved.
        """
        return self._answer("operator.drain", element, {"evacuate": evacuate})

    def forget(self, element: str) -> Json:
        """Vouch that `element` is gone for good: `{element, forgotten}`; operators only."""
        return self._answer("operator.forget", element)

    def everybodys(self) -> Sequence[Json]:
        """All CloudNets with their owners; operators only."""
        return [dict(one) for one in self._rpc.call("operator.list")]

    def usage(self) -> Json:
        """`{ELEMENT: {RESOURCE: {capacity, used, held}}}`; operators only."""
        return self._dict("operator.usage")

    def audit(self, after: int, limit: int) -> Json:
        """`{next, calls}`: who asked for what changes something; operators only."""
        return self._dict("operator.audit", after, limit)

    def events(self, after: int, wait_s: float, *, everybodys: bool = False) -> Json:
        """`{next, events}`: what is newer than the number `after`; waits for the first."""
        method = "operator.events" if everybodys else "negotiation.events"
        return self._dict(method, after, wait_s)

    def check(self, cloudnet: str) -> Json:
        """`{VLINK: {ok, differences}}`."""
        return self._dict("negotiation.check", cloudnet)

    def undrain(self, element: str) -> Json:
        """Use `element` again; operators only."""
        return self._answer("operator.undrain", element)

    def _until(
        self, seen: T, look: Callable[[], T], done: Callable[[T], bool], timeout_s: float
    ) -> T:
        """Look with growing pauses until `done`, or until the pauses add up to `timeout_s`."""
        waited, pause = 0.0, 0.1
        while not done(seen) and waited < timeout_s:
            self._sleep(pause)
            waited += pause
            pause = min(pause * 1.5, 2.0)
            seen = look()
        return seen

    def _dict(self, method: str, *args: object) -> Json:
        return dict(self._rpc.call(method, *args))

    def _text(self, method: str) -> str:
        return str(self._rpc.call(method))

    def _answer(self, method: str, *args: object) -> Json:
        answer = self._rpc.call(method, *args)
        return dict(answer) if isinstance(answer, dict) else {}


def rfc3339(when: dt.datetime) -> str:
    """`when` as the facade takes times: RFC 3339 in UTC."""
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
