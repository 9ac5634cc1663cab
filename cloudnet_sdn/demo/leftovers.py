"""What is on this machine that a demo could leave behind, before and after, as sets.

A snapshot names namespaces, bridges, network devices and processes that bear a mark of ours; what
is in the later snapshot and not in the earlier one was left behind. Files are all below the demo's
directory, temporary ones too. What others do on the machine is none of our business: processes are
ours by an entry in their environment, which children inherit, emulated nodes by the prefix of their
names, and the VNodes' namespaces (and with them their ports) are those that the agents named while
they ran.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

MARK = "CLOUDNET_DEMO"


@dataclass(frozen=True)
class Snapshot:
    """Names of things on the machine, each prefixed with its kind."""

    things: frozenset[str]

    def left_since(self, earlier: Snapshot) -> list[str]:
        """What is here now and was not then, sorted."""
        return sorted(self.things - earlier.things)


def snapshot(state: Path, prefix: str, namespaces: Collection[str] = ()) -> Snapshot:
    """Look at the machine now. What can't be looked at counts as empty.

    Args:
        state: the demo's directory, the value of `MARK` in the environment of its processes.
        prefix: before the names of its emulated nodes.
        namespaces: those its VNodes ran in.
    """
    node = re.compile(rf"{prefix}[a-z]-(sw|sn|tbr)\d*(-.*)?")
    return Snapshot(
        frozenset(
            [f"namespace {n}" for n in _names("/run/netns") if n in namespaces]
            + [f"bridge {b}" for b in _bridges() if node.fullmatch(b)]
            + [f"device {d}" for d in _names("/sys/class/net") if node.fullmatch(d)]
            + [f"process {p}" for p in _processes(f"{MARK}={state}")]
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


def _processes(mark: str) -> list[str]:
    """Processes with `mark` in their environment: `123 openvpn --config …`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended while we looked
        if mark.encode() in environment and int(entry.name) != os.getpid():
            found.append(f"{entry.name} {' '.join(words).strip()[:120]}")
    return found
