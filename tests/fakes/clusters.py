"""A Dask cluster of its own on loopback: real schedulers and workers, each a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
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
        self._tls: list[str] = []
        if tls is not None:
            self._tls += ["--protocol", "tls", "--tls-ca-file", str(tls.ca)]
            self._tls += ["--tls-cert", str(tls.cert), "--tls-key", str(tls.key)]
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self._port = taken.getsockname()[1]
        self.address = f"{'tcp' if tls is None else 'tls'}://127.0.0.1:{self._port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._running: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self) -> None:
        where = ["--host", "127.0.0.1", "--port", str(self._port)]
        dashboard = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        self.scheduler = self._start("scheduler", *where, *dashboard)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start one more; it looks for the scheduler until there is one."""
        threads = ["--no-nanny", "--nthreads", "2", "--memory-limit", "0"]
        self.workers.append(self._start("worker", self.address, "--no-dashboard", *threads))
        return self.workers[-1]

    def wait(self) -> None:
        """Until all workers that were ever started have been at the scheduler."""
        deadline = time.monotonic() + SOME_S
        while self.log().count("Registered to:") < len(self.workers):
            if time.monotonic() > deadline:
                raise RuntimeError(f"it doesn't start: {self.log()}")
            time.sleep(0.02)

    def end(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def log(self) -> str:
        """What all of them said."""
        return (self._folder / "log").read_text()

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


@contextmanager
def dask_cluster(
    folder: Path, tls: TlsFiles | None = None, *, workers: int = 1
) -> Iterator[DaskCluster]:
    """A cluster with so many workers; nothing of it runs yet without any. All of it is ended."""
    folder.mkdir(exist_ok=True)
    made = DaskCluster(folder, tls)
    try:
        if workers:
            made.start_scheduler()
        for _ in range(workers):
            made.start_worker()
        made.wait()
        yield made
    finally:
        made.end()
