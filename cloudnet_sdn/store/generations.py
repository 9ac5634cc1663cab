"""A CloudNet's generations: what one takes over from another, and what is free once it is gone.

A generation is what an offer came to: the offer's tasks, tags and amounts in use, and what it keeps
of the generation before. `put_in_force` makes it the CloudNet; `unstage` has it come to nothing.
Both are steps of one transaction.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from cloudnet_sdn.model.states import CloudnetState, Wanted
from cloudnet_sdn.store import cloudnets, offers, substrate, tags, tasks, usage
from cloudnet_sdn.store.offers import Offer


def put_in_force(
    conn: sa.Connection, offer: Offer, before: Offer | None, wanted: Wanted, now: dt.datetime
) -> None:
    """An offer's generation takes the place of `before`'s; what isn't kept is to be removed."""
    tasks.put_in_force(conn, offer, before, wanted, now)
    tags.put_in_force(conn, offer)
    if before is not None:
        offers.keep(conn, before.id, {})
    offers.keep(conn, offer.id, {})
    tidy(conn, offer.cloudnet)


def absorb(conn: sa.Connection, offer: Offer, now: dt.datetime) -> None:
    """An offer's round takes the place of earlier ones of its own."""
    tasks.absorb(conn, offer, now)
    offers.keep(conn, offer.id, {**offer.kept, "rounds": []})
    tidy(conn, offer.cloudnet)


def unstage(conn: sa.Connection, offer: Offer, now: dt.datetime) -> None:
    """An offer comes to nothing; the generation that stands is as it was."""
    tasks.unstage(conn, offer, now)
    tidy(conn, offer.cloudnet)


def tidy(conn: sa.Connection, cloudnet: str) -> bool:
    """Free what no generation has any more, once nothing is left to be removed; whether it is so.

    Not before: what is still on a host, or in a switch that is away, still takes its room.
    """
    if tasks.leaving(conn, cloudnet):
        return False
    tasks.forget(conn, cloudnet)
    found = cloudnets.get(conn, cloudnet)
    if found is None:
        return True
    rounds = {found.generation} if found.state is CloudnetState.READY else set()
    kept: set[int] = set()
    for offer in offers.unsettled(conn, cloudnet):
        rounds |= offer.rounds
        kept |= set(offer.kept_tags)
    substrate.lock(conn)  # before tags, as whoever reserves does
    usage.free(conn, cloudnet, but=rounds)
    tags.free(conn, cloudnet, rounds=rounds, kept=kept)
    substrate.bump(conn)
    return True
