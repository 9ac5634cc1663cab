"""Network namespaces, their devices and the processes in them, as the kernel has them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hostagent.command import CommandFailedError, run

RUN_DIR = Path("/run/netns")
INIT_MARK = "cloudnet-vnode"
"""An argument of a VNode's first process once it has set itself up."""

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Device:
    """A network device in a namespace.

    Attributes:
        plugged: it is one end of a veth pair whose other end is outside.
    """

    name: str
    alias: str
    mac: str
    plugged: bool
    admin_up: bool
    carrier: bool


def names(prefix: str) -> list[str]:
    """The named network namespaces that begin with `prefix`."""
    if not RUN_DIR.is_dir():
        return []
    return sorted(entry.name for entry in RUN_DIR.iterdir() if entry.name.startswith(prefix))


def exists(name: str) -> bool:
    """Whether the name stands for a living namespace, not for a file that a crash left."""
    seen, around = _inode(RUN_DIR / name), _inode(RUN_DIR)
    return seen is not None and around is not None and seen[0] != around[0]


def devices(name: str) -> dict[str, Device]:
    """The devices in the namespace, by name; none where it isn't."""
    if not exists(name):
        return {}
    try:
        listed = json.loads(run(["ip", "-n", name, "-d", "-j", "link", "show"]))
    except CommandFailedError:
        if not exists(name):
            return {}
        raise
    return {item["ifname"]: _device(item) for item in listed if "ifname" in item}


def processes(name: str) -> list[int]:
    """The processes in the namespace."""
    if not exists(name):
        return []
    inode = _inode(RUN_DIR / name)
    return [pid for pid in _pids() if _inode(f"/proc/{pid}/ns/net") == inode]


def init_of(name: str) -> int | None:
    """The first process of a VNode: number 1 of its own process namespace."""
    return next((pid for pid in processes(name) if _is_init(pid)), None)


def kill_all(name: str, timeout_s: float = 5.0) -> None:
    """End every process in the namespace; none is left when this returns.

    Raises:
        CommandFailedError: some would not go.
    """
    deadline = time.monotonic() + timeout_s
    while pids := [pid for pid in processes(name) if pid != os.getpid()]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise CommandFailedError(["kill", *map(str, pids)], "they do not end")
        time.sleep(0.005)


def _device(item: dict[str, object]) -> Device:
    flags = item.get("flags")
    info = item.get("linkinfo")
    return Device(
        name=str(item["ifname"]),
        alias=str(item.get("ifalias", "")),
        mac=str(item.get("address", "")),
        plugged=isinstance(info, dict)
        and info.get("info_kind") == "veth"
        and "link_netnsid" in item,
        admin_up=isinstance(flags, list) and "UP" in flags,
        carrier=isinstance(flags, list) and "LOWER_UP" in flags,
    )


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208


def _inode(path: Path | str) -> tuple[int, int] | None:
    """What tells one namespace from another, or None where there is none."""
    try:
        seen = os.stat(path)  # noqa: PTH116 (of every process there is: `Path` takes thrice as long)
    except OSError:  # the process or the name went away, or it is a zombie
        return None
    return seen.st_dev, seen.st_ino


def _is_init(pid: int) -> bool:
    try:
        status = (_PROC / str(pid) / "status").read_text("utf-8")
        command = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
    numbers = next(
        (line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), []
    )
    return len(numbers) > 1 and numbers[-1] == "1" and INIT_MARK.encode() in command.split(b"\0")
