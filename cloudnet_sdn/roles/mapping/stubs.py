"""Where the stubs of a partial graph end on our substrate, and whether the caller may end there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cloudnet_sdn.model.settings import Grant, TagRange
from mip.problem.statement import Code, Reason
from rdl import types
from rdl.federation.aggregate import end_points
from rdl.graph import Element, Graph, Range


@dataclass(frozen=True)
class Anchors:
    """The transit stubs of a request.

    Attributes:
        at: stub id to the substrate interface where it ends.
        pinned: stub id to the tag the caller picked.
        reasons: why it can't be, where it can't.
    """

    at: Mapping[str, str] = field(default_factory=dict)
    pinned: Mapping[str, int] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()


def granted(grants: Sequence[Grant], caller: str, substrate: Graph) -> dict[str, Range]:
    """The end points a caller may use (the substrate's interface ids), with their tags."""
    by_name = {g.endpoint: g.vlan for g in grants if g.caller == caller}
    found: dict[str, Range] = {}
    for interface in end_points(substrate, "_").values():
        span = by_name.get(interface, by_name.get(interface.partition(".")[2]))
        if span is not None:
            found[interface] = Range(span.min, span.max)
    return found


def anchors(
    request: Graph, substrate: Graph, *, name: str, allowed: Mapping[str, Range] | None
) -> Anchors:
    """Where the stubs of `request` end.

    Args:
        request: the OL graph.
        substrate: ours.
        name: this role's, which end points are shown under.
        allowed: the caller's grants (see `granted`); None allows all.
    """
    shown = end_points(substrate, name)
    at: dict[str, str] = {}
    pinned: dict[str, int] = {}
    reasons: list[Reason] = []
    for stub in request.links():
        if not (stub.is_stub and types.is_a(stub.type, types.TRANSIT)):
            continue
        end, tag = stub.features.get("endpoint"), stub.features.get("vlan")
        interface = shown.get(end) if isinstance(end, str) else None
        about = _vlink(request, stub)
        if interface is None or (allowed is not None and interface not in allowed):
            text = f"{end} is no transit end point that is open to you"
            reasons.append(Reason(about, Code.UNKNOWN_TARGET, text))
            continue
        if not isinstance(tag, int):
            text = f"no VLAN tag is told for the transit at {end}"
            reasons.append(Reason(about, Code.POLICY, text))
            continue
        span = None if allowed is None else allowed[interface]
        if span is not None and tag not in TagRange(int(span.min or 0), int(span.max or 0)):
            text = f"tag {tag} at {end} isn't among yours, {span.min} to {span.max}"
            reasons.append(Reason(about, Code.POLICY, text))
            continue
        at[stub.id] = interface
        pinned[stub.id] = tag
    return Anchors(at, pinned, tuple(reasons))


def _vlink(request: Graph, stub: Element) -> str:
    near = (n for n in request.neighbours(stub.id) if request.elements[n].is_link)
    return next(near, stub.id)
