"""Whole providers as hosts: the client side of their negotiation and provisioning interfaces.

What makes a VNP a VNP (paper, section 4.3): its substrate's nodes are PIPs, and a task is a partial
graph negotiated with one of them. A VNP looks like a PIP from above, so this serves for it too.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import logging
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from cloudnet_sdn.model.settings import RoleKind, Timing
from cloudnet_sdn.model.times import HOLD_LONGEST_S, parse_time, timestamp
from cloudnet_sdn.plugins.calls import FINAL, provider
from cloudnet_sdn.plugins.registry import Context, Extension
from cloudnet_sdn.plugins.sharing import Shared
from cloudnet_sdn.ports import (
    Clock,
    Difference,
    Json,
    Observation,
    Plan,
    PlannedTask,
    Refused,
    Rpc,
    Task,
    Transient,
)
from cloudnet_sdn.wire.faults import Busy, Conflict, NotFound, TooLarge
from mip.problem.statement import Code, Reason
from rdl.errors import RdlError
from rdl.federation import partition
from rdl.graph import Element, Graph, Placement, Range
from rdl.language.dump import dump
from rdl.language.load import load_graph

log = logging.getLogger(__name__)

NAME = "provider"
TYPES = ("/node/host/pip",)

_REQUESTS = uuid.UUID("5d0c9a52-6a0e-4c4b-8f5c-6f1d6f3d2c10")
_WAIT_S = 10.0
_POLL_S = 0.2
_BUSY_TRIES = 5
_ENDED = ("released", "failed")
_END_S = 3.0
_LOOK_S = 0.05
_LIST_EVERY = dt.timedelta(seconds=60)


class ProviderPlugin:
    """Negotiates partial graphs with the providers below."""

    mends = False

    def __init__(self, peers: Mapping[str, Rpc], clock: Clock, timing: Timing) -> None:
        self._peers = peers
        self._clock = clock
        self._timing = timing
        self._due: dict[str, dt.datetime] = {}
        self._offered = {name: Shared(partial(self._ask_offered, name)) for name in peers}

    # -- synchronisation

    def offered(self, element: Element) -> Element:
        """What the provider offers now (paper, section 5.2).

        Its end points keep the names it gives them: `berlin.t1`.
        """
        if element.id not in self._offered:
            raise Transient(f"{element.id} is no provider of the configuration")
        return self._offered[element.id].get()

    def _ask_offered(self, name: str) -> Element:
        with provider(name, ()):
            text = self._call(name, "negotiation.substrate", timeout_s=self._timing.peer_s)
        try:
            graph = load_graph(text, source=name)
        except RdlError as exc:
            raise Transient(f"{name} offers what can't be read: {exc}") from exc
        if name not in graph.elements:
            raise Transient(f"{name} calls itself {', '.join(graph.elements)}")
        return graph.elements[name]

    # -- embedding

    def plan(self, plan: Plan) -> list[PlannedTask]:
        """One task per provider involved: its partial graph (paper, section 5.4)."""
        try:
            parts = partition.partition(plan.overlay, split(plan), name=plan.key)
        except partition.PartitionError as exc:
            raise Refused([Reason(plan.overlay.name, Code.LATENCY, str(exc))]) from exc
        replaced = plan.options.get("replaces_below", {})
        tasks = []
        for name, graph in parts.items():
            spec: Json = {
                "key": plan.key,
                "request_id": str(uuid.uuid5(_REQUESTS, f"{plan.key}/{name}")),
                "graph": dump(graph),
                "hold_s": float(plan.options["hold_s"]),
                "outlast_s": float(plan.options.get("outlast_s", 0.0)),
                "until": str(plan.options["until"]),
                "replaces": str(replaced.get(name, "")),
            }
            elements = tuple(e.id for e in graph.elements.values() if not e.is_stub)
            tasks.append(PlannedTask(NAME, name, elements, spec))
        return tasks

    def make(self, task: Task) -> Json:
        """Have the partial graph held (paper, section 5.5); a lost answer is asked for again."""
        return self._held(task, partial(self._request, task))

    def _held(self, task: Task, ask: Callable[..., Json]) -> Json:
        """What the store keeps of an offer that `ask` gets, once it is held."""
        sent = self._clock.now()
        with provider(task.target, task.elements):
            offer = self._admitted(task, partial(ask, hold_s=self._hold_s(task), wait_s=_WAIT_S))
            deadline = sent + dt.timedelta(seconds=self._timing.shell_s)
            while offer["state"] == "working":
                if self._clock.now() > deadline:
                    raise Transient(f"{task.target} is still working on it")
                self._clock.sleep(_POLL_S)
                sent = self._clock.now()
                offer = self._call(task.target, "negotiation.offer", offer["offer"])
        if offer["state"] not in ("held", "confirming", "confirmed"):
            raise Refused(_reasons(task, offer))
        answer: Json = {k: str(offer[k]) for k in ("offer", "cloudnet", "currency")}
        answer |= {"price": float(offer["price"]), "choices": dict(offer["choices"])}
        answer["lease_until"] = str(offer["lease_until"])
        answer["graph"] = str(offer["graph"])
        # By our clock, and from before the question, so that it is never later than the truth.
        held = sent + dt.timedelta(seconds=float(offer["expires_in"]))
        patience = sent + dt.timedelta(seconds=self._own_s(task))
        return {**answer, "expires": timestamp(held), "patience": timestamp(min(held, patience))}

    def _admitted(self, task: Task, ask: Callable[[], Json]) -> Json:
        """What the provider answers, once it takes the request on.

        Raises:
            Refused: it takes on nothing that we ask for now; the reason is about the provider.
        """
        deadline = self._clock.now() + dt.timedelta(seconds=self._timing.hold_try_s)
        tries = itertools.count(1)
        while True:
            try:
                return ask()
            except Busy as exc:
                again = self._clock.now() + dt.timedelta(seconds=exc.retry_after_s)
                if again > deadline or next(tries) >= _BUSY_TRIES:
                    text = f"{task.target} takes nothing new from us now: {exc}"
                    raise Refused([Reason(task.target, Code.QUOTA, text)]) from exc
                self._clock.sleep(exc.retry_after_s)
            except TooLarge:
                raise
            except FINAL as exc:
                log.warning("not taken on by provider=%s: %s", task.target, exc)
                text = f"{task.target}: {exc}"
                raise Refused([Reason(task.target, Code.POLICY, text)]) from exc

    def withdraw(self, task: Task) -> None:
        """Have the provider end what it works on."""
        with provider(task.target, task.elements):
            offer = self._asked(task)
            if offer is not None and offer["state"] == "working":
                self._call(task.target, "negotiation.cancel", offer["offer"])

    def confirm(self, task: Task) -> Json:
        """Have it confirmed. One that is away until our own hold is over has failed for good."""
        try:
            with provider(task.target, task.elements):
                offer = self._call(task.target, "negotiation.confirm", task.answer["offer"])
        except Transient as exc:
            if self._clock.now() <= parse_time(task.answer.get("patience", task.answer["expires"])):
                raise
            text = f"{task.target} couldn't be reached before the hold was over"
            raise Refused([Reason(e, Code.PEER_AWAY, text) for e in task.elements]) from exc
        if offer["state"] == "confirming":
            raise Transient(f"{task.target} is still confirming")
        if offer["state"] != "confirmed":
            raise Refused(_reasons(task, offer))
        return {**task.answer, "lease_until": str(offer["lease_until"])}

    # -- changing

    def successor(self, old: Task, new: PlannedTask) -> PlannedTask:
        """The part that the provider has, changed; under the name it has there."""
        graph = load_graph(str(new.spec["graph"]))
        named = dump(dataclasses.replace(graph, name=str(old.spec["key"])))
        if named == old.spec["graph"]:
            return dataclasses.replace(new, spec=old.spec)
        return dataclasses.replace(new, spec={**new.spec, "key": old.spec["key"], "graph": named})

    def stage(self, task: Task, old: Task) -> Json:
        """Have the changed part held, beside what is confirmed or in place of what is held."""
        return self._held(task, partial(self._request_change, task, old))

    def apply(self, task: Task) -> Json:
        """Have the change confirmed."""
        return self.confirm(task)

    def revert(self, task: Task, old: Task) -> Json | None:
        """Have the change cancelled; where it is in force already, have it changed back."""
        try:
            with provider(task.target, task.elements):
                return self._take_back(task, old)
        except Refused as exc:
            raise Transient(str(exc)) from exc

    def _request_change(self, task: Task, old: Task, *, hold_s: float, wait_s: float) -> Json:
        options = {"hold_s": hold_s, "wait_s": wait_s, "until": self._until(task)}
        identifier, graph = task.spec["request_id"], task.spec["graph"]
        if not old.confirmed:
            options["replaces"] = old.answer["offer"]
            asked: Json = self._call(task.target, "negotiation.request", identifier, graph, options)
            return asked
        if task.spec["replaces"]:
            options["replaces"] = task.spec["replaces"]
        changed: Json = self._call(
            task.target, "negotiation.modify", identifier, old.answer["cloudnet"], graph, options
        )
        return changed

    def _take_back(self, task: Task, old: Task) -> Json | None:
        answer = self._asked(task)
        if answer is None:
            return None  # it never came to be
        if old.confirmed:
            try:
                self._call(task.target, "negotiation.cancel", answer["offer"])
            except Conflict:
                self._change_back(task, old)
            return None
        if answer.get("state", "held") != "held":
            self._call(task.target, "negotiation.cancel", answer["offer"])
            return None  # what was held before still is
        back = dataclasses.replace(task, spec={**old.spec, "request_id": _again(task)}, answer={})
        held = dataclasses.replace(old, answer=answer)
        return self._held(back, partial(self._request_change, back, held))

    def _change_back(self, task: Task, old: Task) -> None:
        """The provider has confirmed what isn't to be: have it be as before, for good."""
        options = {"hold_s": self._timing.margin_s + 1.0, "wait_s": _WAIT_S}
        offer = self._call(
            task.target,
            "negotiation.modify",
            _again(task),
            old.answer["cloudnet"],
            old.spec["graph"],
            options,
        )
        if offer["state"] == "working":
            raise Transient(f"{task.target} is still changing it back")
        self._call(task.target, "negotiation.confirm", offer["offer"])

    def restaged(self, task: Task) -> Json | None:
        """A change that a later one took the place of is gone at the provider: ask for it anew."""
        with provider(task.target, task.elements):
            offer = self._call(task.target, "negotiation.offer", task.answer["offer"])
        if offer["state"] == "held":
            return None
        return {**task.spec, "request_id": _again(task), "replaces": ""}

    # -- removal

    def remove(self, task: Task) -> None:
        """Cancel the hold, or release what was confirmed; done once the provider has given it back.

        Where no answer ever came, the provider is asked whether it knows the request. One that is
        still on its way then is held in vain, and ends with its hold.
        """
        try:
            with provider(task.target, task.elements):
                self._give_back(task)
        except Refused as exc:
            raise Transient(str(exc)) from exc

    def _give_back(self, task: Task) -> None:
        answer = self._asked(task)
        if answer is None:
            return
        try:
            self._call(task.target, "negotiation.cancel", answer["offer"])
        except NotFound:
            return
        except Conflict:
            try:
                self._call(task.target, "negotiation.release", answer["cloudnet"])
            except NotFound:
                return
        self._await_end(task.target, answer["cloudnet"])

    def _await_end(self, target: str, cloudnet: str) -> None:
        """Wait a moment for the provider to have given it back: its answer was but an intent."""
        deadline = time.monotonic() + _END_S
        while self._call(target, "negotiation.status", cloudnet)["state"] not in _ENDED:
            if time.monotonic() > deadline:
                raise Transient(f"{target} is still giving it back")
            time.sleep(_LOOK_S)

    def observe(self, task: Task) -> Mapping[str, Observation]:
        """What the provider sees of its part."""
        with provider(task.target, task.elements):
            try:
                status = self._call(
                    task.target,
                    "negotiation.status",
                    task.answer["cloudnet"],
                    timeout_s=self._timing.peer_s,
                )
            except NotFound:
                return dict.fromkeys(task.elements, Observation("failed", "it is gone"))
        if status["state"] in ("releasing", "released", "failed"):
            gone = Observation("failed", "the provider has given it up")
            return dict.fromkeys(task.elements, gone)
        seen = {
            element: Observation(str(s["state"]), str(s["reason"]))
            for element, s in status["elements"].items()
        }
        return {e: seen[e] for e in task.elements if e in seen}

    def survey(self, target: str, tasks: Sequence[Task]) -> Mapping[int, Mapping[str, Observation]]:
        """Of one part all that the provider sees; of several how each is as a whole."""
        if len(tasks) == 1:
            return {tasks[0].id: self.observe(tasks[0])}
        with provider(target, ()):
            listed = self._call(target, "negotiation.list", timeout_s=self._timing.peer_s)
        states = {str(c["cloudnet"]): str(c["state"]) for c in listed}
        return {
            task.id: _whole(task, states.get(str(task.answer.get("cloudnet")))) for task in tasks
        }

    def check(self, task: Task) -> Mapping[str, Difference]:
        """What the provider finds of the VLinks of its part."""
        with provider(task.target, task.elements):
            got = self._call(task.target, "negotiation.check", task.answer["cloudnet"])
        found = {}
        for vlink, seen in got.items():
            texts = tuple(f"{task.target}: {text}" for text in seen["differences"])
            found[str(vlink)] = Difference(bool(seen["ok"]), texts, texts)
        return {v: d for v, d in found.items() if v in task.elements}

    def renew(self, task: Task, until: dt.datetime) -> dt.datetime:
        """Prolong the lease below."""
        with provider(task.target, task.elements):
            got = self._call(
                task.target, "negotiation.renew", task.answer["cloudnet"], timestamp(until)
            )
        return parse_time(got["expires"])

    # -- provisioning

    def start(self, task: Task, vnodes: Sequence[str]) -> None:
        """Boot VNodes."""
        self._power(task, vnodes, "provisioning.start")

    def stop(self, task: Task, vnodes: Sequence[str]) -> None:
        """Shut VNodes down."""
        self._power(task, vnodes, "provisioning.stop")

    def powercycle(self, task: Task, wishes: Mapping[str, str]) -> None:
        """Stop and start VNodes; where the answer is lost, once more, as nobody can tell."""
        self._power(task, list(wishes), "provisioning.powercycle")

    def console(self, task: Task, vnode: str) -> str:
        """A console URL of the provider's proxy."""
        with provider(task.target, (vnode,)):
            got = self._call(task.target, "provisioning.console", task.answer["cloudnet"], vnode)
        return str(got["url"])

    def _power(self, task: Task, vnodes: Sequence[str], method: str) -> None:
        with provider(task.target, vnodes):
            self._call(task.target, method, task.answer["cloudnet"], list(vnodes))

    # -- inventory

    def targets(self) -> Sequence[str]:
        """The providers."""
        return tuple(self._peers)

    def inventory(self, target: str) -> Collection[str] | None:
        """The names of what is ours there; for the list it looks at all its shells, so seldom."""
        now, due = self._clock.now(), self._due.pop(target, None)
        with provider(target, ()):
            self._call(target, "negotiation.describe", timeout_s=self._timing.peer_s)
            if due is not None and now < due:
                self._due[target] = due
                return None
            listed = self._call(target, "negotiation.list", timeout_s=self._timing.peer_s)
        self._due[target] = now + _LIST_EVERY
        return frozenset(str(c["name"]) for c in listed if c["state"] != "releasing")

    def discard(self, target: str, key: str) -> None:
        """Give back what no task stands for."""
        with provider(target, ()):
            self._call(target, "negotiation.release", key)

    # -- calls

    def _hold_s(self, task: Task) -> float:
        """Longer than our own hold, which begins when the last provider has answered."""
        return min(HOLD_LONGEST_S, self._own_s(task) + float(task.spec.get("outlast_s", 0.0)))

    def _own_s(self, task: Task) -> float:
        """Our own hold, with the time that answers may take."""
        return float(task.spec["hold_s"]) + 2 * self._timing.margin_s

    def _request(self, task: Task, *, hold_s: float, wait_s: float) -> Json:
        options: Json = {"hold_s": hold_s, "wait_s": wait_s, "until": self._until(task)}
        offer: Json = self._call(
            task.target,
            "negotiation.request",
            task.spec["request_id"],
            task.spec["graph"],
            options,
        )
        return offer

    def _asked(self, task: Task) -> Json | None:
        """The offer that a task's request came to, None where the provider knows of none."""
        if "offer" in task.answer:
            return task.answer
        try:
            found: Json = self._call(task.target, "negotiation.offer", task.spec["request_id"])
        except NotFound:
            return None
        return found

    def _until(self, task: Task) -> str:
        until = parse_time(task.spec["until"]) + dt.timedelta(seconds=self._timing.margin_s)
        return timestamp(until)

    def _call(self, name: str, method: str, *args: Any, timeout_s: float | None = None) -> Any:
        try:
            peer = self._peers[name]
        except KeyError:
            raise Transient(f"{name} is no provider of the configuration") from None
        return peer.call(method, *args, timeout_s=timeout_s or self._timing.shell_s)


