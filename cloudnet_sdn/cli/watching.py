"""`cloudnet check`, `events`, `usage`, `operator`: what happens, and whether it is as it should."""

from __future__ import annotations

from typing import Any

import click

from cloudnet_sdn.cli.connect import connected
from cloudnet_sdn.cli.outcome import Exit
from cloudnet_sdn.cli.output import Format, emit, format_option, rows, talk
from cloudnet_sdn.client import RoleClient
from cloudnet_sdn.ports import Json

_WAIT_S = 25.0
_CALLS = 500
"""Of the audit, asked for at a time."""


@click.command()
@click.argument("cloudnet")
@format_option
@connected
def check(role: RoleClient, *, cloudnet: str, fmt: Format) -> int:
    """Compare CLOUDNET's VLinks with what is installed; ends with 1 where one differs."""
    found = role.check(cloudnet)
    heads = ("vlink", "ok", "differences")
    table = [(v, "yes" if d["ok"] else "NO", "; ".join(d["differences"])) for v, d in found.items()]
    emit(fmt, found, lambda: rows(heads, table))
    return Exit.DONE if all(d["ok"] for d in found.values()) else Exit.FAILED


@click.command()
@click.option("--after", type=click.IntRange(0), default=0, metavar="N", help="Newer than N alone.")
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--all", "everybodys", is_flag=True, help="The whole role's (operators).")
@format_option
@connected
def events(role: RoleClient, *, after: int, follow: bool, everybodys: bool, fmt: Format) -> None:
    """Print what has happened to your CloudNets, oldest first."""
    if fmt is not Format.TABLE and not follow:
        emit(fmt, role.events(after, 0.0, everybodys=everybodys), lambda: None)
        return
    while True:
        found = role.events(after, _WAIT_S if follow else 0.0, everybodys=everybodys)
        for event in found["events"]:
            _line(event, fmt)
        if not found["events"] and not follow:
            return
        after = int(found["next"])


@click.command()
@format_option
@connected
def usage(role: RoleClient, *, fmt: Format) -> None:
    """Show what is used and held of each element (operators)."""
    found = role.usage()
    table = [
        (element, resource, _amount(a, "capacity"), _amount(a, "used"), _amount(a, "held"))
        for element, resources in found.items()
        for resource, a in resources.items()
    ]
    emit(fmt, found, lambda: rows(("element", "resource", "capacity", "used", "held"), table))


@click.group()
def operator() -> None:
    """What a role's operators see of everybody."""


@operator.command("list")
@format_option
@connected
def list_all(role: RoleClient, *, fmt: Format) -> None:
    """List everybody's CloudNets."""
    found = role.everybodys()
    heads = ("cloudnet", "name", "owner", "state", "expires")
    emit(fmt, found, lambda: rows(heads, [tuple(str(c[h]) for h in heads) for c in found]))


@operator.command()
@click.option("--after", type=click.IntRange(0), default=0, metavar="N", help="Newer than N alone.")
@click.option("--limit", type=click.IntRange(1), help="So many at most; all by default.")
@format_option
@connected
def audit(role: RoleClient, *, after: int, limit: int | None, fmt: Format) -> None:
    """Show who asked for what changes something, and how it ended."""
    calls: list[Json] = []
    while True:
        wanted = _CALLS if limit is None else min(_CALLS, limit - len(calls))
        found = role.audit(after, wanted)
        calls += found["calls"]
        after = int(found["next"])
        if len(found["calls"]) < wanted or len(calls) == limit:
            break
    heads = ("id", "time", "caller", "method", "about", "outcome", "text")
    emit(fmt, calls, lambda: rows(heads, [tuple(str(c[h]) for h in heads) for c in calls]))


@operator.command()
@click.argument("element")
@click.option("--yes", is_flag=True, help="Don't ask.")
@format_option
@connected
def forget(role: RoleClient, *, element: str, yes: bool, fmt: Format) -> int:
    """Vouch that ELEMENT is gone for good: nothing waits for it any more."""
    if not yes and not click.confirm(f"Is {element} gone for good?", default=False, err=True):
        return Exit.FAILED
    found = role.forget(element)
    emit(fmt, found, lambda: talk(f"{element} is forgotten, and {found['forgotten']} things on it"))
    return Exit.DONE


def _line(event: Json, fmt: Format) -> None:
    if fmt is not Format.TABLE:
        emit(fmt, event, lambda: None)
        return
    words: list[Any] = [event["time"], event["cloudnet"], event["element"], event["event"]]
    click.echo(" ".join(str(w) for w in words if w) + (f": {event['text']}" * bool(event["text"])))


def _amount(amounts: Json, name: str) -> str:
    return f"{amounts[name]:.12g}" if name in amounts else "-"
