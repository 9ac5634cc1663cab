"""Odd small instances from a seed: `odd("tree", 33)`. Each kind has more of something.

About half can be embedded, and trying everything takes milliseconds.
"""

from __future__ import annotations

import random
from typing import Any

from odd_chances import Chances
from odd_requests import Request
from odd_substrates import Substrate
from odd_texts import Document, Odd
from oracle import Oracle, TooLargeError
from oracle_use import anchors

USUAL = {
    "segment": 0.08,  # a substrate link with three ends
    "tree": 0.1,  # a VLink with three ends
    "protected": 0.1,
    "parallel": 0.2,
    "uplinks": 0.3,
    "joined": 0.25,  # hosts joined directly
    "pools": 0.12,
    "load": 0.15,
    "rules": 0.35,
    "features": 0.2,
    "vlans": 0.15,
    "latency": 0.3,
    "bounds": 0.3,
    "switches": 0.15,  # that limit something
    "odd": 0.15,  # amounts
    "kept": 0.05,
    "partial": 0.0,
    "pip": 0.0,
    "bare": 0.1,  # no switches
    "prices": 0.6,
    "free": 0.25,  # VLinks of no bandwidth
    "shared": 0.0,  # VLinks between the same VNodes
    "nogoods": 0.05,  # VNodes that a host has turned down together
    "others": 0.03,  # VNodes that are no hosts, resources that nobody knows
}

KINDS: dict[str, dict[str, float]] = {
    "plain": {"protected": 0, "segment": 0, "tree": 0, "load": 0, "bounds": 0.5, "latency": 0.6},
    "tree": {"tree": 0.8, "segment": 0.5},
    "prot": {"protected": 0.8, "uplinks": 0.8, "segment": 0.15, "parallel": 0.4},
    "mix": {
        **dict.fromkeys(["segment", "tree", "protected", "load", "vlans", "odd", "latency"], 0.4),
        **dict.fromkeys(["uplinks", "joined", "parallel", "rules"], 0.5),
    },
    "pip": {"pip": 1, "segment": 0, "features": 0.4, "vlans": 0.4, "joined": 0.7, "rules": 0.5},
    "magnitudes": {"odd": 1, "pools": 0.3, "prices": 0.9, "load": 0.3, "features": 0},
    "parallel": {"parallel": 0.9, "shared": 0.8, "free": 0.4, "latency": 0.6, "bounds": 0.5},
    "uplinks": {"uplinks": 1, "joined": 0.6, "bare": 0.3, "vlans": 0.3},
    "pools": {"pools": 0.9, "switches": 0.4, "vlans": 0.3},
    "load": {"load": 1, "protected": 0.4, "uplinks": 0.6, "kept": 0.2},
    "partial": {"partial": 1, "vlans": 0.3, "protected": 0.1, "features": 0.1, "bounds": 0.2},
    "rules": {"rules": 1, "features": 0.3, "tree": 0.2},
    "features": {"features": 0.8, "rules": 0.3, "bounds": 0.4, "latency": 0.6, "kept": 0.2},
    "nogoods": {"nogoods": 1, "rules": 0.2, "joined": 0.6, "prices": 0.8},
    "others": {"others": 0.4, "tree": 0.3, "uplinks": 0.5},
}

ATTEMPTS = 20
GIB = 2**30


def odd(kind: str, seed: int) -> Odd:
    """Instance number `seed` of a kind; always the same."""
    for attempt in range(ATTEMPTS):
        rng = random.Random(f"{kind} {seed} {attempt}")
        made = _made(f"{kind}-{seed}", Chances(rng, {**USUAL, **KINDS[kind]}))
        try:
            Oracle(made.problem()).best()
        except TooLargeError:
            continue
        return made
    raise TooLargeError(f"{kind} {seed}")


def _made(name: str, chances: Chances) -> Odd:
    units: dict[str, Any] = {
        "cpu": chances.scale(["one", "one", "tenth"]),
        "bandwidth": chances.scale(["mega", "lakh", "one"]),
        "byte": chances.one([1, GIB]),
    }
    substrate = Substrate(chances, chances.has("pip"), **units).document()
    there: tuple[tuple[Document, Document], ...] = ()
    for k in range(chances.one([1, 1, 2]) if chances.has("load") else 0):
        overlay = Request(chances, f"old{k}", substrate, **units).document()
        there += _embedded(chances, substrate, overlay, there)
    if there and chances.some(0.1):
        _shrink_something(chances, substrate)
    request = Request(chances, "r", substrate, **units).document()
    return Odd(name, substrate, request, there, _extras(chances, substrate, request))


def _embedded(
    chances: Chances,
    substrate: Document,
    overlay: Document,
    there: tuple[tuple[Document, Document], ...],
) -> tuple[tuple[Document, Document], ...]:
    """`overlay` with a mapping that is best for one of the objectives, if any is right."""
    problem = Odd("", substrate, overlay, there).problem()
    try:
        best = Oracle(problem).best()
    except TooLargeError:
        return ()
    if not best:
        return ()
    mapped = best[chances.one(sorted(best))].mapping
    placed: Document = {v: {"on": [h]} for v, h in mapped.nodes.items()}
    for vlink, route in mapped.working.items():
        placed[vlink] = {"on": list(route.on)}
        if vlink in mapped.backup:
            placed[vlink]["backup"] = list(mapped.backup[vlink].on)
        ports = anchors(problem.request, problem.request.elements[vlink], {})
        if ports:
            ends = [{"on": p.partition(".")[0], "interface": p} for p in ports]
            placed[vlink]["segments"] = ends
    head = {"rdl": 1, "graph": overlay["graph"], "layer": "mapping", "underlay": "ul"}
    return ((overlay, {**head, "mapping": placed}),)


def _shrink_something(chances: Chances, substrate: Document) -> None:
    """Give an element less than it had when what is there was embedded."""
    held = [
        (element["resources"], resource)
        for element in (*substrate["nodes"].values(), *substrate["links"].values())
        for resource, amount in element.get("resources", {}).items()
        if not isinstance(amount, dict)
    ]
    if held:
        resources, resource = chances.one(held)
        resources[resource] = 1


def _extras(chances: Chances, substrate: Document, request: Document) -> Document:
    out: Document = {}
    hosts = [n for n in substrate["nodes"] if n.startswith("h")]
    if chances.has("kept"):
        out["keep"] = {chances.one(list(request["nodes"])): chances.one(hosts)}
    if chances.has("kept"):
        gone = chances.one([*substrate["nodes"], *substrate["links"]])
        kept = [*out.get("keep", {}).values()]
        out["unavailable"] = kept if kept and chances.some(0.5) else [gone]
    if chances.has("kept"):
        out["shown"] = [h for h in hosts if chances.some(0.8)]
    if chances.has("nogoods"):
        vnodes = list(request["nodes"])
        sizes = [1, 2, 2, 3, 3]
        out["nogoods"] = [
            [chances.few(vnodes, chances.one(sizes)), chances.one(hosts)]
            for _ in range(chances.one([1, 2, 3, 4]))
        ]
    return out
