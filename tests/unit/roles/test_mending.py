"""What breaks below a CloudNet is mapped around where policy says so, and else it is reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from fakes.world import (
    OPERATOR,
    PAIR,
    SPLIT,
    Fabric,
    FakeClock,
    Federation,
    Machine,
    provider,
    request,
    ringed,
)

from cloudnet_sdn.wire.faults import Conflict

HEAL = {"heal": {"enabled": True, "after_s": 60.0, "every_s": 100.0}}
ONE = "rdl: 1\ngraph: one\nnodes:\n  a: {cpu: 2}\n"
M = {("00000000000000b1", 2), ("00000000000000b2", 2)}
"""Where link `m` is: its ports at `sw1` and `sw2`."""
SW3 = "00000000000000b3"


@pytest.fixture
def ring(tmp_path, clock) -> Iterator[Machine]:
    """A provider that heals, with two ways between its switches: `m`, and by `sw3`."""
    machine = provider(tmp_path, "berlin", "munich", "b", clock, settings=HEAL, changed=ringed)
    yield machine
    machine.stop()


def running(machine: Machine, graph: str = PAIR) -> str:
    offer = request(machine, graph, start=True)
    machine.call("negotiation.confirm", offer["offer"])
    machine.settle()
    return str(offer["cloudnet"])


def look(machine: Machine) -> None:
    machine.role.reconciler.tick()
    machine.role.reconciler.wait_for_inventory()


def passes(machine: Machine, seconds: float, every: float = 10.0) -> None:
    """Let time pass, with a look now and then; each mending ends before more of it passes."""
    for _ in range(int(seconds / every)):
        look(machine)
        until(machine, lambda: not machine.busy())
        machine.clock.advance(every)
    look(machine)


def until(machine: Machine, comes: Callable[[], bool]) -> None:
    """Tick until it is so; no time passes."""
    deadline = time.monotonic() + 20
    while not comes():
        assert time.monotonic() < deadline, "it never came to be"
        machine.busy()
        time.sleep(0.01)


def events(machine: Machine, name: str, event: str) -> int:
    found = machine.call("negotiation.history", name)
    return sum(e["event"] == event for e in found)


def state(machine: Machine, name: str) -> str:
    return str(machine.call("negotiation.status", name)["state"])


def boots(machine: Machine) -> dict[str, tuple[str, int]]:
    """By VNode, its host and how often it has booted."""
    assert machine.site is not None
    return {
        key.partition(".")[2]: (host, vnode.boots)
        for host, agent in machine.site.agents.items()
        for key, vnode in agent.vnodes.items()
    }


def crosses_m(machine: Machine) -> bool:
    """Whether a VLink has its path over link `m`."""
    assert machine.site is not None
    vlinks = machine.site.controller.vlinks.values()
    return any(not M.isdisjoint((h.dpid, h.out_port) for h in v.hops) for v in vlinks)


def test_a_vlink_whose_link_stays_down_gets_another_path_and_its_vnodes_stay(ring):
    running(ring)
    before = boots(ring)
    assert crosses_m(ring)
    ring.site.controller.dead.update(M)
    passes(ring, 50)
    seen = ring.call("negotiation.status", "pair")
    assert (seen["state"], events(ring, "pair", "mending")) == ("degraded", 0)
    passes(ring, 30)
    until(ring, lambda: state(ring, "pair") == "running")
    assert events(ring, "pair", "mended") == 1
    assert not crosses_m(ring)
    assert Fabric([ring.site]).reached(("web", "web-db")) == {("db", "web-db")}
    assert boots(ring) == before
    # It is mended: nothing more comes of the link that is down.
    passes(ring, 400, every=50)
    assert events(ring, "pair", "mending") == 1
    ring.call("negotiation.release", "pair")
    ring.settle()
    assert ring.site.empty()


def test_a_vlink_over_a_switch_that_stays_away_gets_another_path(ring):
    ring.call("operator.drain", "m", {}, caller=OPERATOR)
    running(ring)
    ring.call("operator.undrain", "m", caller=OPERATOR)
    assert not crosses_m(ring)
    ring.site.controller.away.add(SW3)
    passes(ring, 80)
    until(ring, lambda: state(ring, "pair") == "running")
    assert crosses_m(ring)


def test_without_the_policy_it_is_degraded_and_says_why(tmp_path, clock):
    pip = provider(tmp_path, "berlin", "munich", "b", clock, changed=ringed)
    running(pip)
    pip.site.controller.dead.update(M)
    passes(pip, 400, every=50)
    seen = pip.call("negotiation.status", "pair")
    assert seen["state"] == "degraded"
    assert seen["elements"]["web-db"] == {"state": "failed", "reason": "it is interrupted"}
    assert events(pip, "pair", "mending") == 0
    pip.stop()


def test_a_link_that_flaps_faster_than_the_patience_mends_nothing(ring):
    running(ring)
    for _ in range(10):
        ring.site.controller.dead.update(M)
        passes(ring, 50, every=25)
        ring.site.controller.dead.clear()
        passes(ring, 10)
    assert events(ring, "pair", "mending") == 0
    assert crosses_m(ring)


def test_where_there_is_no_other_path_it_is_tried_ever_more_seldom(tmp_path, clock):
    pip = provider(tmp_path, "berlin", "munich", "b", clock, settings=HEAL)
    running(pip)
    pip.site.controller.dead.update(M)
    passes(pip, 60)
    assert events(pip, "pair", "mending") == 1
    passes(pip, 3000, every=50)
    # At once, after 100 s, 200 s, 400 s, 800 s and 1600 s.
    assert events(pip, "pair", "mending") == events(pip, "pair", "refused") == 5
    seen = pip.call("negotiation.status", "pair")
    assert (seen["state"], seen["elements"]["web-db"]["state"]) == ("degraded", "failed")
    pip.site.controller.dead.clear()
    passes(pip, 400, every=50)
    assert state(pip, "pair") == "running"
    assert events(pip, "pair", "mending") == 5
    pip.stop()


def test_a_controller_that_is_away_has_nothing_mapped_anew(ring):
    running(ring)
    ring.peers["http://berlin.controller/RPC2"].down = True
    passes(ring, 400, every=50)
    ring.peers["http://berlin.controller/RPC2"].down = False
    ring.site.controller.away = set(ring.site.controller.ports)
    passes(ring, 50)
    ring.site.controller.away = set()
    passes(ring, 100)
    assert events(ring, "pair", "mending") == 0
    assert state(ring, "pair") == "running"


def test_a_vnode_that_its_host_does_not_make_again_is_made_elsewhere(ring):
    running(ring, ONE)
    ((host, _),) = boots(ring).values()
    ring.site.agents[host].vnodes.clear()
    ring.peers[f"http://berlin.{host}/RPC2"].refused["vnode.put"] = Conflict("no")
    for _ in range(20):
        look(ring)
        ring.clock.advance(3)
        time.sleep(0.02)
    until(ring, lambda: state(ring, "one") == "running")
    assert [h for h, _ in boots(ring).values()] != [host]
    assert events(ring, "one", "mended") == 1
    ring.call("negotiation.release", "one")
    ring.settle()
    assert ring.site.empty()


def test_a_broker_sees_a_part_degraded_until_its_provider_has_mended_it(tmp_path, clock: FakeClock):
    federation = Federation(tmp_path, clock, settings={"berlin": HEAL}, changed={"berlin": ringed})
    vnp, berlin = federation.vnp, federation.berlin
    assert berlin.site is not None
    offer = request(vnp, SPLIT, start=True)
    vnp.call("negotiation.confirm", offer["offer"])
    federation.settle()
    before = boots(berlin)
    berlin.site.controller.dead.update(M)
    look(berlin)
    assert state(vnp, "shop") == "degraded"
    passes(berlin, 80)
    until(berlin, lambda: not berlin.busy())
    assert state(vnp, "shop") == "running"
    fabric = federation.fabric()
    assert fabric.reached(("web", "web-app")) == {("app", "web-app")}
    assert fabric.reached(("app", "app-db")) == {("db", "app-db")}
    assert boots(berlin) == before
    assert not crosses_m(berlin)
    vnp.call("negotiation.release", "shop")
    federation.settle()
    assert federation.empty()
    federation.stop()


def at_one_provider(tmp_path, clock: FakeClock) -> tuple[Federation, str]:
    """A broker that heals, with a CloudNet that runs at one of its providers; its name."""
    federation = Federation(tmp_path, clock, settings={"vnp": HEAL})
    offer = request(federation.vnp, PAIR, start=True)
    federation.vnp.call("negotiation.confirm", offer["offer"])
    federation.settle()
    (name,) = (n for n, p in federation.pips.items() if boots(p))
    return federation, name


def test_a_part_that_its_provider_does_not_mend_is_found_another_place_by_the_broker(
    tmp_path, clock: FakeClock
):
    federation, name = at_one_provider(tmp_path, clock)
    there = federation.pips[name]
    vnp = federation.vnp
    assert there.site is not None
    before = boots(there)
    letter = {"berlin": "b", "munich": "a"}[name]
    there.site.controller.dead.update({(f"00000000000000{letter}{n}", 2) for n in (1, 2)})
    passes(vnp, 60, every=30)
    federation.settle()
    assert (state(vnp, "pair"), events(vnp, "pair", "mending")) == ("degraded", 0)
    for _ in range(4):
        passes(vnp, 30, every=30)
        federation.settle()
    assert state(vnp, "pair") == "running"
    assert events(vnp, "pair", "mended") == 1
    assert federation.fabric().reached(("web", "web-db")) == {("db", "web-db")}
    assert all(before[v] == seen for v, seen in boots(there).items())
    vnp.call("negotiation.release", "pair")
    federation.settle()
    assert federation.empty()
    federation.stop()


def test_a_vnode_on_a_host_that_is_dead_for_its_provider_is_moved_by_the_broker_alone(
    tmp_path, clock: FakeClock
):
    federation, name = at_one_provider(tmp_path, clock)
    there = federation.pips[name]
    vnp = federation.vnp
    before = boots(there)
    host = before["web"][0]
    there.peers[f"http://{name}.{host}/RPC2"].down = True
    for _ in range(6):
        # What is on the dead host keeps waiting to be removed.
        until(there, lambda: not vnp.busy())
        clock.advance(30)
    until(there, lambda: state(vnp, "pair") == "running")
    there.peers[f"http://{name}.{host}/RPC2"].down = False
    federation.settle()
    assert boots(there) == {"db": before["db"]}
    assert federation.fabric().reached(("web", "web-db")) == {("db", "web-db")}
    federation.stop()


def test_what_is_left_on_a_dead_host_causes_no_further_mending(ring):
    running(ring, ONE)
    ((host, _),) = boots(ring).values()
    ring.peers[f"http://berlin.{host}/RPC2"].down = True
    for _ in range(40):
        look(ring)
        until(ring, lambda: not mending(ring, "one"))
        ring.clock.advance(20)
    assert state(ring, "one") == "running"
    assert (events(ring, "one", "mending"), events(ring, "one", "mended")) == (1, 1)


def mending(machine: Machine, name: str) -> bool:
    """Whether a mending of a CloudNet hasn't come to its end."""
    return events(machine, name, "mending") > sum(
        events(machine, name, end) for end in ("mended", "refused", "failed")
    )


def test_a_transit_that_both_its_ends_see_broken_is_gone_round_and_vnodes_stay(
    tmp_path, clock: FakeClock
):
    federation = Federation(tmp_path, clock, settings={"vnp": HEAL}, third=True)
    vnp = federation.vnp
    offer = request(vnp, SPLIT, start=True)
    vnp.call("negotiation.confirm", offer["offer"])
    federation.settle()
    before = [boots(p) for p in federation.pips.values()]
    assert vnp.call("operator.usage", caller=OPERATOR)["tr"]["bandwidth"]["used"] > 0
    for name in ("berlin", "munich"):
        site = federation.pips[name].site
        assert site is not None
        site.agents["tbr"].dead.add("t1")
    for _ in range(6):
        passes(vnp, 30, every=30)
        federation.settle()
    assert state(vnp, "shop") == "running"
    assert events(vnp, "shop", "mended") == 1
    assert vnp.call("operator.usage", caller=OPERATOR)["tr"]["bandwidth"]["used"] == 0
    assert federation.fabric().reached(("app", "app-db")) == {("db", "app-db")}
    assert [boots(p) for p in federation.pips.values()] == before
    vnp.call("negotiation.release", "shop")
    federation.settle()
    assert federation.empty()
    federation.stop()
