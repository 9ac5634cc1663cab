"""Single moves in the merged instance of all CloudNets, so that nothing is compiled for each.

Where a VNode's VLinks have two ends and no backups, and its constraints are of place alone, a move
is a look at what its new host has left and a shortest path with room for each of its VLinks.
Everything else is left to `mip.migration.moving`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from mip.bounds.metric import Metric
from mip.draft import Route
from mip.instance.capacity import Key, Stock, Use, key_of, used, used_by
from mip.instance.constraints import Rules
from mip.instance.instance import Instance, Kind
from mip.migration.merged import Merged
from mip.objectives import Cost
from mip.problem.amounts import Exact
from mip.problem.statement import Embedded
from mip.routing.router import Router, UnsureError
from rdl.graph import Placement

_STEPS = 5_000


class Steps:
    """What moves have in common, whatever the plan.

    Attributes:
        instance: all CloudNets compiled as one request.
        metric: the least costs of its VLinks.
        points: the point of each VNode, by its CloudNet's number and its id.
        vlinks: the VLinks that end at each point.
        names: the id of each VLink in its CloudNet.
        plain: for each point whether its moves can be told here.
        rules: for each point the `together` and `apart` that bind it.
    """

    def __init__(self, merged: Merged, instance: Instance) -> None:
        self.instance = instance
        self.metric = Metric(instance, Cost().weights(merged.problem))
        self.points = {
            merged.names[p.id]: i for i, p in enumerate(instance.points) if p.kind is Kind.VNODE
        }
        self.vlinks: dict[int, list[int]] = defaultdict(list)
        for index, vlink in enumerate(instance.vlinks):
            for point in vlink.points:
                self.vlinks[point].append(index)
        self.names = [merged.names[v.id][1] for v in instance.vlinks]
        rules = instance.rules
        ruled = {m for v in rules.values for m in v.members}
        self.plain = [
            p.id not in ruled and all(self._simple(k, ruled) for k in self.vlinks[i])
            for i, p in enumerate(instance.points)
        ]
        self.rules = [
            Rules(
                tuple(some for some in rules.together if i in some),
                tuple(some for some in rules.apart if i in some),
            )
            for i in range(len(instance.points))
        ]

    def _simple(self, index: int, ruled: set[str]) -> bool:
        vlink = self.instance.vlinks[index]
        return (
            len(vlink.points) == 2
            and vlink.protection == "none"
            and vlink.latency_min is None
            and vlink.id not in ruled
        )


class Walk:
    """A state of all CloudNets that changes move by move."""

    def __init__(self, steps: Steps, embedded: Sequence[Embedded]) -> None:
        self._steps = steps
        self._substrate = steps.instance.network.substrate
        use = used(self._substrate, embedded)
        self._fixed: dict[Key, Exact] = defaultdict(int, use.fixed)
        self._shared = bool(use.backups)
        self._at: list[int | None] = [
            p.candidates[0] if len(p.candidates) == 1 else None for p in steps.instance.points
        ]
        for (number, vnode), point in steps.points.items():
            self._at[point] = self._host(embedded[number], vnode)

    def move(self, one: Embedded, number: int, vnode: str, host: str) -> Embedded | None:
        """The CloudNet after the move; None where another way has to tell."""
        steps = self._steps
        network = steps.instance.network
        point, vertex = steps.points[number, vnode], network.index.get(host)
        if self._shared or vertex is None or not steps.plain[point]:
            return None
        at = {p: self._at[p] for k in steps.vlinks[point] for p in steps.instance.vlinks[k].points}
        at[point] = vertex
        places = {p: v for p, v in at.items() if v is not None}
        if len(places) < len(at) or not self._kept(point, vertex):
            return None
        near = {steps.names[k]: k for k in steps.vlinks[point]}
        part = self._part(one, (vnode, *near))
        left = {**self._fixed}
        for key, amount in used_by(self._substrate, part).fixed.items():
            left[key] -= amount
        stock = Stock(steps.instance.capacity, Use(left))
        for resource, amount in steps.instance.points[point].demand.items():
            if amount > stock.free(key_of(network.element(vertex), resource)):
                return None
        routes = self._routes(replace(steps.instance, stock=stock), places, list(near.values()))
        if routes is None:
            return None
        new = dict(one.mapping.mapping)
        new[vnode] = Placement(on=(host,))
        new |= {name: Placement(on=routes[k].on) for name, k in near.items()}
        return replace(one, mapping=replace(one.mapping, mapping=new))

    def _routes(
        self, instance: Instance, places: dict[int, int], vlinks: list[int]
    ) -> dict[int, Route] | None:
        try:
            found = Router(instance, self._steps.metric).route(places, 0.0, _STEPS, vlinks)
        except UnsureError:
            return None
        return None if found is None else found[0]

    def follow(self, number: int, vnode: str, before: Embedded, after: Embedded) -> None:
        """Note a move that was made, in whatever way."""
        for one, sign in ((before, -1), (after, 1)):
            for key, amount in used_by(self._substrate, one).fixed.items():
                self._fixed[key] += sign * amount
        self._at[self._steps.points[number, vnode]] = self._host(after, vnode)

    def _host(self, one: Embedded, vnode: str) -> int | None:
        """The vertex of a VNode's host; None if it isn't placed, or its host takes no more."""
        placed = one.mapping.mapping.get(vnode)
        ids = self._steps.instance.network.index
        return ids.get(placed.on[0]) if placed is not None and placed.on else None

    def _kept(self, point: int, vertex: int) -> bool:
        """Whether the constraints on where it may be hold with the point at a vertex."""
        instance, rules = self._steps.instance, self._steps.rules[point]
        members = {m for some in (*rules.together, *rules.apart) for m in some}
        places = {m: v for m in members if (v := self._at[m]) is not None} | {point: vertex}
        if vertex not in instance.points[point].candidates or not members <= places.keys():
            return False
        return rules.spread(places, instance.network)

    def _part(self, one: Embedded, elements: Sequence[str]) -> Embedded:
        placed = one.mapping.mapping
        mapping = {e: placed[e] for e in elements if e in placed}
        return Embedded(one.overlay, replace(one.mapping, mapping=mapping), one.anchors)
