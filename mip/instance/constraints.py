"""The constraints of a request, compiled, and the values they leave to choose.

`together` and `apart` by a feature are `same` and `different` of that feature. Without `by` they
speak of hosts; between VNodes that share a provider, `apart` is that provider's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from mip.instance.features import is_pip, landmarks, offered, within
from mip.instance.network import Network
from mip.problem.statement import Code, Problem, Reason
from rdl import types
from rdl.compare.match import hosts, satisfies
from rdl.graph import Constraint, ConstraintKind, Element, Graph, Range, Scalar

Choice = tuple[str, str]
"""An element of the request and one of its features."""


class Placeable(Protocol):
    """What this module needs of a point."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def candidates(self) -> tuple[int, ...]:
        """Where it may be."""


@dataclass(frozen=True, slots=True)
class ValueRule:
    """`same` or `different` of one feature over the elements `members`."""

    same: bool
    feature: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Rules:
    """All rules of a request.

    Attributes:
        together: sets of point indexes that share a vertex.
        apart: sets of point indexes on pairwise different vertices, providers excepted.
        never: (point indexes, vertex) pairs: not all of these points there.
        values: rules on features.
        domain: for each feature under a rule, the values worth choosing.
        allowed: for each choice to make, substrate element to the indexes of the values in the
            domain that hold there.
    """

    together: tuple[tuple[int, ...], ...] = ()
    apart: tuple[tuple[int, ...], ...] = ()
    values: tuple[ValueRule, ...] = ()
    domain: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    allowed: Mapping[Choice, Mapping[str, frozenset[int]]] = field(default_factory=dict)
    never: tuple[tuple[tuple[int, ...], int], ...] = ()

    def turned_down(self, places: Mapping[int, int] | Sequence[int]) -> bool:
        """Whether points at these vertices are all where they must not all be."""
        return any(all(places[i] == v for i in some) for some, v in self.never)

    def spread(self, places: Mapping[int, int], network: Network) -> bool:
        """Whether points at these vertices keep `together`, `apart` and `never`."""
        machines = (
            [places[i] for i in some if not is_pip(network.element(places[i]))]
            for some in self.apart
        )
        return (
            all(len(set(at)) == len(at) for at in machines)
            and all(len({places[i] for i in some}) <= 1 for some in self.together)
            and not self.turned_down(places)
        )


def compile_rules(
    problem: Problem, network: Network, points: Sequence[Placeable], vlinks: Iterable[str]
) -> tuple[Rules, list[Reason]]:
    """The rules, and a reason for each that nothing could satisfy."""
    index = {p.id: i for i, p in enumerate(points)}
    together: list[tuple[int, ...]] = []
    apart: list[tuple[int, ...]] = []
    values: list[ValueRule] = []
    for rule in problem.request.constraints:
        members = tuple(m for m in rule.of if m in problem.request.elements)
        at = tuple(index[m] for m in members if m in index)
        if rule.kind in {ConstraintKind.SAME, ConstraintKind.DIFFERENT} and rule.feature:
            same = rule.kind is ConstraintKind.SAME
            values.append(ValueRule(same, rule.feature, members))
        elif rule.kind is ConstraintKind.TOGETHER:
            _spread(rule, members, at, together, values)
        elif rule.kind is ConstraintKind.APART:
            _spread(rule, members, at, apart, values)
    features = {v.feature: None for v in values}
    domain = {f: _domain(problem, network, points, values, f) for f in features}
    where = {p.id: [network.ids[v] for v in p.candidates] for p in points}
    links = [e.id for e in problem.substrate.links() if not e.is_stub]
    where.update(dict.fromkeys(vlinks, links))
    allowed = {
        (m, v.feature): _allowed(problem, m, v.feature, where.get(m, []), domain[v.feature])
        for v in values
        for m in v.members
    }
    never = tuple(_never(problem, network, index))
    rules = Rules(tuple(together), tuple(apart), tuple(values), domain, allowed, never)
    return rules, list(_broken(problem, rules))


def _never(
    problem: Problem, network: Network, index: Mapping[str, int]
) -> Iterator[tuple[tuple[int, ...], int]]:
    """What of `Problem.nogoods` can be broken at all; a single VNode has no such candidate."""
    for vnodes, host in dict.fromkeys(problem.nogoods):
        if len(vnodes) > 1 and vnodes <= index.keys() and host in network.index:
            yield tuple(sorted(index[v] for v in vnodes)), network.index[host]


def _spread(
    rule: Constraint,
    members: tuple[str, ...],
    at: tuple[int, ...],
    plain: list[tuple[int, ...]],
    values: list[ValueRule],
) -> None:
    if rule.by is None:
        plain.append(at)
    else:
        values.append(ValueRule(rule.kind is ConstraintKind.TOGETHER, rule.by, members))


def _domain(
    problem: Problem,
    network: Network,
    points: Sequence[Placeable],
    values: Sequence[ValueRule],
    feature: str,
) -> tuple[Scalar, ...]:
    """Enough values that choosing among them loses nothing.

    Bounds of spans suffice for `same`; for `different`, each span gives as many values as there
    are members.
    """
    members = {m for v in values if v.feature == feature for m in v.members}
    vertices = {v for p in points if p.id in members for v in p.candidates}
    offers = [offered(network.element(v), feature, problem.substrate) for v in sorted(vertices)]
    if any(problem.request.elements[m].is_link for m in members):
        offers += [offered(e, feature, problem.substrate) for e in problem.substrate.links()]
    demands = [problem.request.elements[m].features.get(feature) for m in sorted(members)]
    base = landmarks(*offers, *demands)
    spans = [s for s in (*offers, *demands) if isinstance(s, Range)]
    more = [v for s in spans for v in _steps(s, len(members))]
    return landmarks(base, tuple(more))


