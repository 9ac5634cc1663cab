"""A new placement of all CloudNets in terms of moves: which VNodes move, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence

from mip.instance.instance import Instance
from mip.migration.merged import Merged
from mip.migration.moving import Target
from mip.objectives import Weights
from mip.problem.amounts import exact, scale_of
from rdl.graph import Element


def targets_of(merged: Merged, instance: Instance, places: Sequence[int]) -> list[Target]:
    """The VNodes that are elsewhere in a new placement."""
    out = []
    for point, vertex in zip(instance.points, places, strict=True):
        host = instance.network.ids[vertex]
        if merged.places.get(point.id, host) != host:
            number, vnode = merged.names[point.id]
            out.append((number, vnode, host))
    return out


def memory_weights(merged: Merged) -> Weights:
    """Memory moved, in its greatest common unit, and among equals the number of moves."""
    amounts = [exact(e.amount("memory")) for e in merged.problem.request.nodes()]
    factor = float(scale_of(amounts))
    each = 0.5 / (1 + len(amounts))

    def price(vnode: Element, host: Element) -> float:
        if merged.places.get(vnode.id) == host.id:
            return 0.0
        return vnode.amount("memory") * factor + each

    return Weights(place=price)
