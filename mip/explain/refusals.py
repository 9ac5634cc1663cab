"""Why a request can't be embedded: the demands that clash, and the least that would help.

The demands named are a minimal conflict: without any one of them, those left would fit. Found by
leaving out groups of demands and then single ones for as long as the rest still doesn't fit.
Where the time doesn't suffice, or there are very many, what is told is true, but not the least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

from mip.clock import Clock
from mip.draft import value_of
from mip.exact.program import Search, solve_plain
from mip.explain.demands import Demand, Wish, demands, with_amount, without
from mip.instance.capacity import key_of
from mip.instance.instance import Instance, compile_instance
from mip.objectives import Weights
from mip.problem.amounts import Exact, exact, human, tidy
from mip.problem.statement import Code, Problem, Reason
from mip.solvers.linear import Ending, Solver
from rdl.graph import ConstraintKind, Element

_SUBSETS = 4
"""How many other demands may share a place when looking for an amount that fits."""

_SUMS = 1_000
"""How many sums of other demands are looked at for that, at most, by their number."""

_SHARE = 0.25
"""The part of the time that one of the many questions may take."""

_REASONS = 50
"""The reasons given at most."""

_NAMES = 8
"""The elements that one reason names at most."""


@dataclass(frozen=True)
class Relaxation:
    """One demand lowered to `value` (None: given up), after which all fits."""

    demand: Demand
    value: Exact | None

    @property
    def text(self) -> str:
        """What to ask for instead."""
        if self.value is None:
            return "without this one demand it would fit"
        if self.demand.wish is Wish.LATENCY:
            return f"with {float(self.value) * 1000:g} ms it would fit"
        return f"with {human(self.value, self.demand.name)} it would fit"


class Explainer:
    """Looks for the reasons of one refusal within a time limit."""

    def __init__(self, problem: Problem, solver: Solver, seconds: float | None) -> None:
        self._problem = problem
        self._clock = Clock(seconds)
        self._most = None if seconds is None else seconds * _SHARE
        self._solver = solver
        self._known: dict[frozenset[Demand], bool] = {}

    def reasons(self) -> tuple[Reason, ...]:
        """A reason for each demand in a minimal conflict; the way out is said with the first."""
        core = self.conflict()
        if not core:
            return ()
        relaxed = self.relaxation(core)
        instance = compile_instance(self._problem)
        said = {d.element for d in core if d.wish < Wish.PATH}
        telling = [d for d in core if d.wish is not Wish.PATH or d.element not in said]
        out = []
        for demand in telling[:_REASONS]:
            reason = _reason(instance, demand, core)
            if relaxed is not None and relaxed.demand == demand:
                reason = replace(reason, text=f"{reason.text}; {relaxed.text}")
            out.append(reason)
        return tuple(out)

    def conflict(self) -> tuple[Demand, ...]:
        """Demands that can't be met together; a minimal set if the time allows.

        Empty where the time didn't even suffice to leave anything out.
        """
        left = list(demands(self._problem.request))
        groups: dict[tuple[Wish, str], list[Demand]] = {}
        for demand in left:
            name = demand.name if demand.wish is Wish.RESOURCE else ""
            groups.setdefault((demand.wish, name), []).append(demand)
        dropped: frozenset[Demand] = frozenset()
        for group in groups.values():
            if self._clashes(dropped.union(group)):
                dropped = dropped.union(group)
        for group in groups.values():
            if not dropped.issuperset(group):
                dropped = self._halved(group, dropped)
        if not dropped and self._clock.over():
            return ()
        return tuple(d for d in left if d not in dropped)

    def _halved(self, group: Sequence[Demand], dropped: frozenset[Demand]) -> frozenset[Demand]:
        """`dropped` and as many as can be left out too of a group that can't be as a whole."""
        half = len(group) // 2
        if not half or self._clock.over():
            return dropped
        for part in (group[:half], group[half:]):
            more = dropped.union(part)
            dropped = more if self._clashes(more) else self._halved(part, dropped)
        return dropped

    def relaxation(self, core: Sequence[Demand]) -> Relaxation | None:
        """The smallest change of one demand after which everything fits, None if none is enough.

        Amounts are compared by the share that is given up; giving up a demand counts whole.
        """
        best: tuple[float, Relaxation] | None = None
        for demand in core:
            if self._clock.over() or self._clashes({demand}):
                continue
            found = self._least(demand)
            share = self._share(found)
            if best is None or share < best[0]:
                best = (share, found)
        return None if best is None else best[1]

    def _clashes(self, dropped: Iterable[Demand]) -> bool:
        """Whether it is proven, in the time there is, that without `dropped` it doesn't fit."""
        if self._clock.over():
            return False
        key = frozenset(dropped)
        if key not in self._known:
            self._known[key] = self._infeasible(
                replace(self._problem, request=without(self._problem.request, key))
            )
        return self._known[key]

    def _infeasible(self, problem: Problem) -> bool:
        if self._clock.over():
            return False
        instance = compile_instance(problem)
        if instance.refusals or _overdrawn(instance):
            return True
        if self._clock.over():
            return False
        found = solve_plain(instance, Weights(), self._search())
        return found.ending is Ending.INFEASIBLE

    def _search(self) -> Search:
        left = self._clock.left()
        most = left if left is None or self._most is None else min(left, self._most)
        return Search(self._solver, Clock(most))

    def _least(self, demand: Demand) -> Relaxation:
        if demand.wish is Wish.LATENCY:
            return Relaxation(demand, self._least_latency(demand))
        if demand.wish in {Wish.RESOURCE, Wish.BANDWIDTH}:
            return Relaxation(demand, self._most_amount(demand))
        return Relaxation(demand, None)

    def _least_latency(self, demand: Demand) -> Exact | None:
        """The least latency that a VLink could have with all other demands met."""
        request = without(self._problem.request, [demand])
        instance = compile_instance(replace(self._problem, request=request))

        def lag(vlink: Element, element: Element) -> float:
            if vlink.id != demand.element or element.id not in instance.network.substrate.elements:
                return 0.0
            return float(instance.network.latency(element.id))

        weights = Weights(carry=lag)
        found = solve_plain(instance, weights, self._search())
        if found.draft is None or len(self._problem.request.ends(demand.element)) > 2:
            return None
        return exact(round(value_of(instance, weights, found.draft), 9))

    def _most_amount(self, demand: Demand) -> Exact | None:
        """The most of a resource that could be had: one of the sums that exactly fill a place."""
        instance = compile_instance(
            replace(self._problem, request=without(self._problem.request, [demand]))
        )
        asked = exact(self._problem.request.elements[demand.element].amount(demand.name))
        steps = sorted(a for a in set(_fills(instance, demand)) if 0 < a < asked)
        low, high, best = 0, len(steps), None
        while low < high and not self._clock.over():
            middle = (low + high) // 2
            request = with_amount(self._problem.request, demand, tidy(steps[middle]))
            if self._infeasible(replace(self._problem, request=request)):
                high = middle
            else:
                best, low = steps[middle], middle + 1
        return best

    def _share(self, relaxation: Relaxation) -> float:
        if relaxation.value is None:
            return 1.0
        if relaxation.demand.wish is Wish.LATENCY:
            return 0.5
        element = self._problem.request.elements[relaxation.demand.element]
        return 1.0 - float(relaxation.value / exact(element.amount(relaxation.demand.name)))


