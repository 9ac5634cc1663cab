"""The process that `mip.workers.handle` starts: jobs from stdin, answers to stdout.

It ends with its parent: once stdin closes, it removes its folder and kills its process group.
What a mapping needs is imported before the first job comes.
"""

from __future__ import annotations

import gc
import importlib
import os
import queue
import shutil
import signal
import sys
import threading
from pathlib import Path

from mip.workers.messages import FOLDER, Answer, Job, failed, packed, read, unpacked, write

_WARM = ("mip.mapping", "numpy.ma", "pulp", "highspy")
"""What is imported early; those of third parties only where they are installed."""
_TRIES = 100
"""A solver that still writes may keep a folder from being removed, but not a removed one."""


def main() -> None:
    """Do jobs until stdin closes."""
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    at_home = threading.Event()
    listener = threading.Thread(target=_listen, args=(jobs, at_home), daemon=True)
    listener.start()
    at_home.wait()
    _warm_up()
    try:
        write(answers, packed(Answer("ready")))
        while True:
            job = jobs.get()
            write(answers, packed(Answer("begun")))
            write(answers, _answer(job, answers))
            gc.collect()  # off while it solved
    except BrokenPipeError:
        listener.join()  # it ends this process


def _warm_up() -> None:
    for module in _WARM:
        try:
            importlib.import_module(module)
        except ImportError:
            if module.startswith("mip."):
                raise
    from mip.objectives import names

    names()  # looks through what is installed, once
    gc.collect()
    gc.freeze()


def _answer(body: bytes, answers: int) -> bytes:
    try:
        return packed(Answer("value", _do(unpacked(body), answers)))
    except Exception as error:
        return failed(error)


def _do(job: Job, answers: int) -> object:
    lock = threading.Lock()

    def tell(value: float | None, bound: float | None) -> None:
        with lock:
            write(answers, packed(Answer("progress", (value, bound))))

    module, _, name = job.function.partition(":")
    function = getattr(importlib.import_module(module), name)
    return function(*job.arguments, progress=tell)


def _listen(jobs: queue.SimpleQueue[bytes], at_home: threading.Event) -> None:
    """Take jobs as they come, and end with the parent, whatever is being done."""
    folder = Path(os.environ.get("TMPDIR", ""))
    mine = folder.name.startswith(FOLDER)
    try:
        if mine:
            folder.mkdir(mode=0o700)
        at_home.set()
        while True:
            jobs.put(read(sys.stdin.fileno()))
    except (EOFError, OSError):
        for _ in range(_TRIES):  # nobody else is left to remove it
            if mine and folder.exists():
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main()
