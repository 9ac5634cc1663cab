"""What is left open, and settling it: the values a demand and an offer have in common.

A constraint across providers must neither be fixed too early nor differently at two of them (paper,
section 2.3). So each provider answers which values its part could take (`possible`), the role above
takes what is common to all (`common`, `allot`), and writes it into the parts (`bind`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rdl.compare import match
from rdl.compare.match import ABSENT, Absent
from rdl.errors import RdlError
from rdl.graph import Constraint, ConstraintKind, Element, Feature, Graph, NotIn, Range, Scalar


class ChoiceError(RdlError):
    """A choice that can't be made or isn't there to be made."""


def domain(demand: Feature | Absent, offered: Feature | Absent) -> tuple[Scalar, ...]:
    """The single values that meet a demand and are offered, in the order of the offer.

    A span that meets a span has no such list: its lowest common value stands for it.
    """
    if isinstance(offered, Absent):
        return ()
    if isinstance(offered, Range):
        return _of_span(demand, offered)
    values = offered if isinstance(offered, tuple) else (offered,)
    scalars = [v for v in values if not isinstance(v, NotIn)]
    return tuple(v for v in scalars if isinstance(demand, Absent) or match.satisfies(v, demand))


def _of_span(demand: Feature | Absent, span: Range) -> tuple[Scalar, ...]:
    if not match.accepts(demand, span):
        return ()
    if isinstance(demand, Range):
        bounds = [b for b in (demand.min, span.min) if b is not None]
        return (max(bounds),) if bounds else ()
    if isinstance(demand, Absent | NotIn):
        return () if span.min is None or not _allowed(span.min, demand) else (span.min,)
    wanted = demand if isinstance(demand, tuple) else (demand,)
    return tuple(v for v in wanted if match.accepts(v, span))


def _allowed(value: Scalar, demand: Absent | NotIn) -> bool:
    return isinstance(demand, Absent) or match.satisfies(value, demand)


def open_feature(constraint: Constraint) -> str | None:
    """The feature whose value a constraint leaves open, None where it leaves none.

    `together` and `apart` with `by` speak of the hosts' feature as `same` and `different` do.
    """
    return constraint.by if constraint.feature is None else constraint.feature


def possible(
    graph: Graph, constraint: Constraint, substrate: Iterable[Element]
) -> tuple[Scalar, ...]:
    """The values that the members of `constraint` could take on the elements of `substrate`.

    Of `same` and `together`, those that every member could; of `different` and `apart`, those that
    some member could. An element counts where it meets the member's other demands; whether there
    is room is the embedding's to say. In the order in which the substrate offers them.
    """
    feature = open_feature(constraint)
    if feature is None:
        return ()
    elements = tuple(substrate)
    sets = [_could(graph.elements[m], feature, elements) for m in constraint.of]
    if constraint.kind in (ConstraintKind.SAME, ConstraintKind.TOGETHER):
        return common(sets)
    return _united(sets)


def _could(member: Element, feature: str, substrate: Sequence[Element]) -> tuple[Scalar, ...]:
    others = {k: v for k, v in member.features.items() if k != feature}
    request = replace(member, features=others)
    demand = member.features.get(feature, ABSENT)
    fitting = (e for e in substrate if not match.element_fits(request, e))
    return _united(domain(demand, match.feature_of(e, feature)) for e in fitting)


def offers(graph: Graph, substrate: Iterable[Element]) -> dict[str, tuple[Scalar, ...]]:
    """`choices` of an offer: the possible values of each constraint partly elsewhere, by id."""
    elements = tuple(substrate)
    return {
        c.id: possible(graph, c, elements)
        for c in graph.constraints
        if c.id is not None and c.elsewhere and open_feature(c) is not None
    }


def common(sets: Iterable[Sequence[Scalar]]) -> tuple[Scalar, ...]:
    """The values in every one of `sets`, in the order of the first."""
    first, *others = [tuple(s) for s in sets] or [()]
    return tuple(v for v in first if all(_in(v, other) for other in others))


def _united(sets: Iterable[Iterable[Scalar]]) -> tuple[Scalar, ...]:
    out: list[Scalar] = []
    for values in sets:
        out.extend(v for v in values if not _in(v, out))
    return tuple(out)


def _in(value: Scalar, values: Sequence[Scalar]) -> bool:
    return any(match.equal(value, v) for v in values)


def allot(
    wanted: Mapping[str, int], offered: Mapping[str, Sequence[Scalar]]
) -> dict[str, tuple[Scalar, ...]] | None:
    """Values of a `different` constraint, disjoint between providers.

    Args:
        wanted: how many members each provider has, each to get a value of its own.
        offered: the values each provider could take.

    Returns:
        As many values for each provider as it has members; None where there is no such allotment.
        (A bipartite matching by augmenting paths.)
    """
    seats = [provider for provider, n in wanted.items() for _ in range(n)]
    values = _united(offered.get(p, ()) for p in wanted)
    taken: dict[int, int] = {}  # value index to seat

    def seat(index: int, tried: set[int]) -> bool:
        for number, value in enumerate(values):
            if number in tried or not _in(value, offered.get(seats[index], ())):
                continue
            tried.add(number)
            if number not in taken or seat(taken[number], tried):
                taken[number] = index
                return True
        return False

    if not all(seat(index, set()) for index in range(len(seats))):
        return None
    out: dict[str, tuple[Scalar, ...]] = dict.fromkeys(wanted, ())
    for number, index in sorted(taken.items()):
        out[seats[index]] = (*out[seats[index]], values[number])
    return out


def bind(
    graph: Graph, constraint_id: str, value: Scalar | Sequence[Scalar], *, by: str | None = None
) -> Graph:
    """`graph` with the constraint's feature settled on each of its members.

    Args:
        graph: a partial graph or a whole one.
        constraint_id: the constraint that leaves the feature open.
        value: the one value, or (for `different`) the values to be shared out.
        by: who chose, such as `vnp:broker`, for `chosen`; None leaves no mark.

    Raises:
        ChoiceError: no such constraint, or a member that refuses the value.
    """
    found = next((c for c in graph.constraints if c.id == constraint_id), None)
    feature = None if found is None else open_feature(found)
    if found is None or feature is None:
        raise ChoiceError(f"no constraint {constraint_id} that leaves a feature open")
    elements = dict(graph.elements)
    for member in found.of:
        elements[member] = _bound(elements[member], feature, value, by)
    return replace(graph, elements=elements)


def _bound(
    element: Element, feature: str, value: Scalar | Sequence[Scalar], by: str | None
) -> Element:
    values = _as_values(value)
    demand = element.features.get(feature, ABSENT)
    allowed = tuple(v for v in values if match.accepts(demand, v))
    if not allowed:
        told = match.describe(values)
        raise ChoiceError(f"{element.id} does not take {feature} {told}")
    settled: Feature = allowed if len(allowed) > 1 else allowed[0]
    if demand == settled and type(demand) is type(settled):
        return element
    chosen = element.chosen if by is None else {**element.chosen, feature: by}
    return replace(element, features={**element.features, feature: settled}, chosen=chosen)


def _as_values(value: Scalar | Sequence[Scalar]) -> tuple[Scalar, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (value,)
    return tuple(value)
