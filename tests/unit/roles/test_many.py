"""Many callers of one role at a time."""

from __future__ import annotations

import concurrent.futures

from fakes.world import request

SMALL = """\
rdl: 1
graph: {name}
nodes:
  a: {{cpu: 2}}
  b: {{cpu: 1}}
links:
  l: {{ends: [a, b]}}
"""


def test_of_many_at_once_as_many_are_held_as_fit(pip):
    """Sixteen cores, three per request; then all are given back at once."""

    def ask(number: int) -> str:
        state: str = request(pip, SMALL.format(name=f"g{number}"), f"r{number}")["state"]
        return state

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        states = list(pool.map(ask, range(10)))
    assert sorted(states) == ["held"] * 5 + ["refused"] * 5
    for cloudnet in pip.call("negotiation.list"):
        pip.call("negotiation.release", cloudnet["cloudnet"])
    pip.settle()
    assert pip.site.empty()
    assert pip.call("negotiation.list") == []