def _whole(task: Task, state: str | None) -> Mapping[str, Observation]:
    """A part's elements, all as the part is: running, stopped or broken."""
    if state in (None, "releasing", "released", "failed"):
        seen = Observation("failed", "the provider has given it up")
    elif state == "degraded":
        seen = Observation("degraded", "the provider sees a part of it broken")
    else:
        seen = Observation("running" if state == "running" else "stopped")
    return dict.fromkeys(task.elements, seen)


def _again(task: Task) -> str:
    """The request id of having a change taken back."""
    return str(uuid.uuid5(_REQUESTS, f"{task.spec['request_id']} back"))


def split(plan: Plan) -> partition.Plan:
    """How the mapping splits the request between providers."""
    placement, crossings, latency = {}, {}, {}
    for identifier, placed in plan.mapping.mapping.items():
        element = plan.overlay.elements[identifier]
        if element.is_node:
            placement[identifier] = placed.on[0]
        else:
            crossings[identifier] = _crossings(plan.substrate, placed)
            bound = element.features.get("latency")
            if isinstance(bound, Range) and bound.max is not None and crossings[identifier]:
                latency[identifier] = _shares(plan.substrate, bound.max, crossings[identifier])
    stubs = {
        stub: partition.End(interface.partition(".")[0], interface)
        for stub, interface in plan.anchors.items()
    }
    return partition.Plan(placement, crossings, latency, stubs)


