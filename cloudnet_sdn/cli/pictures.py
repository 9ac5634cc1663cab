"""`cloudnet draw`: graphs as pictures."""

from __future__ import annotations

from pathlib import Path

import click

from cloudnet_sdn.cli.documents import FILE, read_document, shown
from cloudnet_sdn.cli.outcome import Exit, Failed
from cloudnet_sdn.cli.output import output_option
from rdl.graph import Graph, MappingGraph

KINDS = ("svg", "dot", "mmd", "graphml")


@click.command()
@click.argument("file", type=FILE)
@output_option("Where to; the suffix picks the kind: .svg, .dot, .mmd (Mermaid), .graphml.")
@click.option("--kind", type=click.Choice(KINDS), help="The kind, where the suffix doesn't tell.")
@click.option(
    "--embedded",
    type=(FILE, FILE),
    multiple=True,
    metavar="OVERLAY MAPPING",
    help="Draw this CloudNet over the substrate FILE; may be repeated.",
)
@click.option(
    "--state",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Draw all that is in this folder: NAME.overlay.yaml and NAME.mapping.yaml each.",
)
def draw(
    *,
    file: str,
    output: Path | None,
    kind: str | None,
    embedded: tuple[tuple[str, str], ...],
    state: Path | None,
) -> None:
    """Draw an overlay, a substrate, or CloudNets over their substrate; FILE - is stdin.

    Without -o the picture goes to stdout; then --kind says which.
    """
    from cloudnet_sdn.cli.graphviz import place
    from rdl.draw.pictures import draw as picture

    chosen = kind or (output.suffix.removeprefix(".") if output else "")
    if chosen not in KINDS:
        known = ", ".join(f".{k}" for k in KINDS)
        raise click.UsageError(f"which kind of picture? Give -o with one of {known}, or --kind")
    graph = _graph(file)
    guests = [_pair(*names) for names in embedded]
    if state is not None:
        from mip.problem.state import read_state

        guests += [(one.overlay, one.mapping) for one in read_state(state)]
    for _, mapping in guests:
        _check_fits(graph, mapping, file)
    text = picture(graph, chosen, embedded=guests, place=place)
    if output is None or str(output) == "-":
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _graph(name: str) -> Graph:
    found = read_document(name)
    if isinstance(found, Graph):
        return found
    text = "a mapping is drawn over its substrate: cloudnet draw SUBSTRATE --embedded OVERLAY"
    raise Failed(f"{shown(name)}:1:1: layer: {text} {shown(name)}", Exit.INVALID)


def _pair(overlay: str, mapping: str) -> tuple[Graph, MappingGraph]:
    found = read_document(mapping)
    if not isinstance(found, MappingGraph):
        text = f"mapping is wanted here, this is {found.layer}"
        raise Failed(f"{shown(mapping)}:1:1: layer: {text}", Exit.INVALID)
    return _graph(overlay), found


def _check_fits(graph: Graph, mapping: MappingGraph, name: str) -> None:
    """A mapping onto another substrate would be drawn as nonsense."""
    for placement in mapping.mapping.values():
        for element in (*placement.on, *placement.backup):
            if element not in graph.elements:
                text = f"the mapping of {mapping.name} uses {element}, which {shown(name)} lacks"
                raise Failed(text, Exit.INVALID)
