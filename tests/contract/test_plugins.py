"""What every embedding plugin promises, over shells that know their domain.

A plugin of somebody else's can be put through the same suite: add it to `CASES`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fakes.databases import Databases
from fakes.loopback import Loopback
from fakes.world import BROKER, PART, SPLIT, FakeClock, Federation, Machine, provider
from fakes.world import request as ask

from cloudnet_sdn.plugins.registry import Context, Extension, Registry, build, installed
from cloudnet_sdn.ports import (
    CloudnetId,
    Inventory,
    NodePlugin,
    Observation,
    Plan,
    PlannedTask,
    Plugin,
    Refused,
    Task,
    Transient,
)
from cloudnet_sdn.roles.effects.runner import Effects
from cloudnet_sdn.store import tasks
from cloudnet_sdn.store.tasks import Entry
from rdl.graph import Element, Graph, MappingGraph, Placement

CASES = ("host", "openflow", "tunnel", "transit", "provider")
STATES = {
    "up", "degraded", "failed", "pending",
    "stopped", "starting", "running", "stopping", "migrating",
}  # fmt: skip


@dataclass
class Case:
    """A plugin with a task of its own that has been made, and how its shells are reached."""

    plugin: Plugin
    task: Task
    wires: list[Loopback]
    reached: bool
    clock: FakeClock

    @property
    def fresh(self) -> Task:
        """The same task before anything was answered, as after a lost reply."""
        return replace(self.task, answer={})


@pytest.fixture(autouse=True)
def _in_databases(stores: Databases) -> None:
    """Machines keep their state where `--store` says."""


@pytest.fixture
def federation(tmp_path) -> Iterator[Federation]:
    made = Federation(tmp_path, FakeClock())
    yield made
    made.stop()


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    name = request.param
    if name in ("provider", "transit"):
        federation = Federation(tmp_path, FakeClock())
        machine, stop = federation.vnp, federation.stop
        held = ask(machine, SPLIT)
    else:
        machine = provider(tmp_path, "berlin", "munich", "b", FakeClock())
        stop = machine.stop
        held = ask(machine, PART, caller=BROKER)
    assert held["state"] == "held", held["reasons"]
    entry = next(e for e in journal(machine, held["cloudnet"]) if e.task.plugin == name)
    wires = [*machine.peers.values()]
    yield Case(machine.role.registry.get(name), entry.task, wires, name != "transit", machine.clock)
    stop()


def journal(machine: Machine, cloudnet: str) -> list[Entry]:
    """The tasks of a CloudNet."""
    with machine.role.store.read() as conn:
        return tasks.of_cloudnet(conn, cloudnet)


def listed(case: Case) -> bool:
    """Whether the shell, asked for its inventory, has the task's key."""
    if not isinstance(case.plugin, Inventory):
        return False
    found = case.plugin.inventory(case.task.target)
    assert found is not None
    return case.task.spec["key"] in found


def test_specs_and_answers_can_be_kept(case):
    again = json.loads(json.dumps({"spec": case.task.spec, "answer": case.task.answer}))
    assert again == {"spec": case.task.spec, "answer": case.task.answer}
    assert case.task.spec["key"]
    assert case.task.elements


def test_making_again_changes_nothing(case):
    seen = dict(case.plugin.observe(case.task))
    again = case.plugin.make(case.task)
    assert case.plugin.make(case.fresh).keys() == again.keys()
    assert dict(case.plugin.observe(replace(case.task, answer=again))) == seen


def test_confirming_may_be_repeated(case):
    first = case.plugin.confirm(case.task)
    assert case.plugin.confirm(replace(case.task, answer=first)) == first


def test_removing_may_be_repeated_and_needs_no_answer(case):
    remove(case, case.fresh)
    remove(case, case.task)
    remove(case, case.fresh)
    assert not listed(case)


