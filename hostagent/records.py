"""The agent's journal: one JSON file per VNode or admitted tag, written before the effect.

A file says what is wanted and which step was under way, so an agent that was killed at any
point finds, adopts and completes what it had begun.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from hostagent.spec import Key


class Records:
    """JSON documents by key, in one directory; each is replaced atomically and kept durably."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, key: Key, document: dict[str, Any]) -> None:
        """Write the document; it is on the disk when this returns."""
        handle, name = tempfile.mkstemp(dir=self._directory, prefix=".")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path(key))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._sync()

    def remove(self, key: Key) -> None:
        """Forget the key; nothing happens where it is not known."""
        self._path(key).unlink(missing_ok=True)
        self._sync()

    def load(self) -> dict[Key, dict[str, Any]]:
        """All documents, by key in order. Half-written ones of a killed agent are swept away.

        Raises:
            ValueError: one is damaged; it says which.
        """
        for left in self._directory.glob(".*"):
            left.unlink(missing_ok=True)
        return {
            Key(path.name.removesuffix(".json")): _read(path)
            for path in sorted(self._directory.glob("*.json"))
        }

    def _path(self, key: Key) -> Path:
        return self._directory / f"{key}.json"

    def _sync(self) -> None:
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except ValueError as exc:
        raise ValueError(f"{path} is damaged: {exc}") from exc
    if not isinstance(document, dict):
        raise ValueError(f"{path} is damaged: no document")  # noqa: TRY004
    return document
