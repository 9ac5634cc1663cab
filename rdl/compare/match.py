"""Whether what is there meets what is asked for (contract, "Resources and features").

A demand is met if *some* offered value satisfies it; a feature the substrate lacks fails every
demand but `not`. Amounts are not looked at here: how much is left is the embedding's business.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from rdl import types
from rdl.graph import Element, Feature, NotIn, Range, Scalar


class Absent(enum.Enum):
    """The one value that says a feature isn't there (`None` is a value that features can have)."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT

# Demands on a VLink's whole path or on its ends, not on each link that carries it.
PATH_FEATURES = frozenset({"latency", "protection", "vlan", "endpoint"})


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why an element can't stand on another: `code` is `type` or `feature`, as in an offer."""

    code: str
    name: str
    text: str


def accepts(demand: Feature | Absent, offered: Feature | Absent) -> bool:
    """Whether some offered value satisfies the demand.

    Args:
        demand: of the request; absent means no demand.
        offered: of the substrate: a scalar, a list of what it can do, or a span `{min, max}`.
    """
    if isinstance(demand, Absent):
        return True
    if isinstance(offered, Absent):
        return isinstance(demand, NotIn)
    if isinstance(offered, Range):
        return _meets_span(demand, offered)
    values = offered if isinstance(offered, tuple) else (offered,)
    return any(satisfies(value, demand) for value in values if not isinstance(value, NotIn))


def satisfies(value: Scalar, demand: Feature) -> bool:
    """Whether one offered value satisfies the demand."""
    if isinstance(demand, NotIn):
        return not any(equal(value, v) for v in demand.values)
    if isinstance(demand, Range):
        return _within(value, demand)
    if isinstance(demand, tuple):
        return any(equal(value, v) for v in demand)
    return equal(value, demand)


def equal(a: Scalar, b: Scalar) -> bool:
    """Equality of scalars in which `true` is not 1."""
    return isinstance(a, bool) is isinstance(b, bool) and a == b


def _within(value: Scalar, span: Range) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (span.min is None or value >= span.min) and (span.max is None or value <= span.max)


def _meets_span(demand: Feature, span: Range) -> bool:
    if isinstance(demand, NotIn):
        return span.min is None or span.min != span.max or satisfies(span.min, demand)
    if isinstance(demand, Range):
        low = max((b for b in (demand.min, span.min) if b is not None), default=None)
        high = min((b for b in (demand.max, span.max) if b is not None), default=None)
        return low is None or high is None or low <= high
    wanted = demand if isinstance(demand, tuple) else (demand,)
    return any(_within(value, span) for value in wanted)


def hosts(substrate: Element, request_type: str) -> bool:
    """Whether `substrate` takes elements of `request_type`, by its type.

    A provider hosts what fits one of its `types`; a stub hosts nothing.
    """
    if substrate.is_stub:
        return False
    if not types.is_a(substrate.type, types.PIP):
        return types.fits(request_type, substrate.type)
    offered = substrate.features.get("types", ())
    listed = offered if isinstance(offered, tuple) else (offered,)
    return any(isinstance(t, str) and types.fits(request_type, t) for t in listed)


def offered_features(substrate: Element) -> Mapping[str, Feature]:
    """The features of a substrate element with those that its type implies.

    `virtualization` follows from the type of a host; a provider's own id is its `provider`.
    """
    implied: dict[str, Feature] = {}
    virtualization = types.implied_virtualization(substrate.type)
    if virtualization is not None:
        implied["virtualization"] = virtualization
    if types.is_a(substrate.type, types.PIP):
        implied["provider"] = substrate.id
    return {**implied, **substrate.features} if implied else substrate.features


def feature_of(substrate: Element, name: str) -> Feature | Absent:
    """One offered feature, implied ones included; `ABSENT` where there is none."""
    return offered_features(substrate).get(name, ABSENT)


def element_fits(request: Element, substrate: Element) -> tuple[Mismatch, ...]:
    """Every reason why `request` can't stand on `substrate`; empty where it can.

    For a link, the demands on the whole path (`PATH_FEATURES`) are left to who knows the path.
    """
    if not hosts(substrate, request.type):
        text = f"{request.id} asks for {request.type}, {substrate.id} is {substrate.type}"
        return (Mismatch("type", "type", text),)
    return unmet(request, offered_features(substrate), substrate.id)


def unmet(request: Element, offered: Mapping[str, Feature], name: str) -> tuple[Mismatch, ...]:
    """The demands of `request` that the features `offered` by `name` don't meet."""
    skipped = PATH_FEATURES if request.is_link else frozenset[str]()
    return tuple(
        Mismatch("feature", key, f"{request.id} asks for {key} {describe(demand)}, {name} "
                 + _has(offered.get(key, ABSENT)))
        for key, demand in request.features.items()
        if key not in skipped and not accepts(demand, offered.get(key, ABSENT))
    )  # fmt: skip


def _has(offered: Feature | Absent) -> str:
    return "has none" if isinstance(offered, Absent) else f"has {describe(offered)}"


def describe(feature: Feature) -> str:
    """A feature in words: `x86_64`, `x86_64 or aarch64`, `at most 0.01`, `not berlin`."""
    if isinstance(feature, NotIn):
        return "not " + _listed(feature.values)
    if isinstance(feature, tuple):
        return _listed(feature)
    if isinstance(feature, Range):
        low = None if feature.min is None else f"at least {feature.min}"
        high = None if feature.max is None else f"at most {feature.max}"
        return " and ".join(part for part in (low, high) if part) or "any"
    return str(feature)


def _listed(values: Iterable[Scalar]) -> str:
    return " or ".join(str(v) for v in values)


def narrowed(request: Element, name: str, value: Scalar, by: str) -> Element:
    """`request` with feature `name` settled to `value`, marked as chosen by `by`."""
    return replace(
        request,
        features={**request.features, name: value},
        chosen={**request.chosen, name: by},
    )
