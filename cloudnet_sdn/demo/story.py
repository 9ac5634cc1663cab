"""The demo's story: request, hold, confirm, start, prove, give back; and the report of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cloudnet_sdn.demo.change import Change, Train, grown
from cloudnet_sdn.demo.frames import Port, Taps, carried, leaks
from cloudnet_sdn.demo.measure import Measured, measure_all
from cloudnet_sdn.ports import Rpc
from rdl.graph import Graph
from rdl.language.dump import dump

Say = Callable[[str], None]

LOW, HIGH = 0.80, 1.05  # what greedy TCP must get of what is reserved
TRIES = 3
_STEPS = ("set_up", "request", "confirm", "start", "total")
"""What the report's seconds are of; a step that wasn't come to took none."""


_MODIFIED = ("lost", "lost_changed", "seconds")
"""What is said of the change; nothing where the request has too little to change."""


class DemoFailed(Exception):
    """A step did not come to the end it must come to."""


class DemoRefused(Exception):
    """The request can't be embedded here."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where a VNode runs, as its host's agent says.

    Attributes:
        provider: the provider's name.
        netns: path of its network namespace.
        devices: VLink id to the interface's name in there.
    """

    provider: str
    netns: str
    devices: Mapping[str, str]


@dataclass
class Report:
    """The contract's `demo --format json`.

    Besides, for the exit code and the way down: whether the request was `refused`, and whether
    everything was `released`.
    """

    ok: bool = False
    refused: bool = False
    released: bool = False
    cloudnet: str = ""
    vnodes: dict[str, dict[str, str]] = field(default_factory=dict)
    vlinks: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_STEPS, 0.0))
    modified: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(_MODIFIED))
    left_behind: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As a JSON-able dictionary in the contract's order."""
        return {
            "ok": self.ok,
            "cloudnet": self.cloudnet,
            "vnodes": self.vnodes,
            "vlinks": self.vlinks,
            "seconds": {k: round(v, 2) for k, v in self.seconds.items()},
            "modified": self.modified,
            "left_behind": self.left_behind,
        }


