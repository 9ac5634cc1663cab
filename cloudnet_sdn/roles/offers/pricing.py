"""What a mapping costs per hour, from the prices on the substrate. Pure."""

from __future__ import annotations

from rdl.graph import Element, Graph, MappingGraph

_UNITS = {"memory": 2**30, "storage": 2**30, "bandwidth": 10**6}
"""Prices are per GiB and per Mbit/s (contract, "Resources and features")."""


def price(substrate: Graph, overlay: Graph, mapping: MappingGraph) -> float:
    """The sum of `price` and every `price.X` times the X placed, over VNodes and VLinks.

    A VLink's bandwidth is charged once, at the one price that the role shows, however long its way.
    """
    total = _bandwidth(overlay) * _dearest(substrate, "price.bandwidth")
    for identifier, placement in mapping.mapping.items():
        element = overlay.elements[identifier]
        for on in placement.on:
            if on in substrate.elements:
                total += _charge(substrate.elements[on], element)
    return round(total, 6)


def currency(substrate: Graph, default: str) -> str:
    """The currency that the substrate's prices are in."""
    for element in substrate.elements.values():
        told = element.features.get("currency")
        if isinstance(told, str):
            return told
    return default


def _bandwidth(overlay: Graph) -> float:
    """Of all VLinks, in Mbit/s."""
    vlinks = (e for e in overlay.links() if not e.is_stub)
    return sum(float(e.amount("bandwidth")) for e in vlinks) / _UNITS["bandwidth"]


def _dearest(substrate: Graph, price: str) -> float:
    """The highest price, as `rdl.federation.aggregate` shows it."""
    return max((_number(e.features.get(price)) for e in substrate.nodes()), default=0.0)


def _charge(substrate: Element, element: Element) -> float:
    total = _number(substrate.features.get("price"))
    for resource, amount in element.resources.items():
        if resource == "bandwidth":
            continue
        rate = _number(substrate.features.get(f"price.{resource}"))
        total += rate * float(amount.amount) / _UNITS.get(resource, 1)
    return total


def _number(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else 0.0  # type: ignore[arg-type]
