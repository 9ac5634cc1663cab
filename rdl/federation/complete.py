"""Completion: OL0, as it came in, to OL1, in which the role has settled what was left to it.

Each value that a role fills in is marked on the element with who chose it (paper, section 5.3):
`chosen: {arch: pip:berlin}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from rdl.compare import match
from rdl.compare.match import ABSENT
from rdl.errors import RdlError
from rdl.federation import choices
from rdl.graph import (
    Amount,
    Constraint,
    ConstraintKind,
    Element,
    Graph,
    NotIn,
    Range,
    Scalar,
)

SETTLED = ("arch", "virtualization", "image", "site")
_MAX_STEPS = 20_000
_ALIKE = (ConstraintKind.SAME, ConstraintKind.TOGETHER)
_UNLIKE = (ConstraintKind.DIFFERENT, ConstraintKind.APART)


class CompletionError(RdlError):
    """No values can be chosen that all constraints allow."""


@dataclass(frozen=True)
class Policy:
    """What a role fills in.

    Attributes:
        node_resources: amounts for VNodes that name none of that resource (base units).
        link_resources: likewise for VLinks.
        settles: the features of VNodes that get one value, where their host offers any.
        prefers: by feature, values to be taken before others where there is a choice.
    """

    node_resources: Mapping[str, int | float] = field(default_factory=dict)
    link_resources: Mapping[str, int | float] = field(default_factory=dict)
    settles: tuple[str, ...] = SETTLED
    prefers: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)


NO_POLICY = Policy(settles=())


def complete(
    graph: Graph,
    *,
    policy: Policy,
    role: str,
    hosts: Mapping[str, Element] | None = None,
    chosen: Mapping[str, Mapping[str, Scalar]] | None = None,
) -> Graph:
    """The OL1 graph: absent resources by policy, open features settled.

    Args:
        graph: the OL0 graph, or an OL1 graph with more to settle.
        policy: what this role fills in.
        role: who it is, as `pip:berlin` or `vnp:broker`, for `chosen`.
        hosts: VNode to the substrate element that carries it: its features are settled to values
            which that element offers, and which `same` and `different` allow. None settles none.
        chosen: values that the mapping has chosen already, by element and feature.

    Raises:
        CompletionError: no choice of values meets every `same` and `different` constraint.
    """
    elements = {i: _with_resources(e, policy, role) for i, e in graph.elements.items()}
    given = chosen or {}
    for identifier, values in given.items():
        for name, value in values.items():
            elements[identifier] = _settled(elements[identifier], name, value, role)
    filled = replace(graph, elements=elements)
    if not hosts:
        return filled
    for feature in _features(policy, filled):
        for identifier, value in _choose(filled, feature, policy, hosts).items():
            elements[identifier] = _settled(elements[identifier], feature, value, role)
        filled = replace(filled, elements=dict(elements))
    return filled


def _with_resources(element: Element, policy: Policy, role: str) -> Element:
    if element.is_stub:
        return element
    defaults = policy.link_resources if element.is_link else policy.node_resources
    absent = {n: Amount(a) for n, a in defaults.items() if n not in element.resources}
    if not absent:
        return element
    return replace(
        element,
        resources={**element.resources, **absent},
        chosen={**element.chosen, **dict.fromkeys(absent, role)},
    )


def _settled(element: Element, feature: str, value: Scalar, role: str) -> Element:
    now = element.features.get(feature, ABSENT)
    if not isinstance(now, match.Absent | Range | NotIn | tuple):
        return element
    return match.narrowed(element, feature, value, role)


def _features(policy: Policy, graph: Graph) -> Iterator[str]:
    bound = (c.feature for c in graph.constraints if c.feature is not None)
    return iter(dict.fromkeys((*policy.settles, *(bound if policy.settles else ()))))


# -- choosing


def _choose(
    graph: Graph, feature: str, policy: Policy, hosts: Mapping[str, Element]
) -> dict[str, Scalar]:
    """A value of `feature` for each placed VNode whose host offers any."""
    domains: dict[str, tuple[Scalar, ...]] = {}
    for element in graph.nodes():
        if element.id not in hosts or element.is_stub:
            continue
        offered = match.feature_of(hosts[element.id], feature)
        values = choices.domain(element.features.get(feature, ABSENT), offered)
        if values:
            domains[element.id] = _preferred(values, policy.prefers.get(feature, ()))
    groups = _groups(graph.constraints, feature, domains)
    common = {g: choices.common(domains[m] for m in members) for g, members in groups.items()}
    unlike = _unlike(graph.constraints, feature, groups)
    picked = _search(common, unlike)
    if picked is None:
        raise CompletionError(f"no values of {feature} meet every constraint")
    return {m: picked[g] for g, members in groups.items() for m in members}


def _preferred(values: tuple[Scalar, ...], first: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    leading = choices.common((first, values))
    return (*leading, *(v for v in values if v not in leading))


def _groups(
    constraints: tuple[Constraint, ...], feature: str, members: Mapping[str, object]
) -> dict[str, list[str]]:
    """VNodes that `same` (and `together` by it) force to one value, by one of them."""
    head = {m: m for m in members}

    def find(member: str) -> str:
        while head[member] != member:
            head[member] = head[head[member]]
            member = head[member]
        return member

    for constraint in constraints:
        if constraint.kind in _ALIKE and choices.open_feature(constraint) == feature:
            bound = [m for m in constraint.of if m in head]
            for member in bound[1:]:
                head[find(member)] = find(bound[0])
    out: dict[str, list[str]] = {}
    for member in members:
        out.setdefault(find(member), []).append(member)
    return out


def _unlike(
    constraints: tuple[Constraint, ...], feature: str, groups: Mapping[str, list[str]]
) -> list[list[str]]:
    of = {m: g for g, members in groups.items() for m in members}
    return [
        [of[m] for m in c.of if m in of]
        for c in constraints
        if c.kind in _UNLIKE and choices.open_feature(c) == feature
    ]


def _search(
    domains: Mapping[str, tuple[Scalar, ...]], unlike: list[list[str]]
) -> dict[str, Scalar] | None:
    """One value for each group, different where it must be: backtracking, fewest values first."""
    order = sorted(domains, key=lambda g: len(domains[g]))
    near = {g: [x for row in unlike if g in row for x in _others(row, g)] for g in order}
    picked: dict[str, Scalar] = {}
    tried = [0] * (len(order) + 1)
    position = steps = 0
    while position < len(order):
        steps += 1
        group = order[position]
        picked.pop(group, None)
        values = domains[group]
        while tried[position] < len(values):
            value = values[tried[position]]
            tried[position] += 1
            if not any(o in picked and match.equal(picked[o], value) for o in near[group]):
                picked[group] = value
                break
        if group in picked:
            position += 1
            tried[position] = 0
        elif position == 0 or steps > _MAX_STEPS:
            return None
        else:
            position -= 1
    return picked


def _others(row: list[str], group: str) -> list[str]:
    return [g for g in row if g != group] + ([group] if row.count(group) > 1 else [])
