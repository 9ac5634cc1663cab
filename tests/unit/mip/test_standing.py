"""A state directory against its substrate: everything that is wrong with it, with its file."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from pathlib import Path

import pytest
from mip_cases import case

from mip.errors import StateError
from mip.mapping import map_request, mapping_graph
from mip.problem.statement import Options
from mip.standing import standing
from rdl.graph import MappingGraph, Placement
from rdl.language.dump import dump
from rdl.language.load import load_graph

SUBSTRATE = load_graph("""\
rdl: 1
graph: dc
layer: underlay
nodes:
  h1: {type: /node/host/server/kvm, cpu: 4, arch: x86_64}
  h2: {type: /node/host/server/xen, cpu: 4, interfaces: [{id: h2.up}]}
  s: {type: /node/switch/openflow}
links:
  l1: {ends: [h1, s], bandwidth: 10Mbps}
  l2: {ends: [h2.up, s], bandwidth: 10Mbps}
  bare: {ends: [h1, h2]}
""")
OVERLAY = """\
rdl: 1
graph: old
nodes: {v: {cpu: 2}, w: {type: /node/host/server, cpu: 1}}
links: {l: {ends: [v, w], bandwidth: 6Mbps}}
"""
MAPPING = """\
rdl: 1
graph: old
layer: mapping
underlay: dc
mapping:
  v: {on: [h1]}
  w: {on: [h2]}
  l: {on: [l1, s, l2], segments: [{on: h2, vlan: 5, interface: h2.up}]}
