"""Which tag goes where."""

from __future__ import annotations

import pytest
from fakes.world import SUBSTRATE

from cloudnet_sdn.model.settings import TagSettings
from cloudnet_sdn.roles.reserving.tags import NoTag, Route, pick, route
from rdl.graph import Placement
from rdl.language.load import load_graph

UL = load_graph(SUBSTRATE.format(name="berlin", peer="munich", n="b", arch1="x", arch2="x"))
FEW = TagSettings(min=1, max=104, reserved=(101,))


def allowed(_place: str) -> list[int]:
    return [t for t in range(4096) if FEW.allowed(t) and t >= 100]


def tags_of(routes, taken=None):
    return {(r.vlink, r.place): r.tag for r in pick(routes, taken or {}, allowed)}


def test_the_reserved_tags_are_never_given():
    everything = TagSettings(min=0, max=4095, reserved=(7,))
    given = [t for t in range(4200) if everything.allowed(t)]
    assert given[0] == 2
    assert given[-1] == 4094
    assert 7 not in given


def test_one_tag_serves_a_whole_path():
    found = tags_of([route(UL, "v", Placement(("a", "sw1", "m", "sw2", "b")), ("sn1", "sn2"), {})])
    assert {place for _, place in found} == {"a", "m", "b", "sn1", "sn2"}
    assert set(found.values()) == {100}


def test_where_no_tag_is_free_throughout_switches_translate():
    taken = {"a": frozenset({100, 102}), "m": frozenset({103, 104})}
    found = tags_of(
        [route(UL, "v", Placement(("a", "sw1", "m", "sw2", "b")), ("sn1", "sn2"), {})], taken
    )
    assert found["v", "a"] == found["v", "sn1"] in (103, 104)
    assert found["v", "m"] in (100, 102)
    assert found["v", "b"] == found["v", "sn2"]


def test_hosts_do_not_translate():
    taken = {"sn1": frozenset({100}), "a": frozenset({102})}
    found = tags_of(
        [route(UL, "v", Placement(("a", "sw1", "m", "sw2", "b")), ("sn1", "sn2"), {})], taken
    )
    assert found["v", "a"] == found["v", "sn1"] == 103


def test_the_told_tag_of_a_transit_is_used_at_its_bridge_and_preferred_elsewhere():
    one = route(UL, "v", Placement(("a", "sw1", "c", "tbr")), ("sn1",), {"tbr.t1": 2001})
    found = tags_of([one])
    assert set(found.values()) == {2001}
    assert found["v", "c"] == found["v", "tbr.t1"] == 2001
    elsewhere = tags_of([one], {"a": frozenset({2001})})
    assert elsewhere["v", "c"] == 2001
    assert elsewhere["v", "a"] == 100


def test_a_told_tag_that_is_taken_is_said():
    one = route(UL, "v", Placement(("a", "sw1", "c", "tbr")), ("sn1",), {"tbr.t1": 2001})
    with pytest.raises(NoTag) as caught:
        tags_of([one], {"c": frozenset({2001})})
    assert caught.value.reason.code == "vlan-taken"


def test_vlinks_on_one_host_differ():
    routes = [Route(name, (("sn1",),)) for name in ("v", "w", "x")]
    assert sorted(tags_of(routes).values()) == [100, 102, 103]


def test_no_tag_left_is_said():
    with pytest.raises(NoTag) as caught:
        tags_of([Route("v", (("sn1",),))], {"sn1": frozenset(range(4096))})
    assert caught.value.reason.code == "capacity"


def test_a_tag_has_one_way_off_a_host_even_while_a_vlink_changes():
    """Old and new stand side by side, and an agent refuses a tag with two ways off its bridge."""
    far = route(UL, "v", Placement(("a", "sw1", "m", "sw2", "b")), ("sn1", "sn2"), {})
    near = route(UL, "v", Placement(()), ("sn2",), {})
    both = {p: frozenset({100}) for p in ("a", "m", "b", "sn1", "sn2")}
    own = {"v": dict.fromkeys(both, 100)}
    assert {r.tag for r in pick([far], both, allowed, own)} == {100}
    assert [r.tag for r in pick([near], both, allowed, own)] == [102]
    here = {"sn2": frozenset({100})}
    assert [r.tag for r in pick([near], here, allowed, {"v": {"sn2": 100}})] == [100]
    assert 100 not in {r.tag for r in pick([far], here, allowed, {"v": {"sn2": 100}})}
