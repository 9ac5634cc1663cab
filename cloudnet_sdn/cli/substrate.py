"""`cloudnet substrate show|load`, `drain`, `undrain`: what operators do with a role's substrate."""

from __future__ import annotations

import click

from cloudnet_sdn.cli.connect import connected
from cloudnet_sdn.cli.documents import FILE, print_document, read_text
from cloudnet_sdn.cli.outcome import Exit, Failed, document_sent
from cloudnet_sdn.cli.output import Format, emit, format_option, pairs, talk
from cloudnet_sdn.cli.progress import working
from cloudnet_sdn.client import RoleClient
from rdl.graph import Layer

ELEMENT = click.argument("element")


@click.group()
def substrate() -> None:
    """Show or load the substrate of a role."""


@substrate.command()
@click.option("--offered", is_flag=True, help="Only what it offers its callers: sums.")
@format_option
@connected
def show(role: RoleClient, *, offered: bool, fmt: Format) -> None:
    """Show the role's own substrate, in full (operators); `--format yaml` is RDL."""
    from cloudnet_sdn.wire.faults import Forbidden

    try:
        text = role.offered() if offered else role.substrate()
    except Forbidden as error:
        hint = "" if offered else "; `--offered` shows what the role offers"
        raise Failed(f"{error}{hint}", Exit.NOT_ALLOWED) from error
    print_document(text, fmt)


@substrate.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Even if it breaks CloudNets: they are mapped anew.")
@format_option
@connected
def load(role: RoleClient, *, file: str, force: bool, fmt: Format) -> int:
    """Make FILE (RDL, layer underlay) the role's substrate.

    What would break is named, and nothing is done then, unless it is forced.
    """
    text = read_text(file, Layer.UNDERLAY)
    with working("loading"), document_sent():
        answer = role.load(text, force=force)
    emit(fmt, answer, lambda: pairs({"revision": answer["revision"]}))
    for cloudnet, faults in answer.get("breaks", {}).items():
        talk(f"{cloudnet}: {'; '.join(faults)}")
    if answer["revision"]:
        return Exit.DONE
    talk("nothing was done, as that would break what is named; --force does it all the same")
    return Exit.CONFLICT


@click.command()
@ELEMENT
@click.option("--evacuate", is_flag=True, help="Move what is there elsewhere, too.")
@format_option
@connected
def drain(role: RoleClient, *, element: str, evacuate: bool, fmt: Format) -> None:
    """Put nothing new onto ELEMENT; what is there stays, unless it is evacuated.

    VNodes are stopped and started elsewhere; what moves is listed.
    """
    answer = role.drain(element, evacuate=evacuate)
    emit(fmt, answer, lambda: talk(f"{element} takes nothing new"))
    if moving := answer.get("evacuating"):
        for cloudnet, parts in answer.get("moving", {}).items():
            for name, how in {**parts["vnodes"], **parts["vlinks"]}.items():
                talk(f"{cloudnet} {name}: {how}")
        talk(f"moving {', '.join(moving)}; watch with: cloudnet events --follow --all")


@click.command()
@ELEMENT
@format_option
@connected
def undrain(role: RoleClient, *, element: str, fmt: Format) -> None:
    """Use ELEMENT again."""
    answer = role.undrain(element)
    emit(fmt, answer, lambda: talk(f"{element} is in use again"))
