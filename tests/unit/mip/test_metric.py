"""Distances through long networks."""

from __future__ import annotations

from mip_graphs import ETHERNET, GENERIC, HOST, MBPS, SWITCH, VLINK, apart, element, join, underlay

from mip.mapping import map_request
from mip.problem.statement import Options, Problem, Status

LENGTH = 300
"""Switches in a line: more than a byte can count."""


def test_a_path_over_hundreds_of_switches_has_its_length() -> None:
    """10 Mbit/s over the links between the switches and the two of the hosts."""
    elements = [element(f"s{k}", SWITCH) for k in range(LENGTH)]
    elements += [element(h, HOST, {"cpu": 1}) for h in ("h0", "h1")]
    ends = {f"l{k}": (f"s{k}", f"s{k + 1}") for k in range(LENGTH - 1)}
    ends |= {"a0": ("h0", "s0"), "a1": ("h1", f"s{LENGTH - 1}")}
    elements += [element(name, ETHERNET, {"bandwidth": 100 * MBPS}) for name in ends]
    asked = [element(v, GENERIC, {"cpu": 1}) for v in ("a", "b")]
    asked.append(element("ab", VLINK, {"bandwidth": 10 * MBPS}))
    request = join("net", asked, {"ab": ("a", "b")}, [apart("a", "b")])
    result = map_request(Problem(underlay(elements, ends), request), Options())
    assert result.status is Status.OPTIMAL
    assert result.value == 10 * (LENGTH - 1 + 2)
    assert len(result.links["ab"]) == LENGTH + LENGTH + 1
