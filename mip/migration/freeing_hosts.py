"""Fewer hosts: the least memory to move so that a number of hosts suffices.

A program over all VNodes, solved exactly for each number of hosts; paths follow, and a placement
without paths or without an order of moves is ruled out and the next best taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mip.clock import Clock
from mip.exact.host_count import nodes_alone
from mip.formulation.arc_flow import ArcFlow, Scope
from mip.formulation.reading import read
from mip.instance.ground import Ground
from mip.instance.instance import Instance, compile_instance
from mip.migration.front import front, memory_moved
from mip.migration.merged import Merged, merge
from mip.migration.moving import Carried, carry_out
from mip.migration.plan import Plan, Point
from mip.migration.steps import Steps
from mip.migration.targets import memory_weights, targets_of
from mip.problem.statement import Embedded
from mip.solvers.linear import INFINITY, Ending
from mip.solvers.series import series

_TRIES = 30
"""Placements ruled out for want of paths or of an order before a step is given up."""

_FURTHER = 0.2
_FURTHER_S = 0.03
"""Each point beyond the one asked for may take that share of the time which that one took, or these
seconds: looking around costs little, and small fronts come whole."""


def _hosts_of(embedded: Sequence[Embedded]) -> set[str]:
    return {
        p.on[0]
        for one in embedded
        for v, p in one.mapping.mapping.items()
        if one.overlay.elements[v].is_node and p.on
    }


@dataclass
class FreeingHosts:
    """Fewer hosts: one program over all VNodes, solved again with another number of hosts."""

    ground: Ground
    embedded: tuple[Embedded, ...]
    clock: Clock
    told: Callable[[Point], None] | None
    points: list[Point] = field(default_factory=list)

    def plan(self, free: float) -> Plan:
        """Ask for the target first, then for the rest of the front as far as the time goes."""
        before = len(_hosts_of(self.embedded))
        wanted = math.ceil(free * before - 1e-9)
        if wanted <= 0:
            return Plan(possible=True, frontier=(Point(0.0, 0, 0),))
        self.points.append(Point(0.0, 0, 0))
        began = time.monotonic()
        merged = merge(self.ground, self.embedded)
        instance = compile_instance(merged.problem, self.ground)
        if instance.refusals:
            return Plan(possible=False, frontier=front(self.points))
        programs = _Programs(merged, instance, before)
        answer = self._fewer(programs, wanted, sure=False)
        if answer is None:
            for freed in range(wanted - 1, 0, -1):
                if self.clock.over() or self._fewer(programs, freed) is not None:
                    break
            return Plan(possible=False, frontier=front(self.points))
        each = max(_FURTHER_S, _FURTHER * (time.monotonic() - began))
        whole = self.clock
        for freed in self._others(wanted, before):
            self.clock = whole.within(each) if freed > wanted else whole
            if whole.over() or (self._fewer(programs, freed) is None and freed > wanted):
                break
        return Plan(
            possible=True,
            freed=1 - len(_hosts_of(answer.after)) / before,
            memory_bytes=memory_moved(self.embedded, answer),
            moves=answer.moves,
            reroutes=answer.reroutes(self.embedded),
            frontier=front(self.points),
        )

    def _others(self, wanted: int, before: int) -> Iterator[int]:
        yield from range(wanted - 1, 0, -1)
        yield from range(wanted + 1, before)

    def _fewer(self, programs: _Programs, freed: int, *, sure: bool = True) -> Carried | None:
        """The cheapest plan that frees `freed` hosts or more; unless `sure`, the best in time."""
        before = programs.before
        for _ in range(_TRIES):
            places = programs.places(before - freed, self.clock, sure=sure)
            if places is None:
                return None
            targets = targets_of(programs.merged, programs.instance, places)
            carried = carry_out(self.ground, self.embedded, targets, self.clock, programs.steps)
            if not carried.left:
                share = 1 - len(_hosts_of(carried.after)) / before
                memory = memory_moved(self.embedded, carried)
                self.points.append(Point(share, len(carried.moves), memory))
                if self.told is not None:
                    self.told(self.points[-1])
                return carried
            programs.rule_out(places)
        return None


class _Programs:
    """Where all VNodes go with the least memory moved, given how many hosts may be used."""

    def __init__(self, merged: Merged, instance: Instance, before: int) -> None:
        self.merged = merged
        self.instance = instance
        self.before = before
        self.steps = Steps(merged, instance)
        self._flow = ArcFlow(nodes_alone(instance), memory_weights(merged), Scope(opened=before))
        row = self._flow.opened_row
        hopeless = self._flow.model.contradiction or row is None
        self._series = None if hopeless or row is None else series(self._flow.model, row)

    def places(self, hosts: int, clock: Clock, *, sure: bool) -> tuple[int, ...] | None:
        """Each VNode's vertex, on at most `hosts` hosts; None if there is no way, or no time."""
        if self._series is None or clock.over():
            return None
        outcome = self._series.solve(float(hosts), clock.left())
        if outcome.values is None or (sure and outcome.ending is not Ending.OPTIMAL):
            return None
        return read(self._flow, outcome.values).places

    def rule_out(self, places: Sequence[int]) -> None:
        """Never these places again."""
        columns = [self._flow.x[i][v] for i, v in enumerate(places)]
        if self._series is not None:
            self._series.row(dict.fromkeys(columns, 1.0), -INFINITY, len(columns) - 1.0)
