"""Solves on the operator's Dask cluster, as long as its scheduler answers and has workers.

One thread holds the connection; its asyncio loop is the only place where Dask is called. It looks
at the scheduler every half a second: which worker has which solve. Whoever waits for a solve whose
worker has gone, or that was under way when the scheduler went, is told so at once, and tries it
elsewhere. Dask is imported there and nowhere else (the extra `dask`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mip.solvers.linear import Progress
from mip.workers.cluster_task import solve
from mip.workers.handle import NotBegunError
from mip.workers.messages import Answer, unpacked
from mip.workers.process import GRACE_S

log = logging.getLogger(__name__)

_LOOK_S = 0.5
"""Between looks at a scheduler that answers."""
_PAUSE_S = 1.0
"""Between attempts to reach one that doesn't."""
_LEAVE_S = 0.5
"""How long a connection is given to close."""
_SILENT = "it doesn't answer"
_LOST = "the connection was lost"

Told = Callable[[bool, str], None]
"""Told that solves don't go to the cluster any more, and why, or that they do again."""


@dataclass(frozen=True)
class Scheduler:
    """Where a Dask scheduler is.

    Attributes:
        address: `tcp://HOST:PORT`, or `tls://HOST:PORT` with the three files.
        ca: PEM file of the authority that has signed the cluster's certificates.
        cert: PEM file of this end's certificate.
        key: PEM file of its private key.
    """

    address: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass
class _UnderWay:
    """A solve that has been sent: what waits for it, and the worker that was seen to have it."""

    waiting: asyncio.Task[Any]
    worker: str = ""


