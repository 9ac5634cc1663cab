"""What goes through a worker's pipes: pickled messages, each behind its length."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import struct
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mip.errors import SendingError

FOLDER = "cloudnet-solve-"
"""How the name of a worker's folder for temporary files begins."""

_HEADER = struct.Struct(">Q")
_PIECE = 1 << 20


@dataclass(frozen=True)
class Job:
    """What a worker is asked: a function of this package by `module:name`, and its arguments."""

    function: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """What a worker says.

    Attributes:
        kind: `ready` for jobs, has `begun` one, has made `progress`, its `value` or `error`.
        value: what goes with it.
    """

    kind: str
    value: Any = None


class _Pickler(pickle.Pickler):
    """Takes read-only mappings, which graphs hold, for the plain ones they show."""

    dispatch_table = copyreg.dispatch_table.copy()
    dispatch_table[MappingProxyType] = lambda view: (dict, (dict(view),))


def packed(message: object) -> bytes:
    """The message as bytes.

    Raises:
        SendingError: it holds what can't be pickled.
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    except Exception as error:  # whatever an object's own way of being pickled raises
        raise SendingError(f"can't be sent to another process: {error}") from error
    return buffer.getvalue()


def unpacked(body: bytes) -> Any:
    """The message of `packed` bytes.

    Raises:
        SendingError: it needs what isn't here, as a class of the main script.
    """
    try:
        return pickle.loads(body)  # noqa: S301 (between us and our own child)
    except Exception as error:
        raise SendingError(f"can't be read in another process: {error}") from error


def failed(error: Exception) -> bytes:
    """The error as a packed answer, or what it says where it can't be pickled: a third party's."""
    try:
        body = packed(Answer("error", error))
        unpacked(body)
    except SendingError:
        return packed(Answer("error", SendingError(f"{type(error).__name__}: {error}")))
    return body


def write(pipe: int, body: bytes) -> None:
    """Write one message's bytes to a file descriptor.

    Raises:
        BrokenPipeError: the other side has gone.
    """
    for part in (_HEADER.pack(len(body)), body):
        left = memoryview(part)
        while left:
            left = left[os.write(pipe, left) :]


def read(pipe: int) -> bytes:
    """Read one message's bytes from a file descriptor.

    Raises:
        EOFError: the other side has gone.
    """
    (size,) = _HEADER.unpack(_exactly(pipe, _HEADER.size))
    return _exactly(pipe, size)


def _exactly(pipe: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(pipe, min(size, _PIECE))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
