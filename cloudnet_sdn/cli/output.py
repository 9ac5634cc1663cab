"""What a command prints: tables for people, JSON and YAML for programs, on stdout.

Everything else (progress, hints, errors) goes to stderr through `talk`.
"""

from __future__ import annotations

import enum
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Format(enum.StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


COLOURS = {
    "running": "green",
    "ready": "green",
    "confirmed": "green",
    "up": "green",
    "optimal": "green",
    "ok": "green",
    "held": "yellow",
    "degraded": "yellow",
    "feasible": "yellow",
    "refused": "red",
    "failed": "red",
    "expired": "red",
    "missing": "red",
    "infeasible": "red",
}


def format_option(command: F) -> F:
    """Add `--format table|json|yaml`, passed as `fmt`."""
    return click.option(
        "--format",
        "fmt",
        type=click.Choice([f.value for f in Format]),
        default=Format.TABLE.value,
        callback=lambda _ctx, _param, value: Format(value),
        help="How to print the result.",
        show_default=True,
    )(command)


def output_option(text: str) -> Callable[[F], F]:
    """Add `-o FILE`, passed as `output`; `text` says what is written there."""
    file = click.Path(dir_okay=False, path_type=Path)
    return click.option("-o", "--output", type=file, help=text)


def emit(fmt: Format, data: Any, table: Callable[[], None]) -> None:
    """Print `data` as JSON or YAML, or call `table` to print it for people."""
    if fmt is Format.JSON:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif fmt is Format.YAML:
        import yaml

        click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)
    else:
        table()


def rows(header: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """Print aligned columns, the header in capitals; known states are coloured on a terminal."""
    text = [[_plain(cell) for cell in line] for line in lines]
    widths = [max([len(h), *(len(line[i]) for line in text)]) for i, h in enumerate(header)]
    _line([h.upper() for h in header], widths)
    for line in text:
        _line(line, widths)


def pairs(values: Mapping[str, object]) -> None:
    """Print `name: value` lines, aligned, leaving out what is empty."""
    shown = {k: _plain(v) for k, v in values.items() if v not in ("", None, [], {}, ())}
    width = max((len(k) for k in shown), default=0)
    for key, value in shown.items():
        click.echo(f"{key + ':':<{width + 1}} {_coloured(value)}")


def talk(text: str) -> None:
    """Say something to the person at the terminal: stderr."""
    click.echo(text, err=True)


def colourful() -> bool:
    """Whether stdout is a terminal whose user did not ask for plain text."""
    return sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _plain(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:g}"
    if isinstance(cell, list | tuple):
        return ", ".join(_plain(c) for c in cell)
    return str(cell)


def _coloured(text: str, width: int = 0) -> str:
    padded = f"{text:<{width}}"
    if text in COLOURS and colourful():
        return click.style(padded, fg=COLOURS[text])
    return padded


def _line(cells: Sequence[str], widths: Sequence[int]) -> None:
    done = [_coloured(c, w) for c, w in zip(cells, widths, strict=True)]
    click.echo("  ".join(done).rstrip())
