"""Less bandwidth in use: where all CloudNets would go at a price of memory, and the way there.

Small states are one exact program. In larger ones CloudNets are placed anew one by one, memory
being dear at first and then ever cheaper: a heuristic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mip.clock import Clock
from mip.exact.placements import PlacedSearch, placeable
from mip.exact.program import Search
from mip.formulation.arc_flow import ArcFlow
from mip.formulation.lazy_rows import mend
from mip.formulation.reading import read
from mip.instance.ground import Ground
from mip.instance.instance import Instance, compile_instance
from mip.migration.front import front, memory_moved
from mip.migration.merged import Merged, merge
from mip.migration.moving import Carried, as_embedded, carry_out, routed_anew
from mip.migration.plan import Plan, Point
from mip.migration.steps import Steps
from mip.migration.targets import memory_weights, targets_of
from mip.objectives import Cost, Weights
from mip.problem.statement import Embedded, Problem
from mip.solvers.linear import INFINITY, Limits
from mip.solvers.registry import prompt_solver
from rdl.graph import Element

_TRIES = 30
"""Placements ruled out for want of an order of moves before the exact way is given up."""


_SMALL = 6_000
"""Arcs times VLinks up to which freeing bandwidth is one exact program."""

_PRICES = 8
_FACTOR = 4.0
_HALVINGS = 6
_ROUNDS = 2
"""Prices of memory tried for bandwidth, each a quarter of the one before; how often the range in
which enough is freed is halved; rounds over all CloudNets at one price."""

_ROUNDING = 1e-12

_STEP_S = 2.0
_EACH = 1e-3
"""What a move costs beside its memory: nothing moves for nothing."""


@dataclass(frozen=True)
class _Tried:
    """What a price of memory led to: where all would best be, and what of that can be reached."""

    price: float
    state: tuple[Embedded, ...]
    carried: Carried


@dataclass
class FreeingBandwidth:
    """Less bandwidth: CloudNet by CloudNet, memory being dear at first and then ever cheaper."""

    ground: Ground
    embedded: tuple[Embedded, ...]
    clock: Clock
    told: Callable[[Point], None] | None
    points: list[Point] = field(default_factory=list)
    steps: Steps = field(init=False)

    def plan(self, free: float) -> Plan:
        """Lower the price of memory until enough is free, then look for a price in between."""
        before = self._in_use(self.embedded)
        self.points.append(Point(0.0, 0, 0))
        if not before or free <= 0:
            return Plan(possible=free <= 0, frontier=tuple(self.points))
        merged = merge(self.ground, self.embedded)
        instance = compile_instance(merged.problem, self.ground)
        self.steps = Steps(merged, instance)
        exactly = self._exact(merged, instance, free, before)
        if exactly is not None:
            return self._as_plan(exactly, before)
        dear, cheap = self._lowered(free, before)
        if cheap is None:
            return Plan(possible=False, frontier=front(self.points))
        answer = cheap.carried
        for _ in range(_HALVINGS):
            price = math.sqrt(dear.price * max(cheap.price, dear.price / _FACTOR**2))
            tried = self._at(price, before, dear, self._differing(dear, cheap))
            if self._share(tried.carried, before) < free - _ROUNDING:
                dear = tried
                continue
            cheap = tried
            if self._memory(cheap.carried) < self._memory(answer):
                answer = cheap.carried
        some = self._noted(self._reached(self._mixed(dear, cheap, free, before)), before)
        enough = self._share(some, before) >= free - _ROUNDING
        if enough and self._memory(some) < self._memory(answer):
            answer = some
        return self._as_plan(answer, before)

    def _mixed(
        self, dear: _Tried, cheap: _Tried, free: float, before: float
    ) -> tuple[Embedded, ...]:
        """As with the dear price, but for CloudNets that save most per byte, until it is enough."""
        state = list(dear.state)

        def gain(number: int) -> float:
            one, other = dear.state[number], cheap.state[number]
            moved = self._moved(number, other) - self._moved(number, one)
            return (self._in_use((one,)) - self._in_use((other,))) / max(moved, 1)

        for number in sorted(self._differing(dear, cheap), key=gain, reverse=True):
            if 1 - self._in_use(state) / before >= free - _ROUNDING:
                break
            state[number] = cheap.state[number]
        return tuple(state)

    def _as_plan(self, answer: Carried, before: float) -> Plan:
        return Plan(
            possible=True,
            freed=self._share(answer, before),
            memory_bytes=self._memory(answer),
            moves=answer.moves,
            reroutes=answer.reroutes(self.embedded),
            frontier=front(self.points),
        )

    def _exact(
        self, merged: Merged, instance: Instance, free: float, before: float
    ) -> Carried | None:
        """The least memory by one program over all VNodes and VLinks, where that is small."""
        size = sum(2 * len(v.edges) for v in instance.vlinks)
        if instance.refusals or size > _SMALL:
            return None
        flow = ArcFlow(instance, memory_weights(merged))
        used = flow.costs(Weights(carry=Cost().weights(merged.problem).carry))
        flow.model.row(used, -INFINITY, (1 - free) * before + 1e-6)
        best: Carried | None = None
        for _ in range(_TRIES):
            if flow.model.contradiction or self.clock.over():
                break
            outcome = prompt_solver().solve(flow.model, Limits(self.clock.left()))
            if outcome.values is None:
                break
            draft = read(flow, outcome.values)
            if mend(flow, draft, outcome.values):
                continue
            targets = targets_of(merged, instance, draft.places)
            carried = carry_out(self.ground, self.embedded, targets, self.clock, self.steps)
            if not carried.left:
                best = Carried(carried.moves, self._rerouted(carried.after))
                if self._share(best, before) >= free - _ROUNDING:
                    share = self._share(best, before)
                    self.points.append(Point(share, len(best.moves), self._memory(best)))
                    return best
            columns = [flow.x[i][v] for i, v in enumerate(draft.places)]
            flow.model.row(dict.fromkeys(columns, 1.0), -INFINITY, len(columns) - 1.0)
        return None

    def _lowered(self, free: float, before: float) -> tuple[_Tried, _Tried | None]:
        """The last price at which too little is freed, and the first at which enough is."""
        everyone = range(len(self.embedded))
        last: _Tried | None = None
        for price in self._prices():
            dear = last or _Tried(price * _FACTOR, self.embedded, Carried((), self.embedded))
            last = self._at(price, before, dear, everyone)
            if self._share(last.carried, before) >= free - _ROUNDING:
                return dear, last
            if self.clock.over():
                break
        return dear, None

    def _differing(self, dear: _Tried, cheap: _Tried) -> list[int]:
        """The CloudNets that a price in between may place in another way than the dear one."""
        both = enumerate(zip(dear.state, cheap.state, strict=True))
        return [k for k, (one, other) in both if one.mapping != other.mapping]

    def _at(self, price: float, before: float, start: _Tried, numbers: Sequence[int]) -> _Tried:
        """From where another price led: those CloudNets placed better at this one."""
        state = self._improved(price, start, numbers)
        return _Tried(price, state, self._noted(self._reached(state), before))

    def _noted(self, carried: Carried, before: float) -> Carried:
        """The same, as a point of the front."""
        share = self._share(carried, before)
        self.points.append(Point(share, len(carried.moves), self._memory(carried)))
        if self.told is not None:
            self.told(self.points[-1])
        return carried

    def _share(self, carried: Carried, before: float) -> float:
        return 1 - self._in_use(carried.after) / before

    def _memory(self, carried: Carried) -> int:
        return memory_moved(self.embedded, carried)

    def _prices(self) -> Iterator[float]:
        """Mbit/s times links per byte: nothing moves at the first, memory is free at the last."""
        memories = [
            e.amount("memory")
            for one in self.embedded
            for e in one.overlay.nodes()
            if e.amount("memory")
        ]
        dear = 2 * self._in_use(self.embedded) / min(memories, default=1)
        yield from (dear / _FACTOR**k for k in range(_PRICES))
        yield 0.0

    def _in_use(self, embedded: Sequence[Embedded]) -> float:
        elements = self.ground.substrate.elements
        return sum(
            one.overlay.elements[v].amount("bandwidth") / 1e6
            for one in embedded
            for v, placed in one.mapping.mapping.items()
            if one.overlay.elements[v].is_link
            for e in placed.on
            if e in elements and elements[e].is_link
        )

    def _improved(
        self, price: float, start: _Tried, numbers: Sequence[int]
    ) -> tuple[Embedded, ...]:
        """Rounds over CloudNets until none gets better."""
        state = list(start.state)
        for _ in range(_ROUNDS):
            better = [self._one(state, number, price) for number in numbers]
            if not any(better):
                break
        return tuple(state)

    def _reached(self, state: Sequence[Embedded]) -> Carried:
        """The way there in single steps, as far as there is one."""
        targets = [
            (number, vnode, placed.on[0])
            for number, one in enumerate(state)
            for vnode, placed in one.mapping.mapping.items()
            if one.overlay.elements[vnode].is_node
            and placed.on != self.embedded[number].mapping.mapping[vnode].on
        ]
        carried = carry_out(self.ground, self.embedded, targets, self.clock, self.steps)
        return Carried(carried.moves, self._rerouted(carried.after))

    def _rerouted(self, state: Sequence[Embedded]) -> tuple[Embedded, ...]:
        """Shorter paths wherever there are any, one CloudNet after the other."""
        out = list(state)
        for number, one in enumerate(state):
            others = tuple(e for k, e in enumerate(out) if k != number)
            places = {v: p.on[0] for v, p in one.mapping.mapping.items() if _placed(one, v)}
            new = routed_anew(self.ground, one, others, places, only=None, clock=self.clock)
            if new is not None and self._in_use((new,)) < self._in_use((one,)):
                out[number] = new
        return tuple(out)

    def _one(self, state: list[Embedded], number: int, price: float) -> bool:
        """Place one CloudNet better at this price of memory; whether that was possible."""
        one = state[number]
        if self.clock.over():
            return False
        others = tuple(e for k, e in enumerate(state) if k != number)
        problem = Problem(
            self.ground.substrate,
            one.overlay,
            others,
            anchors=one.anchors,
            unavailable=self.ground.unavailable,
        )
        instance = compile_instance(problem, self.ground)
        weights = self._weights(number, price, problem)
        if instance.refusals or not placeable(instance, weights):
            return False
        search = Search(prompt_solver(), Clock(min(_STEP_S, self.clock.left() or _STEP_S)))
        found = PlacedSearch(instance, weights, search).run()
        if found is None or found.draft is None:
            return False
        new = as_embedded(one, instance, found.draft)
        if self._worth(new, number, price) >= self._worth(one, number, price) - 1e-6:
            return False
        state[number] = new
        return True

    def _weights(self, number: int, price: float, problem: Problem) -> Weights:
        original = self.embedded[number].mapping.mapping

        def moved(vnode: Element, host: Element) -> float:
            if original[vnode.id].on == (host.id,):
                return 0.0
            return price * vnode.amount("memory") + _EACH

        return replace(Cost().weights(problem), place=moved)

    def _worth(self, one: Embedded, number: int, price: float) -> float:
        memory = sum(price * v.amount("memory") + _EACH for v in self._movers(number, one))
        return self._in_use((one,)) + memory

    def _moved(self, number: int, one: Embedded) -> float:
        """Bytes of memory copied if a CloudNet becomes `one`."""
        return sum(v.amount("memory") for v in self._movers(number, one))

    def _movers(self, number: int, one: Embedded) -> list[Element]:
        """The VNodes that are elsewhere than they are now."""
        original = self.embedded[number].mapping.mapping
        return [
            one.overlay.elements[v]
            for v, p in one.mapping.mapping.items()
            if _placed(one, v) and p.on != original[v].on
        ]


def _placed(one: Embedded, element: str) -> bool:
    return one.overlay.elements[element].is_node and bool(one.mapping.mapping[element].on)
