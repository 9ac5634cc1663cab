"""Carrying out a new placement step by step: an order of moves, paths that follow, the plan.

Each step moves one VNode, with room for it at its new host while it is still on the old one, and
routes its VLinks anew within what is left at that moment; after every step all CloudNets are
whole. Paths of other VLinks stay unless there is no other way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mip.clock import Clock
from mip.draft import Draft
from mip.exact.program import Search
from mip.exact.strategy import solve_additive
from mip.instance.ground import Ground
from mip.instance.instance import Instance, Kind, compile_instance
from mip.migration.plan import Move, Reroute
from mip.migration.steps import Steps, Walk
from mip.objectives import Cost
from mip.problem.statement import Embedded, Problem
from mip.solvers.linear import Ending
from mip.solvers.registry import prompt_solver
from rdl.graph import Graph, MappingGraph, Placement

_STEP_S = 5.0


Target = tuple[int, str, str]
"""A CloudNet's number, one of its VNodes, and the host where it is to be."""


@dataclass(frozen=True)
class Carried:
    """What carrying out a placement came to.

    Attributes:
        moves: in order.
        after: the CloudNets after them.
        left: what no order was found for.
    """

    moves: tuple[Move, ...]
    after: tuple[Embedded, ...]
    left: tuple[Target, ...] = ()

    def reroutes(self, before: Sequence[Embedded]) -> tuple[Reroute, ...]:
        """The VLinks whose paths have changed."""
        return tuple(
            Reroute(new.overlay.name, vlink, placed.on)
            for old, new in zip(before, self.after, strict=True)
            for vlink, placed in new.mapping.mapping.items()
            if new.overlay.elements[vlink].is_link and placed.on != old.mapping.mapping[vlink].on
        )


def carry_out(
    ground: Ground,
    embedded: Sequence[Embedded],
    targets: Sequence[Target],
    clock: Clock,
    steps: Steps,
) -> Carried:
    """As many of `targets` as can be reached one after the other, in such an order."""
    state = list(embedded)
    walk = Walk(steps, embedded)
    left = list(targets)
    moves: list[Move] = []
    while left:
        for target in left:
            number, vnode, host = target
            one = state[number]
            changed = walk.move(one, number, vnode, host) or _step(ground, state, target, clock)
            if changed is not None:
                walk.follow(number, vnode, one, changed)
                source = one.mapping.mapping[vnode].on[0]
                moves.append(Move(changed.overlay.name, vnode, source, host))
                state[number] = changed
                left.remove(target)
                break
        else:
            break
    return Carried(tuple(moves), tuple(state), tuple(left))


def _step(
    ground: Ground, state: Sequence[Embedded], target: Target, clock: Clock
) -> Embedded | None:
    """The CloudNet after one move, None if the move can't be made now."""
    number, vnode, host = target
    one = state[number]
    others = tuple(e for k, e in enumerate(state) if k != number)
    places = {v: p.on[0] for v, p in one.mapping.mapping.items() if one.overlay.elements[v].is_node}
    places[vnode] = host
    near = {v for v in one.overlay.neighbours(vnode) if v in one.mapping.mapping}
    rules = [c for c in one.overlay.constraints if not {vnode, *near}.isdisjoint(c.of)]
    again = {vnode, *near, *(m for c in rules for m in c.of if m in one.mapping.mapping)}
    return routed_anew(ground, one, others, places, only=again, clock=clock) or routed_anew(
        ground, one, others, places, only=None, clock=clock
    )


def _search(clock: Clock) -> Search:
    return Search(prompt_solver(), clock.within(_STEP_S))


def routed_anew(
    ground: Ground,
    one: Embedded,
    others: tuple[Embedded, ...],
    places: Mapping[str, str],
    *,
    only: set[str] | None,
    clock: Clock,
) -> Embedded | None:
    """The CloudNet with its VNodes at `places` and its VLinks routed anew.

    With `only`, those VLinks alone are, and no constraint is looked at but those among `only`.
    """
    overlay = one.overlay
    again = {e.id for e in overlay.links() if not e.is_stub and (only is None or e.id in only)}
    ends = {n for link in again for n in overlay.neighbours(link)}
    nodes = {v for v in places if only is None or v in ends or v in only}
    stubs = {e for e in overlay.elements if e.startswith("_")}
    kept = {
        e: Placement(on=(places[e],)) if e in places else p
        for e, p in one.mapping.mapping.items()
        if e not in again and e not in nodes
    }
    elements = {e: overlay.elements[e] for e in overlay.elements if e in again | nodes | stubs}
    rest = Embedded(overlay, replace(one.mapping, mapping=kept), one.anchors)
    request = replace(overlay, elements=elements, connections=_inside(overlay, elements))
    rules = tuple(
        c
        for c in overlay.constraints
        if only is None or only.issuperset(one.mapping.mapping.keys() & set(c.of))
    )
    problem = Problem(
        ground.substrate,
        replace(request, constraints=rules),
        (*others, rest),
        anchors=one.anchors,
        unavailable=ground.unavailable,
        keep={v: places[v] for v in nodes},
    )
    instance = compile_instance(problem, ground)
    if instance.refusals:
        return None
    found = solve_additive(instance, Cost().weights(problem), _search(clock))
    if found.draft is None or found.ending is Ending.INFEASIBLE:
        return None
    return replace(one, mapping=_mapping(one, places, kept, _paths(found.draft, instance)))


def as_embedded(one: Embedded, instance: Instance, draft: Draft) -> Embedded:
    """The CloudNet as `draft` places and routes it."""
    places = {
        p.id: instance.network.ids[draft.places[i]]
        for i, p in enumerate(instance.points)
        if p.kind is Kind.VNODE
    }
    return replace(one, mapping=_mapping(one, places, {}, _paths(draft, instance)))


def _inside(overlay: Graph, elements: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (a, b)
        for a, b in overlay.connections
        if a.partition(".")[0] in elements and b.partition(".")[0] in elements
    )


def _paths(draft: Draft, instance: Instance) -> dict[str, Placement]:
    """Each VLink's path and backup in `draft`."""
    return {
        vlink.id: Placement(
            on=draft.working[i].on, backup=draft.backup[i].on if i in draft.backup else ()
        )
        for i, vlink in enumerate(instance.vlinks)
    }


def _mapping(
    one: Embedded,
    places: Mapping[str, str],
    kept: Mapping[str, Placement],
    routed: Mapping[str, Placement],
) -> MappingGraph:
    whole: dict[str, Placement] = {}
    for element, placed in one.mapping.mapping.items():
        if element in places:
            whole[element] = Placement(on=(places[element],))
        else:
            whole[element] = routed.get(element) or kept.get(element) or placed
    return replace(one.mapping, mapping=whole)
