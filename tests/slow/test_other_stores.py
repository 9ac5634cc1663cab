"""The roles over another database than SQLite.

`CLOUDNET_TEST_STORE` is a URL with `{name}` for the database: empty ones called berlin, munich and
vnp have to be there, such as `mysql+pymysql://root@127.0.0.1:3306/{name}`.
"""

from __future__ import annotations

import concurrent.futures
import uuid
from collections.abc import Iterator

import pytest
from fakes.world import SPLIT, FakeClock, Federation, request

pytestmark = pytest.mark.slow

SMALL = """\
rdl: 1
graph: {name}
nodes:
  a: {{cpu: 2}}
  b: {{cpu: 1}}
links:
  l: {{ends: [a, b]}}
"""


@pytest.fixture
def federation(tmp_path, other_store) -> Iterator[Federation]:
    made = Federation(tmp_path, FakeClock(), store=other_store)
    yield made
    made.stop()


def test_a_whole_life(federation):
    vnp = federation.vnp
    offer = request(vnp, SPLIT, str(uuid.uuid4()))
    assert offer["state"] == "held", offer["reasons"]
    assert vnp.call("negotiation.confirm", offer["offer"])["state"] == "confirmed"
    vnp.call("provisioning.start", "shop", [])
    federation.settle()
    assert vnp.call("negotiation.status", "shop")["state"] == "running"
    vnp.call("negotiation.release", "shop")
    federation.settle()
    assert federation.empty()
    assert vnp.call("negotiation.status", offer["cloudnet"])["state"] == "released"


def test_many_at_once(federation):
    """Sixteen cores, three per request; then all are given back at once."""
    berlin = federation.berlin

    def ask(number: int) -> str:
        text = SMALL.format(name=f"g{number}")
        state: str = request(berlin, text, str(uuid.uuid4()))["state"]
        return state

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        states = list(pool.map(ask, range(10)))
    assert sorted(states) == ["held"] * 5 + ["refused"] * 5
    for cloudnet in berlin.call("negotiation.list"):
        berlin.call("negotiation.release", cloudnet["cloudnet"])
    berlin.settle()
    assert berlin.site.empty()
    assert berlin.call("negotiation.list") == []
