"""A substrate as the role above may see it: one `/node/host/pip` element and its end points.

Sums and unions only: no inner element, link or bandwidth is named or told (contract, "Resources
and features": aggregates count a pool once, leave out what is held, drained or down).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from rdl import types
from rdl.compare import match
from rdl.graph import Amount, Element, Feature, Graph, Interface, Layer, NotIn, Range, Scalar

_INNER = frozenset({"bandwidth", "vlans"})  # of what lies inside, told to nobody
_NOT_UNITED = frozenset(
    {"latency", "protection", "peer", "vlan", "types", "currency", "provider", "endpoint"}
)


def aggregate(
    substrate: Graph,
    *,
    name: str,
    used: Mapping[tuple[str, str], int | float] | None = None,
    unavailable: frozenset[str] = frozenset(),
    grants: Mapping[str, Range] | None = None,
) -> Graph:
    """The one-element graph that a role shows upward.

    Args:
        substrate: of a PIP, or of a VNP (whose hosts are `/node/host/pip` elements).
        name: the role's name: the element's id.
        used: what is used up or held, by (element id or end point's interface id, resource).
        unavailable: elements that are drained or down: left out, with their end points.
        grants: the tags this caller may use, by end point (the substrate's interface id); end
            points without a grant are left out. None shows the substrate's own `vlan`.

    Returns:
        An underlay of one element: free resources summed over the hosts, their features united
        as lists, `types`, the highest prices, and the transit end points.
    """
    taken = used or {}
    hosts = [e for e in _hosts(substrate) if e.id not in unavailable]
    element = Element(
        id=name,
        type=types.PIP,
        resources={n: Amount(_whole(a)) for n, a in _free(substrate, hosts, taken).items()},
        features=_united(hosts),
        interfaces=tuple(_end_points(substrate, name, taken, unavailable, grants)),
    )
    return Graph(name=name, layer=Layer.UNDERLAY, elements={name: element})


def end_points(substrate: Graph, name: str) -> dict[str, str]:
    """The transit end points a role shows, as {shown id: the substrate's interface id}.

    Every interface with the feature `peer` that no transit link of the substrate is connected to.
    `tbr1.t1` is shown as NAME.t1; where two have one name, both get a suffix that follows from
    their ids alone, so that it stays when others come and go.
    """
    found = [
        interface.id
        for element in substrate.elements.values()
        for interface in element.interfaces
        if "peer" in interface.features and not _paired(substrate, interface.id)
    ]
    names = Counter(i.partition(".")[2] for i in found)
    return {f"{name}.{_shown(i, alone=names[i.partition('.')[2]] == 1)}": i for i in found}


def _shown(interface: str, *, alone: bool) -> str:
    own = interface.partition(".")[2]
    return own if alone else f"{own[:54]}-{hashlib.sha256(interface.encode()).hexdigest()[:8]}"


def _paired(substrate: Graph, interface: str) -> bool:
    other = substrate.peer.get(interface)
    if other is None:
        return False
    return types.is_a(substrate.elements[other.partition(".")[0]].type, types.TRANSIT)


def _hosts(substrate: Graph) -> Iterator[Element]:
    for element in substrate.nodes():
        is_pip = types.is_a(element.type, types.PIP)
        if not element.is_stub and (is_pip or not types.forwards(element.type)):
            yield element


# -- resources


def _free(
    substrate: Graph, hosts: Iterable[Element], used: Mapping[tuple[str, str], int | float]
) -> dict[str, int | float]:
    """What is left over all hosts, each pool counted once, in the order first met."""
    pools = _use_of_pools(substrate, used)
    out: dict[str, int | float] = {}
    counted: set[tuple[str, str]] = set()
    for element in hosts:
        for resource, amount in element.resources.items():
            if resource in _INNER:
                continue
            out.setdefault(resource, 0)
            if amount.pool is None:
                out[resource] += max(0, amount.amount - used.get((element.id, resource), 0))
            elif (resource, amount.pool) not in counted:
                counted.add((resource, amount.pool))
                out[resource] += max(0, amount.amount - pools.get((resource, amount.pool), 0))
    return out


def _whole(amount: float) -> int | float:
    return int(amount) if isinstance(amount, float) and amount.is_integer() else amount


def _use_of_pools(
    substrate: Graph, used: Mapping[tuple[str, str], int | float]
) -> dict[tuple[str, str], int | float]:
    """How much of each (resource, pool) is used, by elements and interfaces that share it."""
    out: dict[tuple[str, str], int | float] = {}
    for element in substrate.elements.values():
        holders: list[Element | Interface] = [element, *element.interfaces]
        for holder in holders:
            for resource, amount in holder.resources.items():
                if amount.pool is not None:
                    key = (resource, amount.pool)
                    out[key] = out.get(key, 0) + used.get((holder.id, resource), 0)
    return out


# -- features


def _united(hosts: Iterable[Element]) -> dict[str, Feature]:
    out: dict[str, Feature] = {}
    kinds: dict[str, None] = {}
    currencies: dict[Scalar, None] = {}
    for element in hosts:
        kinds.update(dict.fromkeys(_types(element)))
        for name, value in match.offered_features(element).items():
            if name == "currency":
                currencies.update(dict.fromkeys(_listed(value)))
            elif name not in _NOT_UNITED:
                out[name] = _with(out.get(name), value, price=name.split(".")[0] == "price")
    if kinds:
        out["types"] = tuple(kinds)
    if currencies:
        only = tuple(currencies)
        out["currency"] = only if len(only) > 1 else only[0]
    return out


def _types(element: Element) -> tuple[str, ...]:
    if element.type != types.PIP:
        return (element.type,)
    return tuple(t for t in _listed(element.features.get("types", ())) if isinstance(t, str))


def _with(before: Feature | None, value: Feature, *, price: bool) -> Feature:
    """The union of what was gathered with one more value."""
    if price:
        prices = [*_numbers(before), *_numbers(value)]
        return max(prices) if prices else before
    if isinstance(before, Range) or isinstance(value, Range):
        return _spanned(before, value)
    known = () if before is None else _listed(before)
    return (*known, *(v for v in _listed(value) if not any(match.equal(v, k) for k in known)))


def _spanned(before: Feature, value: Feature) -> Feature:
    spans = [v for v in (before, value) if isinstance(v, Range)]
    numbers = [n for v in (before, value) if not isinstance(v, Range) for n in _numbers(v)]
    lows = [s.min for s in spans]
    highs = [s.max for s in spans]
    low = min([n for n in lows if n is not None] + numbers, default=None)
    high = max([n for n in highs if n is not None] + numbers, default=None)
    return Range(None if None in lows else low, None if None in highs else high)


def _listed(value: Feature) -> tuple[Scalar, ...]:
    if isinstance(value, tuple):
        return value
    return () if isinstance(value, Range | NotIn) else (value,)


def _numbers(value: Feature) -> list[int | float]:
    if isinstance(value, Range):
        return [n for n in (value.max,) if n is not None]
    listed = _listed(value)
    return [n for n in listed if isinstance(n, int | float) and not isinstance(n, bool)]


# -- end points


def _end_points(
    substrate: Graph,
    name: str,
    used: Mapping[tuple[str, str], int | float],
    unavailable: frozenset[str],
    grants: Mapping[str, Range] | None,
) -> Iterator[Interface]:
    pools = _use_of_pools(substrate, used)
    pool_names: dict[str, str] = {}
    for shown, inner in end_points(substrate, name).items():
        if inner.partition(".")[0] in unavailable or (grants is not None and inner not in grants):
            continue
        interface = substrate.interface(inner)
        features = {
            k: interface.features[k] for k in ("peer", "vlan", "latency") if k in interface.features
        }
        if grants is not None:
            features["vlan"] = grants[inner]
        resources = {}
        if "bandwidth" in interface.resources:
            amount = interface.resources["bandwidth"]
            use = used.get((inner, "bandwidth"), 0)
            pool = None
            if amount.pool is not None:
                use = pools[("bandwidth", amount.pool)]
                pool = pool_names.setdefault(amount.pool, f"p{len(pool_names) + 1}")
            resources["bandwidth"] = Amount(_whole(max(0, amount.amount - use)), pool)
        yield Interface(shown, features, resources)
