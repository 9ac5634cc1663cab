"""Reservations: everything a solved request takes, in one transaction, or nothing.

Checks again what may have moved since the snapshot it was solved on, then takes tags, stores the
graphs, and writes the intent to embed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudnet_sdn.model.settings import RoleKind, Settings
from cloudnet_sdn.model.states import OfferKind, OfferState
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import Json, Plan, Refused
from cloudnet_sdn.roles.effects.runner import Effects
from cloudnet_sdn.roles.mapping import federation, stubs
from cloudnet_sdn.roles.mapping.component import Mapping, View
from cloudnet_sdn.roles.reserving import addresses, segments
from cloudnet_sdn.roles.reserving.difference import difference
from cloudnet_sdn.roles.reserving.tags import NoTag, Route, pick
from cloudnet_sdn.store import cloudnets, offers, substrate, tags, tasks, usage
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.offers import GraphLayer, Offer
from cloudnet_sdn.store.tasks import Entry
from mip.mapping import mapping_graph
from mip.problem.statement import Problem, Result
from rdl.graph import Graph, MappingGraph
from rdl.language.dump import dump

Place = tuple[str, int]
"""A place and a tag there."""


class Moved(Exception):
    """Somebody else was faster: solve anew."""


class Withdrawn(Exception):
    """The offer isn't being worked on any more."""


@dataclass(frozen=True)
class Solved:
    """A request with its mapping, not yet reserved.

    Attributes:
        view: the snapshot.
        problem: what was solved.
        result: what came out.
        anchors: where its stubs end.
        overlay: the OL1 graph.
    """

    view: View
    problem: Problem
    result: Result
    anchors: stubs.Anchors
    overlay: Graph


@dataclass(frozen=True)
class Reserved:
    """What was taken.

    Attributes:
        round: its number.
        kept: what it keeps of the generation before (see `store.offers.Offer.kept`).
        overlay: the OL1 graph.
        mapping: the ML graph.
        tags: the transit tags among the rest.
    """

    round: int
    kept: Json
    overlay: Graph
    mapping: MappingGraph
    tags: tuple[tags.Reservation, ...]


