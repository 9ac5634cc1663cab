"""The process that `mip.workers.process` starts: one job from stdin, answers to stdout.

It ends with its parent: once stdin closes, it removes its folder and kills its process group.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import IO

from mip.errors import SendingError
from mip.workers.process import FOLDER, Answer, Job, pack, receive, send, unpack


def main() -> None:
    """Do one job."""
    stdin = sys.stdin.buffer
    stdout = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        job: Job = receive(stdin)
        threading.Thread(target=_end_with, args=(stdin,), daemon=True).start()
        answer = pack(Answer("value", _do(job, stdout)))
    except Exception as error:
        answer = _failed(error)
    send(stdout, answer)


def _failed(error: Exception) -> bytes:
    """The error itself, or what it says where it can't be pickled: a third party's may not."""
    try:
        body = pack(Answer("error", error))
        unpack(body)
    except SendingError:
        return pack(Answer("error", SendingError(f"{type(error).__name__}: {error}")))
    return body


def _do(job: Job, stdout: IO[bytes]) -> object:
    lock = threading.Lock()

    def tell(value: float | None, bound: float | None) -> None:
        with lock:
            send(stdout, pack(Answer("progress", (value, bound))))

    module, _, name = job.function.partition(":")
    function = getattr(importlib.import_module(module), name)
    return function(*job.arguments, progress=tell)


def _end_with(stdin: IO[bytes]) -> None:
    stdin.read()
    folder = Path(os.environ.get("TMPDIR", ""))
    if folder.name.startswith(FOLDER):  # nobody else is left to remove it
        shutil.rmtree(folder, ignore_errors=True)
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main()
