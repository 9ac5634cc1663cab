"""CloudNets that can't be carried any more where they are, mapped anew by the role itself.

What can't be: a host or provider is away, a link or switch on a path is down (the controller keeps
to the path that it was given), a provider doesn't mend its part, has given it up, or what is lost
is turned down again and again.
A mending is a generation that nobody asked for: what is asked stays as it was, and what is away or
drained carries nothing of it. It is confirmed as soon as it is held.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.model.settings import Heal
from cloudnet_sdn.model.states import OfferKind, OfferState, Wanted
from cloudnet_sdn.ports import Clock, CloudnetId, OfferId
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.mapping.component import Mapping
from cloudnet_sdn.roles.offers.lifecycle import Lifecycle
from cloudnet_sdn.roles.offers.negotiation import Negotiation
from cloudnet_sdn.store import cloudnets, offers, tags, tasks
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.offers import GraphLayer
from cloudnet_sdn.wire.faults import Conflict
from rdl.graph import Graph

log = logging.getLogger(__name__)

_AT_ONCE = 4
"""Mendings by policy that are worked on at a time: owners' requests want to be served as well."""
_DOUBLINGS = 4
"""The pause between two tries grows to 16 times the first."""


@dataclass(frozen=True)
class _Tried:
    """How often a CloudNet has been mended, or in vain; and before when it isn't again."""

    times: int
    next: dt.datetime


class Mending:
    """Has CloudNets mapped anew, and by policy finds out which."""

    def __init__(
        self,
        *,
        store: Store,
        negotiation: Negotiation,
        lifecycle: Lifecycle,
        mapping: Mapping,
        clock: Clock,
        policy: Heal,
    ) -> None:
        self._store = store
        self._negotiation = negotiation
        self._lifecycle = lifecycle
        self._mapping = mapping
        self._clock = clock
        self._policy = policy
        self._tried: dict[CloudnetId, _Tried] = {}

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
        """The CloudNets that something has been wrong with for long enough, and that are due.

        What stays broken is tried with growing pauses, a few at a time: what breaks again and again
        is mapped anew no more often, and everybody who is cut off at once doesn't ask at once.
        """
        now = self._clock.now()
        resting = {c for c, tried in self._tried.items() if now < tried.next}
        with self._store.read() as conn:
            hit = self._hit(conn, now - dt.timedelta(seconds=self._policy.after_s))
            found = [c for c in sorted(hit - resting) if _stands(conn, c)]
            working = len(offers.of_kind(conn, OfferKind.MENDING, OfferState.WORKING))
        due = found[: max(0, _AT_ONCE - working)]
        stays = resting.union(found)
        tried = {c: t for c, t in self._tried.items() if c in stays}
        self._tried = tried | {c: self._once_more(c, now) for c in due}
        return due

    def _once_more(self, cloudnet: CloudnetId, now: dt.datetime) -> _Tried:
        times = self._tried[cloudnet].times if cloudnet in self._tried else 0
        pause = self._policy.every_s * 2 ** min(times, _DOUBLINGS)
        return _Tried(times + 1, now + dt.timedelta(seconds=pause))

    def _hit(self, conn: sa.Connection, since: dt.datetime) -> frozenset[CloudnetId]:
        """The CloudNets that have lost a part, or have something at what has been away or down."""
        health = self._mapping.health
        found = set(tasks.given_up(conn))
        ailing = (tasks.get(conn, task) for task in health.ailing_since(since))
        found |= {e.task.cloudnet for e in ailing if e and e.wanted is Wanted.CONFIRMED}
        away, down = health.away_since(since), health.down_since(since)
        if not away and not down:
            return frozenset(found)
        base = self._mapping.base(conn)
        for plugin, target in away:
            # What a controller serves is nowhere else: without it nothing can be mapped anew.
            if target in base.elements:
                there = tasks.of_target(conn, plugin, target)
                found |= {e.task.cloudnet for e in there if e.wanted is Wanted.CONFIRMED}
        return frozenset(found | _cut(conn, base, down))


def _cut(conn: sa.Connection, base: Graph, down: frozenset[str]) -> set[CloudnetId]:
    """The CloudNets one of whose VLinks has its path, as it is in force, over what is down."""
    there = [e for e in down if e in base.elements]
    links = {e for e in there if base.elements[e].is_link}
    # A path that crosses a switch has a tag on each side of it.
    links.update(n for e in there if base.elements[e].is_node for n in base.neighbours(e))
    in_force: dict[str, CloudnetId] = {}
    for cloudnet in tags.users(conn, links):
        found = cloudnets.get(conn, cloudnet)
        if found is not None and found.offer:
            in_force[found.offer] = cloudnet
    texts = offers.graphs_of(conn, in_force, GraphLayer.ML)
    return {
        in_force[offer]
        for offer, text in texts.items()
        if any(not down.isdisjoint(p.on) for p in documents.mapping(text).mapping.values())
    }


def _stands(conn: sa.Connection, cloudnet: str) -> bool:
    found = cloudnets.get(conn, cloudnet)
    ready = found is not None and found.generation > 0 and found.live
    return ready and not offers.unsettled(conn, cloudnet)
