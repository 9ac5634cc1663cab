"""Types, features and chosen values, read from the contract anew: for the oracle alone.

`rdl` is used for the graph's own types; matching is written again, so that a mistake in the
product's is not repeated here. Questions that the contract leaves open, and how they are answered:

- `on` and `not_on` by type at a provider: there has to be one type among its `types` that the
  VNode's own type fits, every `on` names (or the provider's id is named), and no `not_on` names.
- A value under `same` or `different` has to be offered by the host, or by every link of the
  working path (the backup doesn't count), and accepted by the element's own demand. A VLink
  without links has no value, as nothing carries it, and no rule binds it.
- Whoever doesn't say its `provider` belongs to the one that the substrate is named after; a demand
  for `not` that name is met as well, since the feature is absent.
- Between two numbers there are others: a span `{min, max}` offers as many values as are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from rdl.graph import Constraint, ConstraintKind, Element, Feature, NotIn, Range, Scalar

ABSENT = object()
"""What an element offers under a feature that it doesn't have; `null` is a value."""

Offer = object
Variable = tuple[str, str]
"""An element of the request and a feature of it."""

PIP = "/node/host/pip"
FORWARDING = ("/node/switch", "/node/bridge", PIP)
OF_THE_PATH = frozenset({"latency", "protection", "vlan", "endpoint"})
"""Features of a VLink that are no demand on each single link."""


