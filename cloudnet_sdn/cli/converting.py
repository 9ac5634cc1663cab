"""`cloudnet convert`: other formats to RDL, and RDL to RFC 8345."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudnet_sdn.cli.documents import FILE, read_bytes, shown
from cloudnet_sdn.cli.outcome import Exit, Failed
from cloudnet_sdn.cli.output import output_option, talk
from rdl.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rdl.convert.account import Loss

FOREIGN = re.compile(rb"\s*(?:<|\?SNDlib|\{(?!\s*[\"']?rdl[\"']?\s*:))")
"""XML, SNDlib's own, or JSON that isn't RDL spelled as JSON."""


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--to",
    type=click.Choice(["rdl", "json", "rfc8345"]),
    default="rdl",
    show_default=True,
    help="What to write: RDL, the same as JSON, or an IETF network topology (JSON).",
)
@output_option("Where to, instead of stdout.")
@click.option("--name", default="", help="The graph's name where the file has none.")
@click.option("--hosts", is_flag=True, help="Put a host at each place of a topology.")
@click.option(
    "--bandwidth",
    default="",
    metavar="RATE",
    help="Of links whose capacity the file doesn't tell: 10Gbps.",
)
@click.option("--strict", is_flag=True, help="Write nothing where anything would be left out.")
def convert(
    *, file: str, to: str, output: Path | None, name: str, hosts: bool, bandwidth: str, strict: bool
) -> None:
    """Read GraphML (Topology Zoo, yEd), SNDlib, node-link JSON, a GENI request RSpec, or RDL.

    The format is told from the text; FILE - is stdin. What a format holds and RDL can't is named
    on stderr ("left out: ..."), what there is much of as a sum; with --strict it is an error, and
    the exit code is 4. What is written is valid.
    """
    graph, losses = _read(file, name, hosts=hosts, bandwidth=_rate(bandwidth))
    text, further = _written(graph, to)
    notes = list(_lines((*losses, *further)))
    for note in notes:
        talk(f"{shown(file)}: {note}")
    if strict and notes:
        raise Failed(f"{shown(file)}: --strict: nothing is written", Exit.INVALID)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _read(
    file: str, name: str, *, hosts: bool, bandwidth: float | None
) -> tuple[Graph, tuple[Loss, ...]]:
    data = read_bytes(file)
    if not FOREIGN.match(data.removeprefix(b"\xef\xbb\xbf")):
        from rdl.language.load import load_graph

        return load_graph(data, source=shown(file)), ()
    from rdl.convert.formats import convert as other
    from rdl.convert.topology import ConvertError, HostAt, Options

    options = Options(bandwidth=bandwidth, host=HostAt() if hosts else None)
    try:
        done = other(data, name=name or Path(shown(file)).stem, options=options)
    except ConvertError as error:
        raise ConvertError(f"{shown(file)}: {error}") from error
    return done.graph, done.losses


def _written(graph: Graph, to: str) -> tuple[str, tuple[Loss, ...]]:
    """The text to write, and what of the graph it does not hold."""
    from rdl.language.dump import dump, to_data

    if to == "rdl":
        return dump(graph), ()
    if to == "json":
        return json.dumps(to_data(graph), indent=2, ensure_ascii=False) + "\n", ()
    from rdl.convert.rfc8345 import lost_in_rfc8345, to_rfc8345

    text = json.dumps(to_rfc8345(graph), indent=2, ensure_ascii=False) + "\n"
    return text, lost_in_rfc8345(graph)


def _lines(losses: Iterable[Loss]) -> Iterator[str]:
    from rdl.convert.account import lines

    return lines(losses)


def _rate(text: str) -> float | None:
    if not text:
        return None
    from rdl.units import Quantity, UnitError, parse

    try:
        return parse(text, Quantity.RATE)
    except UnitError as error:
        raise click.BadParameter(str(error), param_hint="--bandwidth") from error
