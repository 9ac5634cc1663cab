"""Processes of one role behind one database, and many brokers; one process is killed now and then.

Each broker asks a provider for two VNodes and a VLink between them, confirms every other one, and
cancels or releases it. The role's processes, their database server and the XML-RPC between all of
them are real; the provider's agents and controller are fakes that know their domain. At the end,
and meanwhile, it is checked that nothing was given twice and that nothing is left.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from fakes.databases import KINDS, serving  # noqa: E402
from fakes.world import Site, site  # noqa: E402

from cloudnet_sdn.wire.client import Client  # noqa: E402
from cloudnet_sdn.wire.faults import CloudnetError, Internal, PeerAway, TimedOut  # noqa: E402
from cloudnet_sdn.wire.server import Server  # noqa: E402
from rdl.language.dump import dump  # noqa: E402

GRAPH = """\
rdl: 1
graph: {name}
nodes:
  a: {{cpu: 0.5, memory: 16MiB}}
  b: {{cpu: 0.5, memory: 16MiB}}
links:
  ab: {{ends: [a, b], bandwidth: 1Mbps}}
constraints:
  - {{apart: [a, b]}}
"""
CORES = 8.0
NAME = "berlin"


class Shells:
    """The provider's agents and its controller, each behind a port of its own."""

    def __init__(self) -> None:
        self.site: Site = site(NAME, "munich", "b")
        self._servers = []
        self.urls = {}
        services = {h: a.service() for h, a in self.site.agents.items()}
        for name, service in {**services, "controller": self.site.controller.service()}.items():
            server = Server(service, "127.0.0.1", 0, None, threads=64)
            server.start()
            self._servers.append(server)
            self.urls[name] = server.url

    def over(self) -> list[str]:
        """Hosts that carry more than they have."""
        found = []
        for host, agent in self.site.agents.items():
            used = sum(float(v.spec.cpu) for v in list(agent.vnodes.values()))
            if used > CORES + 1e-6:
                found.append(f"{host} carries {used:g} of {CORES:g} cores")
        return found

    def stop(self) -> None:
        """Listen no more."""
        for server in self._servers:
            server.stop()


class Process:
    """One process of the role; started again after it was killed."""

    def __init__(self, folder: Path, number: int, url: str, shells: Shells) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/RPC2"
        self._config = folder / f"{number}.toml"
        self._log = folder / f"{number}.log"
        agents = {h: u for h, u in shells.urls.items() if h != "controller"}
        lines = [
            'kind = "pip"', f'name = "{NAME}"',
            "[api]", f'listen = "127.0.0.1:{port}"',
            "[store]", f"url = {json.dumps(url)}",
            "[substrate]", f'file = "{folder / "substrate.rdl.yaml"}"',
            "[agents]", *(f'{h} = "{u}"' for h, u in agents.items()),
            "[controller]", f'url = "{shells.urls["controller"]}"',
            "[vlans]", "min = 100", "max = 1999",
        ]  # fmt: skip
        self._config.write_text("\n".join(lines) + "\n")
        self.start()

    def start(self) -> None:
        """Start it; returns once it answers."""
        command = [sys.executable, "-m", "cloudnet_sdn", "pip", "serve", "--config"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self._config)], stdout=log, stderr=log, cwd=ROOT
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                Client(self.url, None).call("negotiation.describe")
            except CloudnetError:
                time.sleep(0.1)
            else:
                return
        raise SystemExit(f"it doesn't start: {self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, whatever it is at."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it properly."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def incidents(self) -> int:
        """How often something happened that nobody foresaw."""
        return self._log.read_text(errors="replace").count("internal error incident")


class Brokers:
    """Callers that ask again and again, each of one process or, where that is away, another."""

    def __init__(self, processes: list[Process], count: int) -> None:
        self._processes = processes
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self.seconds: list[float] = []
        self.came_to: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(count)]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more; returns once what is under way has ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        chance = random.Random(number)
        clients = [Client(p.url, None) for p in self._processes]
        turn = number
        while not self._stop.is_set():
            turn += 1
            try:
                self._ask(clients[turn % len(clients)], chance)
            except CloudnetError as exc:
                self.came_to[type(exc).__name__] += 1
                if isinstance(exc, PeerAway | TimedOut):
                    time.sleep(0.2)

    def _ask(self, client: Client, chance: random.Random) -> None:
        name = f"g{next(self._numbers)}"
        began = time.monotonic()
        options = {"hold_s": 30.0, "wait_s": 30.0}
        offer = client.call("negotiation.request", name, GRAPH.format(name=name), options)
        self.seconds.append(time.monotonic() - began)
        self.came_to[offer["state"]] += 1
        if offer["state"] != "held":
            return
        if chance.random() < 0.5:
            client.call("negotiation.confirm", offer["offer"])
            client.call("negotiation.release", offer["cloudnet"])
        else:
            client.call("negotiation.cancel", offer["offer"])


