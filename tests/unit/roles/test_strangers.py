"""A wrong store costs no customer anything; what is left over of CloudNets that are gone goes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from fakes import world
from fakes.world import OTHER, PAIR, TENANT, FakeClock, Machine, provider, request

from cloudnet_sdn.model.settings import StoreSettings
from cloudnet_sdn.store.engine import StoreError
from cloudnet_sdn.store.identity import initialise
from cloudnet_sdn.store.upgrade import upgrade


def look(machine: Machine, times: int = 3) -> None:
    """Have the shells compared with the journal."""
    for _ in range(times):
        machine.role.reconciler.tick()
        machine.role.reconciler.wait_for_inventory()
        machine.clock.advance(1)


def elsewhere(machine: Machine, folder: Path, role: str, *, empty: bool = False) -> None:
    """End the process; the next one is told another store, that of a role or an empty one."""
    machine.kill()
    folder.mkdir()
    store = StoreSettings(world.databases.url(folder, role, empty=empty))
    machine.settings = dataclasses.replace(machine.settings, store=store)


@pytest.fixture
def standing(pip):
    for number, caller in enumerate((TENANT, OTHER)):
        offer = request(pip, PAIR, f"r{number}", caller=caller, start=True)
        pip.call("negotiation.confirm", offer["offer"], caller=caller)
    pip.settle()
    return pip


def test_an_empty_store_takes_nothing_from_anybody(standing, tmp_path):
    elsewhere(standing, tmp_path / "typo", "berlin")
    standing.boot()
    for _ in range(30):
        look(standing, 1)
        standing.clock.advance(3600)
    vnodes = [v for a in standing.site.agents.values() for v in a.vnodes.values()]
    assert [v.state for v in vnodes] == ["running"] * 4
    assert len(standing.site.controller.vlinks) == 2


def test_a_store_that_nobody_has_made_one_is_not_served(standing, tmp_path):
    elsewhere(standing, tmp_path / "typo", "berlin", empty=True)
    upgrade(standing.settings.store.url)
    with pytest.raises(StoreError, match="cloudnet db init"):
        standing.boot()


def test_the_store_of_another_role_is_not_served(standing, tmp_path):
    elsewhere(standing, tmp_path / "other", "munich", empty=True)
    first, fresh = initialise(standing.settings.store.url, "munich", standing.clock.now())
    assert fresh
    assert initialise(standing.settings.store.url, "munich", standing.clock.now()) == (first, False)
    with pytest.raises(StoreError, match="the store of munich, not of berlin"):
        standing.boot()
    with pytest.raises(StoreError, match="the store of munich, not of berlin"):
        initialise(standing.settings.store.url, "berlin", standing.clock.now())


def test_left_overs_of_what_is_gone_are_removed_and_others_things_are_left(standing):
    agent = standing.site.agents["sn1"]
    gone = standing.call("negotiation.status", "pair")["cloudnet"]
    standing.call("negotiation.release", "pair")
    standing.settle()
    agent.put(f"{gone}.web", {"interfaces": []})
    agent.put(f"{gone}-2.web", {"interfaces": []})
    agent.put("berlin-aaaaaaaaaa.web", {"interfaces": []})
    agent.put("someone-else.web", {"interfaces": []})
    standing.settle()
    kept = {k for k in agent.vnodes if k.endswith(".web")}
    assert {"berlin-aaaaaaaaaa.web", "someone-else.web"} <= kept
    assert not {k for k in agent.vnodes if k.startswith(gone)}


def test_left_overs_are_quarantined_and_removed_a_few_an_hour(tmp_path):
    clock = FakeClock()
    timing = {"tick_s": 0.05, "inventory_s": 0.0, "quarantine_s": 60.0}
    pip = provider(tmp_path, "berlin", "munich", "b", clock, settings={"timing": timing})
    offer = request(pip, PAIR)
    pip.call("negotiation.cancel", offer["offer"])
    agent = pip.site.agents["sn1"]
    for number in range(10):
        agent.put(f"{offer['cloudnet']}.x{number}", {"interfaces": []})
    look(pip)
    assert len(agent.vnodes) == 10
    clock.advance(60)
    look(pip)
    assert len(agent.vnodes) == 7
    clock.advance(3000)
    look(pip)
    assert len(agent.vnodes) == 7
    clock.advance(700)
    look(pip)
    assert len(agent.vnodes) == 4
    pip.stop()
