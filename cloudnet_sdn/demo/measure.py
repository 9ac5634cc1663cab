"""What a VLink gives its users: round-trip time by ping, bandwidth by greedy TCP."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cloudnet_sdn.demo.frames import Port

_RTT = re.compile(r"= [\d.]+/([\d.]+)/")
_BASE_PORT = 5201


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured between the first two ends of a VLink; None where nothing came back."""

    mbps: float | None
    rtt_ms: float | None


def _inside(port: Port) -> list[str]:
    return ["ip", "netns", "exec", Path(port.netns).name]


def _address(port: Port) -> str | None:
    """The IPv4 or global IPv6 address that `port` has, without its prefix length."""
    got = subprocess.run(
        ["ip", "-j", "-n", Path(port.netns).name, "addr", "show", "dev", port.device],
        capture_output=True,
        text=True,
        check=False,
    )
    if got.returncode != 0:
        return None
    for info in json.loads(got.stdout or "[]"):
        for address in info.get("addr_info", []):
            if address.get("scope") == "global":
                return str(address["local"])
    return None


@contextlib.contextmanager
def addressed(a: Port, b: Port, number: int) -> Iterator[tuple[str, str]]:
    """The addresses of both ends, giving them some for the while where the request had none."""
    here, there = _address(a), _address(b)
    if here and there and (":" in here) == (":" in there):
        yield here, there
        return
    net = ipaddress.ip_network(f"198.18.{number % 256}.0/30")  # RFC 2544: for benchmarks
    given = tuple(str(h) for h in net.hosts())
    for port, address in zip((a, b), given, strict=True):
        _ip(port, "add", f"{address}/{net.prefixlen}")
    try:
        yield given[0], given[1]
    finally:
        for port, address in zip((a, b), given, strict=True):
            _ip(port, "del", f"{address}/{net.prefixlen}")


def _ip(port: Port, verb: str, address: str) -> None:
    subprocess.run(
        ["ip", "-n", Path(port.netns).name, "addr", verb, address, "dev", port.device],
        capture_output=True,
        check=False,
    )


def rtt_ms(a: Port, target: str) -> float | None:
    """Average round-trip time of five pings after one that warms the path up."""
    base = [*_inside(a), "ping", "-q", "-n", "-W", "2", "-I", a.device]
    subprocess.run([*base, "-c", "1", target], capture_output=True, check=False)
    got = subprocess.run(
        [*base, "-c", "5", "-i", "0.1", target], capture_output=True, text=True, check=False
    )
    match = _RTT.search(got.stdout)
    return round(float(match.group(1)), 3) if match else None


def tcp_mbps(a: Port, b: Port, to: str, *, port: int, seconds: float) -> float | None:
    """Goodput of one greedy TCP connection from `a` to `b`, Mbit/s as the receiver saw it.

    The first second is left out: it is slow start and the shaper's initial burst.
    """
    server = subprocess.Popen(
        [*_inside(b), "iperf3", "-s", "-1", "-p", str(port), "-B", to, "--forceflush"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if server.stdout is not None:
            server.stdout.readline()
            server.stdout.readline()  # "Server listening on …" follows a rule of dashes
        got = subprocess.run(
            [
                *_inside(a),
                "iperf3",
                "-c",
                to,
                "-p",
                str(port),
                "-t",
                f"{seconds:.0f}",
                "-O",
                "1",
                "-J",
                "--connect-timeout",
                "4000",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 20,
        )
        with contextlib.suppress(ValueError, KeyError):
            end = json.loads(got.stdout)["end"]
            return round(float(end["sum_received"]["bits_per_second"]) / 1e6, 2)
        return None
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(2.0)
        if server.poll() is None:
            server.terminate()
            server.wait()
        if server.stdout is not None:
            server.stdout.close()


def measure_all(ends: Mapping[str, Sequence[Port]], *, seconds: float = 4.0) -> dict[str, Measured]:
    """Measure every VLink: pings one after the other, then greedy TCP on all at the same time.

    All at once, because a reservation that holds only on an idle network is none.
    """
    with contextlib.ExitStack() as stack:
        pairs = {
            vlink: (ports[0], ports[1], *stack.enter_context(addressed(ports[0], ports[1], n)))
            for n, (vlink, ports) in enumerate(ends.items())
        }
        rtts = {vlink: rtt_ms(a, to) for vlink, (a, _, _, to) in pairs.items()}
        with ThreadPoolExecutor(max_workers=max(1, len(pairs))) as pool:
            running = {}
            for n, (vlink, (a, b, _, to)) in enumerate(pairs.items()):
                running[vlink] = pool.submit(
                    tcp_mbps, a, b, to, port=_BASE_PORT + n, seconds=seconds
                )
                time.sleep(0.02)
            rates = {vlink: future.result() for vlink, future in running.items()}
    return {vlink: Measured(rates[vlink], rtts[vlink]) for vlink in ends}
