"""One end of an OpenVPN tunnel: its configuration, its process, and what it says of itself.

Point-to-point TLS over UDP onto a TAP device that is there already. The process is told by its
process id and configuration file, never remembered, so an agent that was killed adopts it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from hostagent.command import CommandFailedError, detach
from hostagent.config import TunnelConfig

log = logging.getLogger(__name__)

_ANSWER_S = 1.0
_END_S = 3.0
_START_S = 3.0
# Five pings lost are a peer gone; the tunnel then shows itself as down and calls again.
_PING_S, _RESTART_S = 1, 5


def configuration(tunnel: TunnelConfig, tap: str, files: Path) -> str:
    """The OpenVPN configuration of one end. Pure.

    Args:
        tunnel: what the operator says.
        tap: the device its frames go through.
        files: path without suffix of its log, socket and process id.
    """
    trust = f"peer-fingerprint {tunnel.peer_fingerprint}"
    if tunnel.ca is not None:
        trust = f"ca {_quoted(tunnel.ca)}"
    lines = [
        f"dev {tap}",
        "dev-type tap",
        "mode p2p",
        "proto udp6" if ":" in tunnel.local.host else "proto udp4",
        f"local {tunnel.local.host}",
        f"lport {tunnel.local.port}",
        f"remote {tunnel.remote.host} {tunnel.remote.port}",
        *(["tls-server", "dh none"] if tunnel.is_server else ["tls-client"]),
        trust,
        f"cert {_quoted(tunnel.cert)}",
        f"key {_quoted(tunnel.key)}",
        "data-ciphers AES-256-GCM:CHACHA20-POLY1305",
        # The TAP takes a tag on top of 1500 bytes of payload; what gets too long for the wide
        # area is cut by IP, or by OpenVPN where the path between drops IP's fragments.
        "tun-mtu 1500",
        *([f"fragment {tunnel.fragment}", "mssfix 0"] if tunnel.fragment else []),
        "disable-dco",
        f"ping {_PING_S}",
        f"ping-restart {_RESTART_S}",
        "connect-retry 1 4",
        "persist-tun",
        "persist-key",
        "user nobody",
        "group nogroup",
        # By its bare name: the whole path of a socket may have 107 characters at most.
        f"cd {_quoted(files.parent)}",
        f"management {_quoted(Path(files.name).with_suffix('.sock'))} unix",
        f"writepid {_quoted(files.with_suffix('.pid'))}",
        f"log {_quoted(files.with_suffix('.log'))}",
        "verb 3",
    ]
    return "\n".join(lines) + "\n"


class OpenVpn:
    """The OpenVPN process of one tunnel end."""

    def __init__(self, config: str, files: Path, netns: Path | None) -> None:
        self._config = config
        self._file = files.with_suffix(".conf")
        self._pid_file = files.with_suffix(".pid")
        self._log = files.with_suffix(".log")
        self._socket = files.with_suffix(".sock")
        self._netns = netns
        self._asking = threading.Lock()
        self._told, self._told_at = "", 0.0

    def ensure(self) -> bool:
        """It runs with this configuration; adopts one that does. Answers whether it had to start.

        Raises:
            CommandFailedError: it can't be started.
        """
        known = self._file.read_text("utf-8") if self._file.exists() else ""
        if self.pid() is not None and known == self._config:
            return False
        self.stop()
        self._file.write_text(self._config, encoding="utf-8")
        enter = ["nsenter", f"--net={self._netns}"] if self._netns else []
        argv = [*enter, "openvpn", "--config", str(self._file)]
        self._log.unlink(missing_ok=True)
        detach(argv).close()
        deadline = time.monotonic() + _START_S
        while self.pid() is None:
            if time.monotonic() > deadline:
                raise CommandFailedError(argv, self._last_words())
            time.sleep(0.02)
        return True

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text("utf-8", errors="replace").splitlines()
        except OSError:
            return "it does not start"
        return "; ".join(lines[-2:]) or "it does not start"

    def stop(self) -> None:
        """End it, whoever started it; nothing of it runs when this returns."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + _END_S
            if (pid := self.pid()) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while self.pid() is not None and time.monotonic() < deadline:
                time.sleep(0.02)
        for left in (self._pid_file, self._socket):
            left.unlink(missing_ok=True)

    def pid(self) -> int | None:
        """Its process id, None where it doesn't run."""
        try:
            pid = int(self._pid_file.read_text("ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self._file) in command else None

    def state(self) -> str:
        """What it says of itself, `CONNECTED` when frames cross, or why it says nothing.

        OpenVPN talks to one at a time and takes no calls meanwhile: those who ask while somebody
        else does share one answer.
        """
        asked_at = time.monotonic()
        with self._asking:
            if self._told_at < asked_at:
                self._told = self._ask()
                self._told_at = time.monotonic()
            return self._told

    def _ask(self) -> str:
        deadline = time.monotonic() + _ANSWER_S
        while self.pid() is not None:
            try:
                return self._converse()
            except OSError:
                # It takes a moment from the end of a conversation to the next call.
                if time.monotonic() > deadline:
                    return "OpenVPN does not answer"
                time.sleep(0.02)
        return "OpenVPN does not run"

    def _converse(self) -> str:
        with _directory(self._socket.parent) as folder, socket.socket(socket.AF_UNIX) as link:
            link.settimeout(_ANSWER_S)
            link.connect(f"{folder}/{self._socket.name}")
            link.sendall(b"state\n")
            return _state(link)


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[str]:
    """A short name for a directory, however long its path."""
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _state(link: socket.socket) -> str:
    """Read the management interface's answer to `state`: `TIME,NAME,…`, then `END`."""
    seen = b""
    while b"END" not in seen.splitlines() and (part := link.recv(4096)):
        seen += part
    for line in reversed(seen.decode(errors="replace").splitlines()):
        fields = line.split(",")
        if len(fields) > 2 and fields[0].isdigit():
            return fields[1]
    return "OpenVPN does not say"


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
