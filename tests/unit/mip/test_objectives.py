"""Objectives as plugins: a third party's is found by its entry point and solved like ours."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from mip_graphs import GENERIC, HOST, element, join, underlay

from mip import objectives
from mip.mapping import map_request
from mip.problem.statement import Options, Problem

MODULE = """\
from mip.objectives import Weights

class Quiet:
    name = "quiet"

    def weights(self, problem):
        return Weights(place=lambda vnode, host: float(host.features.get("noise", 0)))

class Doors:
    name = "doors"

    def weights(self, problem):
        return Weights(open=lambda host: float(host.features["noise"]), peak=0.1)
"""
METADATA = "Metadata-Version: 2.1\nName: quiet\nVersion: 1\n"
ENTRY = "[cloudnet_sdn.objectives]\nquiet = quiet_module:Quiet\ndoors = quiet_module:Doors\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch):
    """A distribution with two objectives, on the path for as long as the test runs."""
    (tmp_path / "quiet_module.py").write_text(MODULE)
    info = tmp_path / "quiet-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY)
    monkeypatch.syspath_prepend(str(tmp_path))
    objectives._installed.cache_clear()
    yield
    objectives._installed.cache_clear()
    sys.modules.pop("quiet_module", None)


def problem() -> Problem:
    hosts = [element(f"h{k}", HOST, {"cpu": 2}, noise=n) for k, n in enumerate((5, 1, 2))]
    vnodes = [element(v, GENERIC, {"cpu": 1}) for v in "abc"]
    return Problem(underlay(hosts, {}), join("net", vnodes, {}))


def test_installed_objective_is_used(installed) -> None:
    """Two VNodes in the quietest host, one in the next."""
    result = map_request(problem(), Options(objective="quiet"))
    assert result.value == 4
    assert sorted(result.nodes.values()) == ["h1", "h1", "h2"]
    assert "quiet" in objectives.names()


def test_objective_of_any_mixture_is_solved(installed) -> None:
    """Prices of opening hosts and of the peak together go to the whole program."""
    result = map_request(problem(), Options(objective="doors"))
    assert set(result.nodes.values()) == {"h1", "h2"}
    assert result.value == pytest.approx(3.1)


def test_built_in_ones_are_there_without_being_installed() -> None:
    """The contract's three."""
    assert {"cost", "balance", "compact"} <= set(objectives.names())