def _crossings(substrate: Graph, placed: Placement) -> tuple[partition.Crossing, ...]:
    tags = {s.on: s.vlan for s in placed.segments}
    found = []
    for on in placed.on:
        if not substrate.elements[on].is_link:
            continue
        a, b = (partition.End(peer.partition(".")[0], peer) for _, peer in substrate.ends(on))
        found.append(partition.Crossing(on, tags.get(on) or 0, a, b))
    return tuple(found)


def _shares(
    substrate: Graph, bound: float, crossings: Sequence[partition.Crossing]
) -> Mapping[str, float]:
    """A latency bound, divided between the providers on the way."""
    providers = dict.fromkeys(p for c in crossings for p in (c.a.provider, c.b.provider))
    on_transits = 0.0
    for crossing in crossings:
        latency = substrate.elements[crossing.transit].features.get("latency")
        if isinstance(latency, int | float):
            on_transits += latency
    return partition.divide(bound, tuple(providers), on_transits)


def _reasons(task: Task, offer: Json) -> list[Reason]:
    found = []
    for reason in offer["reasons"]:
        code = reason["code"] if reason["code"] in set(Code) else Code.POLICY
        found.append(Reason(str(reason["element"]), Code(code), str(reason["text"])))
    if found:
        return found
    text = f"{task.target} answers that its offer is {offer['state']}"
    return [Reason(task.elements[0] if task.elements else task.target, Code.POLICY, text)]


def _make(context: Context) -> ProviderPlugin | None:
    settings = context.settings
    if settings.kind is not RoleKind.VNP:
        return None
    peers = {p.name: context.provider(p.name) for p in settings.pip}
    return ProviderPlugin(peers, context.clock, settings.timing)


EXTENSION = Extension(TYPES, _make)
