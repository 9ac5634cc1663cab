"""A worker's process as it is seen from outside: its pipes, its folder, its memory, its end.

The worker is started afresh (`python -m mip.workers.worker`), never forked from a process with
threads, and leads a process group, so that a solver it started ends with it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from mip.errors import OutOfMemoryError, SolverError
from mip.solvers.linear import Progress
from mip.workers.messages import FOLDER, Answer, read, unpacked, write

_LOOK_S = 0.25
_MIB = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


class NotBegunError(SolverError):
    """The worker came to nothing, mostly as it died before it began: another one may do the job."""


class Worker:
    """A worker's process with its pipes and its folder; does one job at a time.

    Attributes:
        jobs: how many it has been given.
    """

    def __init__(self) -> None:
        self.jobs = 0
        self._warm = False
        self._folder = Path(tempfile.gettempdir()) / f"{FOLDER}{secrets.token_hex(8)}"
        # One thread each: there are as many workers as cores. The folder is the worker's to make:
        # it is there to remove it should we be killed.
        alone = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mip.workers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**alone, **os.environ, "TMPDIR": str(self._folder)},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the process and of its group."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it runs; one that has died stays to be ended, with what it had started."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.pid, flags) is None
        except ChildProcessError:
            return False

    def warm(self) -> bool:
        """Whether it has said that it is ready."""
        if not self._warm and select.select([self._pipe(self._process.stdout)], [], [], 0)[0]:
            with contextlib.suppress(EOFError, OSError):
                self._warm = self._next().kind == "ready"
        return self._warm

    def resident(self) -> int:
        """Bytes that it and what it has started have in memory; 0 where that can't be seen."""
        return resident(self.pid)

    def do(self, job: bytes, progress: Progress | None = None, memory: int = 0) -> Answer:
        """Have a job done.

        Args:
            job: what, packed.
            progress: told what the worker tells.
            memory: bytes resident above which it is not waited for any longer; 0: none.

        Raises:
            SendingError: its answer can't be read here.
            SolverError: the worker died; it is of no use any more.
            OutOfMemoryError: it took too much memory.
            NotBegunError: it was dead already.
        """
        self.jobs += 1
        begun = False
        pipe = self._pipe(self._process.stdout)
        try:
            write(self._pipe(self._process.stdin), job)
            while True:
                while memory and not select.select([pipe], [], [], _LOOK_S)[0]:
                    if self.resident() > memory:
                        text = f"the solver took more than {memory // _MIB} MiB"
                        raise OutOfMemoryError(text)
                answer = self._next()
                if answer.kind in ("value", "error"):
                    return answer
                begun = begun or answer.kind == "begun"
                if answer.kind == "progress" and progress is not None:
                    progress(*answer.value)
        except (EOFError, OSError) as exc:
            kind = SolverError if begun else NotBegunError
            raise kind("the solver's process ended without an answer") from exc

    def kill(self) -> None:
        """End its whole group at once; not after `end`."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """End it, and leave nothing of it; once."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _next(self) -> Answer:
        answer: Answer = unpacked(read(self._pipe(self._process.stdout)))
        return answer

    @staticmethod
    def _pipe(stream: IO[bytes] | None) -> int:
        if stream is None:
            raise EOFError
        return stream.fileno()


def resident(pid: int) -> int:
    """Bytes in memory of a process and of those that it started, as Linux tells."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(c) for t in tasks for c in (t / "children").read_text().split()]
    except (OSError, IndexError):
        return 0
    return pages * _PAGE + sum(resident(child) for child in children)
