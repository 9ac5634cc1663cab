"""Numbers on the command line that must be ones: neither `nan` nor `inf`, and within bounds."""

from __future__ import annotations

import math
from typing import Any

import click

MOST_DAYS = 36_500
"""Certificates for longer than a century are a slip; the calendar ends before some of them."""

LIFETIME = click.IntRange(min=1, max=MOST_DAYS)


class Finite(click.FloatRange):
    """A number from 0; above it where `positive`."""

    name = "number"

    def __init__(self, *, positive: bool = False) -> None:
        super().__init__(min=0, min_open=positive)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """As click's, which takes `nan` for a number within every range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number that can be reached", param, ctx)
        return number
