"""CloudNets that can't be carried any more where they are, mapped anew by the role itself.

A mending is a generation that nobody asked for: what is asked stays as it was, and what is away or
drained carries nothing of it. It is confirmed as soon as it is held.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Collection

import sqlalchemy as sa

from cloudnet_sdn.model.settings import Heal
from cloudnet_sdn.model.states import OfferKind, OfferState
from cloudnet_sdn.ports import Clock, CloudnetId, OfferId
from cloudnet_sdn.roles.mapping.health import Health
from cloudnet_sdn.roles.offers.lifecycle import Lifecycle
from cloudnet_sdn.roles.offers.negotiation import Negotiation
from cloudnet_sdn.store import cloudnets, offers, tasks
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.wire.faults import Conflict

log = logging.getLogger(__name__)


class Mending:
    """Has CloudNets mapped anew, and by policy finds out which."""

    def __init__(
        self,
        *,
        store: Store,
        negotiation: Negotiation,
        lifecycle: Lifecycle,
        health: Health,
        clock: Clock,
        policy: Heal,
    ) -> None:
        self._store = store
        self._negotiation = negotiation
        self._lifecycle = lifecycle
        self._health = health
        self._clock = clock
        self._policy = policy
        self._tried: dict[CloudnetId, dt.datetime] = {}

    def mend(self, several: Collection[CloudnetId]) -> list[CloudnetId]:
        """Begin to map CloudNets anew; answers those that could be begun with.

        One that is being changed by its owner is left alone.
        """
        begun = []
        for cloudnet in several:
            try:
                self._negotiation.mend(cloudnet, f"mending-{uuid.uuid4()}")
            except Conflict as exc:
                log.info("not mended cloudnet=%s: %s", cloudnet, exc)
                continue
            begun.append(cloudnet)
        return begun

    def resume(self) -> None:
        """Begin again with what ended for no fault of its own, such as a restart.

        Who was promised it, or what it is to be moved off, needn't say so a second time.
        """
        with self._store.read() as conn:
            cut_short = offers.cut_short(conn)
        self.mend(cut_short)

    def tick(self) -> None:
        """Confirm what is held, and by policy begin with what is broken."""
        with self._store.read() as conn:
            held = offers.of_kind(conn, OfferKind.MENDING, OfferState.HELD)
        for offer in held:
            self._lifecycle.confirm(OfferId(offer.id))
        if self._policy.enabled:
            self.mend(self._broken())

    def _broken(self) -> list[CloudnetId]:
        """The CloudNets with something that has been away or given up for long enough."""
        now = self._clock.now()
        after = dt.timedelta(seconds=self._policy.after_s)
        pause = dt.timedelta(seconds=self._policy.every_s)
        with self._store.read() as conn:
            found = _hit(conn, self._health.away_since(now - after))
        due = [c for c in found if now - self._tried.get(c, now - pause) >= pause]
        self._tried |= dict.fromkeys(due, now)
        return due


def _hit(conn: sa.Connection, away: Collection[tuple[str, str]]) -> list[CloudnetId]:
    """The CloudNets that stand and have something at one of these shells, or have lost a part."""
    found = set(tasks.given_up(conn))
    for plugin, target in away:
        found |= {e.task.cloudnet for e in tasks.of_target(conn, plugin, target)}
    return [c for c in sorted(found) if _stands(conn, c)]


def _stands(conn: sa.Connection, cloudnet: str) -> bool:
    found = cloudnets.get(conn, cloudnet)
    ready = found is not None and found.generation > 0 and found.live
    return ready and not offers.unsettled(conn, cloudnet)
