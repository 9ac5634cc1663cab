"""What a person sees while something takes longer than a second: a line on stderr."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 1.0
STEP_S = 0.1

Say = Callable[[str], None]
"""Changes the text of the line."""


@contextmanager
def working(text: str) -> Iterator[Say]:
    """Show a spinner with `text` and the time gone by, from the first second on.

    Yields a function that changes the text. Nothing is shown where stderr is no terminal.
    """
    line = [text]
    done = threading.Event()

    def say(new: str) -> None:
        line[0] = new

    if not sys.stderr.isatty():
        yield say
        return
    thread = threading.Thread(target=_show, args=(line, done), daemon=True)
    thread.start()
    try:
        yield say
    finally:
        done.set()
        thread.join()


def _show(line: list[str], done: threading.Event) -> None:
    if done.wait(PATIENCE_S):
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(line[0], total=None)
        while not done.wait(STEP_S):
            bar.update(task, description=line[0])