def remove(case: Case, task: Task) -> None:
    """Have it removed as the reconciler does: again, while the shell is still at it."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return case.plugin.remove(task)
        except Transient:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_what_is_confirmed_can_be_removed(case):
    answer = case.plugin.confirm(case.task)
    remove(case, replace(case.task, answer=answer))
    assert not listed(case)


def test_what_is_seen_is_of_the_task_and_in_known_words(case):
    seen = case.plugin.observe(case.task)
    assert set(seen) <= set(case.task.elements)
    assert all(isinstance(o, Observation) and o.state in STATES for o in seen.values())


def test_what_is_gone_is_not_seen_to_be_well(case):
    remove(case, case.task)
    for seen in case.plugin.observe(case.task).values():
        assert seen.state == "failed"
        assert seen.reason


def test_an_absent_shell_is_transient(case):
    if not case.reached:
        return
    for wire in case.wires:
        wire.down = True
    for call in (case.plugin.make, case.plugin.confirm, case.plugin.remove, case.plugin.observe):
        if call == case.plugin.confirm and case.task.plugin != "provider":
            continue  # nothing to call there: what is made stays
        with pytest.raises(Transient):
            call(case.task)


def test_an_inventory_has_what_was_made_and_discards_what_it_is_told(case):
    if not isinstance(case.plugin, Inventory):
        return
    assert case.task.target in case.plugin.targets()
    key = case.task.spec["key"]
    assert listed(case)
    case.plugin.discard(case.task.target, key)
    case.clock.advance(300)
    assert not listed(case)


def test_vnodes_are_run(case):
    if not isinstance(case.plugin, NodePlugin):
        return
    task = replace(case.task, answer=case.plugin.confirm(case.task))
    vnode = next(e for e in task.elements if e in ("web", "app", "db"))
    case.plugin.start(task, [vnode])
    for _ in range(100):
        if case.plugin.observe(task)[vnode].state == "running":
            break
    assert case.plugin.observe(task)[vnode].state in ("running", "starting")
    case.plugin.stop(task, [vnode])


def test_planning_is_pure(federation):
    """The same plan gives the same tasks: nothing is asked and nothing is remembered."""
    plans = []
    original = Effects.plan

    def spy(self: Effects, plan: Any) -> list[PlannedTask]:
        plans.append((self, plan))
        return original(self, plan)

    Effects.plan = spy  # type: ignore[method-assign]
    try:
        ask(federation.vnp, SPLIT)
    finally:
        Effects.plan = original  # type: ignore[method-assign]
    assert len(plans) == 3
    for effects, plan in plans:
        assert effects.plan(plan) == effects.plan(plan)


class Paper:
    """Somebody else's plugin: a VNode is a sheet of paper."""

    def plan(self, plan: Any) -> list[PlannedTask]:
        hosts = {e.id for e in plan.elements}
        return [
            PlannedTask("paper", p.on[0], (v,), {"key": f"{plan.key}.{v}"})
            for v, p in plan.mapping.mapping.items()
            if p.on and p.on[0] in hosts
        ]

    def make(self, task: Task) -> dict[str, Any]:
        return {}

    def confirm(self, task: Task) -> dict[str, Any]:
        return {}

    def remove(self, task: Task) -> None:
        return

    def observe(self, task: Task) -> dict[str, Observation]:
        return {e: Observation("running") for e in task.elements}


def test_a_third_partys_plugin_takes_its_types_by_an_entry_point(tmp_path, federation, monkeypatch):
    """Installed as a distribution of its own, it is found and wins where its prefix is longer."""
    folder = tmp_path / "site"
    info = folder / "papernodes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: papernodes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cloudnet_sdn.plugins]\npaper = papernodes:EXTENSION\n")
    (folder / "papernodes.py").write_text(
        "from cloudnet_sdn.plugins.registry import Extension\n"
        "from test_plugins import Paper\n"
        "EXTENSION = Extension(('/node/host/server/paper',), lambda context: Paper())\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    found = installed()
    assert isinstance(found["paper"], Extension)
    context = Context(
        federation.berlin.settings,
        federation.clock,
        lambda _element, _url: Loopback(None, None),
        dict.__getitem__,  # type: ignore[arg-type]
    )
    registry = build(context, found)
    assert registry.name_for("/node/host/server/paper/a4") == "paper"
    assert registry.name_for("/node/host/server/kvm") == "host"
    assert isinstance(registry.get("paper"), Paper)


def test_a_registry_takes_no_name_or_type_twice():
    registry = Registry()
    registry.register("paper", ("/node/paper",), Paper())
    with pytest.raises(ValueError, match="paper"):
        registry.register("paper", ("/node/other",), Paper())
    with pytest.raises(ValueError, match="/node/paper"):
        registry.register("other", ("/node/paper",), Paper())
    with pytest.raises(LookupError, match="paper"):
        registry.get("stone")
    assert registry.name_for("/node/stone") is None


def test_an_incomplete_substrate_is_refused_not_guessed(federation):
    """A switch without its dpid can carry nothing."""
    plugin = federation.berlin.role.registry.get("openflow")
    site = federation.berlin.site
    assert site is not None
    bare = {
        i: replace(e, features={}) if "dpid" in e.features else e
        for i, e in site.substrate.elements.items()
    }
    graph: Graph = replace(site.substrate, elements=bare)
    overlay = Graph("g", elements={"v": Element("v", "/link/generic")})
    mapping = MappingGraph("g", "berlin", {"v": Placement(("a", "sw1", "m", "sw2", "b"))})
    switches = tuple(graph.elements[s] for s in ("sw1", "sw2"))
    plan = Plan(CloudnetId("c"), graph, overlay, mapping, {}, switches, key="c")
    with pytest.raises(Refused):
        plugin.plan(plan)
