"""What callers from outside are told of a refusal: nothing that shows the inside.

Figures compare only with what `negotiation.substrate()` shows; where the sums would suffice and the
room merely lies badly, the code is `fragmented`, without figures (contract, "An offer"). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mip.problem.statement import Code, Reason
from rdl.compare.match import hosts, offered_features, unmet
from rdl.graph import Element, Graph

_TEXTS = {
    Code.CONSTRAINT: "its constraints can't be met together here",
    Code.LATENCY: "no path is short enough",
    Code.NO_PATH: "there is no path with that much bandwidth",
    Code.UNKNOWN_TARGET: "there is no such place",
}
_PLAIN = frozenset(
    {Code.VLAN_TAKEN, Code.QUOTA, Code.POLICY, Code.TIMEOUT, Code.PEER_AWAY}
)  # written by the role itself, for everybody


def discreet(reasons: Sequence[Reason], request: Graph, shown: Element) -> list[Reason]:
    """The reasons as a tenant or a role above may read them.

    Args:
        reasons: as the mapping component gave them.
        request: what was asked for.
        shown: the one element of `negotiation.substrate()`.
    """
    # Whether a place that was named exists must not show in what else is wrong.
    unknown = [r for r in reasons if r.code is Code.UNKNOWN_TARGET]
    found = [_told(r, request, shown) for r in unknown or reasons]
    return list(dict.fromkeys(found))


def _told(reason: Reason, request: Graph, shown: Element) -> Reason:
    if reason.code in _PLAIN:
        return reason
    element = request.elements.get(reason.element)
    if reason.code in (Code.CAPACITY, Code.FRAGMENTED):
        short = list(_short(request, shown))
        if element is not None and element.is_link:
            text = "there is no path with that much bandwidth"
            return Reason(reason.element, Code.FRAGMENTED, text)
        if short:
            return Reason(reason.element, Code.CAPACITY, "; ".join(short))
        text = "there is enough in sum, but not where it would be needed"
        return Reason(reason.element, Code.FRAGMENTED, text)
    if element is not None and reason.code is Code.FEATURE:
        missing = unmet(element, offered_features(shown), shown.id)
        text = "; ".join(m.text for m in missing) or "no place has all that it asks for together"
        return Reason(reason.element, Code.FEATURE, text)
    if element is not None and reason.code is Code.TYPE:
        text = f"nothing here takes a {element.type}"
        if hosts(shown, element.type):
            text = "no place that takes its type is open to it"
        return Reason(reason.element, Code.TYPE, text)
    return Reason(reason.element, reason.code, _TEXTS.get(reason.code, "it can't be embedded"))


def _short(request: Graph, shown: Element) -> Iterable[str]:
    """Resources of which more is asked for than is free in sum."""
    wanted: dict[str, float] = {}
    for vnode in request.nodes():
        if not vnode.is_stub:
            for resource, amount in vnode.resources.items():
                wanted[resource] = wanted.get(resource, 0) + amount.amount
    for resource, total in wanted.items():
        free = shown.amount(resource)
        if total > free:
            yield f"{resource}: {total:g} wanted, {free:g} free"
