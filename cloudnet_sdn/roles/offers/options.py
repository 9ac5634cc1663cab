"""The options of a request (contract, "Options"), checked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudnet_sdn.model.times import HOLD_LONGEST_S, WAIT_LONGEST_S, Wrong, parse_time, timestamp
from cloudnet_sdn.ports import Json
from cloudnet_sdn.wire.faults import BadRequest


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """What a caller may say beside the graph.

    Attributes:
        hold_s: how long an offer is held.
        wait_s: how long the answer may take; an offer that takes longer is `working`.
        until: the end of the lease, None for the role's default.
        start: whether confirming starts the VNodes.
        relocate: whether a change may move what could stay.
        replaces: the offer whose hold this one takes over, '' for none.
    """

    hold_s: float = 120.0
    wait_s: float = 60.0
    until: dt.datetime | None = None
    start: bool = False
    relocate: bool = False
    replaces: str = ""

    def to_json(self) -> Json:
        """What the store keeps."""
        return {
            "hold_s": self.hold_s,
            "wait_s": self.wait_s,
            "until": timestamp(self.until),
            "start": self.start,
            "relocate": self.relocate,
            "replaces": self.replaces,
        }


def parse_options(raw: Mapping[str, Any]) -> RequestOptions:
    """The options of a request.

    Raises:
        BadRequest: every unknown or wrong one, a line each.
    """
    known = {
        "hold_s": lambda v: _seconds(v, HOLD_LONGEST_S, least=1.0),
        "wait_s": lambda v: _seconds(v, WAIT_LONGEST_S, least=0.0),
        "until": parse_time,
        "start": _flag,
        "relocate": _flag,
        "replaces": _text,
    }
    values: dict[str, Any] = {}
    problems = []
    for name, value in raw.items():
        if name not in known:
            problems.append(f"options.{name}: unknown; there are {', '.join(known)}")
            continue
        try:
            values[name] = known[name](value)
        except Wrong as exc:
            problems.append(f"options.{name}: {exc}")
    if problems:
        raise BadRequest("\n".join(problems))
    return RequestOptions(**values)


def _seconds(value: Any, longest: float, *, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong(f"seconds are wanted, a number from {least:g} to {longest:g}")
    if not least <= value <= longest:
        raise Wrong(f"{value:g} is not from {least:g} to {longest:g} seconds")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("true or false is wanted")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("text is wanted")
    return value
