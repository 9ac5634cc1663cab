"""A VNP's substrate: its providers and the transit links between them (paper, section 4.3.1). Pure.

The configuration says which providers there are and which end points are paired; what they have is
asked for at synchronisation.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloudnet_sdn.model.settings import Settings, Transit
from rdl import types
from rdl.graph import Amount, Element, Feature, Graph, Interface, Layer, Range


def skeleton(settings: Settings) -> Graph:
    """The providers by name, with nothing on offer yet."""
    elements = {p.name: Element(p.name, types.PIP) for p in settings.pip}
    return Graph(settings.name, Layer.UNDERLAY, elements)


def joined(substrate: Graph, offers: Mapping[str, Element], transits: tuple[Transit, ...]) -> Graph:
    """The substrate with what the providers offer now, and the transit links both ends offer.

    Args:
        substrate: the skeleton.
        offers: by provider, its element with its end points; one that is away is not in it.
        transits: which end points are paired.
    """
    elements: dict[str, Element] = {}
    for name, element in substrate.elements.items():
        if name in offers:
            elements[name] = offers[name]
        elif not types.is_a(element.type, types.PIP):
            elements[name] = element
    points = {i.id: i for e in offers.values() for i in e.interfaces}
    connections: list[tuple[str, str]] = []
    for transit in transits:
        a, b = (points.get(end) for end in transit.ends)
        if a is None or b is None:
            continue
        ends = (Interface(f"{transit.id}.0"), Interface(f"{transit.id}.1"))
        elements[transit.id] = Element(
            transit.id, transit.type, _resources(a, b), _features(a, b), ends
        )
        connections += [(a.id, ends[0].id), (b.id, ends[1].id)]
    return Graph(substrate.name, Layer.UNDERLAY, elements, tuple(connections))


def tags_of(transit: Element) -> range:
    """The tags that both ends grant on a transit link."""
    span = transit.features.get("vlan")
    if not isinstance(span, Range) or span.min is None or span.max is None:
        return range(0)
    return range(max(2, int(span.min)), min(4094, int(span.max)) + 1)


def _resources(a: Interface, b: Interface) -> dict[str, Amount]:
    """As much as both ends have left."""
    found = [i.resources["bandwidth"].amount for i in (a, b) if "bandwidth" in i.resources]
    return {"bandwidth": Amount(min(found))} if found else {}


def _features(a: Interface, b: Interface) -> dict[str, Feature]:
    """The tags both ends grant, and the longer latency of what they say."""
    features: dict[str, Feature] = {}
    spans = [s for s in (a.features.get("vlan"), b.features.get("vlan")) if isinstance(s, Range)]
    if len(spans) == 2:
        low = max(s.min or 0 for s in spans)
        high = min(s.max if s.max is not None else 4094 for s in spans)
        if low <= high:
            features["vlan"] = Range(low, high)
    told = [i.features.get("latency") for i in (a, b)]
    latencies = [v for v in told if isinstance(v, int | float) and not isinstance(v, bool)]
    if latencies:
        features["latency"] = max(latencies)
    return features
