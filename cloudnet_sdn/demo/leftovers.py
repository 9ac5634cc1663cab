"""What is on this machine that a demo could leave behind, before and after, as sets.

A snapshot names namespaces, bridges, network devices, processes and temporary files that bear a
mark of ours; what is in the later snapshot and not in the earlier one was left behind. What others
do on the machine meanwhile is none of our business and not in it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROCESSES = ("hostagent", "ryu_apps", "cloudnet", "openvpn", "testbed.py", "iperf3", "/cbc ")
NAMESPACE = re.compile(r"cn-[0-9a-f]{6}-")
BRIDGE = re.compile(r"[a-z0-9]*-(sw|sn)\d+")
DEVICE = re.compile(r"cv[0-9a-f]{12}|[a-z0-9]*-(sw|sn|tbr)\d*-(eth\d+|wan)")


@dataclass(frozen=True)
class Snapshot:
    """Names of things on the machine, each prefixed with its kind."""

    things: frozenset[str]

    def left_since(self, earlier: Snapshot) -> list[str]:
        """What is here now and was not then, sorted."""
        return sorted(self.things - earlier.things)


def snapshot() -> Snapshot:
    """Look at the machine now. What can't be looked at counts as empty."""
    return Snapshot(
        frozenset(
            [f"namespace {n}" for n in _names("/run/netns") if NAMESPACE.match(n)]
            + [f"bridge {b}" for b in _bridges() if BRIDGE.fullmatch(b)]
            + [f"device {d}" for d in _names("/sys/class/net") if DEVICE.fullmatch(d)]
            + [f"process {p}" for p in _processes()]
            + [f"file {p}" for p in Path(tempfile.gettempdir()).glob("cloudnet*")]
        )
    )


def _names(directory: str) -> list[str]:
    try:
        return [p.name for p in Path(directory).iterdir()]
    except OSError:
        return []


def _bridges() -> list[str]:
    if shutil.which("ovs-vsctl") is None:
        return []
    got = subprocess.run(
        ["ovs-vsctl", "--timeout=3", "list-br"], capture_output=True, text=True, check=False
    )
    return got.stdout.split() if got.returncode == 0 else []


def _processes() -> list[str]:
    """Command lines that bear a mark of ours, with their pid: `123 openvpn --config …`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended while we looked
        line = " ".join(words).strip()
        if line and any(mark in line for mark in PROCESSES):
            found.append(f"{entry.name} {line[:120]}")
    return found
