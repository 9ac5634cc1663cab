"""Rows that are added only once a solution breaks them.

Single failures, latency between every two ends of a tree, least latencies, and sums that a
solver's tolerance let pass: each is rare, and together they would swamp the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mip.draft import Draft, Route, draft_use, is_element
from mip.formulation.arc_flow import ArcFlow
from mip.instance.capacity import Key
from mip.latencies import pair_latencies
from mip.problem.amounts import Exact

_TOLERANCE = 1e-6


def mend(flow: ArcFlow, draft: Draft, values: Sequence[float]) -> bool:
    """Add rows that cut off what is wrong with `draft`; whether anything was."""
    failures = list(_failures(flow, draft, values))
    for key, failed in failures:
        flow.failure_row(key, failed)
    sums = [key for key, over in _overfull(flow, draft) if over]
    for key in sums:
        flow.cover_row(key, values)
    late = list(_late(flow, draft))
    for index, backup in late:
        flow.forbid_route(index, draft, backup=backup)
    return bool(failures or sums or late)


def _failures(flow: ArcFlow, draft: Draft, values: Sequence[float]) -> Iterator[tuple[Key, str]]:
    """Capacities, and the failures under which they don't hold, or exceed the peak found."""
    if not draft.backup:
        return
    use = draft_use(flow.instance, draft)
    top = None if flow.peak is None else values[flow.peak]
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


def _late(flow: ArcFlow, draft: Draft) -> Iterator[tuple[int, bool]]:
    """VLinks whose route breaks a latency bound; the second value says if it's the backup."""
    routes: list[tuple[int, bool, Route]] = [
        *((i, False, r) for i, r in enumerate(draft.working)),
        *((i, True, r) for i, r in draft.backup.items()),
    ]
    for index, backup, route in routes:
        vlink = flow.instance.vlinks[index]
        if vlink.bounded:
            for total in pair_latencies(flow.instance, vlink, draft.places, route):
                too_late = vlink.latency_max is not None and total > vlink.latency_max
                too_early = vlink.latency_min is not None and total < vlink.latency_min
                if too_late or too_early:
                    yield index, backup
                    break
