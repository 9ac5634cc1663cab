"""Discovery frames: read back by their sender, and by nobody else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ryu_apps import lldp
from ryu_apps.discovery import SILENCE_S, Discovery
from ryu_apps.spec import Dpid
from ryu_apps.topology import Capacities, Place, Port

A, B, C = (Place(Dpid(f"{number:016x}"), number) for number in (1, 2, 3))
KEY = b"k" * 32


def test_a_frame_says_where_it_was_sent_from() -> None:
    frame = lldp.frame(A, KEY)
    assert lldp.origin(frame, KEY) == A
    assert frame[:6] == bytes.fromhex("0180c200000e")
    assert len(frame) >= 60


def test_others_frames_and_forged_ones_say_nothing() -> None:
    frame = lldp.frame(A, KEY)
    assert lldp.origin(frame, b"x" * 32) is None
    assert lldp.origin(frame.replace(b"0000000000000001", b"0000000000000002"), KEY) is None


@given(st.binary(max_size=80), st.integers(0, 70))
def test_garbage_says_nothing(garbage: bytes, where: int) -> None:
    frame = bytearray(lldp.frame(A, KEY))
    frame[where : where + len(garbage)] = garbage
    assert lldp.origin(bytes(frame), KEY) in (None, A)
    assert lldp.origin(garbage, KEY) is None
    assert lldp.origin(frame[:12] + b"\x88\xcc" + garbage, KEY) in (None, A)


def discovery() -> Discovery:
    found = Discovery(Capacities())
    for place in (A, B, C):
        port = Port(place.port, f"p{place.port}", up=True, speed=place.port * 1e6)
        found.switch_up(place.dpid, [port])
    return found


def test_a_link_is_there_once_heard_either_way() -> None:
    facts = discovery()
    assert facts.heard(B, A, 0.0)
    assert not facts.heard(A, B, 1.0)
    (link,) = facts.topology(1.0).links
    assert (link.a, link.b, link.up, link.capacity) == (A, B, True, 1e6)
    (late,) = facts.topology(1.0 + SILENCE_S).links
    assert not late.up


def test_a_cable_put_elsewhere_replaces_its_link() -> None:
    facts = discovery()
    facts.heard(A, B, 0.0)
    facts.heard(A, C, 1.0)
    assert [(link.a, link.b) for link in facts.topology(1.0).links] == [(A, C)]
    facts.port_gone(*A)
    assert facts.topology(1.0).links == ()


def test_nothing_heard_at_an_end_makes_a_link() -> None:
    facts = discovery()
    facts.edges = {A}
    assert not facts.heard(A, B, 0.0)
    assert not facts.heard(B, A, 0.0)
    assert facts.topology(0.0).links == ()


def test_a_switch_that_is_away_has_no_links_up() -> None:
    facts = discovery()
    facts.heard(A, B, 0.0)
    facts.switch_down(A.dpid)
    assert [link.up for link in facts.topology(0.0).links] == [False]
