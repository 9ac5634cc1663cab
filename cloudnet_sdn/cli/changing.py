"""`cloudnet modify`: a CloudNet that stands, changed in two stages."""

from __future__ import annotations

import datetime as dt
import sys
import uuid

import click

from cloudnet_sdn.cli.connect import connected
from cloudnet_sdn.cli.documents import FILE, read_text
from cloudnet_sdn.cli.moment import MOMENT
from cloudnet_sdn.cli.offers import ENDS, TIMEOUT, answer, asked_again, offer_table
from cloudnet_sdn.cli.outcome import Exit, document_sent
from cloudnet_sdn.cli.output import Format, emit, format_option, talk
from cloudnet_sdn.cli.progress import working
from cloudnet_sdn.client import RoleClient, rfc3339
from cloudnet_sdn.ports import Json
from rdl.graph import Layer


@click.command()
@click.argument("file", type=FILE)
@click.option("--cloudnet", metavar="ID", help="Which one: its id or name; FILE's name by default.")
@click.option("--yes", is_flag=True, help="Confirm the change without asking.")
@click.option("--relocate", is_flag=True, help="Let move what could stay where it is.")
@click.option("--start", is_flag=True, help="Boot the VNodes that are new with the confirmation.")
@click.option("--hold", type=click.IntRange(1, 600), metavar="S", help="Hold it for S seconds.")
@click.option("--until", type=MOMENT, help="The lease's new end: a time, or a span such as 2h.")
@click.option("--request-id", type=click.UUID, help="Your UUID: asking again answers the same.")
@TIMEOUT
@format_option
@connected
def modify(
    role: RoleClient,
    *,
    file: str,
    cloudnet: str | None,
    yes: bool,
    relocate: bool,
    start: bool,
    hold: int | None,
    until: dt.datetime | None,
    request_id: uuid.UUID | None,
    timeout: float,
    fmt: Format,
) -> int:
    """Change a CloudNet that stands to what FILE (RDL) describes.

    Elements match by id; what asks for the same stays where it is. The change is built beside the
    CloudNet and held. The difference and its price are shown, and you are asked before anything
    that works is touched. FILE - is stdin.
    """
    from rdl.language.load import load_graph

    text = read_text(file, Layer.OVERLAY)
    which = cloudnet or load_graph(text).name
    options: dict[str, object] = {"relocate": relocate, "start": start}
    if hold is not None:
        options["hold_s"] = hold
    if until is not None:
        options["until"] = rfc3339(until)
    asked = str(request_id or uuid.uuid4())
    with working("negotiating"):
        before = role.offer(str(role.status(which)["offer"]))
        with document_sent(), asked_again(asked):
            offer = role.modify(which, text, options, asked)
        offer = role.settled(offer, timeout)
    if offer["state"] != "held":
        return answer(offer, fmt)
    _show(before, offer, fmt)
    if not yes and not _asked(fmt):
        talk(f"accept it with: cloudnet confirm {offer['offer']}")
        return Exit.DONE
    with working("confirming"):
        offer = role.settled(role.confirm(offer["offer"]), timeout)
    if fmt is not Format.TABLE:
        emit(fmt, offer, lambda: None)
    talk(f"the change is {offer['state']}")
    return ENDS.get(offer["state"], Exit.DONE)


def _show(before: Json, offer: Json, fmt: Format) -> None:
    """What changes, and what it costs: for people on stdout, beside data on stderr."""
    from rdl.compare import diff as compare
    from rdl.compare import report
    from rdl.language.load import load_graph

    delta = compare.diff(load_graph(before["graph"]), load_graph(offer["graph"]))
    told = report.text(delta) or "no difference\n"
    was, now = float(before.get("price", 0)), float(offer.get("price", 0))
    cost = f"price: {was:g} -> {now:g} {offer.get('currency', '')}".strip() + " per hour"
    if fmt is Format.TABLE:
        offer_table(offer)
        click.echo()
        click.echo(told, nl=False)
        click.echo(cost)
    else:
        talk(told.rstrip())
        talk(cost)


def _asked(fmt: Format) -> bool:
    """Whether somebody is there and says yes."""
    if not sys.stdin.isatty() or fmt is not Format.TABLE:
        return False
    return click.confirm("Confirm the change?", default=False, err=True)
