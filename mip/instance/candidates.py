"""The hosts that fit a VNode by type, features, constraints and what is free; if none does, why."""

from __future__ import annotations

from mip.instance.capacity import Stock, key_of
from mip.instance.constraints import target_vertices
from mip.instance.features import is_pip
from mip.instance.network import Network
from mip.problem.amounts import Exact, exact, human
from mip.problem.statement import Code, Problem, Reason
from rdl.compare.match import Mismatch, element_fits
from rdl.graph import Element


def demand_of(element: Element) -> dict[str, Exact]:
    """What a VNode takes of its host, by resource."""
    return {r: exact(a.amount) for r, a in element.resources.items() if a.amount}


def candidates(
    problem: Problem, network: Network, stock: Stock, vnode: Element, typed: list[int]
) -> tuple[tuple[int, ...], list[Reason]]:
    """The vertices, among the `typed` ones, that may host `vnode`; with none left, why.

    Model: (R1).
    """
    if not typed:
        text = f"no usable host here takes {vnode.type}"
        return (), [Reason(vnode.id, Code.TYPE, text)]
    misses: list[Mismatch] = []
    fitting = []
    for v in typed if vnode.features else ():
        found = element_fits(_path_free(vnode, problem, network.element(v)), network.element(v))
        misses.extend(found)
        if not found:
            fitting.append(v)
    fitting = fitting if vnode.features else typed
    if not fitting:
        return (), [_feature_reason(vnode, misses, len(typed))]
    allowed = target_vertices(problem.request, vnode.id, network, fitting)
    kept = problem.keep.get(vnode.id)
    if kept is not None:
        allowed = [v for v in allowed if network.ids[v] == kept]
    else:
        allowed = [v for v in allowed if network.ids[v] not in problem.unavailable]
    if not allowed:
        text = "the constraints on where it may be leave none of the hosts that would fit"
        return (), [Reason(vnode.id, Code.CONSTRAINT, text)]
    refusing = {host for vnodes, host in problem.nogoods if vnodes == {vnode.id}}
    if refusing and refusing.issuperset(network.ids[v] for v in allowed):
        text = "all that would fit have turned it down"
        return (), [Reason(vnode.id, Code.FRAGMENTED, text)]
    allowed = [v for v in allowed if network.ids[v] not in refusing]
    roomy = [v for v in allowed if not lacking(network.element(v), stock, vnode)]
    if not roomy:
        return (), _capacity_reasons(vnode, [network.element(v) for v in allowed], stock)
    return tuple(roomy), []


def _path_free(vnode: Element, problem: Problem, host: Element) -> Element:
    """`vnode` without a demand for the one provider that hosts which don't say it belong to."""
    asked = vnode.features.get("provider")
    if asked is None or "provider" in host.features or is_pip(host):
        return vnode
    name = problem.substrate.name
    named = Element(host.id, host.type, features={**host.features, "provider": name})
    only = Element(vnode.id, host.type, features={"provider": asked})
    if element_fits(only, named):
        return vnode
    rest = {k: v for k, v in vnode.features.items() if k != "provider"}
    return Element(vnode.id, vnode.type, vnode.resources, rest, vnode.interfaces)


def _feature_reason(vnode: Element, misses: list[Mismatch], hosts_: int) -> Reason:
    counted: dict[str, int] = {}
    for miss in misses:
        counted[miss.name] = counted.get(miss.name, 0) + 1
    name = max(counted, key=lambda n: counted[n])
    example = next(m.text for m in misses if m.name == name)
    text = f"{counted[name]} of {hosts_} hosts of its type fail its demand for {name}: {example}"
    return Reason(vnode.id, Code.FEATURE, text)


def lacking(host: Element, stock: Stock, vnode: Element) -> dict[str, Exact]:
    """Resource to how much `host` lacks for `vnode` alone."""
    out: dict[str, Exact] = {}
    for resource, amount in demand_of(vnode).items():
        key = key_of(host, resource)
        missing = amount - stock.free(key)
        if missing > 0:
            out[resource] = missing
    return out


def _capacity_reasons(vnode: Element, hosts_: list[Element], stock: Stock) -> list[Reason]:
    """The least short host decides which resources are named."""
    best = min(hosts_, key=lambda h: (len(lacking(h, stock, vnode)), h.id))
    lacks = lacking(best, stock, vnode)
    demand = demand_of(vnode)
    out = []
    for resource in lacks:
        least = min((lacking(h, stock, vnode).get(resource, 0) for h in hosts_), default=0)
        missing = least or lacks[resource]
        text = (
            f"asks for {human(demand[resource], resource)} of {resource}; the most free on one host"
            f" is {human(demand[resource] - missing, resource)}, short by"
            f" {human(missing, resource)}"
        )
        out.append(Reason(vnode.id, Code.CAPACITY, text))
    return out