class Cluster:
    """A Dask cluster as a place to solve at; to be closed by whoever made it."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        memory: int = 0,
        grace: float = GRACE_S,
        answer_s: float = 3.0,
        told: Told = lambda _there, _why: None,
    ) -> None:
        """Nothing is done before `start`.

        Args:
            scheduler: where it is.
            memory: bytes resident above which a solve is ended; 0: an equal share of the machine
                it is on.
            grace: how long after its time limit the worker ends a solve, in seconds.
            answer_s: within which the scheduler answers, or is away.
            told: told of changes, one after the other, in a thread of the cluster's.
        """
        self._scheduler = scheduler
        self._memory = memory
        self._grace = grace
        self._answer_s = answer_s
        self._told = told
        self._there: bool | None = None
        self._client: Any = None
        self._under_way: dict[str, _UnderWay] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._leave = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="cluster", daemon=True)

    def start(self) -> None:
        """Look for the scheduler, in the background, and go on looking."""
        self._thread.start()

    def close(self) -> None:
        """End what is solved there, and the connection; may be repeated."""
        with self._lock:
            closed, self._closed = self._closed, True
        if closed:
            return
        if self._thread.ident is None:
            self._loop.close()
            return
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join()

    def worker(self) -> Remote | None:
        """A place for one solve; None while the cluster is away."""
        client = self._client
        there = self._there and client is not None and client.status == "running"
        return Remote(self) if there and not self._closed else None

    def send(self, job: bytes) -> Future[bytes]:
        """Have a packed job done; what comes back is a packed `Answer`, cancelling ends it there.

        Raises:
            CancelledError: the cluster has been closed.
        """
        with self._lock:
            if self._closed:
                raise CancelledError
            return asyncio.run_coroutine_threadsafe(self._sent(job), self._loop)

    # -- in the thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._stay())
        finally:
            self._there = False

    async def _stay(self) -> None:
        """Keep a connection until it is time to leave."""
        keeping = asyncio.create_task(self._keep())
        await self._leave.wait()
        keeping.cancel()
        await asyncio.wait([keeping])

    async def _keep(self) -> None:
        ours = asyncio.current_task()
        while True:
            try:
                await self._connected()
            except Exception as exc:  # whatever Dask, TLS and the network come up with
                await self._note(there=False, why=str(exc).strip() or _SILENT)
            except asyncio.CancelledError:
                # Dask ends what waits for a scheduler that has gone in the same way as we do.
                if ours is None or ours.cancelling():
                    raise
                await self._note(there=False, why=_LOST)
            await asyncio.sleep(_PAUSE_S)

    async def _connected(self) -> None:
        """Connect, and stay until the connection is lost, which is an error."""
        from distributed import Client

        # They log each attempt with a traceback; what comes of them is said by `_note`, once.
        logging.getLogger("distributed").setLevel(logging.WARNING)
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        client = Client(
            self._scheduler.address,
            asynchronous=True,
            set_as_default=False,
            direct_to_workers=False,  # only the scheduler has to be within reach
            timeout=self._answer_s,
            security=_security(self._scheduler),
            name="cloudnet",
        )
        try:
            await client
            self._client = client
            await self._watch(client)
        finally:
            self._client = None
            self._give_up(self._under_way)
            await asyncio.sleep(0)  # what waits lets go of its solve while the client is there
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(), _LEAVE_S)

    async def _watch(self, client: Any) -> None:
        while True:
            asked = client.scheduler.processing(workers=None)
            try:
                having = await asyncio.wait_for(asked, self._answer_s)
            except TimeoutError:
                raise ConnectionError(_SILENT) from None
            except Exception as exc:  # Dask's connections end in many ways
                raise ConnectionError(_LOST) from exc
            if client.status != "running":
                raise ConnectionError(_LOST)
            await self._note(there=bool(having), why="" if having else "it has no workers")
            self._give_up(self._lost(having))
            await asyncio.sleep(_LOOK_S)

    def _lost(self, having: Mapping[str, Collection[str]]) -> list[str]:
        """The solves whose worker has gone: Dask may begin them again, but nobody knows when."""
        if not having:
            return list(self._under_way)
        for worker, keys in having.items():
            for sent in (self._under_way[key] for key in keys if key in self._under_way):
                if not sent.worker or sent.worker in having:  # Dask may move what hasn't begun
                    sent.worker = worker
        return [k for k, u in self._under_way.items() if u.worker and u.worker not in having]

    def _give_up(self, keys: Collection[str]) -> None:
        for key in list(keys):
            self._under_way[key].waiting.cancel()

    async def _sent(self, job: bytes) -> bytes:
        waiting = asyncio.current_task()
        client = self._client
        if client is None or waiting is None:
            raise ConnectionError("the scheduler has just gone")
        key = f"cloudnet-solve-{secrets.token_hex(8)}"
        future = client.submit(
            solve,
            job,
            version=version("cloudnet-sdn"),
            asked=time.time(),
            memory=self._memory,
            grace=self._grace,
            key=key,
            pure=False,
        )
        self._under_way[key] = _UnderWay(waiting)
        try:
            body: bytes = await future
            return body
        finally:
            del self._under_way[key]
            with contextlib.suppress(Exception):  # the connection may have gone
                await client.cancel([future])

    async def _note(self, *, there: bool, why: str) -> None:
        if there == self._there:
            return
        news = not there or self._there is not None
        self._there = there
        if there:
            log.info("back scheduler=%s: solves go there", self._scheduler.address)
        else:
            log.warning("away scheduler=%s: %s; solved here", self._scheduler.address, why)
        if news:
            await self._loop.run_in_executor(None, self._tell, there, why)  # it may take its time

    def _tell(self, there: bool, why: str) -> None:
        try:
            self._told(there, why)
        except Exception:
            log.exception("nobody could be told of the scheduler")


class Remote:
    """A place for one solve on a cluster; see `handle.Worker`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._killed = False
        self._began = time.monotonic()
        self._sent: Future[bytes] | None = None

    def do(self, job: bytes, progress: Progress | None = None, memory: int = 0) -> Answer:
        """Have a job done.

        Args:
            job: what, packed.
            progress: nothing is told from there.
            memory: the cluster's own bound counts.

        Raises:
            NotBegunError: it came to nothing there: another worker may do it.
        """
        del progress, memory
        try:
            answer: Answer = unpacked(self._send(job).result())
        except CancelledError as exc:
            raise self._in_vain("its worker or the scheduler has gone") from exc
        except Exception as exc:  # whatever Dask comes up with
            raise self._in_vain(f"{type(exc).__name__}: {exc}") from exc
        return answer

    def _in_vain(self, why: str) -> NotBegunError:
        if not self._killed:
            log.warning("lost in_s=%.3f: %s", time.monotonic() - self._began, why)
        return NotBegunError(why)

    def _send(self, job: bytes) -> Future[bytes]:
        with self._lock:
            if self._killed:
                raise CancelledError
            self._sent = self._cluster.send(job)
            return self._sent

    def kill(self) -> None:
        """End it, on the cluster, too."""
        with self._lock:
            self._killed = True
        if self._sent is not None:
            self._sent.cancel()


def _security(scheduler: Scheduler) -> Any:
    if not scheduler.address.startswith("tls://"):
        return None
    from distributed.security import Security

    return Security(
        require_encryption=True,
        tls_ca_file=str(scheduler.ca),
        tls_client_cert=str(scheduler.cert),
        tls_client_key=str(scheduler.key),
    )
