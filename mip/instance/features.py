"""Single values: what an element offers under a feature, and which values are worth a look.

Types and demands are matched by `rdl.compare.match`; this adds what only an embedding asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from rdl import types
from rdl.compare.match import ABSENT, feature_of, satisfies
from rdl.graph import Element, Feature, Graph, NotIn, Range, Scalar


def is_pip(element: Element) -> bool:
    """Whether the element stands for a whole provider."""
    return types.is_a(element.type, types.PIP)


def forwards(element: Element) -> bool:
    """Whether a VLink may pass through: links, switches, bridges and providers; not hosts."""
    return element.is_link or types.forwards(element.type)


def offered(substrate: Element, feature: str, underlay: Graph) -> Feature | None:
    """What `substrate` offers under `feature`, implied features included; None for nothing.

    Hosts of a substrate that says no `provider` all belong to one: the underlay itself.
    """
    found = feature_of(substrate, feature)
    if found is ABSENT:
        return underlay.name if feature == "provider" else None
    return found


def within(spec: Feature, value: Scalar) -> bool:
    """Whether `value` is among what an offer spans: a scalar, a list or a span."""
    return not isinstance(spec, NotIn) and satisfies(value, spec)


def landmarks(*specs: Feature | None) -> tuple[Scalar, ...]:
    """The scalars named in `specs`, bounds of spans included, each once, in order.

    If some value satisfies several closed demands and offers at once, one of these does: closed
    intervals meet at one of their ends.
    """
    seen: dict[tuple[bool, Scalar], Scalar] = {}
    for spec in specs:
        for value in _scalars(spec):
            seen.setdefault((isinstance(value, bool), value), value)
    return tuple(seen.values())


def number(features: Mapping[str, Feature], name: str) -> float:
    """The least number offered under `name`, 0 where there is none."""
    numbers = [
        v
        for v in _scalars(features.get(name))
        if isinstance(v, int | float) and not isinstance(v, bool)
    ]
    return float(min(numbers, default=0))


def _scalars(spec: Feature | None) -> tuple[Scalar, ...]:
    if spec is None or isinstance(spec, NotIn):
        return ()
    if isinstance(spec, Range):
        return tuple(v for v in (spec.min, spec.max) if v is not None)
    return spec if isinstance(spec, tuple) else (spec,)
