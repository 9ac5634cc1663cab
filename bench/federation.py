"""Requests of many brokers at a federation on real Open vSwitch, as root: how many, how soon.

Each broker asks for two VNodes at two providers and a VLink between them, and cancels what is
held. Ratios are against one broker alone, and against an empty round trip, in the same run.
Seconds by stage are means over the requests, from the roles' logs: `solve`, `store`, `shells`
(controllers and agents), and `wire`, which is all that is left. The providers work at the same
time: of each two parts the longer one counts.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from embed_report import verdict

from cloudnet_sdn.client import RoleClient
from cloudnet_sdn.demo.blueprint import SITES
from cloudnet_sdn.demo.world import VNP, Access, World
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.faults import CloudnetError

REQUEST = """\
rdl: 1
graph: {name}
nodes:
  a: {{cpu: 0.1, memory: 16MiB, site: berlin}}
  b: {{cpu: 0.1, memory: 16MiB, site: munich}}
links:
  ab: {{ends: [a, b], bandwidth: 1Mbps}}
"""
OPTIONS = {"hold_s": 60.0, "wait_s": 60.0}
ALONE = 15
STAGES = re.compile(r"whole offer=(?P<offer>\S+) .*?(?P<stages>in_s=.*)")


@dataclass
class Seen:
    """What brokers saw.

    Attributes:
        held: seconds from each request to its hold.
        removed: seconds that each cancel took.
        other: what requests came to besides, and how often.
        offers: the broker's offers.
        seconds: of the run.
    """

    held: list[float] = field(default_factory=list)
    removed: list[float] = field(default_factory=list)
    other: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    offers: set[str] = field(default_factory=set)
    seconds: float = 0.0

    @property
    def cycles(self) -> list[float]:
        """Seconds of a request and its cancel together."""
        return [a + b for a, b in zip(self.held, self.removed, strict=True)]

    @property
    def per_minute(self) -> float:
        """Requests held and cancelled."""
        return 60 * len(self.removed) / self.seconds


def ask(role: RoleClient, name: str, seen: Seen) -> None:
    """One request, and its cancel where it is held."""
    began = time.monotonic()
    try:
        offer = role.request(REQUEST.format(name=name), OPTIONS)
        held = time.monotonic()
        if offer["state"] != "held":
            seen.other[str(offer["state"])] += 1
            return
        role.cancel(str(offer["offer"]))
    except CloudnetError as exc:
        seen.other[type(exc).__name__] += 1
        return
    seen.held.append(held - began)
    seen.removed.append(time.monotonic() - held)
    seen.offers.add(str(offer["offer"]))


def one_after_another(access: Access, count: int) -> Seen:
    """One broker."""
    seen = Seen()
    role = RoleClient(Client(access.url, access.tls))
    began = time.monotonic()
    for number in range(count):
        ask(role, f"alone{number}", seen)
    seen.seconds = time.monotonic() - began
    return seen


def all_at_once(access: Sequence[Access], seconds: float) -> Seen:
    """Many brokers, each of which asks again once it has cancelled."""
    seen = Seen()
    began = time.monotonic()

    def broker(own: Access) -> None:
        role = RoleClient(Client(own.url, own.tls, timeout_s=90.0))
        number = 0
        while time.monotonic() < began + seconds:
            number += 1
            ask(role, f"net{number}", seen)

    threads = [threading.Thread(target=broker, args=(own,)) for own in access]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen.seconds = time.monotonic() - began
    return seen


def round_trip(access: Access, count: int = 50) -> float:
    """The median of an empty call, in seconds."""
    times = []
    with Client(access.url, access.tls) as client:
        for _ in range(count):
            began = time.monotonic()
            client.call("negotiation.describe")
            times.append(time.monotonic() - began)
    return statistics.median(times)


def stages_of(log: Path) -> dict[str, dict[str, float]]:
    """Seconds by stage of each offer that a role's log says was whole."""
    found = {}
    for match in STAGES.finditer(log.read_text(encoding="utf-8", errors="replace")):
        pairs = (part.split("=") for part in match["stages"].split())
        found[match["offer"]] = {name.removesuffix("_s"): float(value) for name, value in pairs}
    return found


