"""Tokens that open one thing, once, for a while: what a console's URL is worth."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cloudnet_sdn.wire.faults import Busy

T = TypeVar("T")

VALID_S = 60.0
MAX_OPEN = 1000


def utc_now() -> dt.datetime:
    """The time, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


class Tokens(Generic[T]):
    """Single-use tokens, each for one thing (a URL, a key). Threads may share it.

    Only their hashes are kept, so that neither memory nor the time a look-up takes tells one.
    """

    def __init__(
        self, *, valid_s: float = VALID_S, now: Callable[[], dt.datetime] = utc_now
    ) -> None:
        self._valid = dt.timedelta(seconds=valid_s)
        self._now = now
        self._open: dict[bytes, _Token[T]] = {}
        self._lock = threading.Lock()

    def check(self, owner: Hashable, most: int = MAX_OPEN) -> None:
        """See whether `owner` may have one more.

        Raises:
            Busy: he has `most` that are open, or there are too many as it is.
        """
        with self._lock:
            self._check(owner, most)

    def grant(
        self, opens: T, owner: Hashable = None, most: int = MAX_OPEN
    ) -> tuple[str, dt.datetime]:
        """A new token of `owner` for `opens`, and when it expires.

        Raises:
            Busy: as `check`.
        """
        token = secrets.token_urlsafe(32)
        expires = self._now() + self._valid
        with self._lock:
            self._check(owner, most)
            self._open[_hash(token)] = _Token(opens, owner, expires)
        return token, expires

    def redeem(self, token: str) -> T | None:
        """What the token opens, once; None if it is used, expired or was never granted."""
        with self._lock:
            found = self._open.pop(_hash(token), None)
        return found.opens if found is not None and self._now() < found.expires else None

    def _check(self, owner: Hashable, most: int) -> None:
        now = self._now()
        self._open = {k: v for k, v in self._open.items() if v.expires > now}
        mine = sum(token.owner == owner for token in self._open.values())
        if mine >= most or len(self._open) >= MAX_OPEN:
            raise Busy("too many consoles have been asked for", self._valid.total_seconds())


@dataclass(frozen=True, slots=True)
class _Token(Generic[T]):
    opens: T
    owner: Hashable
    expires: dt.datetime


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
