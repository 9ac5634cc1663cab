"""Short ways to write graphs for the tests of embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rdl.graph import (
    Amount,
    Constraint,
    ConstraintKind,
    Element,
    Feature,
    Graph,
    Interface,
    Layer,
)

HOST = "/node/host/server/kvm"
SWITCH = "/node/switch/openflow"
ETHERNET = "/link/ethernet"
GENERIC = "/node/host/generic"
VLINK = "/link/generic"
PIP = "/node/host/pip"
GIB = 2**30
MBPS = 10**6


def element(
    identifier: str,
    kind: str,
    resources: Mapping[str, float | Amount] | None = None,
    **features: Feature,
) -> Element:
    """An element without interfaces; `price_cpu` stands for `price.cpu`."""
    held = {r: a if isinstance(a, Amount) else Amount(a) for r, a in (resources or {}).items()}
    named = {k.replace("price_", "price."): v for k, v in features.items()}
    return Element(identifier, kind, held, named)


def join(
    name: str,
    elements: Sequence[Element],
    ends: Mapping[str, Sequence[str]],
    constraints: Sequence[Constraint] = (),
    layer: Layer = Layer.OVERLAY,
) -> Graph:
    """A graph in which each link of `ends` is connected to the elements named, in order.

    An end may name an interface that the element has already (`tbr.t1`).
    """
    interfaces: dict[str, list[Interface]] = {e.id: list(e.interfaces) for e in elements}
    connections = []
    for link, nodes in ends.items():
        for position, node in enumerate(nodes):
            if "." in node:
                far = node
            else:
                far = f"{node}.{link}"
                interfaces[node].append(Interface(far))
            interfaces[link].append(Interface(f"{link}.{position}"))
            connections.append((far, f"{link}.{position}"))
    built = {
        e.id: Element(e.id, e.type, e.resources, e.features, tuple(interfaces[e.id]))
        for e in elements
    }
    return Graph(name, layer, built, tuple(connections), tuple(constraints))


def underlay(elements: Sequence[Element], ends: Mapping[str, Sequence[str]]) -> Graph:
    """A substrate."""
    return join("ul", elements, ends, layer=Layer.UNDERLAY)


def same(feature: str, *of: str) -> Constraint:
    """`{same: feature, of: of}`."""
    return Constraint(ConstraintKind.SAME, of, feature=feature)


def different(feature: str, *of: str) -> Constraint:
    """`{different: feature, of: of}`."""
    return Constraint(ConstraintKind.DIFFERENT, of, feature=feature)


def together(*of: str, by: str | None = None) -> Constraint:
    """`{together: of}`."""
    return Constraint(ConstraintKind.TOGETHER, of, by=by)


def apart(*of: str, by: str | None = None) -> Constraint:
    """`{apart: of}`."""
    return Constraint(ConstraintKind.APART, of, by=by)


def on(targets: Sequence[str], *of: str) -> Constraint:
    """`{on: targets, of: of}`."""
    return Constraint(ConstraintKind.ON, of, targets=tuple(targets))


def not_on(targets: Sequence[str], *of: str) -> Constraint:
    """`{not_on: targets, of: of}`."""
    return Constraint(ConstraintKind.NOT_ON, of, targets=tuple(targets))