def _fills(instance: Instance, demand: Demand) -> Iterator[Exact]:
    """What is left of each place once up to `_SUBSETS` other demands have their part of it."""
    others: list[Exact] = []
    if demand.wish is Wish.RESOURCE:
        owners = [e for e in instance.network.ids if instance.network.substrate.elements[e].is_node]
        others = [p.demand.get(demand.name, 0) for p in instance.points if p.id != demand.element]
    else:
        owners = [e.link for e in instance.network.edges if e.link is not None]
        others = [v.demand.get(demand.name, 0) for v in instance.vlinks if v.id != demand.element]
    counts = Counter(o for o in others if o)
    others = [o for o, count in counts.items() for _ in range(min(count, _SUBSETS))]
    sizes = [k for k in range(_SUBSETS + 1) if comb(len(others), k) <= _SUMS]
    sums = {sum(some) for k in sizes for some in combinations(others, k)}
    elements = instance.network.substrate.elements
    free = {instance.free(key_of(elements[o], demand.name)) for o in owners}
    yield from (f - s for f in free for s in sums)


def _overdrawn(instance: Instance) -> bool:
    """Whether VNodes ask for more of a resource than all hosts that could have them have left."""
    asked: dict[str, Exact] = {}
    vertices: dict[str, set[int]] = {}
    for point in instance.points:
        for resource, amount in point.demand.items():
            asked[resource] = asked.get(resource, 0) + amount
            vertices.setdefault(resource, set()).update(point.candidates)
    return any(a > _free(instance, vertices[r], r) for r, a in asked.items())