def exact(value: float) -> Fraction:
    """The number as it is written: 0.1 is one tenth."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


# --- types --------------------------------------------------------------------------------------


def below(kind: str, ancestor: str) -> bool:
    return (kind + "/").startswith(ancestor + "/")


def fits(asked: str, there: str) -> bool:
    """Contract, "Types": equal, an ancestor, or `generic` under an ancestor."""
    parent, _, last = asked.rpartition("/")
    return below(there, asked) or (last == "generic" and there.startswith(parent + "/"))


def is_pip(element: Element) -> bool:
    return below(element.type, PIP)


def forwards(element: Element) -> bool:
    """Whether a VLink may pass through a node: not through hosts, except providers."""
    return any(below(element.type, kind) for kind in FORWARDING)


def hosted_types(there: Element) -> tuple[str, ...]:
    """The types of what it hosts: its own, or those that a provider lists."""
    if there.is_stub:
        return ()
    if not is_pip(there):
        return (there.type,)
    listed = there.features.get("types", ())
    return tuple(str(t) for t in (listed if isinstance(listed, tuple) else (listed,)))


def may_stand(vnode: Element, there: Element, rules: Iterable[Constraint]) -> bool:
    """Whether type, `on` and `not_on` allow `vnode` on `there`."""
    mine = [r for r in rules if vnode.id in r.of]
    only = [r for r in mine if r.kind is ConstraintKind.ON]
    never = [r for r in mine if r.kind is ConstraintKind.NOT_ON]
    if any(there.id in r.targets for r in never):
        return False
    return any(
        fits(vnode.type, kind)
        and all(there.id in r.targets or _named(r, kind) for r in only)
        and not any(_named(r, kind) for r in never)
        for kind in hosted_types(there)
    )


def _named(rule: Constraint, kind: str) -> bool:
    return any(t.startswith("/") and fits(t, kind) for t in rule.targets)


# --- features -----------------------------------------------------------------------------------


def equal(a: Scalar, b: Scalar) -> bool:
    """`true` is not 1."""
    return isinstance(a, bool) is isinstance(b, bool) and a == b


def is_number(value: object) -> bool:
    return isinstance(value, int | float | Fraction) and not isinstance(value, bool)


def inside(span: Range, value: object) -> bool:
    return (
        is_number(value)
        and (span.min is None or span.min <= value)
        and (span.max is None or value <= span.max)
    )


def accepted(value: Scalar, demand: Feature) -> bool:
    """Whether one value meets a demand."""
    if isinstance(demand, NotIn):
        return not any(equal(value, v) for v in demand.values)
    return spans(demand, value)


def spans(offer: Feature, value: Scalar) -> bool:
    """Whether one value is among those offered."""
    if isinstance(offer, Range):
        return inside(offer, value)
    return any(equal(value, v) for v in (offer if isinstance(offer, tuple) else (offer,)))


def offered(there: Element, feature: str, underlay: str) -> Offer:
    """What an element of the substrate offers under a feature."""
    if feature in there.features:
        return there.features[feature]
    if feature == "provider":
        return there.id if is_pip(there) else underlay
    if feature == "virtualization" and there.type.startswith("/node/host/server/"):
        level = there.type.split("/")[4]
        return level if level in ("kvm", "xen", "namespace") else ABSENT
    return ABSENT


def meets(offer: Offer, demand: Feature) -> bool:
    """Whether some offered value satisfies the demand; an absent feature only `not`."""
    if offer is ABSENT:
        return isinstance(demand, NotIn)
    return any(accepted(v, demand) for v in candidates([offer, demand], 2) if spans(offer, v))


def candidates(specs: Iterable[object], count: int) -> list[Scalar]:
    """Enough values for `count` different ones to be found wherever they exist.

    Every scalar that is named, and numbers between and beyond those.
    """
    named: dict[tuple[bool, Scalar], Scalar] = {}
    for spec in specs:
        for value in _scalars(spec):
            named.setdefault((isinstance(value, bool), value), value)
    values = list(named.values())
    numbers = sorted(exact(v) for v in values if is_number(v))
    if numbers:
        edges = [numbers[0] - 1, *numbers, numbers[-1] + 1]
        for low, high in pairwise(edges):
            values += [low + (high - low) * k / (count + 1) for k in range(1, count + 1)]
    return values


def _scalars(spec: object) -> Iterator[Scalar]:
    if isinstance(spec, Range):
        yield from (v for v in (spec.min, spec.max) if v is not None)
    elif isinstance(spec, NotIn):
        yield from spec.values
    elif isinstance(spec, tuple):
        yield from spec
    elif spec is not ABSENT:
        yield spec


# --- rules on values ----------------------------------------------------------------------------


@dataclass(frozen=True)
class ValueRule:
    """`same` or `different` of one feature; `together` and `apart` with `by` are these too."""

    same: bool
    feature: str
    members: tuple[str, ...]


def value_rules(rules: Iterable[Constraint], there: Mapping[str, Element]) -> list[ValueRule]:
    """The rules on values among `rules`, members elsewhere left out."""
    alike = {ConstraintKind.SAME, ConstraintKind.TOGETHER}
    found = []
    for rule in rules:
        feature = rule.feature if rule.kind in ("same", "different") else rule.by
        if feature is not None:
            members = tuple(m for m in rule.of if m in there)
            found.append(ValueRule(rule.kind in alike, feature, members))
    return found


def settled(
    rules: Sequence[ValueRule],
    offers: Mapping[Variable, Sequence[Offer]],
    demands: Mapping[Variable, Feature | None],
    fixed: Mapping[Variable, Scalar] | None = None,
) -> dict[Variable, Scalar] | None:
    """Values that keep all rules, None if there are none.

    Args:
        rules: on the features of `offers`' variables.
        offers: for each variable what each element that carries it offers; all have to.
        demands: for each variable what its own element asks for; None for nothing.
        fixed: values that are given.
    """
    out: dict[Variable, Scalar] = {}
    for feature in dict.fromkeys(r.feature for r in rules):
        mine = [v for v in offers if v[1] == feature]
        specs = [s for v in mine for s in (*offers[v], demands[v]) if s is not None]
        universe = candidates(specs, len(mine))
        domains: dict[Variable, list[Scalar]] = {}
        for variable in mine:
            asked = demands[variable]
            values = [
                v
                for v in ([fixed[variable]] if fixed and variable in fixed else universe)
                if (asked is None or accepted(v, asked))
                and all(o is not ABSENT and spans(o, v) for o in offers[variable])
            ]
            domains[variable] = values
        found = _assigned([r for r in rules if r.feature == feature], domains, {})
        if found is None:
            return None
        out.update(found)
    return out


def _assigned(
    rules: Sequence[ValueRule],
    domains: Mapping[Variable, Sequence[Scalar]],
    done: dict[Variable, Scalar],
) -> dict[Variable, Scalar] | None:
    if len(done) == len(domains):
        return done
    variable = min((v for v in domains if v not in done), key=lambda v: len(domains[v]))
    for value in domains[variable]:
        if all(_kept(rule, variable, value, done) for rule in rules):
            found = _assigned(rules, domains, {**done, variable: value})
            if found is not None:
                return found
    return None


def _kept(
    rule: ValueRule, variable: Variable, value: Scalar, done: Mapping[Variable, Scalar]
) -> bool:
    member, feature = variable
    if member not in rule.members:
        return True
    others = [done[m, feature] for m in rule.members if m != member and (m, feature) in done]
    return all(equal(value, other) is rule.same for other in others)