"""


def state(folder: Path, *pairs: tuple[str, str, str]) -> Path:
    for name, overlay, mapping in pairs:
        (folder / f"{name}.overlay.yaml").write_text(overlay)
        (folder / f"{name}.mapping.yaml").write_text(mapping)
    return folder


def refused(folder: Path) -> tuple[str, ...]:
    with pytest.raises(StateError) as error:
        standing(folder, SUBSTRATE)
    return error.value.faults


def test_what_is_whole_is_taken(tmp_path):
    (one,) = standing(state(tmp_path, ("old", OVERLAY, MAPPING)), SUBSTRATE)
    assert one.mapping.mapping["l"].on == ("l1", "s", "l2")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("[h1]", "[h9]", "mapping.v.on: h9 isn't in the substrate dc"),
        ("[h1]", "[]", "mapping.v.on: a VNode is on one host, this is on 0"),
        ("[h1]", "[h1, h2]", "mapping.v.on: a VNode is on one host, this is on 2"),
        ("[h1]", "[s]", "v asks for /node/host/generic, s is /node/switch/openflow"),
        ("[h1]", "[h2]", "path of l"),
        ("[h1]", "[l1]", "v asks for /node/host/generic, l1 is /link"),
        ("  v: {on: [h1]}\n", "", "mapping.v: missing: v is not placed"),
        ("  v: {on: [h1]}\n", "  v: {on: [h1]}\n  x: {on: [h1]}\n", "mapping.x: old has no such"),
        ("[l1, s, l2]", "[l1, s, l7]", "path of l crosses l7, which isn't there"),
        ("[l1, s, l2]", "[l1, l2]", "path of l breaks between l1 and l2"),
        ("[l1, s, l2]", "[l1]", "path of l doesn't join h1 and h2"),
        ("[l1, s, l2]", "[]", "path of l is empty, but its ends are h1 and h2"),
        ("[l1, s, l2]", "[l1, s, s, l2]", "path of l passes an element twice"),
        ("[l1, s, l2]", "[h1, l1, s, l2]", "path of l"),
        ("[l1, s, l2]", "[bare]", "bare: bandwidth: old use 6 Mbps, there are 0"),
        ("on: h2, vlan", "on: h8, vlan", "mapping.l.segments[0]: on h8, which isn't in dc"),
        ("h2.up}]", "h2.down}]", "mapping.l.segments[0]: h2 has no interface h2.down"),
        ("underlay: dc", "underlay: dcx", "underlay: this is a mapping onto dcx"),
        ("graph: old", "graph: other", "graph: this is the mapping of other, not of the old"),
    ],
)  # fmt: skip
def test_a_mapping_that_does_not_fit_is_refused_with_file_element_and_reason(
    tmp_path, before, after, says
):
    bent = MAPPING.replace(before, after)
    assert bent != MAPPING
    faults = refused(state(tmp_path, ("old", OVERLAY, bent)))
    assert any(says in fault for fault in faults), faults
    assert all(fault.startswith(str(tmp_path / "old.mapping.yaml")) for fault in faults)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("cpu: 2", "cpu: 5", "h1: cpu: old use 5, there are 4"),
        ("cpu: 2", "cpu: 2, apples: 1", "apples"),
        ("cpu: 2", "cpu: 2, arch: arm", "v asks for arch arm, h1 has x86_64"),
        ("6Mbps", "60Mbps", "l1: bandwidth: old use 60 Mbps, there are 10 Mbps"),
        ("links:", "constraints: [{together: [v, w]}]\nlinks:", "v, w are to be together"),
        ("links:", "constraints: [{not_on: [h1], of: [v]}]\nlinks:", "v is on h1, which is excl"),
    ],
)
def test_an_overlay_that_does_not_stand_there_is_refused(tmp_path, before, after, says):
    faults = refused(state(tmp_path, ("old", OVERLAY.replace(before, after), MAPPING)))
    assert any(says in fault for fault in faults), faults


def test_values_that_a_mapping_does_not_tell_are_no_fault(tmp_path):
    overlay = OVERLAY + "constraints: [{same: arch, of: [v, w]}, {apart: [v, w], by: site}]\n"
    assert standing(state(tmp_path, ("old", overlay, MAPPING)), SUBSTRATE)


def test_what_several_overuse_together_names_them(tmp_path):
    other = OVERLAY.replace("graph: old", "graph: new"), MAPPING.replace("graph: old", "graph: new")
    folder = state(tmp_path, ("old", OVERLAY, MAPPING), ("new", *other))
    faults = refused(folder)
    assert len(faults) == 2
    assert "l1: bandwidth: new, old use 12 Mbps, there are 10 Mbps" in faults[0]


def test_all_files_faults_are_told_at_once(tmp_path):
    state(
        tmp_path,
        ("a", OVERLAY, MAPPING.replace("[h1]", "[h9]").replace("[l1, s, l2]", "[l9]")),
        ("b", MAPPING, MAPPING),
        ("c", OVERLAY.replace("cpu: 2", "cpu: two"), OVERLAY),
    )
    (tmp_path / "d.overlay.yaml").write_text(OVERLAY)
    (tmp_path / "e.mapping.yaml").write_text(MAPPING)
    (tmp_path / "f.overlay.yaml").mkdir()
    (tmp_path / "f.mapping.yaml").write_bytes(b"\xff")
    text = "\n".join(refused(tmp_path))
    for part in (
        "a.mapping.yaml: mapping.v.on: h9",
        "b.overlay.yaml:1:1: layer",
        "c.overlay.yaml:3:",
        "c.mapping.yaml:1:1: layer",
        "d.mapping.yaml: missing",
        "e.overlay.yaml: missing",
        "f.overlay.yaml: Is a directory",
        "f.mapping.yaml:1:1",
    ):
        assert part in text


def test_one_name_twice_is_refused(tmp_path):
    faults = refused(state(tmp_path, ("a", OVERLAY, MAPPING), ("b", OVERLAY, MAPPING)))
    assert any("b.overlay.yaml: graph: old is in a.overlay.yaml already" in f for f in faults)


def test_the_underlay_is_no_overlay(tmp_path):
    faults = refused(state(tmp_path, ("a", dump(SUBSTRATE), MAPPING)))
    assert any("layer: an overlay is wanted here" in f for f in faults)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_mapped_stands_and_bent_it_is_refused_or_stands(tmp_path, seed):
    """No false alarm on what the solver made, and no break-down whatever a mapping says."""
    problem, objective = case(seed)
    result = map_request(
        problem, Options(objective=objective, time_limit=1, method="fast", explain=False)
    )
    if result.value is None or problem.anchors:
        return
    mapping = mapping_graph(result, problem)
    name = problem.request.name
    overlay = replace(problem.request, constraints=())
    standing(state(tmp_path, (name, dump(overlay), dump(mapping))), problem.substrate)
    rng = random.Random(seed)
    for _ in range(5):
        state(
            tmp_path, (name, dump(overlay), dump(_bent(rng, mapping, problem.substrate.elements)))
        )
        with contextlib.suppress(StateError):
            standing(tmp_path, problem.substrate)


def _bent(rng: random.Random, mapping: MappingGraph, known: object) -> MappingGraph:
    placements = dict(mapping.mapping)
    victim = rng.choice(sorted(placements))
    on = list(placements[victim].on)
    ids = [*known, "nowhere"]  # type: ignore[misc]
    match rng.randrange(4):
        case 0:
            del placements[victim]
        case 1:
            rng.shuffle(on)
            placements[victim] = replace(placements[victim], on=tuple(on))
        case 2:
            on = [rng.choice(ids) for _ in range(rng.randrange(4))]
            placements[victim] = replace(placements[victim], on=tuple(on))
        case 3:
            placements["stranger"] = Placement(on=(rng.choice(ids),), backup=(rng.choice(ids),))
    return replace(mapping, mapping=placements)
