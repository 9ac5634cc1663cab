"""What runs on a Dask worker: a solve in a child of its own, watched by the task.

A worker keeps warm processes as a role does (`mip.workers.pool`), as many as it has threads. The
task looks whether it is still wanted: Dask marks it as cancelled when its client cancels it or has
gone, and closes the worker when the scheduler has gone. Should the worker itself be killed, its
processes end with it.
"""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import CancelledError
from functools import cache
from importlib.metadata import version as version_of
from typing import Any

from mip.errors import NoTurnError, SendingError
from mip.workers.messages import Answer, failed, packed, unpacked
from mip.workers.pool import Bounds, Pool, usual_memory
from mip.workers.process import Solving, later, limit_of

_LOOK_S = 0.05
"""Between looks whether a solve is still wanted."""

_lock = threading.Lock()


def solve(body: bytes, *, version: str, asked: float, memory: int, grace: float) -> bytes:
    """Do a job in a child process, and end it as soon as nobody wants it.

    Args:
        body: the job, packed.
        version: of cloudnet-sdn, where the job comes from.
        asked: when it was sent, in seconds since the epoch: the wait counts against its limit.
        memory: bytes resident above which it is ended; 0: an equal share of this machine.
        grace: how long after its time limit it is ended, in seconds.

    Returns:
        The `Answer`, packed; an error, too.
    """
    from distributed import get_worker

    here = version_of("cloudnet-sdn")
    if version != here:
        return failed(SendingError(f"the worker has cloudnet-sdn {here}, not {version}"))
    try:
        worker = get_worker()
        job = later(unpacked(body), max(0.0, time.time() - asked))
        limit = limit_of(job)
        most = math.inf if limit is None else limit + grace
        pool = _pool(worker.state.nthreads, memory)
        solving = pool.submit(lambda waited: later(job, waited), limit=limit)
        try:
            return packed(Answer("value", _watched(solving, worker, most)))
        finally:
            solving.cancel()
    except Exception as exc:
        return failed(exc)


def _watched(solving: Solving, worker: Any, most: float) -> Any:
    key = worker.get_current_task()
    while _wanted(worker, key) and solving.age < most:
        try:
            return solving.result(_LOOK_S)
        except TimeoutError:
            continue
        except CancelledError:
            break
    raise NoTurnError("the solve isn't wanted any more, or has overstayed")


def _wanted(worker: Any, key: str) -> bool:
    """Whether the worker goes on, and the task is neither cancelled nor forgotten."""
    from distributed.core import Status

    task = worker.state.tasks.get(key)
    going = worker.status in (Status.running, Status.paused, Status.closing_gracefully)
    return going and task is not None and task.state in ("executing", "long-running")


def _pool(workers: int, memory: int) -> Pool:
    with _lock:  # `cache` alone may make two
        return _made(workers, memory)


@cache
def _made(workers: int, memory: int) -> Pool:
    """The processes for jobs of one bound on memory; they end with this process."""
    return Pool(Bounds(workers, memory=memory or usual_memory(workers)))