@dataclass
class Story:
    """Plays a request through a VNP.

    Attributes:
        vnp: the VNP's facade, as the customer.
        request: the parsed request, and `text`, as it is sent.
        say: prints one line of progress.
        report: what came of it.
    """

    vnp: Rpc
    request: Graph
    text: str
    say: Say
    report: Report

    def hold(self) -> dict[str, Any]:
        """Stage one: ask for an offer and wait until it is held.

        Raises:
            DemoRefused: it can't be embedded.
            DemoFailed: it went wrong.
        """
        begun = time.monotonic()
        options = {"hold_s": 300, "wait_s": 60}
        args = (str(uuid.uuid4()), self.text, options)
        offer = self.vnp.call("negotiation.request", *args, timeout_s=90)
        offer = self._leaves("working", offer["offer"], "the offer")
        self.report.seconds["request"] = time.monotonic() - begun
        self.report.cloudnet = offer["cloudnet"]
        if offer["state"] != "held":
            kind = DemoRefused if offer["state"] == "refused" else DemoFailed
            raise kind(f"the offer is {offer['state']}: {_why(offer)}")
        price = f", {offer['price']:.2f} {offer['currency']} an hour" if offer["currency"] else ""
        self.say(f"held {offer['cloudnet']} until {offer['expires']}{price}")
        return offer

    def confirm(self, offer: str) -> None:
        """Stage two."""
        begun = time.monotonic()
        self._have_confirmed(offer, "the confirmation")
        self.report.seconds["confirm"] = time.monotonic() - begun
        self.say("confirmed at every provider")

    def start(self) -> None:
        """Boot all VNodes and wait until all are seen running."""
        begun = time.monotonic()
        cloudnet = self.report.cloudnet
        self.vnp.call("provisioning.start", cloudnet, [], timeout_s=90)
        states = self._until(
            lambda: self.vnp.call("provisioning.status", cloudnet),
            lambda s: all(v in {"running", "failed"} for v in s.values()),
            "the VNodes",
        )
        self.report.seconds["start"] = time.monotonic() - begun
        self.say("running: " + ", ".join(f"{v} {s}" for v, s in sorted(states.items())))

    def prove(self, located: Mapping[str, Located]) -> None:
        """Send packets over every VLink and fill the report in."""
        states = self.vnp.call("provisioning.status", self.report.cloudnet)
        self.report.vnodes = {
            v: {"provider": where.provider, "state": str(states.get(v, "unknown"))}
            for v, where in sorted(located.items())
        }
        ports = self._ports(located)
        by_vlink = {
            link.id: [p for p in ports if p.vlink == link.id] for link in self.request.links()
        }
        with Taps(ports) as taps:
            broadcasts = taps.broadcast()
            self.say("broadcasts seen; forging tags and addresses from every VNode")
            forged = taps.forge()
        measured = self._measure(by_vlink)
        for link in self.request.links():
            escaped = leaks(link.id, [*broadcasts, *forged])
            for line in escaped[:5]:
                self.say(f"LEAK: {line}")
            self.report.vlinks[link.id] = {
                "providers": sorted({located[p.vnode].provider for p in by_vlink[link.id]}),
                "carries": carried(link.id, ports, broadcasts),
                "isolated": not escaped,
                "reserved_mbps": round(link.amount("bandwidth") / 1e6, 3),
                "measured_mbps": measured[link.id].mbps,
                "rtt_ms": measured[link.id].rtt_ms,
            }
        self.report.ok = all(v["state"] == "running" for v in self.report.vnodes.values()) and all(
            _as_promised(v) for v in self.report.vlinks.values()
        )

    def _measure(self, by_vlink: Mapping[str, list[Port]]) -> Mapping[str, Measured]:
        """Measure all VLinks at the same time.

        Switches that forward in user space lose frames when the machine has no time for them, so
        a figure out of its range is looked at again, always on all VLinks.
        """
        self.say("measuring greedy TCP on all VLinks at the same time")
        for left in reversed(range(TRIES)):
            measured = measure_all(by_vlink)
            missed = [
                f"{link.id} {measured[link.id].mbps}"
                for link in self.request.links()
                if not _kept(link.amount("bandwidth") / 1e6, measured[link.id].mbps)
            ]
            if not missed or not left:
                break
            self.say(f"measuring again, the machine may be busy: {', '.join(missed)} Mbit/s")
        return measured

    def change(self, locate: Callable[[list[str]], Mapping[str, Located]]) -> None:
        """Have the CloudNet grow while packet trains run over two of its VLinks.

        Raises:
            DemoFailed: it can't, or what was promised of it isn't so.
        """
        located = locate([n.id for n in self.request.nodes()])
        change = grown(self.request, {v: where.provider for v, where in located.items()})
        if change is None:
            return
        ports: dict[str, list[Port]] = {p.vlink: [] for p in self._ports(located)}
        for port in self._ports(located):
            ports[port.vlink].append(port)
        self.say(f"growing by {change.vnode}, {change.wider} twice as wide, under packet trains")
        with Train(*ports[change.untouched]) as other, Train(*ports[change.wider]) as wider:
            begun = time.monotonic()
            self._modify(change)
            seconds = time.monotonic() - begun
        self.report.modified = {
            "lost": other.lost,
            "lost_changed": wider.lost,
            "seconds": round(seconds, 2),
        }
        self.request = change.graph
        self.start()
        self._check_change(change, locate([n.id for n in self.request.nodes()]))
        self.say(
            f"changed in {seconds:.1f} s; packets lost: {other.lost} on {change.untouched}, "
            f"{wider.lost} on {change.wider}"
        )

    def _modify(self, change: Change) -> None:
        options = {"hold_s": 300, "wait_s": 60}
        args = (str(uuid.uuid4()), self.report.cloudnet, dump(change.graph), options)
        offer = self.vnp.call("negotiation.modify", *args, timeout_s=90)
        offer = self._leaves("working", offer["offer"], "the change")
        if offer["state"] != "held":
            raise DemoFailed(f"the change is {offer['state']}: {_why(offer)}")
        self._have_confirmed(offer["offer"], "the confirmation of the change")

    def _have_confirmed(self, offer: str, what: str) -> None:
        """Confirm an offer and wait until it is so."""
        self.vnp.call("negotiation.confirm", offer, timeout_s=90)
        got = self._leaves("confirming", offer, what)
        if got["state"] != "confirmed":
            raise DemoFailed(f"{what} ended {got['state']}: {_why(got)}")

    def _leaves(self, state: str, offer: str, what: str) -> dict[str, Any]:
        """The offer, once it isn't in a state any more."""
        return dict(
            self._until(
                lambda: self.vnp.call("negotiation.offer", offer),
                lambda seen: seen["state"] != state,
                what,
            )
        )

    def _check_change(self, change: Change, located: Mapping[str, Located]) -> None:
        """The new VLink and the wider one give what is reserved now."""
        ports = self._ports(located)
        links = {v: [p for p in ports if p.vlink == v] for v in (change.vlink, change.wider)}
        reserved = {v: change.graph.elements[v].amount("bandwidth") / 1e6 for v in links}
        for left in reversed(range(TRIES)):
            measured = measure_all(links)
            missed = [v for v in links if not _kept(reserved[v], measured[v].mbps)]
            if not missed:
                return
            told = ", ".join(f"{v} {measured[v].mbps} of {reserved[v]:g}" for v in missed)
            if not left:
                raise DemoFailed(f"after the change: {told} Mbit/s")
            self.say(f"measuring again, the machine may be busy: {told} Mbit/s")

    def release(self) -> None:
        """Give everything of this customer's back, and wait until it is."""
        mine = [c["cloudnet"] for c in self.vnp.call("negotiation.list")]
        for cloudnet in mine:
            self.vnp.call("negotiation.release", cloudnet, timeout_s=90)
        for cloudnet in mine:
            self._until(
                partial(self.vnp.call, "negotiation.status", cloudnet),
                lambda s: s["state"] in {"released", "failed"},
                "the release",
            )
        self.report.released = True
        self.say("released")

    def _ports(self, located: Mapping[str, Located]) -> list[Port]:
        missing = [n.id for n in self.request.nodes() if n.id not in located]
        if missing:
            raise DemoFailed(f"no host has {', '.join(missing)}")
        return [
            Port(end, link.id, located[end].netns, located[end].devices[link.id])
            for link in self.request.links()
            for end in self.request.neighbours(link.id)
        ]

    def _until(
        self,
        look: Callable[[], Any],
        done: Callable[[Any], bool],
        what: str,
        *,
        timeout_s: float = 60.0,
    ) -> Any:
        deadline = time.monotonic() + timeout_s
        while not done(seen := look()):
            if time.monotonic() > deadline:
                raise DemoFailed(f"{what} took over {timeout_s:.0f} s; last seen: {seen}")
            time.sleep(0.1)
        return seen


