"""How long a role keeps what is over."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from fakes.world import OPERATOR, PAIR, request

from cloudnet_sdn.store.schema import audit, cloudnets, graphs, history, offers, owners
from cloudnet_sdn.wire.faults import NotFound

DAY = 86400


def rows(pip, table: sa.Table) -> int:
    with pip.role.store.read() as conn:
        return int(conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def test_documents_of_what_came_to_nothing_go_first_and_their_room_is_free(pip, clock):
    for number in range(4):
        text = f"rdl: 1\ngraph: g{number}\nnodes:\n  a: {{cpu: 100, note: {'x' * 5000}}}\n"
        offer = request(pip, text, f"r{number}")
        assert offer["state"] == "refused"
    assert rows(pip, graphs) == 4
    clock.advance(DAY + 60)
    pip.settle()
    assert rows(pip, graphs) == 0
    assert rows(pip, offers) == 4
    found = pip.call("negotiation.offer", offer["offer"])
    assert (found["state"], found["graph"]) == ("refused", "")
    with pip.role.store.read() as conn:
        assert conn.scalar(sa.select(owners.c.stored)) == 0


def test_what_was_released_long_ago_is_forgotten_and_what_stands_is_not(pip, clock):
    lived = request(
        pip, PAIR.replace("graph: pair", "graph: lives"), "r0", until="2031-01-01T00:00:00Z"
    )
    pip.call("negotiation.confirm", lived["offer"])
    pip.call("negotiation.renew", "lives", "2031-01-01T00:00:00Z")
    for number in range(3):
        offer = request(pip, PAIR, f"q{number}")
        pip.call("negotiation.confirm", offer["offer"])
        pip.call("negotiation.release", offer["cloudnet"])
        pip.settle()
    clock.advance(20 * DAY)
    pip.settle()
    assert pip.call("negotiation.history", offer["cloudnet"])
    pip.call("negotiation.renew", "lives", "2031-01-01T00:00:00Z")
    for _ in range(4):
        clock.advance(20 * DAY)
        pip.settle()
        pip.call("negotiation.renew", "lives", "2031-01-01T00:00:00Z")
    pip.settle()
    with pytest.raises(NotFound):
        pip.call("negotiation.history", offer["cloudnet"])
    assert rows(pip, cloudnets) == 1
    assert rows(pip, offers) == 1
    assert rows(pip, graphs) == 3
    assert pip.call("negotiation.status", "lives")["state"] == "ready"


def test_events_of_the_role_and_calls_are_kept_for_a_while(pip, clock):
    for _ in range(3):
        pip.call("operator.undrain", "sn1", caller=OPERATOR)
    request(pip, PAIR)
    clock.advance(400 * DAY)
    pip.settle()
    assert rows(pip, audit) == 1
    assert pip.call("operator.events", 0, 0.0, caller=OPERATOR)["events"] != []
    assert rows(pip, history) < 6
