"""Moves in the merged instance: what they lead to is right, and as short as when compiled anew."""

from __future__ import annotations

import random

from mip_graphs import (
    ETHERNET,
    GENERIC,
    GIB,
    HOST,
    MBPS,
    SWITCH,
    VLINK,
    apart,
    element,
    join,
    same,
    together,
    underlay,
)

from mip.clock import Clock
from mip.instance.ground import Ground
from mip.instance.instance import compile_instance
from mip.mapping import map_request, mapping_graph
from mip.migration.consolidate import consolidate
from mip.migration.merged import merge
from mip.migration.moving import routed_anew
from mip.migration.steps import Steps, Walk
from mip.problem.statement import Embedded, Options, Problem, Result, Status
from mip.verify.verifier import verify
from rdl.graph import Constraint, Graph

HOSTS = 8


def ring(rng: random.Random) -> Graph:
    """Eight hosts on a ring of four switches with a chord, its links narrow."""
    elements = [
        element(
            f"h{k}", HOST, {"cpu": 8, "memory": 16 * GIB}, arch="x86_64" if k % 3 else "aarch64"
        )
        for k in range(HOSTS)
    ]
    elements += [element(f"s{k}", SWITCH) for k in range(4)]
    ends = {f"a{k}": (f"h{k}", f"s{k % 4}") for k in range(HOSTS)}
    ends |= {f"r{k}": (f"s{k}", f"s{(k + 1) % 4}") for k in range(4)} | {"c": ("s0", "s2")}
    elements += [
        element(name, ETHERNET, {"bandwidth": rng.randint(40, 80) * MBPS}, latency=0.001)
        for name in ends
    ]
    return underlay(elements, ends)


def triangle(rng: random.Random, name: str) -> Graph:
    """Three VNodes in a ring or a row, under a constraint of one kind or none."""
    elements = [
        element(v, GENERIC, {"cpu": rng.randint(1, 2), "memory": rng.randint(1, 3) * GIB})
        for v in "xyz"
    ]
    ends = {"xy": ("x", "y"), "yz": ("y", "z")} | ({"xz": ("x", "z")} if rng.random() < 0.5 else {})
    elements += [element(link, VLINK, {"bandwidth": rng.randint(3, 12) * MBPS}) for link in ends]
    rules: list[Constraint] = rng.choice(
        [
            [],
            [apart("x", "y")],
            [apart("x", "y", "z")],
            [together("x", "z")],
            [same("arch", "x", "y")],
        ]
    )
    return join(name, elements, ends, rules)


def world(seed: int) -> tuple[Graph, list[Embedded], random.Random]:
    """A substrate and CloudNets on random hosts."""
    rng = random.Random(seed)
    ul = ring(rng)
    state: list[Embedded] = []
    while len(state) < 6:
        asked = triangle(rng, f"n{len(state)}")
        keep = {v: f"h{rng.randrange(HOSTS)}" for v in "xyz"}
        problem = Problem(ul, asked, tuple(state), keep=keep)
        found = map_request(problem, Options(explain=False))
        if found.nodes:
            state.append(Embedded(asked, mapping_graph(found, problem)))
    return ul, state, rng


def faults(ul: Graph, state: list[Embedded]) -> list[str]:
    """What is wrong with a state, CloudNet by CloudNet."""
    out = []
    for k, one in enumerate(state):
        mapped = one.mapping.mapping
        result = Result(
            Status.OPTIMAL,
            "",
            nodes={e.id: mapped[e.id].on[0] for e in one.overlay.nodes()},
            links={e.id: mapped[e.id].on for e in one.overlay.links()},
            chosen={
                v: {"arch": ul.elements[mapped[v].on[0]].features["arch"]}
                for rule in one.overlay.constraints
                for v in rule.of
                if rule.feature
            },
        )
        out += verify(Problem(ul, one.overlay, (*state[:k], *state[k + 1 :])), result)
    return out


def crossed(one: Embedded) -> int:
    """How many elements all its VLinks cross."""
    return sum(len(one.mapping.mapping[e.id].on) for e in one.overlay.links())


def test_a_move_is_right_and_its_paths_are_the_shortest() -> None:
    """After each of many random moves all CloudNets are whole; refusals are the general way's."""
    made = 0
    for seed in range(6):
        ul, state, rng = world(seed)
        ground = Ground(ul)
        merged = merge(ground, state)
        walk = Walk(Steps(merged, compile_instance(merged.problem, ground)), state)
        for _ in range(30):
            number, vnode = rng.randrange(len(state)), rng.choice("xyz")
            one, host = state[number], f"h{rng.randrange(HOSTS)}"
            after = walk.move(one, number, vnode, host)
            if after is None:
                continue
            others = tuple(e for k, e in enumerate(state) if k != number)
            places = {v: p.on[0] for v, p in one.mapping.mapping.items() if v in set("xyz")}
            near = {vnode, *one.overlay.neighbours(vnode)}
            general = routed_anew(
                ground, one, others, places | {vnode: host}, only=near, clock=Clock(10)
            )
            assert general is not None
            assert crossed(after) == crossed(general)
            walk.follow(number, vnode, one, after)
            state[number] = after
            assert not faults(ul, state)
            made += 1
    assert made > 40


def test_no_new_path_crosses_what_is_unavailable() -> None:
    """A drained switch keeps what it carries and gets nothing more."""
    gone = frozenset({"s1", "r1"})
    changed = 0
    for seed in (0, 2):
        ul, state, _ = world(seed)
        for k, one in enumerate(state):
            others = tuple(state[:k] + state[k + 1 :])
            places = {v: one.mapping.mapping[v].on[0] for v in "xyz"}
            ground = Ground(ul, gone)
            new = routed_anew(ground, one, others, places, only=None, clock=Clock(10))
            if new is not None:
                changed += new.mapping != one.mapping
                paths = [new.mapping.mapping[e.id].on for e in one.overlay.links()]
                assert not [path for path in paths if gone & set(path)]
        for of in ("hosts", "bandwidth"):
            plan = consolidate(ul, state, 0.1, of, unavailable=gone)
            changed += len(plan.reroutes)
            assert not [r for r in plan.reroutes if gone & set(r.path)]
    assert changed > 3
