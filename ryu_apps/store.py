"""Where the controller keeps which VLinks are wanted, so that it can die at any point.

What switches hold is never stored: they are asked. A record is written before anything is done
about it, and goes when nothing is left of its VLink.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ryu_apps.placement import Placement, read_placement
from ryu_apps.spec import VLinkId, VLinkSpec, parse_spec


@dataclass(frozen=True, slots=True)
class Record:
    """One VLink as wanted.

    Attributes:
        spec: as put.
        placement: where it shall run; None as long as the network doesn't show where.
        former: placements of which some switch may still hold something.
        deleting: it shall go; `former` says from where.
        why: why `placement` isn't that of `spec` yet; '' where it is.
    """

    spec: VLinkSpec
    placement: Placement | None = None
    former: tuple[Placement, ...] = ()
    deleting: bool = False
    why: str = ""

    @property
    def placements(self) -> tuple[Placement, ...]:
        """All of them, the wanted one first."""
        return ((self.placement,) if self.placement else ()) + self.former

    def retired(self) -> Record:
        """The record with no wanted placement; the one it had is a former one."""
        return replace(self, placement=None, former=self.placements)

    def document(self) -> dict[str, Any]:
        """JSON-able; `read_record` reads it back."""
        return {
            "spec": self.spec.document(),
            "placement": self.placement.document() if self.placement else None,
            "former": [placement.document() for placement in self.former],
            "deleting": self.deleting,
            "why": self.why,
        }


def read_record(document: Mapping[str, Any]) -> Record:
    """The record of its document."""
    placement = document["placement"]
    return Record(
        parse_spec(document["spec"]),
        read_placement(placement) if placement else None,
        tuple(read_placement(former) for former in document["former"]),
        document["deleting"],
        document["why"],
    )


class Store(Protocol):
    """Records that outlive the process."""

    def load(self) -> dict[VLinkId, Record]:
        """All of them."""

    def save(self, records: Mapping[VLinkId, Record]) -> None:
        """Write these, all or none; durable once it returns."""

    def remove(self, vlinks: Collection[VLinkId]) -> None:
        """Forget these."""


class MemoryStore:
    """A store that doesn't outlive the process."""

    def __init__(self) -> None:
        self._records: dict[VLinkId, Record] = {}

    def load(self) -> dict[VLinkId, Record]:
        """All records."""
        return dict(self._records)

    def save(self, records: Mapping[VLinkId, Record]) -> None:
        """Keep these."""
        self._records.update(records)

    def remove(self, vlinks: Collection[VLinkId]) -> None:
        """Forget these."""
        for vlink in vlinks:
            self._records.pop(vlink, None)


class SqliteStore:
    """A store in one SQLite file.

    Args:
        path: the file; made if it isn't there.
        run: how to run what blocks; the controller hands in its thread pool's `execute`.
    """

    def __init__(self, path: Path, run: Callable[..., Any] | None = None) -> None:
        self._run = run or (lambda work, *args: work(*args))
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS vlinks (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT"
        )

    def load(self) -> dict[VLinkId, Record]:
        """All records."""
        rows = self._db.execute("SELECT id, record FROM vlinks").fetchall()
        return {VLinkId(key): read_record(json.loads(text)) for key, text in rows}

    def save(self, records: Mapping[VLinkId, Record]) -> None:
        """Write these in one transaction."""
        rows = [(key, json.dumps(record.document())) for key, record in records.items()]
        self._change("INSERT OR REPLACE INTO vlinks (id, record) VALUES (?, ?)", rows)

    def remove(self, vlinks: Collection[VLinkId]) -> None:
        """Delete these in one transaction."""
        self._change("DELETE FROM vlinks WHERE id = ?", [(vlink,) for vlink in vlinks])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _change(self, statement: str, rows: Sequence[tuple[str, ...]]) -> None:
        if rows:
            with self._lock:
                self._run(self._transact, statement, rows)

    def _transact(self, statement: str, rows: Sequence[tuple[str, ...]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(statement, rows)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise


def open_store(url: str, run: Callable[..., Any] | None = None) -> Store:
    """The store of a URL: `sqlite:///FILE` (four slashes: absolute), or `memory:`.

    Raises:
        ValueError: no store of ours.
    """
    if url == "memory:":
        return MemoryStore()
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return SqliteStore(Path(url.removeprefix("sqlite:///")), run)
    raise ValueError(f"store {url!r}: sqlite:///FILE is wanted")
