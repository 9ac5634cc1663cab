"""Objectives as plugins: a third party's is found by its entry point and solved like ours."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from mip_graphs import GENERIC, HOST, element, join, underlay

from mip import objectives
from mip.errors import WrongObjectiveError
from mip.mapping import map_request
from mip.problem import Options, Problem, Weights

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


class Noise:
    """The noise of the hosts, each VNode's multiplied by `factor`."""

    name = "noise"

    def __init__(self, factor: object = 1) -> None:
        self.factor = factor

    def weights(self, problem: Problem) -> Weights:
        return Weights(place=lambda _, host: host.features["noise"] * self.factor)


class Unlike:
    """Called as ours is, and not that."""

    name = "cost"

    def weights(self, problem: Problem) -> Weights:
        return Weights(open=lambda host: 1.0)


def test_an_objective_is_taken_as_it_is() -> None:
    """Without being installed; what it was made with counts, and the result has its name."""
    result = map_request(problem(), Options(objective=Noise(3)))
    assert (result.value, result.objective) == (12, "noise")
    assert sorted(result.nodes.values()) == ["h1", "h1", "h2"]


def test_an_objective_of_ours_is_taken_as_it_is() -> None:
    """As by its name."""
    by_name = map_request(problem(), Options(objective="compact"))
    assert map_request(problem(), Options(objective=objectives.Compact())).value == by_name.value


def test_a_name_of_ours_makes_no_objective_ours() -> None:
    """It is solved by its weights, and ties are broken by the true cost."""
    priced = [element(f"h{k}", HOST, {"cpu": 4}, price=p) for k, p in enumerate((5, 1, 2))]
    vnodes = [element(v, GENERIC, {"cpu": 1}) for v in "abc"]
    result = map_request(
        Problem(underlay(priced, {}), join("net", vnodes, {})), Options(objective=Unlike())
    )
    assert (result.value, set(result.nodes.values())) == (1, {"h1"})


@pytest.mark.parametrize("factor", [Fraction(1, 2), True, 0.5])
def test_prices_may_be_any_numbers(factor: object) -> None:
    """Fractions too."""
    assert map_request(problem(), Options(objective=Noise(factor))).value == 4 * float(factor)


@pytest.mark.parametrize("method", ["auto", "exact", "fast"])
@pytest.mark.parametrize("factor", [-1, math.nan, math.inf, "x"])
def test_prices_that_no_bound_holds_for_are_refused(factor: object, method: str) -> None:
    """By every method, and the error says what for; a mapping would be wrong without a word."""
    with pytest.raises(WrongObjectiveError, match=r"'noise' asks .* for \w on h\d"):
        map_request(problem(), Options(objective=Noise(factor), method=method))


@pytest.mark.parametrize(
    "weights",
    [
        Weights(open=lambda _: -1.0),
        Weights(carry=lambda *_: -1.0),
        Weights(peak=-1.0),
        Weights(constant=math.nan),
        {"place": 1},
    ],
)
def test_any_weight_is_looked_at(weights: object) -> None:
    """Hosts, links, the peak, the constant, and that it is Weights."""

    class Odd:
        name = "odd"

        def weights(self, problem: Problem) -> Weights:
            return weights

    joined = [element("ab", "/link/generic", {"bandwidth": 1})]
    hosts = [element(f"h{k}", HOST, {"cpu": 1}) for k in range(2)]
    wire = [element("l", "/link/ethernet", {"bandwidth": 1})]
    vnodes = [element(v, GENERIC, {"cpu": 1}) for v in "ab"]
    asked = Problem(
        underlay([*hosts, *wire], {"l": ("h0", "h1")}),
        join("net", [*vnodes, *joined], {"ab": ("a", "b")}),
    )
    with pytest.raises(WrongObjectiveError, match="odd"):
        map_request(asked, Options(objective=Odd()))


@pytest.mark.parametrize("wrong", [Noise, object(), None])
def test_what_is_no_objective_is_refused(wrong: object) -> None:
    """A class in place of an instance too."""
    with pytest.raises(WrongObjectiveError, match="an instance is wanted"):
        map_request(problem(), Options(objective=wrong))
