"""`cloudnet start`, `stop`, `powercycle`, `console`: the VNodes of a CloudNet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from cloudnet_sdn.cli.connect import connected
from cloudnet_sdn.cli.numbers import Finite
from cloudnet_sdn.cli.outcome import Failed
from cloudnet_sdn.cli.output import Format, emit, format_option, pairs, rows
from cloudnet_sdn.cli.progress import working
from cloudnet_sdn.client import RoleClient

REACHES = {"start": "running", "stop": "stopped", "powercycle": "running"}


def _power_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments that the three verbs share."""
    for add in (
        connected,
        format_option,
        click.option("--timeout", type=Finite(), default=120.0, show_default=True,
                     metavar="S", help="The longest that --wait waits, in seconds."),
        click.option("--wait", is_flag=True, help="Until every VNode has got there."),
        click.argument("vnodes", nargs=-1, metavar="[VNODE]..."),
        click.argument("cloudnet"),
    ):  # fmt: skip
        command = add(command)
    return command


@click.command()
@_power_options
def start(role: RoleClient, **given: Any) -> None:
    """Boot the VNodes named, or all of CLOUDNET."""
    _power(role, "start", **given)


@click.command()
@_power_options
def stop(role: RoleClient, **given: Any) -> None:
    """Shut the VNodes named down, or all of CLOUDNET."""
    _power(role, "stop", **given)


@click.command()
@_power_options
def powercycle(role: RoleClient, **given: Any) -> None:
    """Stop and start the VNodes named, or all of CLOUDNET."""
    _power(role, "powercycle", **given)


@click.command()
@click.argument("cloudnet")
@click.argument("vnode")
@click.option("--url", is_flag=True, help="Print the single-use URL instead of opening it.")
@format_option
@connected
def console(role: RoleClient, *, cloudnet: str, vnode: str, url: bool, fmt: Format) -> None:
    """Open the serial console of VNODE; Ctrl-] leaves it.

    Piped input is sent and the output printed until the console closes.
    """
    answer = role.console(cloudnet, vnode)
    if url or fmt is not Format.TABLE:
        emit(fmt, answer, lambda: click.echo(answer["url"]))
        return
    from cloudnet_sdn.cli.terminal import attach

    attach(str(answer["url"]), role.tls, role.peer)


def _power(
    role: RoleClient,
    verb: str,
    *,
    cloudnet: str,
    vnodes: tuple[str, ...],
    wait: bool,
    timeout: float,
    fmt: Format,
) -> None:
    with working(verb):
        answer = role.power(verb, cloudnet, vnodes)
    if not wait:
        emit(fmt, answer, lambda: pairs(answer))
        return
    wanted = REACHES[verb]
    with working(f"waiting for {wanted}"):
        states = role.reached(cloudnet, vnodes, wanted, timeout)
    emit(fmt, states, lambda: rows(("vnode", "state"), sorted(states.items())))
    if any(state != wanted for state in states.values()):
        raise Failed(f"not every VNode is {wanted}")
