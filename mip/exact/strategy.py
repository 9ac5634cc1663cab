"""Which way to solve: by placements, by steps of the peak, by counting hosts, or as one program.

Every way ends with the same kinds of answer; where a special way doesn't come through, what it
found and proved is handed on to the whole program as incumbent and bound.
"""

from __future__ import annotations

from dataclasses import replace

from mip.bounds.dominance import undominated
from mip.bounds.placing import leavable
from mip.clock import OutOfTimeError
from mip.draft import value_of
from mip.errors import SolverError
from mip.exact.nearby import plain
from mip.exact.placements import PlacedSearch, placeable
from mip.exact.program import Found, Search, solve_plain
from mip.exact.regional import RegionalSearch, is_broad, is_large, regional
from mip.formulation.arc_flow import Scope
from mip.instance.instance import Instance
from mip.objectives import Cost, Weights
from mip.scaling import scale_for
from mip.solvers.linear import INFINITY, Ending
from mip.solvers.registry import prompt_solver

_SHARE = 0.5
_UNLIMITED_S = 20.0
"""The part of the time (seconds where there is no limit) for the special way."""

_FIRST_SHARE, _FIRST_S = 0.15, 2.0
_PROGRAM_SHARE, _PROGRAM_S = 0.3, 10.0
_PROGRAM_SIZE = 20_000
"""Where the program has at most so many arcs, it gets a try in between: where links are very scarce
it is the better way. Parts of the time that is left, and seconds at most."""

_NEXT = 0.5
"""Between a whole value and the next one below."""

_ARC_S = 2e-5
"""What building and handing over the whole program takes at least, for each arc."""

_MOST_ARCS = 50_000
"""Where a mapping is known and hosts are counted, a program of more arcs isn't asked for a better
or cheaper one: CBC would take most of a gigabyte, and come to nothing in a minute."""

_QUICK_SHARE, _QUICK_S = 0.3, 2.0
"""How long a good mapping is looked for before any mapping is."""

_GREEDY_SHARE, _GREEDY_S = 0.6, 2.0
_GREEDY_LEAST_S, _GREEDY_ARC_S = 0.2, 1e-4
"""The same for pairs of paths and trees that are routed one by one; and less where the program is
small, at least and for each of its arcs."""

_BROAD_SHARE, _BROAD_S = 0.4, 4.0
"""The same for regions, where these are only the first way."""

_QUICK_GAP = 0.05
_LARGE_SHARE = 0.6
_BETTER_SHARE = 0.9
_LONG_PROGRAM = 10_000
_LARGEST_PROGRAM = 100_000
_LARGE_PROGRAM_S = 5.0
"""A program of so many arcs may have no mapping for seconds. Large
instances: how far above the bound `fast` stops; the part of the time for regions where a
program may follow, and of what is left then for bettering what they found; the program's arcs at
most, and the seconds that it needs at least."""


def part_of(search: Search, share: float = _SHARE) -> Search:
    """A search with a part of the time that is left."""
    limited = search.clock.left() is not None
    return replace(search, clock=search.clock.part(share, None if limited else _UNLIMITED_S))


def _moment_of(search: Search, share: float, most: float) -> Search:
    """A search with a part of the time that is left, and no more than `most` seconds."""
    return replace(search, clock=search.clock.part(share, most))


def on_leavable(instance: Instance, weights: Weights, search: Search) -> Found:
    """The whole program, promptly, on the hosts that VLinks can leave."""
    try:
        scope = Scope(hosts=leavable(instance, search.clock))
    except OutOfTimeError:
        return Found(Ending.UNKNOWN)
    prompt = replace(search, solver=prompt_solver())
    return solve_plain(instance, weights, prompt, scope=scope)


def solve_additive(instance: Instance, weights: Weights, search: Search) -> Found:
    """A sum over VNodes and VLinks: by placements, then as one program."""
    instance = undominated(instance, weights)
    if is_large(instance) and regional(instance, weights):
        return _solve_large(instance, weights, search, 0.0)
    if not placeable(instance, weights):
        return solve_plain(instance, weights, search)
    found = _first(instance, weights, search)
    if found.draft is None and _by_regions_first(instance) and regional(instance, weights):
        share = _BROAD_SHARE if plain(instance) else _LARGE_SHARE
        moment = _moment_of(search, share, _BROAD_S)
        found = RegionalSearch(instance, weights, moment).run()
    if _ended(found):
        return found
    if arcs_of(instance) <= _PROGRAM_SIZE:
        found = _placed(instance, weights, _moment_of(search, _FIRST_SHARE, _FIRST_S), found)
        if not _ended(found):
            found = _bettered(instance, weights, _moment_of(search, _FIRST_SHARE, _FIRST_S), found)
        if not _ended(found):
            moment = _moment_of(search, _PROGRAM_SHARE, _PROGRAM_S)
            other = on_leavable(instance, weights, moment)
            found = _better(instance, weights, found, other)
    if not _ended(found):
        found = _placed(instance, weights, part_of(search), found)
    if not _ended(found):
        found = finish(instance, weights, search, found)
    return found


def _first(instance: Instance, weights: Weights, search: Search) -> Found:
    """Where routes aren't all single paths, a mapping to begin with, if one is soon found."""
    if plain(instance):
        return Found(Ending.UNKNOWN)
    most = min(_GREEDY_S, max(_GREEDY_LEAST_S, _GREEDY_ARC_S * arcs_of(instance)))
    moment = _moment_of(search, _GREEDY_SHARE, most)
    return _placed(instance, weights, moment, Found(Ending.UNKNOWN), hurry=True)


