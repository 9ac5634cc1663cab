"""What the controller needs of its switches, as a Protocol, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ryu_apps.reconcile import Change
from ryu_apps.rules import Observed
from ryu_apps.spec import Dpid


class Away(Exception):
    """The switch isn't connected, or doesn't answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a switch made of changes.

    Attributes:
        rejected: the changes it answered by an error, with its text.
        away: why it isn't known what came of them; '' where a barrier says that they're done.
    """

    rejected: Mapping[Change, str] = field(default_factory=dict)
    away: str = ""


class Fabric(Protocol):
    """The connected switches. Both methods block for a bounded time."""

    def observe(self, dpid: Dpid) -> Observed:
        """What the switch holds.

        Raises:
            Away: it isn't there or doesn't answer.
        """

    def apply(self, changes: Mapping[Dpid, Sequence[Change]]) -> Mapping[Dpid, Outcome]:
        """Carry changes out at several switches at once, each switch's in order.

        Returns once every switch has answered a barrier behind the last change, or is away.
        """
