"""Sums over finished routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mip.draft import Route
from mip.instance.instance import Instance, VLink
from mip.problem.amounts import Exact


def pair_latencies(
    instance: Instance,
    vlink: VLink,
    places: Sequence[int] | Mapping[int, int],
    route: Route,
) -> Iterator[Exact]:
    """The latency between every two ends of a route, in seconds."""
    network = instance.network
    if len(vlink.points) <= 2:
        yield sum(network.latency(e) for e in route.on)
        return
    ends = [network.ids[places[p]] for p in vlink.points]
    inside = {*route.on, *ends}
    near = {e: [n for n in network.substrate.neighbours(e) if n in inside] for e in inside}
    for k, one in enumerate(ends):
        sums = _sums(instance, near, set(route.on), one)
        yield from (sums[other] for other in ends[k + 1 :] if other in sums)


def _sums(
    instance: Instance, near: dict[str, list[str]], listed: set[str], start: str
) -> dict[str, Exact]:
    def lag(element: str) -> Exact:
        return instance.network.latency(element) if element in listed else 0

    sums = {start: lag(start)}
    stack = [start]
    while stack:
        at = stack.pop()
        for other in near[at]:
            if other not in sums:
                sums[other] = sums[at] + lag(other)
                stack.append(other)
    return sums
