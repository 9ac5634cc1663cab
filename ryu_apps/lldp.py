"""Discovery frames: LLDP (IEEE 802.1AB) with a seal, so that nobody else can make up links.

A frame says which port of which switch it was sent from. The seal is an HMAC under a key that
this controller alone has; frames of others, other controllers among them, aren't ours.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from ryu_apps.spec import Dpid
from ryu_apps.topology import Place

ETHERTYPE = 0x88CC
DESTINATION = "01:80:c2:00:00:0e"  # nearest bridge: bridges don't forward it
_DESTINATION = bytes.fromhex(DESTINATION.replace(":", ""))
_SOURCE = bytes.fromhex("02c10d000000")  # locally administered
_OUI = bytes.fromhex("02c10d")
_CHASSIS, _PORT, _TTL, _ORGANISATION = 1, 2, 3, 127
_LOCAL = b"\x07"  # subtype "locally assigned" of chassis and port ids
_SEAL_BYTES = 16


def frame(place: Place, key: bytes) -> bytes:
    """The frame to be sent out of `place`."""
    body = (
        _tlv(_CHASSIS, _LOCAL + place.dpid.encode())
        + _tlv(_PORT, _LOCAL + str(place.port).encode())
        + _tlv(_TTL, struct.pack("!H", 120))
        + _tlv(_ORGANISATION, _OUI + b"\x01" + _seal(place, key))
        + _tlv(0, b"")
    )
    return (_DESTINATION + _SOURCE + struct.pack("!H", ETHERTYPE) + body).ljust(60, b"\0")


def origin(data: bytes, key: bytes) -> Place | None:
    """Where a frame was sent from, or None where it isn't one of ours."""
    if data[12:14] != struct.pack("!H", ETHERTYPE):
        return None
    tlvs = _tlvs(data[14:])
    chassis, port, seal = (
        tlvs.get(_CHASSIS, b""),
        tlvs.get(_PORT, b""),
        tlvs.get(_ORGANISATION, b""),
    )
    if not (chassis.isascii() and port[1:].isdigit() and len(port) < 12):
        return None
    place = Place(Dpid(chassis[1:].decode()), int(port[1:]))
    wanted = _OUI + b"\x01" + _seal(place, key)
    return place if hmac.compare_digest(wanted, seal) else None


def _seal(place: Place, key: bytes) -> bytes:
    return hmac.new(key, str(place).encode(), hashlib.sha256).digest()[:_SEAL_BYTES]


def _tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!H", kind << 9 | len(value)) + value


def _tlvs(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= 2:
        (head,) = struct.unpack("!H", data[:2])
        kind, length = head >> 9, head & 0x1FF
        if kind == 0 or len(data) < 2 + length:
            break
        found.setdefault(kind, data[2 : 2 + length])
        data = data[2 + length :]
    return found
