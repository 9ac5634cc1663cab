"""The solver behind the mapping component: warm workers, and who doesn't want a solve any more.

The workers are the role's own, or those of a Dask cluster while it is there.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

from cloudnet_sdn.model.settings import SolverSettings, SolvingSettings
from cloudnet_sdn.ports import OfferId, Refused
from mip.errors import OutOfMemoryError
from mip.problem.statement import Code, Options, Problem, Reason, Result
from mip.workers.cluster import Cluster, Scheduler, Told
from mip.workers.pool import Bounds, Pool, usual_memory, usual_workers
from mip.workers.process import Solving, awaited

log = logging.getLogger(__name__)

_MIB = 1 << 20


class PoolMapper:
    """Solves in processes of their own, so that no solve blocks a server; a few at a time.

    Args:
        settings: of the processes here.
        solving: of the cluster where solves go while it is there; none by default.
        told: told of whether they do; see `mip.workers.cluster.Told`.
    """

    def __init__(
        self,
        settings: SolverSettings,
        solving: SolvingSettings | None = None,
        told: Told = lambda _there, _why: None,
    ) -> None:
        workers = settings.workers or usual_workers()
        memory = settings.memory_mib * _MIB or usual_memory(workers)
        self._bounds = Bounds(workers, memory=memory)
        self._cluster: Cluster | None = None
        if solving is not None and solving.scheduler:
            scheduler = Scheduler(solving.scheduler, solving.ca, solving.cert, solving.key)
            most = settings.memory_mib * _MIB
            self._cluster = Cluster(scheduler, memory=most, told=told)
        self._pool: Pool | None = None
        self._lock = threading.Lock()
        self._attended: dict[OfferId, set[Solving]] = {}
        self._interrupted: set[OfferId] = set()

    def start(self) -> None:
        """Have workers started, in the background."""
        self._started()

    def close(self) -> None:
        """End all workers; solves under way end with `CancelledError`."""
        if self._pool is not None:
            self._pool.close()
        if self._cluster is not None:
            self._cluster.close()

    def map(self, problem: Problem, options: Options) -> Result:
        """See `mip.mapping.map_request`.

        Raises:
            Refused: it took too much memory.
            CancelledError: closed meanwhile.
        """
        return self._result(self._started().map(problem, options), problem, options)

    # -- for offers

    @contextlib.contextmanager
    def attending(self, offer: OfferId) -> Iterator[None]:
        """For the time that an offer is worked on: `interrupt` counts from its beginning."""
        with self._lock:
            self._attended[offer] = set()
        try:
            yield
        finally:
            with self._lock:
                self._attended.pop(offer, None)
                self._interrupted.discard(offer)

    def map_for(self, offer: OfferId, problem: Problem, options: Options) -> Result:
        """As `map`, for an offer that is attended to.

        Raises:
            Refused: it isn't wanted any more, or took too much memory.
            CancelledError: closed meanwhile.
        """
        pool = self._started()
        with self._lock:
            if offer in self._interrupted:
                raise Refused([])
            solving = pool.map(problem, options)
            self._attended[offer].add(solving)
        try:
            return self._result(solving, problem, options)
        except CancelledError as exc:
            with self._lock:
                interrupted = offer in self._interrupted
            if interrupted:
                raise Refused([]) from exc
            raise
        finally:
            with self._lock:
                self._attended[offer].discard(solving)

    def interrupt(self, offer: OfferId) -> None:
        """End what is solved for an offer, and what will be, while it is attended to."""
        with self._lock:
            if offer not in self._attended:
                return
            self._interrupted.add(offer)
            running = list(self._attended[offer])
        for solving in running:
            solving.cancel()

    def _started(self) -> Pool:
        with self._lock:
            if self._pool is None:
                if self._cluster is not None:
                    self._cluster.start()
                self._pool = Pool(self._bounds, self._cluster)
            return self._pool

    def _result(self, solving: Solving, problem: Problem, options: Options) -> Result:
        try:
            result = awaited(solving, options)
        except OutOfMemoryError as exc:
            log.warning("solve ended: %s; in_s=%.3f", exc, solving.age)
            text = f"no mapping was found: {exc}; a smaller request may fit"
            raise Refused([Reason(problem.request.name, Code.TIMEOUT, text)]) from exc
        log.debug("solved status=%s in_s=%.3f %s", result.status, solving.age, dict(result.seconds))
        return result
