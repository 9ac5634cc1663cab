"""`cloudnet request`, `confirm`, `cancel`: the two stages of a negotiation."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

import click

from cloudnet_sdn.cli.connect import connected
from cloudnet_sdn.cli.documents import FILE, read_text
from cloudnet_sdn.cli.moment import MOMENT
from cloudnet_sdn.cli.numbers import Finite
from cloudnet_sdn.cli.outcome import Exit, Failed, document_sent
from cloudnet_sdn.cli.output import Format, emit, format_option, pairs, rows, talk
from cloudnet_sdn.cli.progress import working
from cloudnet_sdn.client import RoleClient, rfc3339
from cloudnet_sdn.ports import Json
from rdl.graph import Layer

ENDS = {
    "refused": Exit.REFUSED,
    "failed": Exit.FAILED,
    "expired": Exit.CONFLICT,
    "cancelled": Exit.CONFLICT,
}
"""What the state of an offer means to a command that wanted the CloudNet."""

TIMEOUT = click.option(
    "--timeout",
    type=Finite(),
    default=300.0,
    show_default=True,
    metavar="S",
    help="The longest to wait, in seconds.",
)


@click.command()
@click.argument("file", type=FILE)
@click.option("--confirm", is_flag=True, help="Accept the offer once it is held.")
@click.option("--start", is_flag=True, help="Boot the VNodes with the confirmation.")
@click.option("--wait", is_flag=True, help="Until the offer is settled; with --confirm --start, "
              "until the VNodes run.")  # fmt: skip
@TIMEOUT
@click.option("--hold", type=click.IntRange(1, 600), metavar="S", help="Hold it for S seconds.")
@click.option("--until", type=MOMENT, help="The lease's end: a time, or a span such as 2h.")
@click.option("--request-id", type=click.UUID, help="Your UUID: asking again answers the same.")
@format_option
@connected
def request(
    role: RoleClient,
    *,
    file: str,
    confirm: bool,
    start: bool,
    wait: bool,
    timeout: float,
    hold: int | None,
    until: dt.datetime | None,
    request_id: uuid.UUID | None,
    fmt: Format,
) -> int:
    """Ask a role for the CloudNet that FILE (RDL) describes, and print its offer.

    The CloudNet is built provisionally and held; `confirm` makes it yours. FILE - is stdin.
    """
    text = read_text(file, Layer.OVERLAY)
    options: dict[str, object] = {"start": True} if start else {}
    if hold is not None:
        options["hold_s"] = hold
    if until is not None:
        options["until"] = rfc3339(until)
    asked = str(request_id or uuid.uuid4())
    with working("negotiating"):
        with document_sent(), asked_again(asked):
            offer = role.request(text, options, asked)
        if wait or confirm:
            offer = role.settled(offer, timeout)
        if confirm and offer["state"] == "held":
            offer = role.settled(role.confirm(offer["offer"]), timeout)
    if wait and start and offer["state"] == "confirmed":
        _booted(role, offer["cloudnet"], timeout)
    return answer(offer, fmt)


@click.command()
@click.argument("offer")
@click.option("--wait/--no-wait", default=True, help="Until it is confirmed.", show_default=True)
@TIMEOUT
@format_option
@connected
def confirm(role: RoleClient, *, offer: str, wait: bool, timeout: float, fmt: Format) -> int:
    """Accept OFFER: the CloudNet is yours until its lease ends."""
    with working("confirming"):
        found = role.confirm(offer)
        if wait:
            found = role.settled(found, timeout)
    return answer(found, fmt)


@click.command()
@click.argument("offer")
@format_option
@connected
def cancel(role: RoleClient, *, offer: str, fmt: Format) -> int:
    """Turn OFFER down: what is held for it is given back."""
    with working("cancelling"):
        found = role.cancel(offer)
    emit(fmt, found, lambda: offer_table(found))
    return Exit.DONE


def offer_table(offer: Json) -> None:
    """Print an offer for people."""
    pairs(
        {
            "offer": offer["offer"],
            "cloudnet": offer["cloudnet"],
            "state": offer["state"],
            "expires": _expiry(offer),
            "lease until": offer.get("lease_until", ""),
            "price": _price(offer),
        }
    )
    if reasons := offer.get("reasons"):
        click.echo()
        rows(("element", "code", "why"), [(r["element"], r["code"], r["text"]) for r in reasons])
    if choices := offer.get("choices"):
        click.echo()
        rows(("constraint", "values that would fit"), sorted(choices.items()))


@contextlib.contextmanager
def asked_again(request_id: str) -> Iterator[None]:
    """Where no answer comes, say how to ask again without doubling anything."""
    from cloudnet_sdn.wire.faults import PeerAway, TimedOut

    try:
        yield
    except (PeerAway, TimedOut) as error:
        text = f"{error}\nask again with --request-id {request_id}"
        raise Failed(text, Exit.UNREACHABLE) from error


def _booted(role: RoleClient, cloudnet: str, timeout_s: float) -> None:
    """Wait until all VNodes run."""
    with working("booting"):
        states = role.reached(cloudnet, (), "running", timeout_s)
    down = {vnode: state for vnode, state in states.items() if state != "running"}
    if down:
        said = ", ".join(f"{vnode} {state}" for vnode, state in sorted(down.items()))
        raise Failed(f"CloudNet {cloudnet} is confirmed, but not all VNodes run: {said}")


def answer(offer: Json, fmt: Format) -> int:
    """Print an offer and what to do next; answers the exit code."""
    emit(fmt, offer, lambda: offer_table(offer))
    if offer["state"] == "held":
        talk(f"accept it with: cloudnet confirm {offer['offer']}")
    elif offer["state"] in {"working", "confirming"}:
        talk(f"not done yet; look with: cloudnet show {offer['offer']}")
    return ENDS.get(offer["state"], Exit.DONE)


def _expiry(offer: Json) -> str:
    if offer["state"] != "held":
        return ""
    return f"{offer['expires']} (in {float(offer['expires_in']):.0f} s)"


def _price(offer: Json) -> str:
    price: Any = offer.get("price", 0)
    return f"{price:g} {offer.get('currency', '')}".strip() + " per hour" if price else ""
