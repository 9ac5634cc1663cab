"""The migration question against trying everything, and plans that can be carried out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product

import pytest
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
    underlay,
)

from mip.migration.consolidate import consolidate
from mip.migration.plan import Plan, plan_dict
from mip.problem.statement import Embedded, Options, Problem, Result, Status
from mip.verify.verifier import verify
from rdl.graph import Graph, MappingGraph, Placement


def substrate(hosts: int) -> Graph:
    elements = [element(f"h{k}", HOST, {"cpu": 4, "memory": 8 * GIB}) for k in range(hosts)]
    ends = {f"l{k}": (f"h{k}", "s") for k in range(hosts)}
    elements += [element("s", SWITCH)]
    elements += [element(name, ETHERNET, {"bandwidth": 1000 * MBPS}) for name in ends]
    return underlay(elements, ends)


def cloudnet(rng: random.Random, name: str, used: list[Embedded], ul: Graph) -> Embedded | None:
    """Two VNodes and a VLink at random hosts with room."""
    elements = [
        element(v, GENERIC, {"cpu": rng.choice([1, 2]), "memory": rng.randint(1, 3) * GIB})
        for v in ("a", "b")
    ]
    elements.append(element("ab", VLINK, {"bandwidth": 10 * MBPS}))
    rules = [apart("a", "b")] if rng.random() < 0.5 else []
    overlay = join(name, elements, {"ab": ("a", "b")}, rules)
    for _ in range(20):
        one, other = (f"h{rng.randrange(4)}" for _ in range(2))
        path = () if one == other else (f"l{one[1:]}", "s", f"l{other[1:]}")
        mapping = {"a": Placement((one,)), "b": Placement((other,)), "ab": Placement(path)}
        embedded = Embedded(overlay, MappingGraph(name, "ul", mapping))
        if not faults(ul, [*used, embedded]):
            return embedded
    return None


def faults(ul: Graph, state: list[Embedded]) -> list[str]:
    """What is wrong with a state, CloudNet by CloudNet."""
    out = []
    for k, one in enumerate(state):
        others = tuple(state[:k] + state[k + 1 :])
        mapped = one.mapping.mapping
        result = Result(
            Status.OPTIMAL,
            "",
            nodes={e.id: mapped[e.id].on[0] for e in one.overlay.nodes()},
            links={e.id: mapped[e.id].on for e in one.overlay.links()},
        )
        out += verify(Problem(ul, one.overlay, others), result)
    return out


def world(seed: int) -> tuple[Graph, list[Embedded]]:
    rng = random.Random(seed)
    ul = substrate(4)
    state: list[Embedded] = []
    for name in ("n0", "n1", "n2"):
        found = cloudnet(rng, name, state, ul)
        if found is not None:
            state.append(found)
    return ul, state


def moved(ul: Graph, one: Embedded, vnode: str, host: str) -> Embedded:
    """The CloudNet with one VNode elsewhere and its VLink along the star."""
    mapping = dict(one.mapping.mapping)
    mapping[vnode] = Placement((host,))
    a, b = mapping["a"].on[0], mapping["b"].on[0]
    path = () if a == b else (f"l{a[1:]}", "s", f"l{b[1:]}")
    mapping["ab"] = Placement(path)
    return replace(one, mapping=replace(one.mapping, mapping=mapping))


def reachable(ul: Graph, state: list[Embedded], wanted: list[tuple[int, str, str]]) -> bool:
    """Whether some order of the moves keeps every state right."""
    for order in permutations(wanted):
        now = list(state)
        for k, vnode, host in order:
            now[k] = moved(ul, now[k], vnode, host)
            if faults(ul, now):
                break
        else:
            return True
    return False


def placements(state: list[Embedded]) -> Iterator[list[tuple[int, str, str]]]:
    vnodes = [(k, v) for k in range(len(state)) for v in ("a", "b")]
    for hosts in product([f"h{k}" for k in range(4)], repeat=len(vnodes)):
        yield [
            (k, v, h)
            for (k, v), h in zip(vnodes, hosts, strict=True)
            if state[k].mapping.mapping[v].on != (h,)
        ]


def busy(state: list[Embedded]) -> int:
    return len({e.mapping.mapping[v].on[0] for e in state for v in ("a", "b")})


def least_memory(ul: Graph, state: list[Embedded], free: float) -> int | None:
    """The least memory to move so that the share `free` of the hosts is freed."""
    best: int | None = None
    before = busy(state)
    for wanted in placements(state):
        memory = sum(state[k].overlay.elements[v].amount("memory") for k, v, _ in wanted)
        if best is not None and memory >= best:
            continue
        after = list(state)
        for k, v, h in wanted:
            after[k] = moved(ul, after[k], v, h)
        enough = 1 - busy(after) / before >= free - 1e-9
        if enough and not faults(ul, after) and reachable(ul, state, wanted):
            best = int(memory)
    return best


@pytest.mark.parametrize("seed", range(6))
def test_frees_hosts_at_the_least_memory(seed: int) -> None:
    """As cheap as the best of all placements, and impossible where none is."""
    ul, state = world(seed)
    best = least_memory(ul, state, 0.25)
    plan = consolidate(ul, state, 0.25, options=Options(time_limit=30))
    assert plan.possible == (best is not None)
    if best is not None:
        assert plan.memory_bytes == best
        assert plan.freed >= 0.25


def in_use(state: list[Embedded]) -> float:
    """Bandwidth of all VLinks times the links they cross."""
    return sum(
        one.overlay.elements["ab"].amount("bandwidth") * len({*placed.on} - {"s"})
        for one in state
        for placed in [one.mapping.mapping["ab"]]
    )


@pytest.mark.parametrize("seed", range(4))
def test_frees_bandwidth_at_the_least_memory(seed: int) -> None:
    """As cheap as the best of all placements, on a star where paths follow."""
    ul, state = world(seed)
    before = in_use(state)
    if not before:
        return
    best: int | None = None
    for wanted in placements(state):
        memory = int(sum(state[k].overlay.elements[v].amount("memory") for k, v, _ in wanted))
        after = list(state)
        for k, v, h in wanted:
            after[k] = moved(ul, after[k], v, h)
        cheaper = best is None or memory < best
        enough = 1 - in_use(after) / before >= 0.3 - 1e-9
        if cheaper and enough and not faults(ul, after) and reachable(ul, state, wanted):
            best = memory
    plan = consolidate(ul, state, 0.3, "bandwidth")
    assert plan.possible == (best is not None)
    assert plan.memory_bytes == (best or 0)


def follow(ul: Graph, state: list[Embedded], plan: Plan) -> list[Embedded]:
    names = [e.overlay.name for e in state]
    now = list(state)
    for move in plan.moves:
        k = names.index(move.cloudnet)
        assert now[k].mapping.mapping[move.vnode].on == (move.source,)
        now[k] = moved(ul, now[k], move.vnode, move.target)
        assert not faults(ul, now)
    return now


def test_moves_can_be_made_in_their_order() -> None:
    """Every state on the way is right, and the last one frees what was promised."""
    ul, state = world(3)
    plan = consolidate(ul, state, 0.25)
    assert plan.possible
    after = follow(ul, state, plan)
    assert 1 - busy(after) / busy(state) == pytest.approx(plan.freed)


def test_front_rises() -> None:
    """A point that frees more costs more."""
    ul, state = world(1)
    front = consolidate(ul, state, 0.25).frontier
    costs = [p.memory_bytes for p in front]
    assert [p.freed for p in front] == sorted({p.freed for p in front})
    assert costs == sorted(costs)


def test_bandwidth_is_freed_by_bringing_vnodes_together() -> None:
    """A VLink over two links is worth a move of the smaller VNode."""
    ul = substrate(4)
    elements = [
        element("a", GENERIC, {"cpu": 1, "memory": 3 * GIB}),
        element("b", GENERIC, {"cpu": 1, "memory": GIB}),
        element("ab", VLINK, {"bandwidth": 10 * MBPS}),
    ]
    overlay = join("n", elements, {"ab": ("a", "b")})
    mapping = {"a": Placement(("h0",)), "b": Placement(("h1",)), "ab": Placement(("l0", "s", "l1"))}
    state = [Embedded(overlay, MappingGraph("n", "ul", mapping))]
    plan = consolidate(ul, state, 0.5, "bandwidth")
    assert plan.possible
    assert plan.freed == 1.0
    assert [(m.vnode, m.target) for m in plan.moves] == [("b", "h0")]
    told = plan_dict(plan)
    assert told["cost"] == {"moves": 1, "memory_bytes": GIB}
    assert told["reroutes"] == [{"cloudnet": "n", "vlink": "ab", "path": []}]


def test_what_is_impossible_is_said() -> None:
    """All hosts at once can't be freed."""
    ul, state = world(2)
    plan = consolidate(ul, state, 1.0)
    assert not plan.possible
    assert plan_dict(plan)["moves"] == []
