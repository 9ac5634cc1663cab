"""Long lists, few enough values at a time for one statement of every database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_AT_ONCE = 500


def in_chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """All of `values`, in their order."""
    every = list(values)
    for first in range(0, len(every), _AT_ONCE):
        yield every[first : first + _AT_ONCE]
