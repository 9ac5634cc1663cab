"""A point in time on the command line: RFC 3339, or a span from now such as `90m`, `2h`, `7d`."""

from __future__ import annotations

import datetime as dt
import re

import click

SPAN = re.compile(r"\+?(\d{1,6})(s|m|h|d|w)")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Moment(click.ParamType[dt.datetime]):
    """Converts to an aware UTC datetime; a time without a zone is taken as UTC."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        """`2026-12-01T12:00:00Z`, `2026-12-01`, `2h`."""
        if isinstance(value, dt.datetime):
            return value
        text = str(value)
        if span := SPAN.fullmatch(text):
            seconds = int(span[1]) * SECONDS[span[2]]
            return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        try:
            when = dt.datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is neither a time (2026-12-01T12:00:00Z) nor a span (2h)", param, ctx
            )
        return when if when.tzinfo else when.replace(tzinfo=dt.UTC)


MOMENT = Moment()
