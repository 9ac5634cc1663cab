"""Choices that several providers must make alike (paper, section 2.3, vagueness). Pure.

A constraint cut by the partition leaves each provider free: which value it took, and which it could
take, stand in its offer. Where they differ, the broker settles a common value in a second request.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rdl.compare import match
from rdl.federation import choices
from rdl.graph import Constraint, ConstraintKind, Graph, NotIn, Range, Scalar

PROPOSALS = 4
_ALIKE = (ConstraintKind.SAME, ConstraintKind.TOGETHER)


@dataclass(frozen=True)
class Part:
    """What one provider answered.

    Attributes:
        graph: its partial graph as it completed it.
        choices: by constraint, the values it could take.
    """

    graph: Graph
    choices: Mapping[str, Sequence[Scalar]]


def numbered(graph: Graph) -> Graph:
    """The graph with an id for every constraint, so that answers about them can be told apart."""
    taken = {c.id for c in graph.constraints}
    fresh = (n for i in itertools.count() if (n := f"c{i}") not in taken)
    named = tuple(c if c.id is not None else replace(c, id=next(fresh)) for c in graph.constraints)
    return replace(graph, constraints=named)


def unsettled(overlay: Graph, parts: Mapping[str, Part]) -> list[Constraint]:
    """The constraints between providers that their choices don't meet."""
    return [c for c in overlay.constraints if _is_cut(c, parts) and not _is_met(c, parts)]


def proposals(overlay: Graph, parts: Mapping[str, Part], *, by: str) -> list[Graph]:
    """Requests in which what is unsettled is settled, in the order to be tried.

    Args:
        overlay: the request, its constraints numbered.
        parts: by provider.
        by: who settles, for `chosen`.

    Returns:
        None at all where some constraint has no common value.
    """
    options = [_options(c, parts) for c in unsettled(overlay, parts)]
    found: list[Graph] = []
    for picks in itertools.islice(itertools.product(*options), PROPOSALS if options else 0):
        graph = overlay
        for members in picks:
            graph = _bound(graph, members, by)
        found.append(graph)
    return found


def merged(parts: Mapping[str, Part], ids: Sequence[str]) -> dict[str, list[Scalar]]:
    """The choices to answer upward: the values that all concerned providers could take."""
    found = {}
    for name in ids:
        offered = [p.choices[name] for p in parts.values() if name in p.choices]
        if offered:
            found[name] = list(choices.common(offered))
    return found


@dataclass(frozen=True)
class _Pick:
    """Values for the members of one constraint."""

    feature: str
    values: Mapping[str, Scalar]


def _members(constraint: Constraint, parts: Mapping[str, Part]) -> dict[str, list[str]]:
    """The constraint's members by provider."""
    found = {p: [m for m in constraint.of if m in part.graph.elements] for p, part in parts.items()}
    return {p: members for p, members in found.items() if members}


def _is_cut(constraint: Constraint, parts: Mapping[str, Part]) -> bool:
    feature = choices.open_feature(constraint)
    if feature is None or feature == "provider" or constraint.id is None:
        return False
    return len(_members(constraint, parts)) > 1


def _is_met(constraint: Constraint, parts: Mapping[str, Part]) -> bool:
    feature = choices.open_feature(constraint) or ""
    values = [
        parts[p].graph.elements[m].features.get(feature)
        for p, members in _members(constraint, parts).items()
        for m in members
    ]
    scalars = [v for v in values if not isinstance(v, tuple | Range | NotIn | None)]
    if len(scalars) < len(values):
        return False
    pairs = itertools.combinations(scalars, 2)
    if constraint.kind in _ALIKE:
        return all(match.equal(a, b) for a, b in pairs)
    return not any(match.equal(a, b) for a, b in pairs)


def _options(constraint: Constraint, parts: Mapping[str, Part]) -> list[_Pick]:
    feature, name = choices.open_feature(constraint) or "", constraint.id or ""
    members = _members(constraint, parts)
    offered = {p: tuple(parts[p].choices.get(name, ())) for p in members}
    if constraint.kind in _ALIKE:
        every = [m for local in members.values() for m in local]
        return [_Pick(feature, dict.fromkeys(every, v)) for v in choices.common(offered.values())]
    allotted = choices.allot({p: len(local) for p, local in members.items()}, offered)
    if allotted is None:
        return []
    pairs = (pair for p, local in members.items() for pair in zip(local, allotted[p], strict=True))
    return [_Pick(feature, dict(pairs))]


def _bound(graph: Graph, pick: _Pick, by: str) -> Graph:
    elements = dict(graph.elements)
    for member, value in pick.values.items():
        elements[member] = match.narrowed(elements[member], pick.feature, value, by)
    return replace(graph, elements=elements)
