"""RDL on the command line: reading documents from files, and `validate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cloudnet_sdn.cli.outcome import Exit, Failed
from cloudnet_sdn.cli.output import Format, emit, format_option, rows, talk
from rdl.errors import DocumentError
from rdl.graph import Graph, Layer, MappingGraph

STDIN = "-"
MOST_BYTES = 16 * 1024 * 1024
FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)


def read_bytes(name: str) -> bytes:
    """What a file or stdin holds; of endless input just more than the language takes."""
    if name == STDIN:
        if sys.stdin is None:
            raise click.UsageError("standard input is closed; name a file instead of -")
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(MOST_BYTES + 1)


def shown(name: str) -> str:
    """A file's name in messages."""
    return "<stdin>" if name == STDIN else name


def read_document(name: str) -> Graph | MappingGraph:
    """The document in a file or on stdin.

    Raises:
        DocumentError: with everything that is wrong.
    """
    from rdl.language.load import load

    return load(read_bytes(name), source=shown(name))


def read_graph(name: str, layer: Layer) -> Graph:
    """As `read_document`, of a graph of that layer.

    Raises:
        DocumentError: with everything that is wrong.
        Failed: a valid document of another layer.
    """
    found = read_document(name)
    if isinstance(found, Graph) and found.layer is layer:
        return found
    raise _wrong_layer(name, found, layer)


def read_text(name: str, layer: Layer) -> str:
    """The text of a document of that layer, checked before it travels.

    Raises:
        DocumentError: with everything that is wrong.
        Failed: a valid document of another layer.
    """
    from rdl.language.load import load

    data = read_bytes(name)
    found = load(data, source=shown(name))
    if found.layer is not layer:
        raise _wrong_layer(name, found, layer)
    return data.decode("utf-8")


def print_document(text: str, fmt: Format) -> None:
    """Print a graph that a role sent: `yaml` is its RDL, `json` its data, `table` its elements."""
    if fmt is Format.YAML:
        click.echo(text, nl=False)
        return
    from rdl.language.dump import to_data
    from rdl.language.load import load_graph

    graph = load_graph(text, source="<answer>")
    emit(fmt, to_data(graph), lambda: _elements(graph))


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@format_option
def validate(files: tuple[str, ...], fmt: Format) -> int:
    """Check documents of every layer; FILE - is stdin.

    Every error is printed on stderr as FILE:LINE:COLUMN: where in the graph: what is wrong. Ends
    with 0 when all are valid, else with 4.
    """
    checked = [_check(name, fmt) for name in files]
    emit(fmt, checked, lambda: _verdicts(checked))
    return Exit.DONE if all(one["ok"] for one in checked) else Exit.INVALID


def _check(name: str, fmt: Format) -> dict[str, Any]:
    try:
        found = read_document(name)
    except DocumentError as error:
        if fmt is Format.TABLE:
            talk(str(error))
        return {"file": shown(name), "ok": False, "more": error.more, "problems": _problems(error)}
    return {
        "file": shown(name),
        "ok": True,
        "graph": found.name,
        "layer": found.layer.value,
        "problems": [],
    }


def _problems(error: DocumentError) -> Sequence[dict[str, Any]]:
    return [
        {"line": p.line, "column": p.column, "where": p.where, "text": p.text}
        for p in error.problems
    ]


def _verdicts(checked: Sequence[dict[str, Any]]) -> None:
    for one in checked:
        if one["ok"]:
            click.echo(f"{one['file']}: valid ({one['layer']} {one['graph']})")


def _elements(graph: Graph) -> None:
    talk(f"{graph.layer} {graph.name}")
    rows(
        ("element", "type", "resources", "features"),
        [
            (
                e.id,
                e.type,
                [f"{name} {_amount(name, a.amount)}" for name, a in e.resources.items()],
                sorted(e.features),
            )
            for e in graph.elements.values()
        ],
    )


def _amount(resource: str, amount: float) -> str:
    from rdl.units import Quantity, human
    from rdl.vocabulary import RESOURCES

    rule = RESOURCES.get(resource)
    return human(amount, rule.quantity if rule else Quantity.NUMBER)


def _wrong_layer(name: str, found: Graph | MappingGraph, wanted: Layer) -> Failed:
    text = f"{shown(name)}:1:1: layer: {wanted} is wanted here, this is {found.layer}"
    return Failed(text, Exit.INVALID)
