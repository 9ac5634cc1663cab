"""The demo's world: certificates, an emulated substrate and every process, up and down.

Two providers and a broker, each with a directory, keys, a store and processes of its own; the
providers share nothing but the emulated hardware. Tests of the whole use this too: `kill` and
`restart` do to a process what operators fear.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cloudnet_sdn import pki
from cloudnet_sdn.demo import blueprint
from cloudnet_sdn.demo.leftovers import MARK
from cloudnet_sdn.demo.processes import ProcessDied, Processes, Running
from cloudnet_sdn.demo.story import DemoFailed, Located
from cloudnet_sdn.model.clock import SystemClock
from cloudnet_sdn.model.settings import load
from cloudnet_sdn.store.identity import initialise
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.faults import CloudnetError
from cloudnet_sdn.wire.tls import TlsFiles

VNP = "vnp"
CUSTOMER = "demo"
OPERATOR = "demo"
LOCK = "world.lock"
PORTS = range(20000, 32000)
ROOT = Path(__file__).resolve().parents[2]
TESTBED = ROOT / "mininet" / "testbed.py"
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's Mininet is installed for it


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a facade: its URL and the files to present."""

    url: str
    tls: TlsFiles

    def as_json(self) -> dict[str, str]:
        """As `demo.json` has it: absolute paths."""
        return {
            "url": self.url,
            "ca": str(self.tls.ca),
            "cert": str(self.tls.cert),
            "key": str(self.tls.key),
        }


