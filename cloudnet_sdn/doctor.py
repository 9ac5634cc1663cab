"""What a machine lacks for cloudnet-sdn, and the command that mends it.

The checks are values over a `Machine`, which is the only one to look at the real one.
"""

from __future__ import annotations

import enum
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SECONDS = 5.0
OVS_CTL = "/usr/share/openvswitch/scripts/ovs-ctl"
OURS = ("cloudnet_sdn", "hostagent", "mip", "rdl", "ryu_apps")


class State(enum.StrEnum):
    """What a check found."""

    OK = "ok"
    MISSING = "missing"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        what: the thing.
        state: MISSING stops something from working, NOTE doesn't.
        text: what was found.
        mend: the command that helps, or ''.
    """

    what: str
    state: State
    text: str
    mend: str = ""


class Machine(Protocol):
    """What the checks ask a machine."""

    def which(self, program: str) -> str | None:
        """Where a program is."""

    def output(self, *command: str) -> str | None:
        """What a command prints, None where it fails or takes too long."""

    def exists(self, path: str) -> bool:
        """Whether a file is there."""

    def is_root(self) -> bool:
        """Whether we may do everything."""

    def version(self, distribution: str) -> str | None:
        """The version of an installed Python distribution."""

    def owners(self, package: str) -> frozenset[str]:
        """The distributions that bring an import package."""


class ThisMachine:
    """The machine we run on."""

    def which(self, program: str) -> str | None:
        """On the path, or where Debian keeps what root runs."""
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
        return shutil.which(program, path=path)

    def output(self, *command: str) -> str | None:
        """Its stdout, within `SECONDS`."""
        program = self.which(command[0])
        if program is None:
            return None
        try:
            done = subprocess.run(
                [program, *command[1:]],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def exists(self, path: str) -> bool:
        """Whether there is such a file or device."""
        return Path(path).exists()

    def is_root(self) -> bool:
        """Whether the effective user is root."""
        return os.geteuid() == 0

    def version(self, distribution: str) -> str | None:
        """From the installed metadata."""
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def owners(self, package: str) -> frozenset[str]:
        """From the installed metadata."""
        return frozenset(importlib.metadata.packages_distributions().get(package, ()))


Check = Callable[[Machine], Iterator[Finding]]

PROGRAMS = (
    ("ovs-vsctl", "openvswitch-switch", "switches and host bridges"),
    ("mn", "mininet", "the demo's substrate"),
    ("openvpn", "openvpn", "transit links"),
    ("nft", "nftables", "tunnel bridges that let only admitted tags through"),
    ("ip", "iproute2", "VNodes as network namespaces"),
    ("tc", "iproute2", "bandwidth"),
    ("ethtool", "ethtool", "checksums on software switches"),
    ("iperf3", "iperf3", "the demo's measurements"),
)


def examine(machine: Machine) -> list[Finding]:
    """Everything that is worth knowing, what is missing included."""
    return [finding for check in CHECKS for finding in check(machine)]


def ready(findings: Sequence[Finding]) -> bool:
    """Whether nothing is missing."""
    return all(finding.state is not State.MISSING for finding in findings)


def _python(machine: Machine) -> Iterator[Finding]:
    del machine
    yield Finding("Python", State.OK, f"{platform.python_version()}, {sys.executable}")


def _root(machine: Machine) -> Iterator[Finding]:
    if machine.is_root():
        yield Finding("root", State.OK, "yes")
    else:
        text = "no: switches, namespaces and tunnels need it"
        yield Finding("root", State.MISSING, text, "sudo -s")


def _programs(machine: Machine) -> Iterator[Finding]:
    for program, package, purpose in PROGRAMS:
        found = machine.which(program)
        if found:
            yield Finding(program, State.OK, found)
        else:
            mend = f"apt-get install {package}"
            yield Finding(program, State.MISSING, f"not found; it is for {purpose}", mend)


def _open_vswitch(machine: Machine) -> Iterator[Finding]:
    if machine.which("ovs-vsctl") is None:
        return
    version = machine.output("ovs-vsctl", "--timeout=2", "get", "Open_vSwitch", ".", "ovs_version")
    if version is None:
        mend = f"{OVS_CTL} start --system-id=random"
        yield Finding("Open vSwitch", State.MISSING, "not running", mend)
        return
    yield Finding("Open vSwitch", State.OK, f"running, {version.strip()}")
    if machine.exists("/sys/module/openvswitch"):
        yield Finding("datapath", State.OK, "in the kernel")
    else:
        yield Finding("datapath", State.NOTE, "in user space: works, slower (no kernel module)")


def _mininet(machine: Machine) -> Iterator[Finding]:
    if machine.which("mn") is None:
        return
    if machine.output("/usr/bin/python3", "-c", "import mininet.net") is None:
        text = "the system's Python can't import it"
        yield Finding("mininet", State.MISSING, text, "apt-get install --reinstall mininet")
    else:
        yield Finding("mininet", State.OK, "the system's Python imports it")


def _tunnels(machine: Machine) -> Iterator[Finding]:
    if machine.exists("/dev/net/tun"):
        yield Finding("/dev/net/tun", State.OK, "there")
    else:
        mend = "mkdir -p /dev/net && mknod /dev/net/tun c 10 200"
        yield Finding("/dev/net/tun", State.MISSING, "not there; it is for transit links", mend)


def _namespaces(machine: Machine) -> Iterator[Finding]:
    if not machine.is_root():
        return
    if machine.output("unshare", "--net", "true") is None:
        text = "the kernel or the container forbids them"
        yield Finding("namespaces", State.MISSING, text, "use a privileged container or a machine")
    else:
        yield Finding("namespaces", State.OK, "can be made")


def _controller(machine: Machine) -> Iterator[Finding]:
    ryu = machine.version("ryu")
    if ryu == "4.34":
        yield Finding("Ryu", State.OK, ryu)
    else:
        mend = "pip install --build-constraint requirements/build.txt -r requirements/run.txt"
        yield Finding("Ryu", State.MISSING, f"{ryu or 'not installed'}; 4.34 is needed", mend)


def _agent(machine: Machine) -> Iterator[Finding]:
    version = machine.version("ovs")
    if version:
        yield Finding("ovs", State.OK, version)
    else:
        mend = "pip install 'cloudnet-sdn[agent]'"
        yield Finding("ovs", State.MISSING, "not installed; it is for agents", mend)


def _solvers(machine: Machine) -> Iterator[Finding]:
    pulp = machine.version("PuLP")
    if pulp is None or not pulp.startswith("3."):
        mend = "pip install 'pulp>=3.3,<4'"
        yield Finding("CBC", State.MISSING, f"PuLP {pulp or 'not installed'}; 3.x has it", mend)
    else:
        yield Finding("CBC", State.OK, f"in PuLP {pulp}")
    for name, package, extra, without in _EXTRAS:
        version = machine.version(package)
        if version:
            yield Finding(name, State.OK, f"{package} {version}")
        else:
            mend = f"pip install 'cloudnet-sdn[{extra}]'"
            yield Finding(name, State.NOTE, f"not installed; {without}", mend)


_EXTRAS = (
    ("HiGHS", "highspy", "highs", "CBC does without it"),
    ("Dask", "distributed", "dask", "it is for solving on a cluster"),
)


def _names(machine: Machine) -> Iterator[Finding]:
    """Others' distributions that bring a package of our name: pip overwrites without a word."""
    for package in OURS:
        others = machine.owners(package) - {"cloudnet-sdn"}
        if others:
            text = f"{', '.join(sorted(others))} brings a package of the same name"
            mend = f"pip uninstall {' '.join(sorted(others))}, then install cloudnet-sdn again"
            yield Finding(f"package {package}", State.MISSING, text, mend)


CHECKS: tuple[Check, ...] = (
    _python,
    _root,
    _programs,
    _open_vswitch,
    _mininet,
    _tunnels,
    _namespaces,
    _controller,
    _agent,
    _solvers,
    _names,
)
