"""Rows that cut a solution off: too many, or too rare, to be there from the start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from mip.draft import Draft
from mip.formulation.arc_flow import ArcFlow
from mip.formulation.columns import Arc, RouteColumns
from mip.instance.capacity import Key
from mip.solvers.linear import INFINITY


def failure_row(program: ArcFlow, key: Key, failed: str) -> None:
    """The capacity `key` while the element `failed` is down and backups that need it run.

    Model: (18).
    """
    load = dict(program.capacities.always.get(key, {}))
    for (at, index), terms in list(program.capacities.backups.items()):
        if at != key:
            continue
        work = next(r for r in program.flows.routes if r.vlink == index and not r.backup)
        hit = _hit(program, work, failed)
        if hit is None:
            continue
        for column, amount in terms.items():
            both = program.model.column(integer=False)
            program.model.row({column: 1.0, hit: 1.0, both: -1.0}, -INFINITY, 1.0)
            load[both] = load.get(both, 0) + amount
    program.capacities.row(key, load, program.instance.use.scenarios(key).get(failed, 0))


def _hit(program: ArcFlow, work: RouteColumns, failed: str) -> int | None:
    """A column that is 1 if `failed` is between the ends of a protected VLink's route."""
    network = program.instance.network
    column = program.model.column(integer=False)
    found = False
    for e, used in work.use.items():
        if network.edges[e].link == failed:
            program.model.row({**dict.fromkeys(used, 1.0), column: -1.0}, -INFINITY, 0.0)
            found = True
    vlink = program.instance.vlinks[work.vlink]
    v = network.index.get(failed)
    if v is not None and (vlink.protection == "node" or network.element(v).is_link):
        for commodity in range(len(work.flows)):
            inner = program.flows.inner(work, commodity, v)
            program.model.row({**inner.terms, column: -1.0}, -INFINITY, 0.0)
            found = True
    return column if found else None


def cover_row(program: ArcFlow, key: Key, values: Sequence[float]) -> None:
    """Not all of what a solution puts on `key` at once: it is more than there is.

    Model: (28).
    """
    active = [c for c in program.capacities.always.get(key, {}) if values[c] > 0.5]
    program.model.row(dict.fromkeys(active, 1.0), -INFINITY, len(active) - 1.0)


def forbid_route(program: ArcFlow, index: int, draft: Draft, *, backup: bool) -> None:
    """Not this route of a VLink between these very ends again.

    Model: (25).
    """
    columns = _route_of(program, index, backup=backup)
    route = draft.backup[index] if backup else draft.working[index]
    terms = {column: 1.0 for e in route.edges for column in columns.use[e]}
    ends = dict.fromkeys(program.instance.vlinks[index].points)
    for p in ends:
        terms[program.x[p][draft.places[p]]] = 1.0
    program.model.row(terms, -INFINITY, len(route.edges) + len(ends) - 1.0)


def cut_cycles(program: ArcFlow, index: int, values: Sequence[float], *, backup: bool) -> bool:
    """No flow of a VLink around what it goes around in a solution; whether there was any.

    Cycles cost nothing where bandwidth does, and make a path seem to take its time.

    Model: (26).
    """
    cut = False
    for flow in _route_of(program, index, backup=backup).flows:
        for cycle in _cycles(program, {a: c for a, c in flow.items() if values[c] > 0.5}):
            program.model.row(dict.fromkeys(cycle, 1.0), -INFINITY, len(cycle) - 1.0)
            cut = True
    return cut


def _cycles(program: ArcFlow, used: Mapping[Arc, int]) -> Iterator[list[int]]:
    """The columns of each cycle of arcs in use, those that share a vertex once."""
    edges = program.instance.network.edges
    after: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (e, back), column in used.items():
        tail, head = (edges[e].v, edges[e].u) if back else (edges[e].u, edges[e].v)
        after[tail].append((head, column))
    done: set[int] = set()
    for start in list(after):
        way: list[int] = []
        at: dict[int, int] = {}
        v = start
        while v not in done and v not in at and after[v]:
            at[v] = len(way)
            v, column = after[v].pop()
            way.append(column)
        if v in at:
            yield way[at[v] :]
        done.update(u for u in at if not after[u])


def close_tree(
    program: ArcFlow, index: int, edge: int, cycle: Sequence[int], *, backup: bool
) -> None:
    """A tree has `edge` if it has both its ends, and never all edges of `cycle`.

    What joins two elements of a tree belongs to it: a link of many ends reaches all of them.

    Model: (27).
    """
    use = _route_of(program, index, backup=backup).use
    edges = program.instance.network.edges
    one, other = (
        next(e for e in cycle if e != edge and v in {edges[e].u, edges[e].v})
        for v in (edges[edge].u, edges[edge].v)
    )
    beside = dict.fromkeys((*use[one], *use[other]), 1.0)
    program.model.row({**beside, **dict.fromkeys(use.get(edge, ()), -1.0)}, -INFINITY, 1.0)
    around = {column: 1.0 for e in cycle for column in use.get(e, ())}
    program.model.row(around, -INFINITY, len(cycle) - 1.0)


def _route_of(program: ArcFlow, index: int, *, backup: bool) -> RouteColumns:
    return next(r for r in program.flows.routes if r.vlink == index and r.backup is backup)