def _by_regions_first(instance: Instance) -> bool:
    """Whether a few hosts sooner tell of a mapping than all: many, or what only programs route."""
    return is_broad(instance) or (takes_long(instance) and not plain(instance))


def _ended(found: Found) -> bool:
    return found.ending in {Ending.OPTIMAL, Ending.INFEASIBLE}


def _placed(
    instance: Instance, weights: Weights, search: Search, known: Found, *, hurry: bool = False
) -> Found:
    """By placements, from what is known; what was found and proved even if it isn't through."""
    placed = PlacedSearch(instance, weights, search, hurry=hurry)
    if known.draft is not None:
        placed.best, placed.value = known.draft, value_of(instance, weights, known.draft)
    if known.bound is not None:
        placed.bound = known.bound
    found = placed.run()
    if found is not None and _ended(found):
        return found
    bound = placed.bound if abs(placed.bound) < INFINITY else None
    return Found(Ending.UNKNOWN if placed.best is None else Ending.FEASIBLE, placed.best, bound)


def _better(instance: Instance, weights: Weights, known: Found, other: Found) -> Found:
    """The better mapping and the better bound of two; `other` as it is if it came to an end."""
    if _ended(other):
        return other
    drafts = [f.draft for f in (known, other) if f.draft is not None]
    bound = max((f.bound for f in (known, other) if f.bound is not None), default=None)
    best = min(drafts, key=lambda d: value_of(instance, weights, d), default=None)
    return Found(Ending.UNKNOWN if best is None else Ending.FEASIBLE, best, bound)


def _bettered(instance: Instance, weights: Weights, search: Search, known: Found) -> Found:
    """A mapping near the one that is known, or near any that a program finds soon."""
    draft = known.draft
    if draft is None:
        some = on_leavable(instance, Weights(), replace(search, progress=None))
        if some.draft is None:
            return Found(some.ending, None, known.bound)
        draft = some.draft
    near = PlacedSearch(instance, weights, search, hurry=True, best=draft)
    near.value = value_of(instance, weights, draft)
    near.bound = near.bound if known.bound is None else known.bound
    found = near.run()
    return Found(Ending.FEASIBLE, draft, known.bound) if found is None else found


def finish(
    instance: Instance,
    weights: Weights,
    search: Search,
    found: Found,
) -> Found:
    """The whole program for what is left, below what was found and above what is proven."""
    arcs = arcs_of(instance)
    left = search.clock.left()
    if left is not None and arcs * _ARC_S > left:
        return found
    draft, bound = found.draft, found.bound
    value = None if draft is None else value_of(instance, weights, draft)
    if bound is not None and abs(bound) == INFINITY:
        bound = None
    closer = _NEXT if weights.whole else max(1e-6 * abs(value or 0.0), 1e-7)
    below = None if value is None else value - max(closer, search.gap * abs(value))
    try:
        last = solve_plain(instance, weights, search, below=below, above=bound)
    except SolverError:
        if draft is None:
            raise
        return found
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
    instance = undominated(instance, weights)
    if is_large(instance) and regional(instance, weights):
        return _solve_large(instance, weights, search, _QUICK_GAP)
    if not placeable(instance, weights):
        return solve_plain(instance, weights, search)
    found = _first(instance, weights, search)
    if found.draft is not None or _ended(found):
        return found
    moment = _moment_of(search, _QUICK_SHARE, _QUICK_S)
    if _by_regions_first(instance) and regional(instance, weights):
        near = RegionalSearch(instance, weights, moment, good=_QUICK_GAP).run()
        if near.draft is not None or _ended(near):
            return near
    first = PlacedSearch(instance, weights, moment, hurry=True)
    soon = first.run()
    if soon is not None and (soon.draft is not None or soon.ending is Ending.INFEASIBLE):
        return soon
    bound = first.bound if abs(first.bound) < INFINITY else None
    return _bettered(instance, weights, search, Found(Ending.UNKNOWN, None, bound))


def _solve_large(instance: Instance, weights: Weights, search: Search, good: float) -> Found:
    """By regions; only if none has a mapping, by a program without an objective."""
    buildable = arcs_of(instance) <= _LARGEST_PROGRAM
    moment = part_of(search, _LARGE_SHARE if buildable else 1.0)
    regions = RegionalSearch(instance, weights, moment, good=good)
    found = regions.run()
    left = search.clock.left()
    if found.draft is not None and not _ended(found) and not good:
        return regions.better(part_of(search, _BETTER_SHARE))
    short = left is not None and left < _LARGE_PROGRAM_S
    if found.draft is not None or _ended(found) or short or not buildable:
        return found
    some = solve_plain(instance, Weights(), replace(search, solver=prompt_solver(), progress=None))
    if some.draft is None:
        return Found(some.ending, None, found.bound)
    return Found(Ending.FEASIBLE, some.draft, found.bound)


def arcs_of(instance: Instance) -> int:
    """The size of the whole program: arcs that VLinks may cross."""
    return sum(2 * len(v.edges) for v in instance.vlinks)


def is_heavy(instance: Instance) -> bool:
    """Whether the whole program isn't worth its memory where a mapping is known."""
    return arcs_of(instance) > _MOST_ARCS


def takes_long(instance: Instance) -> bool:
    """Whether the whole program may take seconds to come to any mapping."""
    return arcs_of(instance) > _LONG_PROGRAM


def surrogate(instance: Instance) -> Weights:
    """`cost` in whole units: what to search by where the objective itself is no sum."""
    cost = Cost().weights(instance.problem)
    return scale_for(instance, cost).weights(cost)
