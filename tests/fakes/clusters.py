"""A Dask cluster of its own on loopback: real schedulers and workers, each a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudnet_sdn.wire.tls import TlsFiles

SOME_S = 30
JOBS = Path(__file__).parents[1] / "unit" / "mip"
"""Where workers find the jobs of the tests."""


class DaskCluster:
    """A scheduler that keeps its port over restarts, and workers of two solves at a time.

    Args:
        folder: for all their files.
        tls: its certificate, where it speaks TLS.
    """

    def __init__(self, folder: Path, tls: TlsFiles | None = None) -> None:
        self._folder = folder
        (folder / "log").touch()
        self._port = 0
        self._tls: list[str] = []
        if tls is not None:
            self._tls += ["--protocol", "tls", "--tls-ca-file", str(tls.ca)]
            self._tls += ["--tls-cert", str(tls.cert), "--tls-key", str(tls.key)]
        self._running: list[subprocess.Popen[bytes]] = []
        self.address = ""
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self) -> None:
        where = ["--host", "127.0.0.1", "--port", str(self._port)]
        dashboard = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        known = len(self._addresses())
        started = self.scheduler = self._start("scheduler", *where, *dashboard)
        self._wait(lambda: len(self._addresses()) > known, started)
        self.address = self._addresses()[-1]
        self._port = int(self.address.rpartition(":")[2])

    def start_worker(self) -> subprocess.Popen[bytes]:
        threads = ["--no-nanny", "--nthreads", "2", "--memory-limit", "0"]
        before = self.log().count("Registered to:")
        started = self._start("worker", self.address, "--no-dashboard", *threads)
        self._wait(lambda: self.log().count("Registered to:") > before, started)
        self.workers.append(started)
        return started

    def end(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def log(self) -> str:
        """What all of them said."""
        return (self._folder / "log").read_text()

    def _addresses(self) -> list[str]:
        """Of the schedulers that have listened, oldest first."""
        return re.findall(r"Scheduler at: +(\S+)\n", self.log())

    def _start(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(JOBS), *filter(None, sys.path)])
        temporary = {"DASK_TEMPORARY_DIRECTORY": str(self._folder), "TMPDIR": str(self._folder)}
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments, *self._tls],
                env={**os.environ, **temporary, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def _wait(self, true: Callable[[], bool], started: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + SOME_S
        while not true():
            if time.monotonic() > deadline or started.poll() is not None:
                raise RuntimeError(f"it doesn't start: {self.log()}")
            time.sleep(0.02)


@contextmanager
def dask_cluster(folder: Path, tls: TlsFiles | None = None) -> Iterator[DaskCluster]:
    """A scheduler with one worker; all that was started ends with it."""
    folder.mkdir(exist_ok=True)
    made = DaskCluster(folder, tls)
    try:
        made.start_scheduler()
        made.start_worker()
        yield made
    finally:
        made.end()
