"""What callers are told of VLinks, in the form of the contract."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ryu_apps.spec import VLinkId
from ryu_apps.states import State
from ryu_apps.store import Record


def answer(vlink: VLinkId, state: State, reason: str, since: str, record: Record) -> dict[str, Any]:
    """The answer of `vlinks.get`."""
    placement = record.placement
    return {
        "id": vlink,
        "state": str(state),
        "reason": reason,
        "path": list(placement.path) if placement else [],
        "tags": [[*link.a, link.vlan] for link in placement.links] if placement else [],
        "bandwidth": float(record.spec.bandwidth),
        "since": since,
    }


def gone(vlink: VLinkId) -> dict[str, Any]:
    """The answer of `vlinks.delete` once nothing is left."""
    return {
        "id": vlink,
        "state": str(State.GONE),
        "reason": "",
        "path": [],
        "tags": [],
        "bandwidth": 0.0,
        "since": now(),
    }


def now() -> str:
    """The time, as RFC 3339 has it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
