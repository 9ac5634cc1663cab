"""What the operator of a controller decides about its VLinks."""

from __future__ import annotations

from dataclasses import dataclass, field

from ryu_apps.compile import Guard
from ryu_apps.placing import Ranges
from ryu_apps.topology import Capacities


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decides.

    Attributes:
        guard: how meters are set.
        ranges: tags and meter ids that may be given out.
        capacities: of links, where the operator knows better than the switches.
        wait_s: how long a call waits for a switch that is away or a link not discovered yet.
        retry_s: pause between attempts at what a switch refused.
        audit_s: pause between looks at what switches hold.
    """

    guard: Guard = field(default_factory=Guard)
    ranges: Ranges = field(default_factory=Ranges)
    capacities: Capacities = field(default_factory=Capacities)
    wait_s: float = 5.0
    retry_s: float = 10.0
    audit_s: float = 60.0
