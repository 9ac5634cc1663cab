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
from mip.problem import Options, Problem, Status, Weights
from rdl.language.load import load_graph

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


FORK = """
rdl: 1
graph: fork
layer: underlay
nodes:
  a1: {type: /node/host/server, cpu: 1}
  a2: {type: /node/host/server, cpu: 1}
  b1: {type: /node/host/server, cpu: 1}
  b2: {type: /node/host/server, cpu: 1}
  s1: {type: /node/switch}
  s2: {type: /node/switch}
  s3: {type: /node/switch}
links:
  a1-s1: {ends: [a1, s1], bandwidth: 1Gbps}
  a2-s2: {ends: [a2, s2], bandwidth: 1Gbps}
  b1-s1: {ends: [b1, s1], bandwidth: 1Gbps}
  b2-s2: {ends: [b2, s2], bandwidth: 1Gbps}
  short: {ends: [s1, s2], bandwidth: 10Mbps}
  long-1: {ends: [s1, s3], bandwidth: 1Gbps}
  long-2: {ends: [s3, s2], bandwidth: 1Gbps}
"""
PAIRS = """
rdl: 1
graph: pairs
nodes: {va1: {cpu: 1}, va2: {cpu: 1}, vb1: {cpu: 1}, vb2: {cpu: 1}}
links:
  wide: {ends: [va1, va2], bandwidth: 10Mbps}
  slim: {ends: [vb1, vb2], bandwidth: 9Mbps}
constraints:
- {on: [a1], of: [va1]}
- {on: [a2], of: [va2]}
- {on: [b1], of: [vb1]}
- {on: [b2], of: [vb2]}
"""


class Odd:
    """Prices without a common step; the way round costs the wide VLink less than the slim one."""

    name = "odd"

    def weights(self, problem: Problem) -> Weights:
        def carry(vlink, link):
            if link.id.startswith("long"):
                return math.sqrt(2) * (0.55 if vlink.id == "wide" else 0.6)
            return math.sqrt(2) * (1 if link.id == "short" else 50 * link.is_link)

        return Weights(carry=carry)


def test_the_cheapest_paths_are_found_where_values_have_no_common_step() -> None:
    """The wide VLink goes first and takes the short link: not the best, and no proof that it is."""
    fork = Problem(load_graph(FORK), load_graph(PAIRS))
    result = map_request(fork, Options(objective=Odd()))
    assert result.status is Status.OPTIMAL
    assert result.links["slim"] == ("b1-s1", "s1", "short", "s2", "b2-s2")
    assert result.value == pytest.approx(math.sqrt(2) * 202.1, rel=1e-9)
