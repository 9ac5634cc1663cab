"""What the end-to-end tests look at: switches, bridges, namespaces, and a plain XML-RPC client."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import ssl
import subprocess
import time
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudnet_sdn.demo.world import World
from hostagent.names import Names

OUR_COOKIES = "cookie=0xc10d000000000000/0xffff000000000000"


_OPEN: list[_Transport] = []


class _Transport(xmlrpc.client.SafeTransport):
    """The standard library's, with a time-out: a test must not hang on a lost peer."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        _OPEN.append(self)

    def make_connection(self, host: str) -> http.client.HTTPSConnection:
        connection = super().make_connection(host)
        connection.timeout = 90
        return connection


def close_clients() -> None:
    """Close every connection; `ServerProxy` leaves that to the garbage collector."""
    while _OPEN:
        _OPEN.pop().close()


def plain_client(url: str, ca: Path, cert: Path, key: Path) -> Any:
    """A client as any user would write it: `xmlrpc.client` and a certificate."""
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(cert, key)
    return xmlrpc.client.ServerProxy(url, transport=_Transport(context=context))


def anonymous_client(url: str, ca: Path) -> Any:
    """A client without a certificate."""
    context = ssl.create_default_context(cafile=str(ca))
    return xmlrpc.client.ServerProxy(url, transport=_Transport(context=context))


def until(look: Callable[[], Any], done: Callable[[Any], bool], timeout_s: float = 30.0) -> Any:
    """Look until `done`, and answer what was seen; fail with the last sight."""
    deadline = time.monotonic() + timeout_s
    while not done(seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s; last seen: {seen}")
        time.sleep(0.2)
    return seen


def flows(bridge: str) -> list[str]:
    """Our flows on a switch, without counters and ages, sorted."""
    got = subprocess.run(
        ["ovs-ofctl", "-O", "OpenFlow13", "dump-flows", bridge, OUR_COOKIES],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.strip() for line in got.stdout.splitlines() if "cookie=" in line]
    return sorted(
        re.sub(r"(duration|n_packets|n_bytes|idle_age|hard_age)=[^,]*, ?", "", x) for x in lines
    )


def packets(bridge: str) -> int:
    """How many packets our flows on a switch have counted."""
    got = subprocess.run(
        ["ovs-ofctl", "-O", "OpenFlow13", "dump-flows", bridge, OUR_COOKIES],
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(int(n) for n in re.findall(r"n_packets=(\d+)", got.stdout))


def meters(bridge: str) -> list[str]:
    """The meters of a switch, sorted."""
    got = subprocess.run(
        ["ovs-ofctl", "-O", "OpenFlow13", "dump-meters", bridge],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(line.strip() for line in got.stdout.splitlines() if "meter=" in line)


def running_below(directory: Path, program: str) -> list[int]:
    """The pids of the processes that run `program` on files in `directory`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if program in words[0] and any(w.startswith(str(directory)) for w in words):
                found.append(int(entry.name))
    return found


@dataclass(frozen=True)
class Sight:
    """All that a CloudNet could leave on a substrate."""

    flows: dict[str, list[str]]
    meters: dict[str, list[str]]
    ports: dict[str, list[str]]
    trunks: dict[str, str]
    namespaces: frozenset[str]


def look(world: World) -> Sight:
    """Look at the world's switches, hosts' bridges and namespaces now."""
    switches = [name for site in world.sites.values() for name in site.switches]
    hosts = [name for site in world.sites.values() for name in site.hosts]
    ports = {host: sorted(_vsctl("list-ports", host).split()) for host in hosts}
    ours = tuple(Names(host, host).prefix for host in hosts)
    directory = Path("/run/netns")
    names = [p.name for p in directory.iterdir()] if directory.is_dir() else []
    return Sight(
        flows={switch: flows(switch) for switch in switches},
        meters={switch: meters(switch) for switch in switches},
        ports=ports,
        trunks={name: tags for name, tags in _trunks() if any(name in of for of in ports.values())},
        namespaces=frozenset(name for name in names if name.startswith(ours)),
    )


def _trunks() -> list[tuple[str, str]]:
    """Every port with the tags it trunks, as text."""
    got = json.loads(_vsctl("--format=json", "--columns=name,trunks", "list", "port"))
    return [(name, str(tags)) for name, tags in got["data"]]


def _vsctl(*words: str) -> str:
    return subprocess.run(
        ["ovs-vsctl", "--timeout=5", *words], capture_output=True, text=True, check=True
    ).stdout
