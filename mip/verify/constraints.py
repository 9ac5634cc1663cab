"""Location and affinity constraints, and the values that members of a constraint settled on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mip.verify.check import Check
from rdl import types
from rdl.compare.match import ABSENT, feature_of, hosts, satisfies
from rdl.graph import Constraint, ConstraintKind, Element, NotIn, Scalar


@dataclass(frozen=True)
class ConstraintCheck(Check):
    """The request's constraints."""

    def faults(self) -> Iterator[str]:
        """Constraints broken, and values not settled or not offered."""
        for rule in self.ol.constraints:
            members = [m for m in rule.of if m in self.ol.elements]
            if rule.kind in {ConstraintKind.ON, ConstraintKind.NOT_ON}:
                yield from self._targets(rule, members)
            elif rule.kind is ConstraintKind.SAME or rule.kind is ConstraintKind.DIFFERENT:
                yield from self._values(rule, str(rule.feature), members)
            elif rule.by is not None:
                yield from self._values(rule, rule.by, members)
            else:
                yield from self._hosts(rule, members)

    def _hosts(self, rule: Constraint, members: Sequence[str]) -> Iterator[str]:
        places = [self.result.nodes[m] for m in members if m in self.result.nodes]
        if rule.kind is ConstraintKind.TOGETHER and len(set(places)) > 1:
            yield f"{', '.join(members)} are to be together"
        if rule.kind is ConstraintKind.APART:
            single = [p for p in places if not self._provider(p)]
            if len(set(single)) < len(single):
                yield f"{', '.join(members)} are to be apart"

    def _provider(self, element: str) -> bool:
        return element in self.ul.elements and types.is_a(self.ul.elements[element].type, types.PIP)

    def _targets(self, rule: Constraint, members: Sequence[str]) -> Iterator[str]:
        for target in rule.targets:
            hidden = self.problem.shown is not None and target not in self.problem.shown
            if not target.startswith("/") and (hidden or target not in self.ul.elements):
                yield f"{target} can't be asked for"
        for member in members:
            host = self.ul.elements.get(self.result.nodes.get(member, ""))
            if host is None:
                continue
            named = host.id in rule.targets
            kinds = [t for t in rule.targets if t.startswith("/")]
            if rule.kind is ConstraintKind.ON:
                if not named and not self._taken_as(self.ol.elements[member], host, kinds):
                    yield f"{member} is on {host.id}, which isn't among {', '.join(rule.targets)}"
            elif named or self._banned(self.ol.elements[member], host, kinds):
                yield f"{member} is on {host.id}, which is excluded"

    def _banned(self, vnode: Element, host: Element, kinds: Sequence[str]) -> bool:
        if not self._provider(host.id):
            return any(types.fits(t, host.type) for t in kinds)
        return not self._open(vnode, host)

    def _taken_as(self, vnode: Element, host: Element, kinds: Sequence[str]) -> bool:
        """Whether a host is of one of `kinds`, or a provider has a type where the VNode can be."""
        if not self._provider(host.id):
            return any(hosts(host, t) for t in kinds)
        return bool(self._open(vnode, host))

    def _open(self, vnode: Element, provider: Element) -> list[str]:
        """The types a provider lists that a VNode fits and that all rules on it leave."""
        listed = provider.features.get("types", ())
        offers = [str(t) for t in (listed if isinstance(listed, tuple) else (listed,))]
        open_ = [t for t in offers if types.fits(vnode.type, t)]
        for rule in self.ol.constraints:
            if vnode.id not in rule.of or provider.id in rule.targets:
                continue
            kinds = [t for t in rule.targets if t.startswith("/")]
            if rule.kind is ConstraintKind.ON:
                open_ = [t for t in open_ if any(types.fits(k, t) for k in kinds)]
            elif rule.kind is ConstraintKind.NOT_ON:
                open_ = [t for t in open_ if not any(types.fits(k, t) for k in kinds)]
        return open_

    def _values(self, rule: Constraint, feature: str, members: Sequence[str]) -> Iterator[str]:
        values = []
        for member in members:
            if not self._carriers(member):
                continue
            chosen = self.result.chosen.get(member, {})
            if feature not in chosen:
                yield f"{feature} of {member} is not settled"
                continue
            value = chosen[feature]
            values.append(value)
            if not self._offered(member, feature, value):
                yield f"{feature} of {member} is settled to {value}, which isn't offered there"
            if not self._demands_met(self.ol.elements[member], feature, value):
                yield f"{feature} of {member} is settled to {value}, which it doesn't accept"
        distinct = {(isinstance(v, bool), v) for v in values}
        same = rule.kind in {ConstraintKind.SAME, ConstraintKind.TOGETHER}
        if values and same and len(distinct) > 1:
            yield f"{feature} of {', '.join(members)} should be the same"
        if not same and len(distinct) < len(values):
            yield f"{feature} of {', '.join(members)} should be different"

    def _carriers(self, member: str) -> list[str]:
        """A VNode's host, or the links on a VLink's path: none within one host, and so no value."""
        if self.ol.elements[member].is_node:
            return [h for h in (self.result.nodes.get(member),) if h in self.ul.elements and h]
        path = self.result.links.get(member, ())
        return [e for e in path if e in self.ul.elements and self.ul.elements[e].is_link]

    def _offered(self, member: str, feature: str, value: Scalar) -> bool:
        for place in self._carriers(member):
            offer = feature_of(self.ul.elements[place], feature)
            if offer is ABSENT:
                if feature != "provider" or value != self.ul.name:
                    return False
            elif isinstance(offer, NotIn) or not satisfies(value, offer):
                return False
        return True
