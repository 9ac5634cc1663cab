"""What is long over isn't kept: dropped a little at a time, so that nobody waits for it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable

import sqlalchemy as sa

from cloudnet_sdn.model.settings import Keep
from cloudnet_sdn.ports import Clock
from cloudnet_sdn.store import keeping
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store

log = logging.getLogger(__name__)

BATCH = 100
"""Rows that one transaction looks for: others write in between."""
_PAUSE = dt.timedelta(minutes=10)

Drop = Callable[[sa.Connection, dt.datetime, int], int]


class Keeping:
    """Drops what has been over for long enough."""

    def __init__(self, store: Store, clock: Clock, policy: Keep) -> None:
        self._store = store
        self._clock = clock
        self._due: dt.datetime | None = None
        every: tuple[tuple[str, Drop, float], ...] = (
            ("documents", keeping.drop_documents, policy.refused_h / 24),
            ("CloudNets", keeping.drop_cloudnets, policy.released_d),
            ("offers", keeping.drop_offers, policy.released_d),
            ("events", keeping.drop_events, policy.events_d),
            ("calls", keeping.drop_calls, policy.audit_d),
        )
        self._drops = [(name, drop, dt.timedelta(days=days)) for name, drop, days in every if days]

    def tick(self) -> None:
        """Drop a batch of each, where it is time to look; the rest at the next tick."""
        now = self._clock.now()
        if self._due is not None and now < self._due:
            return
        more = False
        for name, drop, age in self._drops:
            count = self._drop(drop, now - age)
            more = more or count == BATCH
            if count:
                log.info("dropped %s: %s", name, count)
        self._due = None if more else now + _PAUSE

    @repeatable
    def _drop(self, drop: Drop, before: dt.datetime) -> int:
        with self._store.write() as conn:
            return drop(conn, before, BATCH)
