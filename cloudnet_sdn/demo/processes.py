"""The demo's processes: started in order, logged to files, ended in reverse order, by pid."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO


class ProcessDied(Exception):
    """A process of the demo ended by itself; the text has the end of its log."""


@dataclass
class Running:
    """One process: its name, handle and log file."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


@dataclass
class Processes:
    """Starts processes that end with this one, and ends them.

    Each gets a session of its own, so that Ctrl-C in a terminal reaches only the demo, which then
    ends them in order; should the demo itself be killed, the kernel sends them SIGTERM.

    Attributes:
        logs: the directory of their logs.
        environment: theirs, and their children's.
        running: those that were started and not stopped.
    """

    logs: Path
    environment: Mapping[str, str]
    running: list[Running] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        stdin: int | None = subprocess.DEVNULL,
    ) -> Running:
        """Start `command`; its output goes to `LOGS/NAME.log`."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        out: IO[bytes]
        with log.open("ab") as out:
            popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command],
                stdin=stdin,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=dict(self.environment),
            )
        running = Running(name, popen, log)
        self.running.append(running)
        return running

    def check(self) -> None:
        """Raise `ProcessDied` if one of them has ended."""
        for one in self.running:
            code = one.popen.poll()
            if code is not None:
                raise ProcessDied(f"{one.name} ended with status {code}:\n{one.tail()}")

    def wait_until(self, ready: Callable[[], bool], what: str, *, timeout_s: float = 30.0) -> None:
        """Wait for `ready`, watching that nothing dies meanwhile.

        Raises:
            ProcessDied: one of the processes ended.
            TimeoutError: it was not ready in time.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not ready within {timeout_s:.0f} s")
            time.sleep(0.1)

    def stop(self, running: Running, *, timeout_s: float = 15.0) -> None:
        """End one: SIGTERM, and SIGKILL if it doesn't follow in time."""
        if running in self.running:
            self.running.remove(running)
        if running.popen.poll() is None:
            running.popen.send_signal(signal.SIGTERM)
        if running.popen.stdin:
            running.popen.stdin.close()
        try:
            running.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            running.popen.kill()
            running.popen.wait()
