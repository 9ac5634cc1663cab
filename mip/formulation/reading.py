"""Mappings read out of solutions of the arc-flow program."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

from mip.draft import Draft, Route, path_route, tree_route
from mip.formulation.arc_flow import ArcFlow
from mip.formulation.columns import RouteColumns


def read(program: ArcFlow, values: Sequence[float]) -> Draft:
    """The mapping that a solution stands for; loops and dead branches are left out."""
    places = tuple(
        max(columns, key=lambda v: values[columns[v]]) for columns in program.x if columns
    )
    working: dict[int, Route] = {}
    backup: dict[int, Route] = {}
    for columns in program.flows.routes:
        route = _read_route(program, columns, places, values)
        (backup if columns.backup else working)[columns.vlink] = route
    order = tuple(working[i] for i in range(len(program.instance.vlinks)))
    return Draft(places, order, backup)


def _read_route(
    program: ArcFlow, columns: RouteColumns, places: Sequence[int], values: Sequence[float]
) -> Route:
    vlink = program.instance.vlinks[columns.vlink]
    ends = [places[p] for p in vlink.points]
    arcs: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for flow in columns.flows:
        for (e, back), column in flow.items():
            if values[column] > 0.5:
                edge = program.instance.network.edges[e]
                tail, head = (edge.v, edge.u) if back else (edge.u, edge.v)
                arcs[tail].append((e, head))
    if len(vlink.points) == 2:
        vertices, edges = walk(arcs, ends[0], ends[1])
        return path_route(program.instance, vlink, vertices, edges)
    if len(vlink.points) < 2:
        return Route((), frozenset())
    return tree_route(program.instance, vlink, grow(arcs, ends), ends)


def walk(
    arcs: Mapping[int, Sequence[tuple[int, int]]], start: int, end: int
) -> tuple[list[int], list[int]]:
    """A shortest walk over `arcs`: its vertices and edges."""
    came = _search(arcs, start)
    vertices, edges = [end], []
    while vertices[-1] != start:
        e, before = came[vertices[-1]]
        edges.append(e)
        vertices.append(before)
    return vertices[::-1], edges[::-1]


def grow(arcs: Mapping[int, Sequence[tuple[int, int]]], ends: Sequence[int]) -> list[int]:
    """The edges of a tree over `arcs` from the first of `ends` to all others."""
    came = _search(arcs, ends[0])
    used: dict[int, None] = {}
    for end in ends[1:]:
        at = end
        while at != ends[0]:
            e, at = came[at]
            used[e] = None
    return list(used)


def _search(
    arcs: Mapping[int, Iterable[tuple[int, int]]], start: int
) -> dict[int, tuple[int, int]]:
    came: dict[int, tuple[int, int]] = {start: (-1, -1)}
    queue = deque([start])
    while queue:
        v = queue.popleft()
        for e, head in arcs.get(v, ()):
            if head not in came:
                came[head] = (e, v)
                queue.append(head)
    return came
