"""MAC addresses for interfaces of VNodes that name none.

They are made where VNodes are, at the PIP. A number that is given once is shuffled by a secret of
the store: so they are unique there, and tell nobody how many others were given. Between providers
22 bits of the role's name keep them apart.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import sqlalchemy as sa

from cloudnet_sdn.store import identity, substrate
from rdl.graph import Element, Graph

_BITS = 24
"""Of an address, what the role gives out under one prefix."""
_HALF = _BITS // 2
_ROUNDS = 4
"""Of a Feistel network: enough that nobody tells it from chance."""


def given(conn: sa.Connection, role: str, overlay: Graph) -> Graph:
    """`overlay` with an address for every interface of a VNode that is joined and names none."""
    lacking = {
        i.id
        for e in overlay.nodes()
        if not e.is_stub
        for i in e.interfaces
        if "mac" not in i.features and i.id in overlay.peer
    }
    if not lacking:
        return overlay
    secret = identity.secret(conn)
    first = substrate.take(conn, substrate.MACS, len(lacking))
    numbers = iter(range(first, first + len(lacking)))

    def addressed(element: Element) -> Element:
        interfaces = tuple(
            replace(i, features={**i.features, "mac": mac(role, secret, next(numbers))})
            if i.id in lacking
            else i
            for i in element.interfaces
        )
        return replace(element, interfaces=interfaces)

    elements = {i: addressed(e) for i, e in overlay.elements.items()}
    return replace(overlay, elements=elements)


def mac(role: str, secret: str, number: int) -> str:
    """The locally administered unicast MAC address that a role gives as its `number`th.

    No two numbers below 2^24 come to one address; from there on the prefix is another.
    """
    prefix = hashlib.sha256(f"{role} {number >> _BITS}".encode()).digest()
    low = _shuffled(number % (1 << _BITS), secret.encode())
    octets = [prefix[0] & 0xFC | 0x02, prefix[1], prefix[2], *low.to_bytes(3)]
    return ":".join(f"{o:02x}" for o in octets)


def _shuffled(number: int, key: bytes) -> int:
    """A number of 24 bits for each of 24 bits, no two alike; in an order that only `key` tells."""
    mask = (1 << _HALF) - 1
    left, right = number >> _HALF, number & mask
    for turn in range(_ROUNDS):
        digest = hmac.digest(key, bytes([turn, *right.to_bytes(2)]), "sha256")
        left, right = right, left ^ int.from_bytes(digest[:2]) & mask
    return left << _HALF | right