def left(url: str, shells: Shells) -> list[str]:
    """What is still there of CloudNets that are over."""
    engine = sa.create_engine(url)
    with engine.connect() as conn:
        found = [
            f"{count} rows of {table}"
            for table in ("tags", "tasks", "names", "usage")
            if (count := conn.scalar(sa.select(sa.func.count()).select_from(sa.table(table))))
        ]
    engine.dispose()
    return found + ([] if shells.site.empty() else ["something at the shells"])


def run(kind: str, args: argparse.Namespace, count: int) -> bool:
    """One run; whether all was well."""
    shells = Shells()
    with serving(kind, durable=True) as databases, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "substrate.rdl.yaml").write_text(dump(shells.site.substrate))
        url = databases.url(folder, NAME)
        processes = [Process(folder, n, url, shells) for n in range(count)]
        brokers = Brokers(processes, args.brokers)
        brokers.start()
        over: set[str] = set()
        ends, next_kill, kills = time.monotonic() + args.seconds, args.kill, 0
        began = time.monotonic()
        while time.monotonic() < ends:
            time.sleep(0.05)
            over.update(shells.over())
            if args.kill and time.monotonic() - began > next_kill:
                victim = processes[kills % count]
                victim.kill()
                victim.start()
                kills, next_kill = kills + 1, next_kill + args.kill
        brokers.stop()
        seconds = time.monotonic() - began
        remains, deadline = ["?"], time.monotonic() + args.settle
        while remains and time.monotonic() < deadline:
            for cloudnet in Client(processes[0].url, None).call("negotiation.list"):
                Client(processes[0].url, None).call("negotiation.release", cloudnet["cloudnet"])
            time.sleep(0.5)
            remains = left(url, shells)
        incidents = sum(p.incidents() for p in processes)
        for process in processes:
            process.stop()
    shells.stop()
    took = sorted(brokers.seconds) or [0.0]
    quantiles = [1000 * took[min(len(took) - 1, int(q * len(took)))] for q in (0.5, 0.95, 0.99)]
    print(
        f"{kind}, {count} processes, {args.brokers} brokers, {seconds:.0f} s, {kills} kills: "
        f"{len(took) / seconds:.1f} requests/s, mean {1000 * statistics.mean(took):.0f} ms, "
        f"p50/p95/p99 {quantiles[0]:.0f}/{quantiles[1]:.0f}/{quantiles[2]:.0f} ms; "
        f"{dict(brokers.came_to)}"
    )
    faults = brokers.came_to[Internal.__name__]
    wrong = [*sorted(over), *remains]
    wrong += [f"{faults} faults 500"] if faults else []
    wrong += [f"{incidents} incidents in the logs"] if incidents else []
    print("  MISS: " + "; ".join(wrong) if wrong else "  ok: nothing twice, nothing left, no 500")
    return not wrong


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--store", choices=[k for k in KINDS if k != "sqlite"], action="append")
    parser.add_argument("--processes", type=int, action="append", help="default: 1 and 2")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--brokers", type=int, default=16)
    parser.add_argument("--kill", type=float, default=0.0, help="seconds between kills; 0: none")
    parser.add_argument("--settle", type=float, default=90.0, help="seconds until all is removed")
    args = parser.parse_args()
    stores = args.store or ["postgresql", "mariadb"]
    done = [run(s, args, c) for s in stores for c in args.processes or [1, 2]]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
