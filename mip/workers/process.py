"""Solving in a process of its own: a server is never blocked, and a solve can be cancelled.

The worker is started afresh (`python -m mip.workers.worker`), never forked from a process with
threads, and leads a process group, so that a solver it started ends with it.
"""

from __future__ import annotations

import contextlib
import copyreg
import io
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any

from mip.errors import MappingError, SendingError, SolverError
from mip.problem.statement import Options, Problem, Result, Status
from mip.solvers.linear import Progress

FOLDER = "cloudnet-solve-"
"""How the name of a worker's folder for temporary files begins."""

_HEADER = struct.Struct(">Q")


@dataclass(frozen=True)
class Job:
    """What a worker is asked: a function of this package by `module:name`, and its arguments."""

    function: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """What a worker says: progress, or the value or error it ended with."""

    kind: str
    value: Any


class _Pickler(pickle.Pickler):
    """Takes read-only mappings, which graphs hold, for the plain ones they show."""

    dispatch_table = copyreg.dispatch_table.copy()
    dispatch_table[MappingProxyType] = lambda view: (dict, (dict(view),))


def pack(message: object) -> bytes:
    """One message as it is written.

    Raises:
        SendingError: it holds what can't be pickled.
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    except Exception as error:  # whatever an object's own way of being pickled raises
        raise SendingError(f"can't be sent to another process: {error}") from error
    return buffer.getvalue()


def unpack(body: bytes) -> Any:
    """What `pack` was given.

    Raises:
        SendingError: it needs what isn't here, as a class of the main script.
    """
    try:
        return pickle.loads(body)  # noqa: S301 (between us and our own child)
    except Exception as error:
        raise SendingError(f"can't be read in another process: {error}") from error


def send(stream: IO[bytes], body: bytes) -> None:
    """Write one packed message."""
    stream.write(_HEADER.pack(len(body)) + body)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message.

    Raises:
        EOFError: the other side has gone.
        SendingError: as `unpack`.
    """
    head = stream.read(_HEADER.size)
    if len(head) < _HEADER.size:
        raise EOFError
    (size,) = _HEADER.unpack(head)
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    return unpack(body)


class Solving:
    """A solve under way in another process; like a future.

    Raises:
        SendingError: the job holds what can't be pickled.
    """

    def __init__(self, job: Job, progress: Progress | None = None) -> None:
        body = pack(job)
        self._done = threading.Event()
        self._cancelled = False
        self._answer: Answer | None = None
        self._callbacks: list[Callable[[Solving], None]] = []
        self._lock = threading.Lock()
        self._progress = progress
        self._folder = tempfile.mkdtemp(prefix=FOLDER)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mip.workers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": self._folder},
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._run, args=(body,), daemon=True)
        self._thread.start()

    def cancel(self) -> bool:
        """End it now, the solver included; False if it had ended already."""
        with self._lock:
            if self._done.is_set():
                return False
            self._cancelled = True
        self._kill()
        self._done.wait()
        return True

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelled

    def done(self) -> bool:
        """Whether it has ended, one way or another."""
        return self._done.is_set()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for what came out.

        Raises:
            TimeoutError: not within `timeout` seconds; the solve goes on.
            CancelledError: it was cancelled.
            MappingError: as `mip.mapping.map_request`.
            SendingError: the worker couldn't read the job, or its error can't be read here.
            SolverError: the worker died.
        """
        if not self._done.wait(timeout):
            raise TimeoutError
        if self._cancelled:
            raise CancelledError
        if self._answer is None:
            raise SolverError("the solver's process ended without an answer")
        if self._answer.kind == "error":
            raise self._answer.value
        return self._answer.value

    def add_done_callback(self, callback: Callable[[Solving], None]) -> None:
        """Call `callback` once it has ended, in another thread; at once if it has."""
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    def _run(self, job: bytes) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        try:
            if stdin is not None and stdout is not None:
                self._talk(stdin, stdout, job)
        finally:
            self._kill()
            self._process.wait()
            shutil.rmtree(self._folder, ignore_errors=True)
            for stream in (stdin, stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            with self._lock:
                self._done.set()
                waiting, self._callbacks = self._callbacks, []
            for callback in waiting:
                callback(self)

    def _talk(self, stdin: IO[bytes], stdout: IO[bytes], job: bytes) -> None:
        with contextlib.suppress(EOFError, BrokenPipeError):
            send(stdin, job)
            while True:
                answer = self._heard(stdout)
                if answer.kind != "progress":
                    self._answer = answer
                    return
                if self._progress is not None:
                    self._progress(*answer.value)

    @staticmethod
    def _heard(stdout: IO[bytes]) -> Answer:
        try:
            answer: Answer = receive(stdout)
        except SendingError as error:
            return Answer("error", error)
        return answer

    def _kill(self) -> None:
        """End the worker's whole group, unless it has been waited for."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def start_mapping(
    problem: Problem, options: Options | None = None, progress: Progress | None = None
) -> Solving:
    """`mip.mapping.map_request` in a process of its own; `result()` gives its `Result`."""
    return Solving(Job("mip.mapping:map_request", (problem, options or Options())), progress)


def map_in_process(
    problem: Problem, options: Options | None = None, *, grace: float = 10.0
) -> Result:
    """As `map_request`, waiting, with the solving in a process of its own.

    Args:
        problem: as for `map_request`.
        options: as for `map_request`; with a time limit the process is ended some time after it,
            whatever it is doing, and the result is a `timeout`.
        grace: how long after, in seconds.

    Raises:
        MappingError: as `map_request`.
    """
    options = options or Options()
    limit = options.time_limit
    solving = start_mapping(problem, options)
    try:
        result = solving.result(None if limit is None else limit + grace)
    except TimeoutError:
        return Result(Status.TIMEOUT, options.objective_name)
    finally:
        solving.cancel()
    if not isinstance(result, Result):
        raise MappingError("the worker answered something else than a result")
    return result