def _free(instance: Instance, vertices: Iterable[int], resource: str) -> Exact:
    """What is left of a resource on some hosts, a pool counted once."""
    keys = {key_of(instance.network.element(v), resource) for v in vertices}
    return sum((instance.free(k) for k in keys), start=0)


def _reason(instance: Instance, demand: Demand, core: Sequence[Demand]) -> Reason:
    texts = {
        Wish.PROTECTION: (Code.NO_PATH, "no backup path shares nothing with its path"),
        Wish.LATENCY: (Code.LATENCY, "no path that is left meets its latency"),
        Wish.PATH: (Code.NO_PATH, "no path joins the hosts that its ends could have"),
        Wish.FEATURE: (Code.FEATURE, f"its demand for {demand.name} clashes with the rest"),
    }
    if demand.wish in texts:
        code, text = texts[demand.wish]
        return Reason(demand.element, code, text)
    if demand.wish is Wish.RULE:
        return _rule_reason(instance, demand)
    if demand.wish is Wish.BANDWIDTH:
        return _link_reason(instance, demand, core)
    return _node_reason(instance, demand, core)


def _rule_reason(instance: Instance, demand: Demand) -> Reason:
    rule = instance.problem.request.constraints[int(demand.name)]
    by = "" if rule.by is None else f" by {rule.by}"
    kinds = {ConstraintKind.SAME, ConstraintKind.DIFFERENT}
    what = f"{rule.kind} {rule.feature}" if rule.kind in kinds else f"{rule.kind}{by}"
    name = f" ({rule.id})" if rule.id else ""
    text = f"the constraint{name} `{what}` of {', '.join(rule.of)} can't be kept with the rest"
    return Reason(demand.element, Code.CONSTRAINT, text)


def _node_reason(instance: Instance, demand: Demand, core: Sequence[Demand]) -> Reason:
    """Short in sum, or enough in sum but on no one host."""
    members = [d.element for d in core if d.wish is Wish.RESOURCE and d.name == demand.name]
    known = set(members)
    points = [p for p in instance.points if p.id in known]
    asked = sum((p.demand[demand.name] for p in points), start=0)
    free = _free(instance, {v for p in points for v in p.candidates}, demand.name)
    names = _named(members)
    if asked > free:
        text = (
            f"{names} ask for {human(asked, demand.name)} of {demand.name} in all; the hosts that"
            f" fit have {human(free, demand.name)} free,"
            f" short by {human(asked - free, demand.name)}"
        )
        return Reason(demand.element, Code.CAPACITY, text)
    text = (
        f"{names} ask for {human(asked, demand.name)} of {demand.name}; {human(free, demand.name)}"
        " are free in all, but not in pieces that fit"
    )
    return Reason(demand.element, Code.FRAGMENTED, text)


def _named(ids: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(ids) - _NAMES} more" if len(ids) > _NAMES else ""
    return ", ".join(ids[:_NAMES]) + more


def _link_reason(instance: Instance, demand: Demand, core: Sequence[Demand]) -> Reason:
    vlink = next(v for v in instance.vlinks if v.id == demand.element)
    elements = instance.network.substrate.elements
    links = [e.link for e in instance.network.edges if e.link is not None]
    most = max((instance.free(key_of(elements[x], demand.name)) for x in links), default=0)
    asked = vlink.demand[demand.name]
    if asked > most:
        text = (
            f"asks for {human(asked, demand.name)}; the most free on one link is"
            f" {human(most, demand.name)}, short by {human(asked - most, demand.name)}"
        )
        return Reason(demand.element, Code.CAPACITY, text)
    others = [d.element for d in core if d.wish is Wish.BANDWIDTH and d.element != demand.element]
    beside = f" beside {_named(others)}" if others else ""
    text = f"no path between hosts that fit has {human(asked, demand.name)} left{beside}"
    return Reason(demand.element, Code.CAPACITY, text)


def explain(problem: Problem, solver: Solver, seconds: float | None) -> tuple[Reason, ...]:
    """Why `problem` has no mapping; empty if no reason was found in `seconds`."""
    return Explainer(problem, solver, seconds).reasons()