def breakdown(logs: Path, seen: Seen) -> dict[str, float]:
    """Mean seconds of a request by where they go; the provider's parts are means of its own."""
    broker = [s for offer, s in stages_of(logs / f"{VNP}.log").items() if offer in seen.offers]
    own = {name: statistics.mean(s[name] for s in broker) for name in broker[0]}
    below: dict[str, float] = defaultdict(float)
    for site in SITES:
        parts = list(stages_of(logs / f"pip-{site}.log").values())[-len(broker) :]
        for name in own:
            below[name] = max(below[name], statistics.mean(part[name] for part in parts))
    all_of_it = statistics.mean(seen.held)
    found = {
        "solve": own["solve"] + below["solve"],
        "store": own["store"] + below["store"],
        "shells": below["look"] + below["embed"],
    }
    return {**found, "wire": all_of_it - sum(found.values()), "all": all_of_it}


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """What each process has used so far, the tools it has run included."""
    found = {}
    for name, pid in pids.items():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[name] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return found


def tell(what: str, seen: Seen, logs: Path) -> None:
    """Print how many requests there were, how soon each was held, and where its time went."""
    held = sorted(seen.held)
    print(
        f"{what}: {len(held)} requests, {seen.per_minute:.0f} a minute; to held p50 "
        f"{statistics.median(held):.3f} s, p95 {held[int(0.95 * len(held))]:.3f} s; "
        f"with cancel p50 {statistics.median(seen.cycles):.3f} s; besides {dict(seen.other)}"
    )
    parts = breakdown(logs, seen)
    print("  seconds of a request:", " ".join(f"{k} {v:.3f}" for k, v in parts.items()))


def report(world: World, brokers: int, seconds: float) -> bool:
    """Ask, and print what came of it; whether every request was held."""
    logs = world.state / "logs"
    floor = round_trip(world.access())
    one_after_another(world.access("first"), 1)  # whose connections and caches are all new
    alone = one_after_another(world.access("alone"), ALONE)
    tell("one broker", alone, logs)
    access = [world.access(f"broker{number}") for number in range(brokers)]
    pids = {running.name: running.popen.pid for running in world.processes.running}
    before = cpu_seconds(pids)
    many = all_at_once(access, seconds)
    used = {name: spent - before[name] for name, spent in cpu_seconds(pids).items()}
    tell(f"{brokers} brokers", many, logs)
    print(
        "CPU milliseconds of a request and its cancel:",
        " ".join(f"{n} {1000 * s / len(many.cycles):.0f}" for n, s in used.items()),
    )
    single = statistics.median(alone.held)
    print(f"an empty round trip takes {1000 * floor:.1f} ms; to held {single / floor:.0f} of them")
    print(f"{brokers} brokers get {many.per_minute / alone.per_minute:.2f} times what one gets")
    print(verdict("request to held, median seconds", single, 0.5, at_least=False))
    print(verdict("requests a minute", many.per_minute, 400, at_least=True))
    together = statistics.median(many.cycles)
    print(verdict("request and cancel, median seconds", together, 3.0, at_least=False))
    return not alone.other and not many.other


class _Interrupted(Exception):
    """A signal asks to end; the federation is taken down."""


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise _Interrupted


def main() -> int:
    """Bring a federation up, measure, and take it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long they ask")
    args, _ = parser.parse_known_args()  # `make bench` has options for others, too
    if os.geteuid() != 0:
        print("skipped: root is needed, for Open vSwitch and network namespaces")
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with tempfile.TemporaryDirectory(prefix="cloudnet-bench-") as folder:
        world = World(Path(folder) / "world", lambda line: print(line, file=sys.stderr))
        try:
            world.up()
            fine = report(world, args.brokers, args.seconds)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            world.down(released=False)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