def _why(offer: Mapping[str, Any]) -> str:
    """The reasons of an offer, in one line."""
    return "; ".join(f"{r['element']}: {r['text']}" for r in offer["reasons"]) or "no reason given"


def _as_promised(vlink: Mapping[str, Any]) -> bool:
    """Whether a VLink carries, is isolated and gives what was reserved."""
    return bool(
        vlink["carries"]
        and vlink["isolated"]
        and _kept(vlink["reserved_mbps"], vlink["measured_mbps"])
    )


def _kept(reserved: float, measured: float | None) -> bool:
    """Whether what was measured is what was reserved; best effort has only to carry something."""
    if measured is None:
        return False
    return not reserved or LOW * reserved <= measured <= HIGH * reserved


TABLE = ("vlink", "providers", "carries", "isolated", "reserved", "mbit/s", "rtt ms")


def table(report: Report) -> list[list[str]]:
    """The VLinks as rows of text under the heads of `TABLE`."""
    return [
        [
            vlink,
            "+".join(got["providers"]),
            "yes" if got["carries"] else "NO",
            "yes" if got["isolated"] else "NO",
            f"{got['reserved_mbps']:g}",
            "-" if got["measured_mbps"] is None else f"{got['measured_mbps']:g}",
            "-" if got["rtt_ms"] is None else f"{got['rtt_ms']:g}",
        ]
        for vlink, got in report.vlinks.items()
    ]
