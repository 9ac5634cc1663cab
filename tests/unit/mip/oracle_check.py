"""Somebody else's mapping, against the oracle: is it right, and what is it worth.

Questions that the contract leaves open, and how they are answered:

- A path is right in either direction. A tree is listed in id order.
- `chosen` may leave out what no rule of the request binds; a VLink without links has no value.
  What it says has to be offered there and accepted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from oracle import Mapped, Oracle
from oracle_routes import Route, disjoint, protection
from oracle_use import ends_of
from oracle_values import ABSENT, Variable, accepted, offered, spans

from mip.problem.statement import Result
from rdl.graph import Element


def faults(oracle: Oracle, result: Result) -> tuple[list[str], Mapped | None]:
    """What is wrong with a mapping, and the mapping where it can be read."""
    wrong: list[str] = []
    if oracle.refused():
        wrong.append("a target is named that can't be asked for")
    if set(result.nodes) != {v.id for v in oracle.vnodes}:
        return [*wrong, f"VNodes {sorted(result.nodes)} are placed"], None
    if set(result.links) != {v.id for v in oracle.vlinks}:
        return [*wrong, f"VLinks {sorted(result.links)} are routed"], None
    wrong += [
        f"{vnode.id} can't be on {result.nodes[vnode.id]}"
        for vnode in oracle.vnodes
        if result.nodes[vnode.id] not in oracle.hosts_of(vnode)
    ]
    if wrong:
        return wrong, None
    nodes = dict(result.nodes)
    if not oracle.spread(nodes):
        wrong.append("together or apart is broken")
    if oracle.turned_down(nodes):
        wrong.append("a host has all of what it has turned down")
    working: dict[str, Route] = {}
    backup: dict[str, Route] = {}
    for vlink in oracle.vlinks:
        wrong += _read(oracle, vlink, result, working, backup)
    if wrong:
        return wrong, None
    mapped = Mapped(nodes, working, backup)
    wrong += _capacity_faults(oracle, mapped)
    wrong += _chosen_faults(oracle, mapped, result)
    return wrong, mapped


def _capacity_faults(oracle: Oracle, mapped: Mapped) -> Iterator[str]:
    """What is over among all that the mapping takes something of."""
    use, before = oracle.used(mapped), oracle.before
    for key in dict.fromkeys((*use.always, *use.failing)):
        more = use.always.get(key, 0) - before.always.get(key, 0)
        spare = sum(use.failing.get(key, {}).values()) - sum(before.failing.get(key, {}).values())
        if oracle.over(use, {key: more + spare}):
            yield f"{key[0]}: too much {key[1]}"


def _read(
    oracle: Oracle,
    vlink: Element,
    result: Result,
    working: dict[str, Route],
    backup: dict[str, Route],
) -> list[str]:
    """Put the routes of one VLink where they belong, and say what is wrong with them."""
    ends = ends_of(oracle.problem, vlink, result.nodes)
    known = {r.on: r for r in oracle.routes.of(vlink, ends)}
    if len(ends.all) == 2:
        known |= {on[::-1]: r for on, r in known.items()}
    on = tuple(result.links[vlink.id])
    if on not in known:
        return [f"{vlink.id} can't go {on} between {ends.all}"]
    working[vlink.id] = known[on]
    kind = protection(vlink)
    if kind == "none":
        return [f"{vlink.id} has a backup"] if vlink.id in result.backups else []
    if vlink.id not in result.backups:
        return [f"{vlink.id} has no backup"]
    other = tuple(result.backups[vlink.id])
    if other not in known:
        return [f"the backup of {vlink.id} can't go {other} between {ends.all}"]
    backup[vlink.id] = known[other]
    if not disjoint(known[on], known[other], kind):
        return [f"{vlink.id} and its backup have something in common"]
    return []


def _chosen_faults(oracle: Oracle, mapped: Mapped, result: Result) -> Iterator[str]:
    name = oracle.problem.substrate.name
    bound = {(m, r.feature) for r in oracle.rules for m in r.members}
    given: dict[Variable, object] = {}
    for element, values in result.chosen.items():
        if element not in oracle.ol:
            yield f"{element} is settled and isn't there"
            continue
        host = mapped.nodes.get(element)
        at = [host] if host is not None else sorted(mapped.working[element].links)
        for feature, value in values.items():
            given[element, feature] = value
            asked = oracle.ol[element].features.get(feature)
            if asked is not None and not accepted(value, asked):
                yield f"{feature} of {element} is settled to {value}, which it doesn't accept"
            offers = [offered(oracle.ul[e], feature, name) for e in at]
            if not all(o is not ABSENT and spans(o, value) for o in offers):
                yield f"{feature} of {element} is settled to {value}, which isn't offered there"
    for element, feature in bound - given.keys():
        if element in mapped.nodes or mapped.working[element].links:
            yield f"{feature} of {element} is not settled"
    fixed = {v: x for v, x in given.items() if v in bound}
    if oracle.values(mapped.nodes, mapped.working, fixed) is None:
        yield "the values that are settled break a rule"


def close(value: float, true: Fraction, tolerance: float = 1e-9) -> bool:
    """Whether a float tells a number as well as floats can."""
    return math.isfinite(value) and abs(Fraction(value) - true) <= tolerance * abs(true) + 1e-15
