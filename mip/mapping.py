"""`map_request`: from a problem to a verified mapping, or to reasons."""

from __future__ import annotations

import time
from dataclasses import replace

from mip.clock import Clock
from mip.collecting import uncollected
from mip.draft import Draft, chosen_values, value_of
from mip.errors import UnknownMethodError, WrongMappingError
from mip.exact.host_count import counts_hosts, solve_hosts
from mip.exact.min_max import only_peak, solve_peak
from mip.exact.nearby import plain
from mip.exact.program import Found, Search, solve_plain
from mip.exact.strategy import is_heavy, quick, solve_additive, surrogate, takes_long
from mip.explain.refusals import explain
from mip.instance.features import is_pip, landmarks, offered, within
from mip.instance.instance import Instance, Kind, compile_instance
from mip.objectives import Cost, Objective, Weights, objective, weights_of
from mip.problem.statement import Code, Options, Problem, Reason, Result, Status
from mip.scaling import scale_for
from mip.solvers.linear import Ending, Progress
from mip.solvers.registry import solver
from mip.verify.verifier import verify
from rdl.compare.match import satisfies
from rdl.graph import MappingGraph, NotIn, Placement, Scalar

METHODS = ("auto", "exact", "fast")

_EXPLAIN_S = 10.0
_EXPLAIN_MIN_S = 0.3
"""The time that looking for reasons may take: at most, and whatever the time limit says."""

_SPARE_SHARE, _SPARE_SHORT_SHARE, _SPARE_S = 0.3, 0.5, 3.0
"""The part of the time for a mapping of low cost, to fall back on where the objective is no sum;
where that is short, a larger one of at most so many seconds."""

_CLOSED = 1e-9
"""The gap that is none, as a share of the value: what doubles tell apart."""

_TIE_SHARE = 0.5
"""The part of what is left of the time limit that breaking ties may take."""


def map_request(
    problem: Problem, options: Options | None = None, progress: Progress | None = None
) -> Result:
    """Map the request of `problem` onto its substrate.

    Args:
        problem: what to map onto what.
        options: objective, method, limits.
        progress: told the incumbent's value and the bound whenever they change.

    Raises:
        UnknownObjectiveError: no objective of that name.
        WrongObjectiveError: an objective asks for a price that is no number from 0 up.
        UnknownMethodError: no method or solver of that name.
        SolverError: the solver broke down.
        WrongMappingError: the verifier turned the mapping down.
    """
    options = options or Options()
    if options.method not in METHODS:
        raise UnknownMethodError(f"no method {options.method!r}; there are {', '.join(METHODS)}")
    with uncollected():
        return _map(problem, options, progress)


def _map(problem: Problem, options: Options, progress: Progress | None) -> Result:
    began = time.monotonic()
    chosen = objective(options.objective)
    weights = weights_of(chosen, problem)
    search = Search(
        solver(options.solver), Clock(options.time_limit), options.gap, options.seed, progress
    )
    instance = compile_instance(problem)
    scale = scale_for(instance, weights)
    units = scale.weights(weights)
    search = replace(search, progress=scale.progress(progress))
    built = time.monotonic()
    if instance.refusals:
        found = Found(Ending.INFEASIBLE)
        reasons = instance.refusals
    else:
        found = _solve(instance, units, search, options.method)
        found = _break_ties(instance, units, search, found, chosen)
        reasons = _why(problem, search, found) if options.explain else ()
    seconds = {"build": built - began, "solve": time.monotonic() - built}
    value = None if found.draft is None else value_of(instance, units, found.draft)
    found = replace(found, bound=scale.value(found.bound))
    result = _result(instance, options, found, scale.value(value), reasons)
    seconds["total"] = time.monotonic() - began
    return _verified(problem, replace(result, seconds=seconds))


def _solve(instance: Instance, weights: Weights, search: Search, method: str) -> Found:
    """The way that fits the objective and the method."""
    if method == "fast" and not weights.additive:
        found = quick(instance, surrogate(instance), search)
        known = found.draft is None
        return found if known else Found(Ending.FEASIBLE, found.draft)
    if method == "fast":
        return quick(instance, weights, search)
    if weights.additive:
        return solve_additive(instance, weights, search)
    spare = Found(Ending.UNKNOWN)
    left = search.clock.left()
    if left is not None and (takes_long(instance) or not plain(instance)):
        seconds = max(_SPARE_SHARE * left, min(_SPARE_SHORT_SHARE * left, _SPARE_S))
        moment = replace(search, clock=search.clock.within(seconds), progress=None)
        spare = quick(instance, surrogate(instance), moment)
    if spare.ending is Ending.INFEASIBLE:
        return spare
    found = _by_kind(instance, weights, search, spare.draft)
    if found.ending is Ending.UNKNOWN and spare.draft is not None:
        return Found(Ending.FEASIBLE, spare.draft, found.bound)
    return found


