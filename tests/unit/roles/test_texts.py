"""Texts that a database can't keep are refused alike, whichever it is."""

from __future__ import annotations

import pytest
from fakes import world
from fakes.world import OPERATOR, PAIR, provider, request

from cloudnet_sdn.roles.serve import SubstrateError
from cloudnet_sdn.store.schema import CURRENCY_LONGEST
from cloudnet_sdn.wire.faults import BadRequest

NUL = [
    'rdl: 1\ngraph: "n\\0l"\nnodes:\n  a: {cpu: 1}\n',
    'rdl: 1\ngraph: g\nnodes:\n  a: {cpu: 1, note: "n\\0l"}\n',
    'rdl: 1\ngraph: g\nnodes:\n  a: {cpu: 1, "n\\x00l": 1}\n',
]


@pytest.mark.parametrize("graph", NUL)
def test_a_nul_in_a_graph_is_a_bad_request(pip, graph):
    with pytest.raises(BadRequest):
        request(pip, graph)
    assert pip.call("negotiation.list") == []


@pytest.mark.parametrize(
    "method", ["negotiation.status", "negotiation.offer", "negotiation.cancel"]
)
def test_a_nul_in_an_argument_is_a_bad_request(pip, method):
    with pytest.raises(BadRequest, match="NUL"):
        pip.role.service.invoke(method, ["x\0y"], world.TENANT)


def test_a_long_currency_is_kept(tmp_path, clock, monkeypatch):
    told = "currency: " + "x" * CURRENCY_LONGEST
    # The world every machine is started with.
    monkeypatch.setattr(world, "SUBSTRATE", world.SUBSTRATE.replace("currency: EUR", told))
    pip = provider(tmp_path, "berlin", "munich", "b", clock)
    offer = request(pip, PAIR)
    assert (offer["state"], offer["currency"]) == ("held", "x" * CURRENCY_LONGEST)
    pip.stop()


def test_one_that_is_too_long_is_told_when_the_substrate_is_loaded(pip, tmp_path, monkeypatch):
    told = "currency: " + "x" * (CURRENCY_LONGEST + 1)
    text = pip.call("operator.substrate", caller=OPERATOR)
    with pytest.raises(BadRequest, match=r"sn1: features\.currency: at most 64"):
        pip.call("operator.load", text.replace("currency: EUR", told), caller=OPERATOR)
    # The world every machine is started with.
    monkeypatch.setattr(world, "SUBSTRATE", world.SUBSTRATE.replace("currency: EUR", told))
    with pytest.raises(SubstrateError, match=r"features\.currency: at most 64"):
        provider(tmp_path / ".", "munich", "berlin", "a", pip.clock)
