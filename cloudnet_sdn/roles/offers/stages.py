"""How long the stages of a piece of work take, for the log."""

from __future__ import annotations

import contextlib
import enum
import time
from collections.abc import Iterator


class Stage(enum.StrEnum):
    """What an offer's time goes to."""

    LOOK = "look"
    """At the world: providers or switches are asked."""
    SOLVE = "solve"
    STORE = "store"
    EMBED = "embed"
    """Providers or shells do their part."""


class Stages:
    """Seconds by stage; rounds add up."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seconds = dict.fromkeys(Stage, 0.0)

    @contextlib.contextmanager
    def of(self, stage: Stage) -> Iterator[None]:
        """The time in here is this stage's."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[stage] += time.monotonic() - began

    def __str__(self) -> str:
        """`in_s=0.120 look_s=0.030 …`: all of it, and by stage."""
        by_stage = " ".join(f"{s}_s={seconds:.3f}" for s, seconds in self._seconds.items())
        return f"in_s={time.monotonic() - self._began:.3f} {by_stage}"
