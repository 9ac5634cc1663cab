"""Times as the wire has them (contract, section 1), and how long a request may ask for."""

from __future__ import annotations

import datetime as dt
from typing import Any

HOLD_LONGEST_S = 600.0
WAIT_LONGEST_S = 60.0


class Wrong(Exception):
    """A value that isn't what it should be; says what is wanted."""


def timestamp(time: dt.datetime | None) -> str:
    """RFC 3339 in UTC, '' for None."""
    if time is None:
        return ""
    return time.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(value: Any) -> dt.datetime:
    """The aware UTC datetime that an RFC 3339 string says.

    Raises:
        Wrong: it says none.
    """
    hint = "a time like 2030-01-31T12:00:00Z is wanted"
    if not isinstance(value, str) or "T" not in value.upper():
        raise Wrong(hint)
    try:
        time = dt.datetime.fromisoformat(value.strip().upper())
        utc = time.astimezone(dt.UTC)
    except (ValueError, OverflowError) as exc:
        raise Wrong(hint) from exc
    if time.tzinfo is None:
        raise Wrong(hint)
    return utc
