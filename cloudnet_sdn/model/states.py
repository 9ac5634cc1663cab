"""The states an offer, a CloudNet and a task can be in, and the steps between them.

Every change of state goes through the store as "from one of these to that", so two threads or
processes can't both take a step that only one may take.
"""

from __future__ import annotations

import enum


class OfferState(enum.StrEnum):
    """Where the negotiation of one generation stands (contract, "An offer")."""

    WORKING = "working"
    HELD = "held"
    REFUSED = "refused"
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


class OfferKind(enum.StrEnum):
    """What an offer negotiates."""

    CREATION = "creation"
    """A new CloudNet."""
    REPLACEMENT = "replacement"
    """A CloudNet that is held, to be another one."""
    MODIFICATION = "modification"
    """The next generation of a CloudNet that stands."""
    MENDING = "mending"
    """The same, by the role itself."""


class CloudnetState(enum.StrEnum):
    """Where a CloudNet stands, as stored; `running` and `degraded` are only ever observed."""

    PRELIMINARY = "preliminary"
    READY = "ready"
    RELEASING = "releasing"
    RELEASED = "released"
    FAILED = "failed"


class Wanted(enum.StrEnum):
    """What a task is meant to come to."""

    PRESENT = "present"
    CONFIRMED = "confirmed"
    ABSENT = "absent"


class TaskState(enum.StrEnum):
    """What is known to have come of a task."""

    PLANNED = "planned"
    PRESENT = "present"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    ABSENT = "absent"


OFFER_STEPS: dict[OfferState, frozenset[OfferState]] = {
    OfferState.WORKING: frozenset(
        {OfferState.HELD, OfferState.REFUSED, OfferState.FAILED, OfferState.CANCELLED}
    ),
    OfferState.HELD: frozenset({OfferState.CONFIRMING, OfferState.EXPIRED, OfferState.CANCELLED}),
    OfferState.CONFIRMING: frozenset({OfferState.CONFIRMED, OfferState.FAILED}),
    OfferState.CONFIRMED: frozenset(),
    OfferState.REFUSED: frozenset(),
    OfferState.EXPIRED: frozenset(),
    OfferState.CANCELLED: frozenset(),
    OfferState.FAILED: frozenset(),
}

CLOUDNET_STEPS: dict[CloudnetState, frozenset[CloudnetState]] = {
    CloudnetState.PRELIMINARY: frozenset(
        {CloudnetState.READY, CloudnetState.RELEASING, CloudnetState.FAILED}
    ),
    CloudnetState.READY: frozenset({CloudnetState.RELEASING}),
    CloudnetState.RELEASING: frozenset({CloudnetState.RELEASED}),
    CloudnetState.RELEASED: frozenset(),
    CloudnetState.FAILED: frozenset(),
}

LIVE = (CloudnetState.PRELIMINARY, CloudnetState.READY, CloudnetState.RELEASING)
"""The states in which a CloudNet keeps its name and may still use the substrate."""

SETTLED = (
    OfferState.CONFIRMED,
    OfferState.REFUSED,
    OfferState.EXPIRED,
    OfferState.CANCELLED,
    OfferState.FAILED,
)
"""The states an offer never leaves."""


def before(state: OfferState) -> tuple[OfferState, ...]:
    """The states from which an offer may step to `state`."""
    return tuple(s for s, nexts in OFFER_STEPS.items() if state in nexts)


def cloudnet_before(state: CloudnetState) -> tuple[CloudnetState, ...]:
    """The states from which a CloudNet may step to `state`."""
    return tuple(s for s, nexts in CLOUDNET_STEPS.items() if state in nexts)


def agrees(wanted: Wanted, state: TaskState) -> bool:
    """Whether a task has come to what was wanted of it."""
    return wanted.value == state.value
