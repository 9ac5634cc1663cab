"""Rows that are added only once a solution breaks them.

Single failures, latency between every two ends of a tree, least latencies, links of many ends
that would close a tree to a loop, and sums that a solver's tolerance let pass: each is rare, and
together they would swamp the program.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from mip.draft import Draft, Route, draft_use, is_element
from mip.formulation.arc_flow import ArcFlow
from mip.formulation.cuts import close_tree, cover_row, cut_cycles, failure_row, forbid_route
from mip.instance.capacity import Key
from mip.latencies import pair_latencies
from mip.problem.amounts import Exact

_TOLERANCE = 1e-6


def mend(flow: ArcFlow, draft: Draft, values: Sequence[float]) -> bool:
    """Add rows that cut off what is wrong with `draft`; whether anything was.

    Model: (18), (25), (26), (27), (28).
    """
    failures = list(_failures(flow, draft, values))
    for key, failed in failures:
        failure_row(flow, key, failed)
    sums = [key for key, over in _overfull(flow, draft) if over]
    for key in sums:
        cover_row(flow, key, values)
    late = list(_late(flow, draft))
    for index, backup in late:
        if not cut_cycles(flow, index, values, backup=backup):
            forbid_route(flow, index, draft, backup=backup)
    loops = list(_loops(flow, draft))
    for index, backup, edge, cycle in loops:
        close_tree(flow, index, edge, cycle, backup=backup)
    return bool(failures or sums or late or loops)


def _failures(flow: ArcFlow, draft: Draft, values: Sequence[float]) -> Iterator[tuple[Key, str]]:
    """Capacities, and the failures under which they don't hold, or exceed the peak found."""
    if not draft.backup:
        return
    use = draft_use(flow.instance, draft)
    top = None if flow.capacities.peak is None else values[flow.capacities.peak]
    for key, capacity in flow.instance.capacity.items():
        for failed, amount in use.scenarios(key).items():
            load = use.fixed.get(key, 0) + amount
            over_peak = (
                top is not None
                and capacity > 0
                and is_element(key)
                and load / capacity > top + _TOLERANCE
            )
            before = flow.instance.use
            untouched = load == before.fixed.get(key, 0) + before.scenarios(key).get(failed, 0)
            if not untouched and (load > capacity or over_peak):
                yield key, failed


def _overfull(flow: ArcFlow, draft: Draft) -> Iterator[tuple[Key, bool]]:
    use = draft_use(flow.instance, draft)
    before: Mapping[Key, Exact] = flow.instance.use.fixed
    for key, load in use.fixed.items():
        if load != before.get(key, 0):
            yield key, load > flow.instance.capacity.get(key, 0)


def _routes(draft: Draft) -> list[tuple[int, bool, Route]]:
    """Each VLink with its route and, marked, its backup."""
    return [
        *((i, False, r) for i, r in enumerate(draft.working)),
        *((i, True, r) for i, r in draft.backup.items()),
    ]


def _loops(flow: ArcFlow, draft: Draft) -> Iterator[tuple[int, bool, int, list[int]]]:
    """For each tree the edges that aren't its own but join elements of it, with the cycle closed.

    A tree is the set of its elements (contract, "Layers"): a link of many ends, or two elements
    joined directly, are joined in it whether it crosses there or not.
    """
    edges = flow.instance.network.edges
    bare = [e for e, edge in enumerate(edges) if edge.link is None]
    for index, backup, route in _routes(draft) if bare else ():
        if len(flow.instance.vlinks[index].points) <= 2:
            continue
        came = _tree_of(flow, route)
        for e in bare:
            u, v = edges[e].u, edges[e].v
            if e not in route.edges and u in came and v in came:
                yield index, backup, e, [e, *_way(came, u, v)]


def _tree_of(flow: ArcFlow, route: Route) -> dict[int, list[int]]:
    """For each vertex of a tree the edges that lead to it from an arbitrary root."""
    near: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for e in sorted(route.edges):
        edge = flow.instance.network.edges[e]
        near[edge.u].append((e, edge.v))
        near[edge.v].append((e, edge.u))
    came: dict[int, list[int]] = {root: [] for root in list(near)[:1]}
    stack = list(came)
    while stack:
        at = stack.pop()
        for e, other in near[at]:
            if other not in came:
                came[other] = [*came[at], e]
                stack.append(other)
    return came


def _way(came: Mapping[int, list[int]], u: int, v: int) -> list[int]:
    """The edges between two vertices of a tree."""
    return sorted(set(came[u]) ^ set(came[v]))


def _late(flow: ArcFlow, draft: Draft) -> Iterator[tuple[int, bool]]:
    """VLinks whose route breaks a latency bound; the second value says if it's the backup."""
    for index, backup, route in _routes(draft):
        vlink = flow.instance.vlinks[index]
        if vlink.bounded:
            for total in pair_latencies(flow.instance, vlink, draft.places, route):
                too_late = vlink.latency_max is not None and total > vlink.latency_max
                too_early = vlink.latency_min is not None and total < vlink.latency_min
                if too_late or too_early:
                    yield index, backup
                    break