class World:
    """Everything the demo runs on; `up` builds it and `down` leaves nothing of it.

    Attributes:
        state: the directory that everything is kept in.
        prefix: before the names of all emulated nodes, so that two worlds fit on one machine.
        commands: how each process is started, by name, for `restart`.
    """

    def __init__(
        self,
        state: Path,
        say: Callable[[str], None] = lambda _: None,
        timing: Mapping[str, float] | None = None,
    ) -> None:
        self.state = state.resolve()
        self.prefix = unused_prefix()
        mine = {MARK: str(self.state), "TMPDIR": str(self.state / "tmp")}
        self.processes = Processes(self.state / "logs", {**os.environ, **mine})
        self.commands: dict[str, list[str]] = {}
        self.testbed: dict[str, Any] = {}
        self.sites: dict[str, blueprint.Site] = {}
        self._say = say
        self._timing = dict(timing or {})
        self._vnp_url = ""
        self._vnp_config = Path()
        self._ports = Ports()
        self._of_ports: dict[str, int] = {}
        self._lock: int | None = None
        self._namespaces: set[str] = set()
        self._emulation: Running | None = None

    def up(self) -> None:
        """Build it all and wait until every process answers.

        Raises:
            DemoFailed: something needed is missing or did not come up.
        """
        self._own_state()
        try:
            self._start_testbed()
            self._prepare()
            self._start_all()
        except (ProcessDied, TimeoutError) as exc:
            raise DemoFailed(str(exc)) from exc

    def down(self, *, released: bool = True) -> None:
        """End every process, take the substrate down, and remove what is ours in `state`.

        Args:
            released: every CloudNet has been given back; otherwise hosts are swept of VNodes.
        """
        for running in self.processes.running:
            if running is not self._emulation and running.popen.poll() is None:
                running.popen.send_signal(signal.SIGTERM)
        for running in list(reversed(self.processes.running)):
            if running is not self._emulation:
                self.processes.stop(running, timeout_s=30.0)
        if not released:
            self._sweep_hosts()
        if self._emulation is not None:
            self.processes.stop(self._emulation, timeout_s=30.0)
        self._clean_testbed()
        self._forget()
        if self._lock is not None:
            (self.state / LOCK).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None
        with contextlib.suppress(OSError):
            self.state.rmdir()  # only if nobody else put something there

    def kill(self, name: str) -> None:
        """`kill -9` the process of that name, by pid."""
        running = self._named(name)
        running.popen.kill()
        running.popen.wait()
        self.processes.running.remove(running)

    def restart(self, name: str) -> None:
        """Start a process again as it was started first, and wait until it answers."""
        self.processes.start(name, self.commands[name])
        self._wait_ready([name])

    def pid(self, name: str) -> int:
        """The pid of a running process."""
        return self._named(name).popen.pid

    def access(self, who: str = CUSTOMER) -> Access:
        """How the customer `who` reaches the VNP."""
        return Access(self._vnp_url, self._person("tenant", who))

    def provider_access(self, site: str, who: str = CUSTOMER) -> Access:
        """How the customer `who` reaches a provider directly."""
        return Access(self.sites[site].api_url, self._person("tenant", who))

    def locate(self, vnodes: Sequence[str]) -> dict[str, Located]:
        """Where those VNodes run, asked of every host's agent."""
        found: dict[str, Located] = {}
        for site, got in self._vnodes():
            element = got["key"].partition(".")[2]
            if element in vnodes:
                found[element] = _located(site, got)
                self._namespaces.add(got["netns"])
        return found

    def vnode_namespaces(self) -> set[str]:
        """The namespaces of all VNodes that were located, or that are there now."""
        with contextlib.suppress(CloudnetError):  # on the way down, after who knows what
            self._namespaces |= {got["netns"] for _, got in self._vnodes()}
        return self._namespaces

    def _vnodes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, site in self.sites.items():
            for agent in site.agents.values():
                with Client(agent.url, site.internal, timeout_s=10) as client:
                    for key in client.call("vnode.list"):
                        yield name, client.call("vnode.get", key)

    def write_demo_json(self) -> Path:
        """Write down how to use the world, for whoever comes from another shell."""
        path = self.state / "demo.json"
        operator = self._person("operator", OPERATOR)
        content = {
            "vnp": self.access().as_json(),
            "pips": {name: self.provider_access(name).as_json() for name in self.sites},
            "operator": {"cert": str(operator.cert), "key": str(operator.key)},
        }
        aside = path.with_suffix(".json.new")
        aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        aside.replace(path)
        return path

    def _own_state(self) -> None:
        """Take `state` for this run; clean up after one that was killed, refuse a live one."""
        self.state.mkdir(parents=True, exist_ok=True)
        lock = self.state / LOCK
        left = lock.exists()
        self._lock = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise DemoFailed(f"{self.state}: a demo runs there already") from exc
        if left:
            self._say("cleaning up after a demo that was killed")
            self._sweep_hosts()
            self._clean_testbed()
            self._forget()
        (self.state / "tmp").mkdir(exist_ok=True)

    def _forget(self) -> None:
        """Remove every file of ours but the lock."""
        for name in (*blueprint.SITES, VNP, "federation", "people", "testbed", "logs", "tmp"):
            shutil.rmtree(self.state / name, ignore_errors=True)
        (self.state / "demo.json").unlink(missing_ok=True)

    def _sweep_hosts(self) -> None:
        """Remove the VNodes that a killed run left, through agents that only clean."""
        for config in sorted(self.state.glob("*/agents/*/agent.toml")):
            subprocess.run(
                [sys.executable, "-m", "hostagent", "--config", str(config), "--purge"],
                check=False,
                capture_output=True,
                timeout=60,
            )

    def _start_testbed(self) -> None:
        if not TESTBED.exists():
            raise DemoFailed(f"{TESTBED} is missing: run the demo from a source checkout")
        directory = self.state / "testbed"
        directory.mkdir(exist_ok=True)
        ports = self._ports.take(len(blueprint.SITES))
        self._of_ports = dict(zip(blueprint.SITES, ports, strict=True))
        controllers = [
            word
            for site, port in self._of_ports.items()
            for word in ("--controller", f"{site}=127.0.0.1:{port}")
        ]
        self._emulation = self.processes.start(
            "testbed",
            [
                SYSTEM_PYTHON,
                str(TESTBED),
                "--state",
                str(directory),
                "--prefix",
                self.prefix,
                *controllers,
            ],
            stdin=subprocess.PIPE,
        )
        described = directory / "testbed.json"
        self.processes.wait_until(described.exists, "the testbed", timeout_s=60)
        self.testbed = json.loads(described.read_text())
        self._say(f"substrate up: {blueprint.summary(self.testbed)}")

    def _prepare(self) -> None:
        """Certificates and configurations of everybody."""
        federation = pki.init_authority(self.state / "federation", "federation").parent
        for kind, who in (("tenant", CUSTOMER), ("operator", OPERATOR)):
            pki.issue(federation, f"cloudnet:{kind}:{who}", out=self.state / "people" / kind / who)
        for name in blueprint.SITES:
            self.sites[name] = blueprint.site(
                self.testbed,
                name,
                self.state,
                federation=federation,
                of_port=self._of_ports[name],
                ports=self._ports.take,
            )
        berlin, munich = (self.sites[name] for name in blueprint.SITES)
        for this, other in ((berlin, munich), (munich, berlin)):
            blueprint.write(this, other, self.testbed, vnp=VNP, operator=OPERATOR)
            blueprint.set_timing(this.pip_config, self._timing)
        api, console = self._ports.take(2)
        self._vnp_url = f"https://127.0.0.1:{api}/RPC2"
        self._vnp_config = blueprint.write_vnp(
            self.state / VNP,
            pki.issue(federation, f"cloudnet:role:{VNP}", out=self.state / VNP / "tls"),
            name=VNP,
            api=api,
            console=console,
            sites=list(self.sites.values()),
            operator=OPERATOR,
        )
        blueprint.set_timing(self._vnp_config, self._timing)

    def _start_all(self) -> None:
        for name, site in self.sites.items():
            self._start(f"controller-{name}", "ryu_apps", site.controller_config)
            for host, agent in site.agents.items():
                self._start(f"agent-{host}", "hostagent", agent.config)
        for config in (*(site.pip_config for site in self.sites.values()), self._vnp_config):
            settings = load(config)
            initialise(settings.store.url, settings.name, SystemClock().now())
        for name, site in self.sites.items():
            self._start(f"pip-{name}", "cloudnet_sdn pip serve", site.pip_config)
        self._start(VNP, "cloudnet_sdn vnp serve", self._vnp_config)
        self._wait_ready(list(self.commands))
        self._say(f"{len(self.commands)} processes answer")
        for site in self.sites.values():
            self._wait_for_fabric(site)
        self._say("every switch and transit tunnel is up")

    def _start(self, name: str, module: str, config: Path) -> None:
        command = [sys.executable, "-m", *module.split(), "--config", str(config)]
        self.commands[name] = command
        self.processes.start(name, self.commands[name])

    def _wait_ready(self, names: Sequence[str]) -> None:
        for name in names:
            url, tls = self._address(name)
            self.processes.wait_until(partial(_answers, url, tls), name, timeout_s=60)

    def _address(self, name: str) -> tuple[str, TlsFiles]:
        kind, _, rest = name.partition("-")
        if kind == VNP:
            return self._vnp_url, self._person("tenant", CUSTOMER)
        if kind == "pip":
            return self.sites[rest].api_url, self._person("tenant", CUSTOMER)
        if kind == "controller":
            return self.sites[rest].controller_url, self.sites[rest].internal
        site = next(s for s in self.sites.values() if rest in s.agents)
        return site.agents[rest].url, site.internal

    def _wait_for_fabric(self, site: blueprint.Site) -> None:
        """Wait until the controller sees every switch and link, and the tunnels stand."""
        controller = Client(site.controller_url, site.internal, timeout_s=10)
        tunnels = Client(site.agents[site.tunnel_host].url, site.internal, timeout_s=10)

        def missing() -> str:
            seen = controller.call("topology.get")
            links = [link for link in seen["links"] if link["up"]]
            tunnel = tunnels.call("tunnel.status", blueprint.TUNNEL)
            if len(seen["switches"]) < len(site.switches):
                return f"{len(seen['switches'])} of {len(site.switches)} switches are connected"
            if len(links) < site.fabric_links:
                return f"{len(links)} of {site.fabric_links} links between switches are seen"
            return "" if tunnel["up"] else f"the tunnel is down: {tunnel['reason']}"

        try:
            self.processes.wait_until(lambda: not missing(), f"{site.name}'s fabric", timeout_s=60)
        except TimeoutError as exc:
            raise TimeoutError(f"{exc}: {missing()}") from exc
        finally:
            controller.close()
            tunnels.close()

    def _clean_testbed(self) -> None:
        directory = self.state / "testbed"
        if directory.exists():
            subprocess.run(
                [SYSTEM_PYTHON, str(TESTBED), "--state", str(directory), "--clean"],
                check=False,
                capture_output=True,
                timeout=60,
            )

    def _person(self, kind: str, who: str) -> TlsFiles:
        files = self.state / "people" / kind / who
        if not files.exists():
            return pki.issue(self.state / "federation", f"cloudnet:{kind}:{who}", out=files)
        return TlsFiles(files / "ca.pem", files / "cert.pem", files / "key.pem")

    def _named(self, name: str) -> Running:
        return next(r for r in self.processes.running if r.name == name)