def _by_kind(instance: Instance, weights: Weights, search: Search, known: Draft | None) -> Found:
    """The way that fits an objective that is no sum."""
    if only_peak(weights):
        return solve_peak(instance, weights, search)
    if counts_hosts(instance, weights):
        return solve_hosts(instance, weights, search, known)
    return solve_plain(instance, weights, search)


def _why(problem: Problem, search: Search, found: Found) -> tuple[Reason, ...]:
    """Reasons for what is proven not to fit, within the time that is left."""
    if found.ending is not Ending.INFEASIBLE:
        return ()
    left = search.clock.left()
    seconds = _EXPLAIN_S if left is None else max(_EXPLAIN_MIN_S, min(left, _EXPLAIN_S))
    name = next(iter(problem.request.elements), problem.request.name)
    return explain(problem, search.solver, seconds) or (
        Reason(name, Code.FRAGMENTED, "each part would fit alone, all together don't"),
    )


def _break_ties(
    instance: Instance, weights: Weights, search: Search, found: Found, chosen: Objective
) -> Found:
    """Among mappings of the same value, one of least cost, as far as the time lets."""
    if type(chosen) is Cost or found.cheapest or found.draft is None:
        return found
    if found.ending is not Ending.OPTIMAL or is_heavy(instance):
        return found
    again = Search(search.solver, search.clock.part(_TIE_SHARE), 0.0, search.seed, None)
    value = value_of(instance, weights, found.draft)
    cost = surrogate(instance)
    better = solve_plain(instance, cost, again, ceiling=(weights, value))
    if better.draft is None or value_of(instance, weights, better.draft) > value * (1 + _CLOSED):
        return found
    return Found(found.ending, better.draft, found.bound)


def _result(
    instance: Instance,
    options: Options,
    found: Found,
    value: float | None,
    reasons: tuple[Reason, ...],
) -> Result:
    name = options.objective_name
    if found.draft is None or value is None:
        if found.ending is Ending.INFEASIBLE:
            return Result(Status.INFEASIBLE, name, reasons=reasons)
        return Result(Status.TIMEOUT, name, bound=found.bound)
    draft = found.draft
    proven = found.ending is Ending.OPTIMAL and not options.gap
    bound = value if proven else found.bound
    if bound is not None:
        bound = min(bound, value)
    closed = bound is not None and value - bound <= _CLOSED * abs(value)
    return Result(
        Status.OPTIMAL if proven or closed else Status.FEASIBLE,
        name,
        value,
        bound,
        nodes={
            p.id: instance.network.ids[draft.places[i]]
            for i, p in enumerate(instance.points)
            if p.kind is Kind.VNODE
        },
        links={v.id: draft.working[i].on for i, v in enumerate(instance.vlinks)},
        backups={instance.vlinks[i].id: r.on for i, r in sorted(draft.backup.items())},
        chosen=settled(instance, draft),
    )


def settled(instance: Instance, draft: Draft) -> dict[str, dict[str, Scalar]]:
    """What the request left open and the mapping settles.

    What constraints bind, and, on hosts (a provider chooses for itself), which of several values
    asked for it is.
    """
    problem = instance.problem
    out = chosen_values(instance, draft) or {}
    for index, point in enumerate(instance.points):
        host = instance.network.element(draft.places[index])
        if point.kind is not Kind.VNODE or is_pip(host):
            continue
        element = problem.request.elements[point.id]
        for name, demand in element.features.items():
            if name in out.get(point.id, {}) or isinstance(demand, str | int | float | bool):
                continue
            offer = offered(host, name, problem.substrate)
            base = () if isinstance(demand, NotIn) else landmarks(demand)
            values = [v for v in (*base, *landmarks(offer)) if satisfies(v, demand)]
            good = [v for v in values if offer is not None and within(offer, v)]
            if good:
                out.setdefault(point.id, {})[name] = good[0]
    return out


def _verified(problem: Problem, result: Result) -> Result:
    if result.status in {Status.OPTIMAL, Status.FEASIBLE}:
        faults = verify(problem, result)
        if faults:
            raise WrongMappingError(faults)
    return result


def mapping_graph(result: Result, problem: Problem) -> MappingGraph:
    """The ML graph of a mapping; tags and interfaces (segments) are the roles' to add."""
    nodes = {v: Placement(on=(host,)) for v, host in result.nodes.items()}
    links = {
        v: Placement(on=tuple(on), backup=tuple(result.backups.get(v, ())))
        for v, on in result.links.items()
    }
    order = [e for e in problem.request.elements if e in nodes or e in links]
    mapping = {e: nodes[e] if e in nodes else links[e] for e in order}
    return MappingGraph(problem.request.name, problem.substrate.name, mapping)
