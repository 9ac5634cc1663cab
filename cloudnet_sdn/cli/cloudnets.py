"""`cloudnet list`, `show`, `history`, `renew`, `release`: the caller's CloudNets."""

from __future__ import annotations

import datetime as dt

import click

from cloudnet_sdn.cli.connect import connected
from cloudnet_sdn.cli.moment import MOMENT
from cloudnet_sdn.cli.offers import offer_table
from cloudnet_sdn.cli.output import Format, emit, format_option, pairs, rows
from cloudnet_sdn.cli.progress import working
from cloudnet_sdn.client import RoleClient
from cloudnet_sdn.ports import Json

CLOUDNET = click.argument("cloudnet")


@click.command("list")
@format_option
@connected
def list_(role: RoleClient, *, fmt: Format) -> None:
    """List your CloudNets."""
    found = role.list()
    columns = ("cloudnet", "name", "state", "expires")
    emit(fmt, found, lambda: rows(columns, [[one[c] for c in columns] for one in found]))


@click.command()
@click.argument("what", metavar="CLOUDNET|OFFER")
@format_option
@connected
def show(role: RoleClient, *, what: str, fmt: Format) -> None:
    """Show a CloudNet, by id or name, as it is observed; or an offer as it stands."""
    from cloudnet_sdn.wire.faults import NotFound

    try:
        status = role.status(what)
    except NotFound:
        offer = role.offer(what)
        emit(fmt, offer, lambda: offer_table(offer))
        return
    emit(fmt, status, lambda: _status_table(status))


@click.command()
@CLOUDNET
@format_option
@connected
def history(role: RoleClient, *, cloudnet: str, fmt: Format) -> None:
    """Show what happened to CLOUDNET, also after its release."""
    found = role.history(cloudnet)
    columns = ("time", "element", "event", "text")
    emit(fmt, [*found], lambda: rows(columns, [[one[c] for c in columns] for one in found]))


@click.command()
@CLOUDNET
@click.argument("time", type=MOMENT, required=False)
@click.option("--until", type=MOMENT, help="As TIME: a time, or a span from now such as 24h.")
@format_option
@connected
def renew(
    role: RoleClient,
    *,
    cloudnet: str,
    time: dt.datetime | None,
    until: dt.datetime | None,
    fmt: Format,
) -> None:
    """Prolong the lease of CLOUDNET until TIME; the role may shorten what you ask for."""
    end = time or until
    if end is None or (time and until):
        raise click.UsageError("until when? Give TIME or --until, one of them")
    answer = role.renew(cloudnet, end)
    emit(fmt, answer, lambda: pairs(answer))


@click.command()
@CLOUDNET
@format_option
@connected
def release(role: RoleClient, *, cloudnet: str, fmt: Format) -> None:
    """Give CLOUDNET back with all that is on it."""
    with working("releasing"):
        answer = role.release(cloudnet)
    emit(fmt, answer, lambda: pairs(answer))


def _status_table(status: Json) -> None:
    pairs({key: status[key] for key in ("cloudnet", "name", "state", "expires")})
    if elements := status.get("elements"):
        click.echo()
        rows(
            ("element", "state", "reason"),
            [(element, seen["state"], seen["reason"]) for element, seen in elements.items()],
        )
