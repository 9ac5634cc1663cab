"""The migration question: can that much be freed, by which moves, at what cost (paper, 3.2).

A dry run: nothing is touched. The cost of a plan is the memory that live migration copies; storage
is shared and re-routes are free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mip.clock import Clock
from mip.collecting import uncollected
from mip.instance.ground import Ground
from mip.migration.freeing_bandwidth import FreeingBandwidth
from mip.migration.freeing_hosts import FreeingHosts
from mip.migration.plan import Plan, Point
from mip.problem.statement import Embedded, Options
from rdl.graph import Graph

HOSTS = "hosts"
BANDWIDTH = "bandwidth"


def consolidate(
    substrate: Graph,
    embedded: Sequence[Embedded],
    free: float,
    of: str = HOSTS,
    options: Options | None = None,
    *,
    unavailable: frozenset[str] = frozenset(),
    told: Callable[[Point], None] | None = None,
) -> Plan:
    """Free at least the share `free` of what is in use, at the least memory moved.

    Args:
        substrate: the UL graph.
        embedded: all CloudNets on it.
        free: between 0 and 1.
        of: `hosts` that carry a VNode, or `bandwidth` in use summed over the links.
        options: the time limit; None for 60 s.
        unavailable: elements that may take nothing new.
        told: told each point as it is found, be it on the front or not.

    Returns:
        A plan; `possible` says if there is one. Its front holds the cheapest plan of each step
        found, ordered by the share freed; no point costs as much as a later one.

    Raises:
        ValueError: `of` is neither, or `free` isn't a share.
    """
    if of not in {HOSTS, BANDWIDTH} or not 0 <= free <= 1:
        raise ValueError(f"{free} of {of}: a share of hosts or of bandwidth is wanted")
    clock = Clock(60.0 if options is None else options.time_limit)
    ground = Ground(substrate, unavailable)
    way = FreeingHosts if of == HOSTS else FreeingBandwidth
    with uncollected():
        return way(ground, tuple(embedded), clock, told).plan(free)
