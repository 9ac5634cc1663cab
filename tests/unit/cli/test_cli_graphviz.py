"""Large pictures: laid out by Graphviz where it is there, by ourselves where it isn't."""

from __future__ import annotations

import itertools
import json

import pytest

from cloudnet_sdn.cli.graphviz import LARGE, place
from rdl.draw import layout
from rdl.draw.layout import Box

COUNT = LARGE + 1
BOXES = [Box(f'a "{i}"', 60.0 + i % 40, 30.0) for i in range(COUNT)]
EDGES = [(BOXES[i].id, BOXES[i // 3].id) for i in range(1, COUNT - 20)]


def large(sh) -> str:
    nodes = {f"n{i}": {} for i in range(COUNT)}
    links = {f"l{i}": {"ends": [f"n{i}", f"n{i // 3}"]} for i in range(1, COUNT)}
    return sh.file("big.yaml", json.dumps({"rdl": 1, "graph": "b", "nodes": nodes, "links": links}))


def test_sfdp_places_each_box_apart_from_the_others_and_always_alike(need, capsys):
    """Boxes that nothing joins too; (0, 0) is the top left."""
    need("sfdp")
    spots = place(BOXES, EDGES, 70.0)
    assert capsys.readouterr().err == ""
    assert set(spots) == {b.id for b in BOXES}
    for a, b in itertools.combinations(BOXES, 2):
        across = abs(spots[a.id][0] - spots[b.id][0]) - (a.width + b.width) / 2
        down = abs(spots[a.id][1] - spots[b.id][1]) - (a.height + b.height) / 2
        assert max(across, down) > 0
    assert min(spots[b.id][0] - b.width / 2 for b in BOXES) == pytest.approx(0)
    assert spots == place(BOXES, EDGES, 70.0)


def test_a_large_picture_has_every_element(sh, need):
    need("sfdp")
    ran = sh("draw", large(sh), "--kind", "svg")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count('<g id="v-') == COUNT


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (None, "not installed"),
        ("exit 1", "failed"),
        ("cat >/dev/null; echo stop", "lacks boxes"),
        ("cat >/dev/null; echo node x y z", "failed"),
    ],
)
def test_without_an_answer_from_sfdp_we_place_them_ourselves_and_say_so(
    monkeypatch, tmp_path, capsys, script, why
):
    if script is not None:
        tool = tmp_path / "sfdp"
        tool.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        tool.chmod(0o755)
    # A machine without Graphviz, or with one that fails.
    monkeypatch.setenv("PATH", str(tmp_path))
    assert place(BOXES, [], 70.0) == layout.place(BOXES, [], 70.0)
    assert why in capsys.readouterr().err
