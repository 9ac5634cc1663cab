"""A graph as an IETF network topology: RFC 8345's `ietf-network` in JSON (RFC 7951).

Its links are one-way, so each of ours becomes two; a link of more than two ends becomes a node of
its own, as RFC 8345 (section 4.4) has it for broadcast segments. A mapping becomes the
`supporting-network`, `supporting-node` and `supporting-link` entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rdl.convert.account import Account, Loss
from rdl.graph import Element, Graph, Interface, MappingGraph
from rdl.language.dump import feature_data, inline

_LINK = "ietf-network-topology:link"
_POINT = "ietf-network-topology:termination-point"


def to_rfc8345(
    graph: Graph, mapping: MappingGraph | None = None, underlay: Graph | None = None
) -> dict[str, Any]:
    """The `ietf-network:networks` container with this network, and with its underlay where given.

    Args:
        graph: any overlay or underlay.
        mapping: where `graph` is an overlay: what carries it, for the supporting entries.
        underlay: what `mapping` maps onto; links have supporting entries only with it.
    """
    networks = [_network(graph, mapping, underlay)]
    if underlay is not None:
        networks.append(_network(underlay, None, None))
    return {"ietf-network:networks": {"network": networks}}


def lost_in_rfc8345(graph: Graph) -> tuple[Loss, ...]:
    """What of a graph its network topology does not hold: it has ids and joints alone."""
    account = Account()
    for element in graph.elements.values():
        of = "link" if element.is_link else "node"
        account.lose(of, element.id, "type", element.type)
        _lose(account, of, element)
        for name in element.chosen:
            account.lose(of, element.id, f"chosen {name}", element.chosen[name])
        for interface in element.interfaces:
            _lose(account, "interface", interface)
    for constraint in graph.constraints:
        account.lose("graph", "", f"constraint {constraint.kind}", ", ".join(constraint.of))
    return account.losses()


def _lose(account: Account, of: str, holder: Element | Interface) -> None:
    for name, amount in holder.resources.items():
        account.lose(of, holder.id, name, amount.amount)
    for name, value in holder.features.items():
        account.lose(of, holder.id, name, inline(feature_data(value)))


def _network(graph: Graph, mapping: MappingGraph | None, underlay: Graph | None) -> dict[str, Any]:
    network: dict[str, Any] = {"network-id": graph.name, "network-types": {}}
    if mapping is not None:
        network["supporting-network"] = [{"network-ref": mapping.underlay}]
    network["node"] = [_node(e, mapping) for e in graph.elements.values() if _is_vertex(graph, e)]
    links = [
        entry
        for e in graph.links()
        for entry in (
            _spokes(graph, e) if _is_vertex(graph, e) else _link(graph, e, mapping, underlay)
        )
    ]
    if links:
        network[_LINK] = links
    return network


def _is_vertex(graph: Graph, element: Element) -> bool:
    if element.is_node:
        return True
    near = graph.neighbours(element.id)
    return len(near) != 2 or any(graph.elements[n].is_link for n in near)


def _node(element: Element, mapping: MappingGraph | None) -> dict[str, Any]:
    out: dict[str, Any] = {"node-id": element.id}
    placed = None if mapping is None else mapping.mapping.get(element.id)
    if mapping is not None and placed is not None and placed.on:
        out["supporting-node"] = [
            {"network-ref": mapping.underlay, "node-ref": on} for on in placed.on
        ]
    if element.interfaces:
        out[_POINT] = [{"tp-id": interface.id} for interface in element.interfaces]
    return out


def _link(
    graph: Graph, link: Element, mapping: MappingGraph | None, underlay: Graph | None
) -> Iterator[dict[str, Any]]:
    """Both directions of a link of two ends."""
    (_, a), (_, b) = graph.ends(link.id)
    for source, target in ((a, b), (b, a)):
        out = _one_way(f"{link.id}:{_element(source)}", source, target)
        if mapping is not None and underlay is not None:
            carried = list(_carriers(link.id, _element(source), mapping, underlay))
            refs = [{"network-ref": mapping.underlay, "link-ref": ref} for ref in carried]
            out |= {"supporting-link": refs} if refs else {}
        yield out


def _carriers(link: str, source: str, mapping: MappingGraph, underlay: Graph) -> Iterator[str]:
    """The one-way links of the underlay that carry `link` from VNode `source`, in path order."""
    placed, host = mapping.mapping.get(link), mapping.mapping.get(source)
    if placed is None or host is None or not host.on:
        return
    left = {on for on in placed.on if on in underlay.elements and underlay.elements[on].is_link}
    here = host.on[0]
    while left:
        onward = next((n for n in underlay.neighbours(here) if n in left), None)
        if onward is None:
            return
        left.remove(onward)
        yield f"{onward}:{here}"
        here = next(n for n in underlay.neighbours(onward) if n != here)


def _spokes(graph: Graph, link: Element) -> Iterator[dict[str, Any]]:
    """Both directions of each end of a link that became a node."""
    for own, other in graph.ends(link.id):
        if graph.elements[_element(other)].is_link and own > other:
            continue  # of two links joined, one tells
        yield _one_way(f"{own}:out", own, other)
        yield _one_way(f"{own}:in", other, own)


def _one_way(name: str, source: str, target: str) -> dict[str, Any]:
    return {
        "link-id": name,
        "source": {"source-node": _element(source), "source-tp": source},
        "destination": {"dest-node": _element(target), "dest-tp": target},
    }


def _element(interface: str) -> str:
    return interface.partition(".")[0]
