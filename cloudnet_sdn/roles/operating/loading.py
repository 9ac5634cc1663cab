"""Another substrate is put in force: where it breaks nothing, or an operator insists."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from cloudnet_sdn.ports import Clock, CloudnetId
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.reserving.fitting import Break, Comparison, Fitting
from cloudnet_sdn.store import cloudnets, substrate, usage
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.substrate import Source
from rdl.graph import Graph

log = logging.getLogger(__name__)

_NAMED = 20
"""Breaks that the log names one by one."""
_TRIES = 3
"""How often it is compared without keeping others from writing."""


@dataclass(frozen=True)
class Loaded:
    """What came of loading.

    Attributes:
        done: whether it is in force.
        revision: of what is in force then.
        breaks: what it would break, or has broken.
    """

    done: bool
    revision: int
    breaks: Sequence[Break] = field(default=())

    @property
    def by_cloudnet(self) -> dict[CloudnetId, list[str]]:
        """What breaks, by CloudNet."""
        found: dict[CloudnetId, list[str]] = {}
        for one in self.breaks:
            found.setdefault(one.cloudnet.id, []).append(one.text)
        return found


class Loading:
    """Loads substrates."""

    def __init__(self, store: Store, fitting: Fitting, clock: Clock) -> None:
        self._store = store
        self._fitting = fitting
        self._clock = clock

    def load(self, text: str, *, force: bool) -> Loaded:
        """Put a document (canonical RDL) in force unless it breaks something, or all the same."""
        return self._load(text, Source.OPERATOR, force=force)

    def configured(self, text: str, file: Path) -> None:
        """Load what the configuration names, where it isn't what was loaded from there last."""
        digest = substrate.digest_of(text)
        with self._store.read() as conn:
            last, newest = substrate.newest(conn, Source.FILE), substrate.newest(conn)
        if newest is not None and digest in (newest.digest, last.digest if last else ""):
            return
        loaded = self._load(text, Source.FILE, force=False)
        if loaded.done:
            log.info("substrate loaded revision=%s file=%s", loaded.revision, file)
            return
        would = f"it would break {_summed(loaded.breaks)}"
        self._refused(f"{file} is not in force: {would}")
        log.error(
            "substrate file=%s is NOT in force, revision %s stays: %s; "
            "`cloudnet substrate load --force` insists",
            file,
            loaded.revision,
            would,
        )
        for one in loaded.breaks[:_NAMED]:
            log.error("would break cloudnet=%s: %s", one.cloudnet.id, one.text)

    @repeatable
    def _refused(self, told: str) -> None:
        with self._store.write() as conn:
            cloudnets.record(conn, "", self._clock.now(), "substrate refused", told)

    @repeatable
    def _load(self, text: str, source: Source, *, force: bool) -> Loaded:
        graph = documents.graph(text)
        # Who insists and gets no answer asks again: what it broke may not be mended yet.
        again = substrate.digest_of(text) if force else ""
        for _ in range(_TRIES):
            # Comparing takes its time, and nobody else could write meanwhile.
            with self._store.read() as conn:
                seen = substrate.revision(conn)
                comparison = self._compared(conn, graph, again)
            with self._store.write() as conn:
                if substrate.lock(conn) == seen:
                    return self._put(conn, text, source, comparison, force=force)
        with self._store.write() as conn:
            substrate.lock(conn)
            comparison = self._compared(conn, graph, again)
            return self._put(conn, text, source, comparison, force=force)

    def _compared(self, conn: sa.Connection, graph: Graph, again: str) -> Comparison:
        before = substrate.newest(conn, but=again)
        if before is None:
            return Comparison()
        return self._fitting.compare(conn, graph, documents.graph(before.graph))

    def _put(
        self, conn: sa.Connection, text: str, source: Source, comparison: Comparison, *, force: bool
    ) -> Loaded:
        now, breaks = self._clock.now(), comparison.breaks
        before = substrate.newest(conn)
        if breaks and not force:
            return Loaded(done=False, revision=before.revision if before else 0, breaks=breaks)
        for cloudnet, round_, amounts in comparison.recounted:
            usage.put(conn, cloudnet, round_, amounts)
        for broken in dict.fromkeys(b.cloudnet.id for b in breaks):
            cloudnets.record(conn, broken, now, "broken", "the substrate below it has changed")
        revision = substrate.load(conn, text, now, source=source)
        told = f"revision {revision} is in force"
        told += f" and breaks {_summed(breaks)}" if breaks else ""
        if before is not None:
            cloudnets.record(conn, "", now, "substrate", told)
        return Loaded(done=True, revision=revision, breaks=breaks)


def _summed(breaks: Sequence[Break]) -> str:
    names = Counter(b.cloudnet.id for b in breaks)
    return f"{len(names)} CloudNets: {', '.join(sorted(names)[:_NAMED])}"
