"""Types: paths of hierarchy levels, and which request fits which substrate (contract, "Types")."""

from __future__ import annotations

from functools import lru_cache

from rdl.vocabulary import VIRTUALIZATIONS

PIP = "/node/host/pip"
TRANSIT = "/link/transit"
SERVER = "/node/host/server"
SWITCH = "/node/switch"
BRIDGE = "/node/bridge"
TERMINALS = "/node/terminals"


def is_a(kind: str, ancestor: str) -> bool:
    """Whether `kind` is `ancestor` or lies below it, as `/link/transit/openvpn` does."""
    return kind == ancestor or kind.startswith(ancestor + "/")


@lru_cache(maxsize=4096)  # asked for each of thousands of elements, of few types
def fits(request_type: str, substrate_type: str) -> bool:
    """Whether a request of `request_type` may stand on a substrate element of `substrate_type`.

    It fits when equal, when an ancestor, or when it ends in `generic` and its parent is an
    ancestor. A provider (`/node/host/pip`) is no host by its own type: see
    `rdl.compare.match.hosts`.
    """
    if is_a(substrate_type, request_type):
        return True
    parent, _, last = request_type.rpartition("/")
    return last == "generic" and substrate_type.startswith(parent + "/")


def implied_virtualization(substrate_type: str) -> str | None:
    """The value of `virtualization` that a substrate type implies, None where it implies none."""
    if not substrate_type.startswith(SERVER + "/"):
        return None
    level = substrate_type[len(SERVER) + 1 :].partition("/")[0]
    return level if level in VIRTUALIZATIONS else None


def forwards(substrate_type: str) -> bool:
    """Whether VLinks may pass through: switches, bridges and whole providers, never hosts."""
    return any(is_a(substrate_type, t) for t in (SWITCH, BRIDGE, PIP))
