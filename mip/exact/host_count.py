"""Objectives that count hosts: the fewest newly in use first, then the cheapest paths.

How few hosts suffice for the VNodes alone is a small program of its own and a lower bound; with
that many, placements are searched by cost. Only if none has paths is one more host allowed.
"""

from __future__ import annotations

from dataclasses import replace

from mip.draft import Draft, value_of
from mip.exact.branching import Fresh
from mip.exact.placements import PlacedSearch, placeable
from mip.exact.program import Found, Search, solve_plain
from mip.exact.strategy import finish, is_heavy, part_of, surrogate
from mip.instance.instance import Instance, Kind
from mip.objectives import Weights
from mip.solvers.linear import Ending


def counts_hosts(instance: Instance, weights: Weights) -> bool:
    """Whether an objective is nothing but a constant and the same price for each new host."""
    bare = replace(weights, open=Weights().open)
    if weights.additive or not bare.additive or bare.place is not Weights().place:
        return False
    if bare.carry is not Weights().carry:
        return False
    return len(_prices(instance, weights) - {0.0}) == 1


def _prices(instance: Instance, weights: Weights) -> set[float]:
    vertices = {v for p in instance.points if p.kind is Kind.VNODE for v in p.candidates}
    return {weights.open(instance.network.element(v)) for v in vertices}


def solve_hosts(
    instance: Instance, weights: Weights, search: Search, known: Draft | None = None
) -> Found:
    """The fewest hosts, and among those mappings the cheapest; `known` is any mapping."""
    cost = surrogate(instance)
    exactly = replace(part_of(search), gap=0.0)  # how few hosts suffice is a bound only if proven
    alone = solve_plain(nodes_alone(instance), weights, exactly)
    if alone.ending is Ending.INFEASIBLE:
        return alone
    if not placeable(instance, cost):
        return _against(instance, weights, search, alone, known)
    if alone.ending is not Ending.OPTIMAL or alone.draft is None:
        return solve_plain(instance, weights, search)
    (price,) = _prices(instance, weights) - {0.0}
    least = value_of(nodes_alone(instance), weights, alone.draft)
    count = round((least - weights.constant) / price)
    busy = frozenset(
        v
        for v in range(len(instance.network.ids))
        if instance.network.element(v).is_node and not weights.open(instance.network.element(v))
    )
    bound = least
    while not search.clock.over():
        placed = PlacedSearch(instance, cost, part_of(search), fresh=Fresh(count, busy))
        found = placed.run()
        if found is not None and found.draft is not None:
            value = value_of(instance, weights, found.draft)
            if value <= bound + 1e-9:
                return Found(
                    Ending.OPTIMAL, found.draft, value, cheapest=found.ending is Ending.OPTIMAL
                )
            return finish(instance, weights, search, replace(found, bound=bound))
        if found is None or found.ending is not Ending.INFEASIBLE:
            break
        count += 1
        bound += price
        if count > len(instance.points):
            return found
    return finish(instance, weights, search, Found(Ending.UNKNOWN, None, bound))


def _against(
    instance: Instance, weights: Weights, search: Search, alone: Found, known: Draft | None
) -> Found:
    """A mapping that is known, against what the VNodes alone need; else by the whole program."""
    bound = alone.bound
    if alone.ending is Ending.OPTIMAL and alone.draft is not None:
        bound = value_of(nodes_alone(instance), weights, alone.draft)
    if known is None:
        return finish(instance, weights, search, Found(Ending.UNKNOWN, None, bound))
    value = value_of(instance, weights, known)
    if bound is not None and value <= bound + 1e-9:
        return Found(Ending.OPTIMAL, known, value)
    found = Found(Ending.FEASIBLE, known, bound)
    return found if is_heavy(instance) else finish(instance, weights, search, found)


def nodes_alone(instance: Instance) -> Instance:
    """The VNodes without their VLinks, and without rules on features of VLinks."""
    points = {p.id for p in instance.points}
    values = tuple(v for v in instance.rules.values if set(v.members) <= points)
    choices = {(m, v.feature) for v in values for m in v.members}
    allowed = {c: w for c, w in instance.rules.allowed.items() if c in choices}
    rules = replace(instance.rules, values=values, allowed=allowed)
    return replace(instance, vlinks=(), rules=rules)
