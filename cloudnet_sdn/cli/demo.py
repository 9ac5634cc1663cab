"""`cloudnet demo`: the command line of `cloudnet_sdn.demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudnet_sdn.cli.outcome import Exit
from cloudnet_sdn.cli.output import Format, emit, format_option, rows
from cloudnet_sdn.demo.options import DemoOptions

if TYPE_CHECKING:
    from cloudnet_sdn.demo.story import Report


@click.command()
@click.option(
    "--vnodes",
    type=click.Choice(["namespace"]),
    default="namespace",
    show_default=True,
    help="How VNodes are run.",
)
@click.option(
    "--request",
    "request",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The RDL request to embed instead of the one that ships.",
)
@click.option("--keep", is_flag=True, help="Stay up until Ctrl-C and print how to use it.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".cloudnet"),
    show_default=True,
    help="Where stores, certificates and logs go.",
)
@format_option
def demo(vnodes: str, request: Path | None, keep: bool, state: Path, fmt: Format) -> int:
    """Embed a CloudNet across two providers on this machine, and prove it with packets.

    A VNP and two PIPs, each with its own processes, store, controller, agents and certificates, on
    a Mininet substrate of Open vSwitch datapaths. Needs root; `cloudnet doctor` says what else.
    """
    from cloudnet_sdn.demo.run import run

    report = run(DemoOptions(vnodes=vnodes, request=request, keep=keep, state=state))
    emit(fmt, report.as_json(), lambda: _show(report))
    if report.refused:
        return Exit.REFUSED
    return Exit.DONE if report.ok else Exit.FAILED


def _show(report: Report) -> None:
    from cloudnet_sdn.demo.story import TABLE, table

    rows(TABLE, table(report))
    for vnode, got in report.vnodes.items():
        click.echo(f"{vnode}: {got['state']} at {got['provider']}")
    if report.modified["seconds"] is not None:
        lost, changed = report.modified["lost"], report.modified["lost_changed"]
        took = report.modified["seconds"]
        click.echo(f"changed in {took} s: {lost} packets lost, {changed} on what was changed")
    for thing in report.left_behind:
        click.echo(f"left behind: {thing}")
    seconds = ", ".join(f"{what} {took:.1f}" for what, took in report.seconds.items())
    click.echo(f"{'ok' if report.ok else 'NOT OK'} (seconds: {seconds})")