class Reservations:
    """Takes what offers need."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        mapping: Mapping,
        effects: Effects,
        settings: Settings,
    ) -> None:
        self._store = store
        self._registry = registry
        self._mapping = mapping
        self._effects = effects
        self._settings = settings

    @repeatable
    def reserve(
        self,
        offer: Offer,
        solved: Solved,
        *,
        options: Json,
        shunned: frozenset[Place],
        over: int | None = None,
        now: dt.datetime,
    ) -> Reserved:
        """Take everything for a new round of an offer.

        Args:
            offer: whose.
            solved: what was solved, on which snapshot.
            options: for the plugins.
            shunned: (place, tag) pairs that turned out not to be free elsewhere.
            over: the round of the offer itself that this one is to take the place of.
            now: the time.

        Raises:
            Moved: it no longer fits.
            Refused: it can't be: no tag, or no way to bring it about.
            Withdrawn: the offer has been cancelled meanwhile.
        """
        try:
            with self._store.write() as conn:
                cloudnets.lock(conn, offer.cloudnet)
                current = offers.get(conn, offer.id)
                if current is None or current.state is not OfferState.WORKING:
                    raise Withdrawn
                if self._mapping.conflicts(
                    conn, solved.view, solved.problem, solved.result, offer.cloudnet
                ):
                    raise Moved
                return self._take(
                    conn, current, solved, options=options, shunned=shunned, over=over, now=now
                )
        except IntegrityError as exc:
            raise Moved from exc

    def _take(
        self,
        conn: sa.Connection,
        offer: Offer,
        solved: Solved,
        *,
        options: Json,
        shunned: frozenset[Place],
        over: int | None,
        now: dt.datetime,
    ) -> Reserved:
        before = self._before(conn, offer)
        overlay = solved.overlay
        if self._settings.kind is RoleKind.PIP:
            overlay = addresses.given(conn, self._settings.name, overlay)
        bare = mapping_graph(solved.result, solved.problem)
        at = solved.anchors.at
        ul = solved.problem.substrate
        routes = segments.routes(ul, overlay, bare, at, solved.anchors.pinned)
        had = {} if before is None else tags.of_offer(conn, before)
        if over is not None:
            had |= tags.of_offer(conn, offer)
        reserved = self._tags(conn, ul, routes, had.values(), shunned)
        mapping = segments.with_segments(ul, overlay, bare, at, reserved)
        round_ = cloudnets.next_round(conn, offer.cloudnet)
        key = offer.cloudnet if round_ == 1 else f"{offer.cloudnet}-{round_}"
        plan = Plan(offer.cloudnet, ul, overlay, mapping, at, (), options, key)
        standing = [] if before is None else tasks.of_offer(conn, before)
        if over is not None:
            standing += self._own(conn, offer)
        change = difference(standing, self._effects.plan(plan), self._registry)
        wanted = set(reserved)
        kept: Json = {
            "tasks": list(change.kept),
            "tags": [i for i, r in had.items() if r in wanted],
            "rounds": [] if over is None else [over],
        }
        tags.reserve(conn, offer.cloudnet, round_, sorted(wanted - set(had.values())))
        base = ul if self._settings.kind is RoleKind.VNP else self._mapping.base(conn)
        usage.put(conn, offer.cloudnet, round_, self._mapping.takes(base, overlay, mapping))
        offers.in_round(conn, offer.id, round_, kept)
        offers.put_graph(conn, offer.id, GraphLayer.OL1, dump(overlay))
        offers.put_graph(conn, offer.id, GraphLayer.ML, dump(mapping))
        tasks.plan(
            conn,
            offer.cloudnet,
            offer.id,
            round_=round_,
            planned=change.planned,
            now=now,
            succeeding=change.succeeding,
        )
        substrate.bump(conn)
        return Reserved(round_, kept, overlay, mapping, tuple(reserved))

    @staticmethod
    def _own(conn: sa.Connection, offer: Offer) -> list[Entry]:
        """What earlier rounds of an offer hold that the next one may keep or change in place.

        What is to change a generation in force stands beside it, and the next round's is to change
        the same: providers are told which change it takes the place of.
        """
        own = [e for e in tasks.of_offer(conn, offer) if e.offer == offer.id]
        if offer.kind in (OfferKind.CREATION, OfferKind.REPLACEMENT):
            return own
        return [e for e in own if e.succeeds is None]

    @staticmethod
    def _before(conn: sa.Connection, offer: Offer) -> Offer | None:
        """The generation that an offer's is to follow."""
        if offer.kind is OfferKind.CREATION or offer.kind is OfferKind.REPLACEMENT:
            replaced = offers.get(conn, offer.replaces) if offer.replaces else None
            return replaced if replaced and replaced.state is OfferState.HELD else None
        found = cloudnets.get(conn, offer.cloudnet)
        return None if found is None else offers.get(conn, found.offer)

    def _tags(
        self,
        conn: sa.Connection,
        ul: Graph,
        routes: Sequence[Route],
        had: Collection[tags.Reservation],
        shunned: frozenset[Place],
    ) -> list[tags.Reservation]:
        """Tags for all VLinks; of those in use, what the CloudNet has itself may stay its.

        Raises:
            Refused: there is none for one of them.
        """
        places = {place for one in routes for stretch in one.stretches for place in stretch}
        taken = {place: set(numbers) for place, numbers in tags.taken(conn, places).items()}
        for place, tag in shunned:
            taken.setdefault(place, set()).add(tag)
        own: dict[str, dict[str, int]] = {}
        for reservation in had:
            if (reservation.place, reservation.tag) not in shunned:
                own.setdefault(reservation.vlink, {})[reservation.place] = reservation.tag
        frozen = {place: frozenset(numbers) for place, numbers in taken.items()}
        try:
            return pick(routes, frozen, lambda place: self._allowed(ul, place), own)
        except NoTag as exc:
            raise Refused([exc.reason]) from exc

    def _allowed(self, ul: Graph, place: str) -> Sequence[int]:
        if self._settings.kind is RoleKind.VNP:
            return federation.tags_of(ul.elements[place])
        return self._span

    @cached_property
    def _span(self) -> Sequence[int]:
        """The tags of a PIP's own."""
        span = self._settings.vlans
        return [t for t in range(max(2, span.min), min(4094, span.max) + 1) if span.allowed(t)]
