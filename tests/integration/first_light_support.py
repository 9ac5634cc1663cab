"""What the end-to-end tests look at: switches, bridges, namespaces, and a plain XML-RPC client."""

from __future__ import annotations

import http.client
import re
import ssl
import subprocess
import time
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUR_COOKIES = "cookie=0xc10d000000000000/0xffff000000000000"


class _Transport(xmlrpc.client.SafeTransport):
    """The standard library's, with a time-out: a test must not hang on a lost peer."""

    def make_connection(self, host: str) -> http.client.HTTPSConnection:
        connection = super().make_connection(host)
        connection.timeout = 90
        return connection


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
    return sorted(re.sub(r"(duration|n_packets|n_bytes|idle_age|hard_age)=[^,]*, ?", "", x) for x in lines)


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


@dataclass(frozen=True)
class Sight:
    """All that a CloudNet could leave on the substrate."""

    flows: dict[str, list[str]]
    meters: dict[str, list[str]]
    ports: dict[str, list[str]]
    namespaces: frozenset[str]
    trunks: str


def look(switches: list[str], bridges: list[str]) -> Sight:
    """Look at switches, hosts' bridges and namespaces now."""
    names = Path("/run/netns")
    return Sight(
        flows={s: flows(s) for s in switches},
        meters={s: meters(s) for s in switches},
        ports={b: sorted(_vsctl("list-ports", b).split()) for b in bridges},
        namespaces=frozenset(p.name for p in names.iterdir()) if names.is_dir() else frozenset(),
        trunks="\n".join(sorted(_vsctl("--columns=name,tag,trunks", "list", "port").split("\n\n"))),
    )


def _vsctl(*words: str) -> str:
    return subprocess.run(
        ["ovs-vsctl", "--timeout=5", *words], capture_output=True, text=True, check=True
    ).stdout
