"""Tokens that open one thing, once, for a while: what a console's URL is worth."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import threading
from collections.abc import Callable

from cloudnet_sdn.wire.faults import Busy

VALID_S = 60.0
MAX_OPEN = 1000


def utc_now() -> dt.datetime:
    """The time, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


class Tokens:
    """Single-use tokens, each for one text (a URL, a key). Threads may share it.

    Only their hashes are kept, so that neither memory nor the time a look-up takes tells one.
    """

    def __init__(
        self, *, valid_s: float = VALID_S, now: Callable[[], dt.datetime] = utc_now
    ) -> None:
        self._valid = dt.timedelta(seconds=valid_s)
        self._now = now
        self._open: dict[bytes, tuple[str, dt.datetime]] = {}
        self._lock = threading.Lock()

    def grant(self, opens: str) -> tuple[str, dt.datetime]:
        """A new token for `opens`, and when it expires.

        Raises:
            Busy: too many are open.
        """
        token = secrets.token_urlsafe(32)
        now = self._now()
        expires = now + self._valid
        with self._lock:
            self._open = {k: v for k, v in self._open.items() if v[1] > now}
            if len(self._open) >= MAX_OPEN:
                raise Busy("too many consoles have been asked for", self._valid.total_seconds())
            self._open[_hash(token)] = (opens, expires)
        return token, expires

    def redeem(self, token: str) -> str | None:
        """What the token opens, once; None if it is used, expired or was never granted."""
        with self._lock:
            opens, expires = self._open.pop(_hash(token), ("", None))
        return opens if expires is not None and self._now() < expires else None


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
