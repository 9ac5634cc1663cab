"""The program on a small part of the network: a mapping soon where placements alone don't tell.

Trees and backups have no paths that could be found one by one, and the program on the whole of a
large network is slow to have any solution. Among a few hosts and what is near them it is small;
what it finds is a mapping of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mip.draft import Draft
from mip.exact.program import Search, solve_plain
from mip.formulation.arc_flow import Scope
from mip.formulation.columns import Arc
from mip.instance.instance import Instance
from mip.objectives import Weights
from mip.solvers.registry import prompt_solver

_HOSTS, _TIMES = 16, 1.5
"""Hosts in a part at first, at least, and for each point."""

_STEPS = (1, 2, 4)
"""How many links away from where hosts hang paths may lead: tried one after the other."""

_SHARE = 0.7
_GAP = 0.05
"""The part of the time for each, and when a mapping is good enough there."""


def first_size(instance: Instance) -> int:
    """How many hosts are tried at first."""
    return max(_HOSTS, round(_TIMES * len(instance.points)))


def plain(instance: Instance) -> bool:
    """Whether every VLink is one path between two points."""
    return all(len(v.points) <= 2 and v.protection == "none" for v in instance.vlinks)


def mapped_nearby(instance: Instance, weights: Weights, search: Search) -> Draft | None:
    """A mapping over what is near the candidates of `instance`; None if none is found in time."""
    hosts = {v for p in instance.points for v in p.candidates}
    inside: dict[int, frozenset[int]] = {
        i: frozenset(p.candidates) for i, p in enumerate(instance.points)
    }
    for steps in _STEPS:
        if search.clock.over():
            break
        arcs = arcs_near(instance, hosts, steps)
        scope = Scope(hosts=inside, arcs=dict.fromkeys(range(len(instance.vlinks)), arcs))
        gap = max(search.gap, _GAP)
        moment = replace(
            search, solver=prompt_solver(), clock=search.clock.part(_SHARE), gap=gap, progress=None
        )
        found = solve_plain(instance, weights, moment, scope=scope)
        if found.draft is not None:
            return found.draft
    return None


def arcs_near(instance: Instance, hosts: Iterable[int], steps: int) -> frozenset[Arc]:
    """Arcs between the hosts and vertices at most `steps` links from where they hang."""
    network = instance.network
    seen = set(hosts)
    edge = list(seen)
    for _ in range(1 + steps):
        beyond = {near for v in edge for _, near in network.incident[v]} - seen
        edge = [v for v in beyond if network.forwards[v]]
        seen.update(edge)
    return frozenset(
        (e, way) for v in seen for e, near in network.incident[v] if near in seen for way in (0, 1)
    )
