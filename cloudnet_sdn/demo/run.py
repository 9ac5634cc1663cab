"""`cloudnet demo`: the story played in its world, reported, and everything taken down again."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from cloudnet_sdn.demo.leftovers import snapshot
from cloudnet_sdn.demo.options import DemoOptions
from cloudnet_sdn.demo.processes import ProcessDied
from cloudnet_sdn.demo.story import DemoFailed, DemoRefused, Report, Story
from cloudnet_sdn.demo.world import World
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.faults import CloudnetError
from rdl.language.load import load_graph

SHOP = Path(__file__).with_name("shop.rdl.yaml")


class _Interrupted(Exception):
    """A signal asks the demo to end; what is up is taken down."""


def run(options: DemoOptions) -> Report:
    """Play the demo.

    Returns:
        What came of it; `ok` when everything was as promised and nothing was left behind.

    Raises:
        rdl.errors.DocumentError: the request can't be taken.
        OSError: it can't be read.
    """
    talk = Console(stderr=True, highlight=False)
    source = options.request or SHOP
    text = source.read_text(encoding="utf-8")
    request = load_graph(text, source=str(source))
    begun = time.monotonic()

    def say(line: str) -> None:
        talk.print(f"[dim]{time.monotonic() - begun:6.1f} s[/dim]  {line}", soft_wrap=True)

    report = Report()
    world = World(options.state, say)
    before = snapshot(world.state, world.prefix)
    with _signals_raise():
        try:
            world.up()
            report.seconds["set_up"] = time.monotonic() - begun
            access = world.access()
            story = Story(Client(access.url, access.tls), request, text, say, report)
            _play(story, world, options, talk)
        except DemoRefused as exc:
            report.refused = True
            talk.print(f"[bold red]refused:[/bold red] {exc}", soft_wrap=True)
        except (DemoFailed, ProcessDied, CloudnetError) as exc:
            report.ok = False
            talk.print(f"[bold red]failed:[/bold red] {exc}", soft_wrap=True)
        except _Interrupted:
            report.ok = False
            talk.print("interrupted")
        finally:
            _ignore_signals()
            namespaces = world.vnode_namespaces()
            # Somebody else may have used a world that was kept.
            world.down(released=report.released and not options.keep)
    report.left_behind = snapshot(world.state, world.prefix, namespaces).left_since(before)
    report.ok = report.ok and not report.left_behind
    report.seconds["total"] = time.monotonic() - begun
    return report


def _play(story: Story, world: World, options: DemoOptions, talk: Console) -> None:
    held = story.hold()
    story.confirm(held["offer"])
    story.start()
    story.prove(world.locate([node.id for node in story.request.nodes()]))
    story.change(world.locate)
    if options.keep:
        path = world.write_demo_json()
        talk.print(f"\nIt stays up until Ctrl-C. To use it from another shell, see {path}:\n")
        for name, value in world.access().as_json().items():
            talk.print(f"  export CLOUDNET_{'AT' if name == 'url' else name.upper()}={value}")
        talk.print("\n  cloudnet list\n", soft_wrap=True)
        _until_interrupted(world)
    story.release()


def _until_interrupted(world: World) -> None:
    """Wait for Ctrl-C or SIGTERM: the wished end of `--keep`."""
    try:
        while True:
            world.processes.check()
            time.sleep(0.5)
    except _Interrupted:
        return


@contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGINT and SIGTERM raise `_Interrupted` in the main thread meanwhile."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise _Interrupted

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    old = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """The way down is not to be cut short."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
