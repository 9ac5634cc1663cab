"""Which way to solve: by placements, by steps of the peak, by counting hosts, or as one program.

Every way ends with the same kinds of answer; where a special way doesn't come through, what it
found and proved is handed on to the whole program as incumbent and bound.
"""

from __future__ import annotations

from dataclasses import replace

from mip.exact import Clock, Found, Search, solve_plain
from mip.instance import Instance
from mip.linear import Ending
from mip.mapping import value_of
from mip.objectives import Cost, Weights
from mip.placed import PlacedSearch, placeable

_SHARE = 0.5
_UNLIMITED_S = 20.0
"""The part of the time (seconds where there is no limit) for the special way."""


def part_of(search: Search, share: float = _SHARE, most: float = _UNLIMITED_S) -> Search:
    """A search with a part of the time that is left."""
    left = search.clock.left()
    return replace(search, clock=Clock(most if left is None else left * share))


def solve_additive(instance: Instance, weights: Weights, search: Search) -> Found:
    """A sum over VNodes and VLinks: by placements, then as one program."""
    if not placeable(instance, weights):
        return solve_plain(instance, weights, search)
    placed = PlacedSearch(instance, weights, part_of(search))
    found = placed.run()
    if found is not None and found.ending in {Ending.OPTIMAL, Ending.INFEASIBLE}:
        return found
    return finish(instance, weights, search, placed.bound, found)


def finish(
    instance: Instance,
    weights: Weights,
    search: Search,
    bound: float | None,
    found: Found | None,
) -> Found:
    """The whole program for what is left, below what was found and above what is proven."""
    draft = None if found is None else found.draft
    value = None if draft is None else value_of(instance, weights, draft)
    if bound is not None and abs(bound) == float("inf"):
        bound = None
    below = None if value is None else value - max(1e-6 * abs(value), search.gap * abs(value), 1e-7)
    last = solve_plain(instance, weights, search, below=below, above=bound)
    bounds = [b for b in (bound, last.bound) if b is not None]
    best = max(bounds, default=None)
    if last.draft is not None:
        return Found(last.ending, last.draft, best)
    if draft is None:
        return Found(last.ending, None, best)
    if last.ending is Ending.INFEASIBLE:
        return Found(Ending.OPTIMAL, draft, below if search.gap else value)
    return Found(Ending.FEASIBLE, draft, best)


def quick(instance: Instance, weights: Weights, search: Search) -> Found:
    """A good mapping at once; without a proof, but with a true bound where one falls off."""
    if not placeable(instance, weights):
        return solve_plain(instance, weights, search)
    found = PlacedSearch(instance, weights, part_of(search, share=1.0), hurry=True).run()
    if found is not None and (found.draft is not None or found.ending is Ending.INFEASIBLE):
        return found
    if search.clock.over():
        return Found(Ending.UNKNOWN)
    return solve_plain(instance, weights, search)


def surrogate(instance: Instance) -> Weights:
    """`cost` without its constant: what to search by where the objective itself is no sum."""
    return Cost().weights(instance.problem)
