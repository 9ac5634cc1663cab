"""SQLite's file is one process's: a second one of the role would work on the same things."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path

import sqlalchemy as sa

from cloudnet_sdn.store.engine import StoreError
from cloudnet_sdn.wire.configuration import folder_trouble

_WAIT_S = 3.0
"""For one that is just ending."""


class Sole:
    """The right to work on a SQLite database, until it is closed or the process ends, however."""

    def __init__(self, url: sa.URL) -> None:
        """Take it.

        Raises:
            StoreError: another process has it.
        """
        database = Path(url.database or "")
        if why := folder_trouble(database.parent):
            raise StoreError(why)
        try:
            self._file = database.with_name(f"{database.name}-lock").open("ab")
        except OSError as exc:
            raise StoreError(f"{database}-lock: {exc.strerror}") from exc
        deadline = time.monotonic() + _WAIT_S
        while not self._taken():
            if time.monotonic() > deadline:
                self._file.close()
                text = (
                    f"{database}: another process of this role uses it; "
                    "several at a time want MariaDB or PostgreSQL"
                )
                raise StoreError(text)
            time.sleep(0.05)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give it up."""
        self._file.close()
