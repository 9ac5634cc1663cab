"""Requests split over providers, as hypothesis strategies."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from rdl_strategies import graphs

from rdl.federation.partition import Crossing, End, Plan, divide
from rdl.graph import Layer, Range

PROVIDERS = ("berlin", "munich", "paris", "oslo")
# A tree of transit links: berlin - munich - paris, munich - oslo.
NEAR = {"berlin": "munich", "paris": "munich", "oslo": "munich"}


def crossing(leaf: str, vlan: int) -> Crossing:
    """The crossing from a leaf provider to munich."""
    return Crossing(f"t-{leaf}", vlan, End(leaf, f"{leaf}.t1"), End("munich", f"munich.{leaf}"))


@st.composite
def splits(draw):
    """An overlay and a plan that splits it over some of the providers."""
    overlay = draw(graphs(layer=Layer.OVERLAY))
    overlay = replace(overlay, constraints=tuple(c for c in overlay.constraints))
    placement = {n.id: draw(st.sampled_from(PROVIDERS)) for n in overlay.nodes()}
    crossings, latency = {}, {}
    for number, link in enumerate(overlay.links()):
        homes = sorted({placement[n] for n in overlay.neighbours(link.id)})
        if len(homes) < 2:
            continue
        leaves = [h for h in homes if h != "munich"]
        crossings[link.id] = tuple(crossing(leaf, 2000 + number) for leaf in leaves)
        bound = link.features.get("latency")
        if isinstance(bound, Range) and bound.max is not None:
            latency[link.id] = divide(bound.max, tuple(dict.fromkeys([*homes, "munich"])))
    return overlay, Plan(placement, crossings, latency)
