"""Python's garbage collector, kept out of searches."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection for the while.

    What a search makes stays until its end and holds no cycles worth mention; on a substrate of
    1,000 switches each pass over it and all the caller holds would add a quarter to the time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