def _steps(span: Range, count: int) -> Iterator[Scalar]:
    """Up to `count` further values inside a span: whole steps, or fractions of a narrow one."""
    start = span.min if span.min is not None else span.max
    if start is None:
        return
    for step in range(1, count):
        value = start + step if span.min is not None else start - step
        if span.max is not None and span.min is not None and span.max - span.min < count:
            value = span.min + (span.max - span.min) * step / count
        yield value


def _allowed(
    problem: Problem,
    member: str,
    feature: str,
    where: Iterable[str],
    domain: Sequence[Scalar],
) -> dict[str, frozenset[int]]:
    demand = problem.request.elements[member].features.get(feature)
    out = {}
    for element_id in where:
        offer = offered(problem.substrate.elements[element_id], feature, problem.substrate)
        out[element_id] = frozenset(
            k
            for k, value in enumerate(domain)
            if offer is not None
            and within(offer, value)
            and (demand is None or satisfies(value, demand))
        )
    return out


def _broken(problem: Problem, rules: Rules) -> Iterator[Reason]:
    """A member that could have no value at all breaks its rule."""
    for (member, feature), where in rules.allowed.items():
        if problem.request.elements[member].is_node and where and not any(where.values()):
            text = f"no host that would fit has a value of {feature}, which a constraint binds"
            yield Reason(member, Code.CONSTRAINT, text)


def target_refusals(problem: Problem) -> Iterator[Reason]:
    """One reason for each id under `on` or `not_on` that isn't shown here."""
    shown = problem.shown
    for rule in problem.request.constraints:
        for target in rule.targets:
            if target.startswith("/"):
                continue
            known = target in problem.substrate.elements and not target.startswith("_")
            if known and (shown is None or target in shown):
                continue
            text = f"{target} is not a place that can be asked for here"
            yield Reason(rule.of[0] if rule.of else target, Code.UNKNOWN_TARGET, text)


def target_vertices(
    request: Graph, vnode: str, network: Network, vertices: Iterable[int]
) -> list[int]:
    """Those of `vertices` that `on` and `not_on` leave to a VNode.

    Model: (R1).
    """
    rules = [
        _Targets.of(r)
        for r in request.constraints
        if r.kind in {ConstraintKind.ON, ConstraintKind.NOT_ON} and vnode in r.of
    ]
    if not rules:
        return list(vertices)
    element = request.elements[vnode]
    return [v for v in vertices if _open_to(element, network.element(v), rules)]


@dataclass(frozen=True)
class _Targets:
    """An `on` (or `not_on`) by the ids and the types it names."""

    on: bool
    ids: frozenset[str]
    kinds: tuple[str, ...]

    @classmethod
    def of(cls, rule: Constraint) -> _Targets:
        kinds = tuple(t for t in rule.targets if t.startswith("/"))
        return cls(rule.kind is ConstraintKind.ON, frozenset(rule.targets) - {*kinds}, kinds)

    def keeps(self, host: str, is_of: Callable[[str], bool]) -> bool:
        """Whether a host, which is of the kinds that `is_of` says, keeps the rule."""
        return (host in self.ids or any(is_of(k) for k in self.kinds)) is self.on


def _open_to(vnode: Element, host: Element, rules: Sequence[_Targets]) -> bool:
    """Whether `on` and `not_on` leave a host to a VNode; a provider by one type of those it lists.

    That one type has to satisfy all of `rules`, and what the VNode asks for.
    """
    if not is_pip(host):
        return all(rule.keeps(host.id, partial(hosts, host)) for rule in rules)
    listed = [str(t) for t in landmarks(host.features.get("types"))]
    fitting = [t for t in listed if types.fits(vnode.type, t)]
    return any(all(r.keeps(host.id, partial(_is_of, t)) for r in rules) for t in fitting)


def _is_of(listed: str, kind: str) -> bool:
    return types.fits(kind, listed)


def settle(rules: Rules, places: Mapping[str, Sequence[str]]) -> dict[Choice, int] | None:
    """A value for every choice that satisfies all rules at once, None if there is none.

    Args:
        rules: the compiled rules.
        places: for each element under a rule the substrate elements that carry it. What nothing
            carries (a VLink within one host) has no value, and no rule binds it.

    Returns:
        Choice to the index of its value in the feature's domain.
    """
    options: dict[Choice, frozenset[int]] = {}
    for choice, where in rules.allowed.items():
        if not places[choice[0]]:
            continue
        left = frozenset(range(len(rules.domain[choice[1]])))
        for element_id in places[choice[0]]:
            left &= where.get(element_id, frozenset())
        options[choice] = left
    return _assign(rules, options, {})


def _assign(
    rules: Rules, options: dict[Choice, frozenset[int]], done: dict[Choice, int]
) -> dict[Choice, int] | None:
    open_ = [c for c in options if c not in done]
    if not open_:
        return done
    choice = min(open_, key=lambda c: len(options[c]))
    for value in sorted(options[choice]):
        narrowed = _narrow(rules, options, choice, value)
        if narrowed is not None:
            found = _assign(rules, narrowed, {**done, choice: value})
            if found is not None:
                return found
    return None


def _narrow(
    rules: Rules, options: dict[Choice, frozenset[int]], choice: Choice, value: int
) -> dict[Choice, frozenset[int]] | None:
    """The options left once `choice` has `value`; None if one is left without."""
    out = {**options, choice: frozenset((value,))}
    member, feature = choice
    for rule in rules.values:
        if rule.feature != feature or member not in rule.members:
            continue
        for other in rule.members:
            near = (other, feature)
            if other != member and near in out:
                only = frozenset((value,))
                out[near] = out[near] & only if rule.same else out[near] - only
    return out if all(out.values()) else None