def unused_prefix() -> str:
    """'' where no other world is up, else a few characters of our own."""
    taken = any(Path("/sys/class/net").glob("*-sw1"))
    return f"d{secrets.token_hex(1)}" if taken else ""


class Ports:
    """Gives out TCP ports on loopback that nobody listens on, none of them twice.

    They lie below the range from which the kernel takes the ports of outgoing connections: there
    one could be taken before its server binds it, or a switch that calls a controller which isn't
    up yet could connect to itself.
    """

    def __init__(self, among: Sequence[int] = PORTS) -> None:
        self._left = list(among)

    def take(self, count: int) -> list[int]:
        """That many.

        Raises:
            DemoFailed: there are none left.
        """
        found: list[int] = []
        while len(found) < count:
            if not self._left:
                raise DemoFailed("there are no free TCP ports on loopback")
            port = self._left.pop(secrets.randbelow(len(self._left)))
            if _is_free(port):
                found.append(port)
        return found


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _located(provider: str, got: dict[str, Any]) -> Located:
    return Located(
        provider,
        f"/run/netns/{got['netns']}",
        {port["name"]: port["device"] for port in got["ports"]},
    )


def _answers(url: str, tls: TlsFiles) -> bool:
    client = Client(url, tls, timeout_s=3)
    try:
        client.call("system.listMethods")
    except CloudnetError:
        return False
    finally:
        client.close()
    return True
