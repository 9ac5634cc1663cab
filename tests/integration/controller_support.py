"""A small network of real Open vSwitch datapaths with namespaces for hosts, and a controller."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

from fakes.ports import free_port

LISTEN = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 0))
s.setsockopt(263, 8, 1)  # PACKET_AUXDATA: the kernel takes the tag off and puts it there
print("listening", flush=True)
while True:
    frame, aux, _, address = s.recvmsg(2048, 128)
    status, _, _, _, _, tag = struct.unpack_from("IIIHHH", aux[0][2])
    vlan = tag & 0xFFF if status & 16 else 0
    if address[2] != 4:  # what the host itself sends
        print(frame[6:12].hex(":"), vlan, int.from_bytes(frame[12:14], "big"), flush=True)
"""

PREFIX = f"c{os.getpid() % 100000}"
_number = itertools.count(1)


def run(*command: str, check: bool = True, timeout: float = 20.0) -> str:
    """Run a command, answer what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


def until(holds: Callable[[], Any], timeout: float = 20.0) -> Any:
    """Wait for something to hold; answer it."""
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(OSError):
            if found := holds():
                return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {holds}")
        time.sleep(0.05)


@dataclass
class Switch:
    """A bridge with the userspace datapath."""

    name: str
    dpid: str
    ports: dict[str, int] = field(default_factory=dict)

    def flows(self, cookie: str = "") -> list[str]:
        """Its flows without statistics, ours alone where asked."""
        text = run("ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", self.name)
        lines = [line.strip() for line in text.splitlines() if "actions=" in line]
        return sorted(line for line in lines if f"cookie={cookie}" in line)

    def vlink_flows(self) -> list[str]:
        """Flows with our cookie but for the one of discovery."""
        return [line for line in self.flows("0xc10d") if "dl_type=0x88cc" not in line]

    def meters(self) -> list[str]:
        """Its meters."""
        text = run("ovs-ofctl", "-O", "OpenFlow13", "dump-meters", self.name)
        return re.findall(r"meter=\d+", text)

    def packets(self, in_port: int) -> int:
        """Packets counted by the VLink flow of a port."""
        text = run("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", self.name)
        found = re.search(rf"cookie=0xc10d.*n_packets=(\d+).*in_port=\D*{in_port}\b", text)
        return int(found[1]) if found else -1


@dataclass(frozen=True)
class Frame:
    """A frame as it arrived at a host."""

    source: str
    vlan: int
    kind: int


@dataclass
class Host:
    """A namespace with one interface."""

    name: str
    device: str
    address: str
    switch: Switch
    port: int

    def end(self, vlan: int = 0) -> dict[str, Any]:
        """The end of a VLink at this host."""
        return {"dpid": self.switch.dpid, "port": self.port, "vlan": vlan}

    @property
    def mac(self) -> str:
        """Of its interface."""
        return self.run("cat", "/sys/class/net/eth0/address").strip()

    def run(self, *command: str, check: bool = True, timeout: float = 20.0) -> str:
        """Run a command in the namespace."""
        return run("ip", "netns", "exec", self.name, *command, check=check, timeout=timeout)

    @contextlib.contextmanager
    def listening(self) -> Iterator[list[Frame]]:
        """All frames that arrive meanwhile and up to half a second later."""
        seen: list[Frame] = []
        command = ["ip", "netns", "exec", self.name, "python3", "-c", LISTEN]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            if process.stdout is None or not process.stdout.readline():
                raise AssertionError("nobody listens")
            try:
                yield seen
                time.sleep(0.5)
            finally:
                process.terminate()
            for line in process.stdout.read().splitlines():
                source, vlan, kind = line.split()
                seen.append(Frame(source, int(vlan), int(kind)))

    def reaches(self, other: Host, count: int = 3) -> bool:
        """Whether pings come back."""
        out = self.run(
            "ping", "-c", str(count), "-i", "0.05", "-W", "1", "-q", other.address, check=False
        )
        return f" {count} received" in out


class Lab:
    """Bridges and namespaces; gone after `close`."""

    def __init__(self) -> None:
        self.switches: list[Switch] = []
        self.hosts: list[Host] = []
        self._veths: list[str] = []

    def switch(self) -> Switch:
        """A secure bridge without controller."""
        number = next(_number)
        name = f"{PREFIX}s{number}"
        dpid = f"{os.getpid():012x}{number:04x}"
        switch = Switch(name, dpid)
        self.switches.append(switch)
        run(
            *("ovs-vsctl", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev"),
            *("protocols=OpenFlow13", "fail-mode=secure", f"other-config:datapath-id={dpid}"),
        )
        return switch

    def wire(self, a: Switch, b: Switch) -> tuple[int, int]:
        """A veth pair between two bridges, which can be cut; answers the port numbers."""
        number = next(_number)
        left, right = f"{PREFIX}w{number}a", f"{PREFIX}w{number}b"
        run("ip", "link", "add", left, "type", "veth", "peer", "name", right)
        self._veths.append(left)
        for bridge, device in ((a, left), (b, right)):
            run("ip", "link", "set", device, "up")
            run("ovs-vsctl", "add-port", bridge.name, device)
        return self._port(a, left), self._port(b, right)

    def patch(self, a: Switch, b: Switch) -> tuple[int, int]:
        """A patch between two bridges; answers the port numbers."""
        number = next(_number)
        left, right = f"{PREFIX}p{number}a", f"{PREFIX}p{number}b"
        for bridge, port, peer in ((a, left, right), (b, right, left)):
            run(
                *("ovs-vsctl", "add-port", bridge.name, port, "--", "set", "interface", port),
                *("type=patch", f"options:peer={peer}"),
            )
        return self._port(a, left), self._port(b, right)

    def host(self, switch: Switch, network: int = 1) -> Host:
        """A namespace on a port of a bridge."""
        number = next(_number)
        name, device = f"{PREFIX}h{number}", f"{PREFIX}v{number}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", name)
        self._veths.append(device)
        address = f"10.77.{network}.{number}"
        host = Host(name, device, address, switch, 0)
        self.hosts.append(host)
        host.run("ethtool", "-K", "eth0", "tx", "off", "rx", "off", "tso", "off", "gso", "off")
        host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", check=False)
        host.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")
        # Else the machine's own kernel sends its IPv6 solicitations into the namespace.
        run("sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1", check=False)
        run("ip", "link", "set", device, "up")
        run("ovs-vsctl", "add-port", switch.name, device)
        host.port = self._port(switch, device)
        return host

    def connect(self, port: int) -> None:
        """Have all switches talk to a controller on loopback."""
        for switch in self.switches:
            self.attach(switch, port)

    def attach(self, switch: Switch, port: int) -> None:
        """Have a switch talk to a controller."""
        run(
            *("ovs-vsctl", "set-controller", switch.name, f"tcp:127.0.0.1:{port}"),
            *("--", "set", "controller", switch.name, "max_backoff=1000"),
            *("inactivity_probe=5000", "connection-mode=out-of-band"),
        )

    def detach(self, switch: Switch) -> None:
        """Cut a switch off from its controller; without one at all it would flush its flows."""
        self.attach(switch, 1)

    def close(self) -> None:
        """Leave nothing."""
        for switch in self.switches:
            run("ovs-vsctl", "--if-exists", "del-br", switch.name, check=False)
        for device in self._veths:
            run("ip", "link", "delete", device, check=False)
        for host in self.hosts:
            run("ip", "netns", "delete", host.name, check=False)

    def _port(self, switch: Switch, port: str) -> int:
        text = until(lambda: run("ovs-vsctl", "get", "interface", port, "ofport").strip("[]\n"))
        switch.ports[port] = int(text)
        return int(text)


@dataclass(frozen=True)
class Remote:
    """A method by its dotted name, over a connection of its own for each call."""

    url: str
    name: str

    def __getattr__(self, name: str) -> Remote:
        return Remote(self.url, f"{self.name}.{name}".lstrip("."))

    def __call__(self, *args: Any) -> Any:
        with ServerProxy(self.url) as proxy:
            return getattr(proxy, self.name)(*args)


class Controller:
    """`python -m ryu_apps` in a process of its own, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.openflow, self.api = free_port(), free_port()
        self.store = f"sqlite:///{folder / 'controller.sqlite'}"
        self.log = folder / "controller.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the API."""
        return f"http://127.0.0.1:{self.api}"

    @property
    def rpc(self) -> Any:
        """A plain XML-RPC client: `rpc.vlinks.list()`."""
        return Remote(f"{self.url}/RPC2", "")

    def start(self) -> None:
        """Start it, and wait for the API."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ryu_apps", "--listen", f"127.0.0.1:{self.openflow}"),
                    *("--api", self.url, "--store", self.store),
                ],
                stderr=log,
                stdout=log,
            )
        until(lambda: self.rpc.vlinks.list() is not None, timeout=15.0)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; answers the exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(timeout=8.0)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def await_switches(self, count: int, links: int) -> dict[str, Any]:
        """Wait until it knows that much; answers the topology."""

        def known() -> Any:
            seen = self.rpc.topology.get()
            enough = len(seen["switches"]) == count and len(seen["links"]) == links
            return seen if enough else None

        found: dict[str, Any] = until(known, timeout=10.0)
        return found


@contextlib.contextmanager
def laboratory(folder: Path) -> Iterator[tuple[Lab, Controller]]:
    """An empty lab with a controller that isn't started; both are gone afterwards."""
    lab, controller = Lab(), Controller(folder)
    try:
        yield lab, controller
    finally:
        controller.stop()
        lab.close()
