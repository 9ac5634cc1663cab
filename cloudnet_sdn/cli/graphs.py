"""`cloudnet fmt`, `diff`, `schema`: RDL documents from files, no network."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from cloudnet_sdn.cli.documents import FILE, STDIN, read_bytes, read_document, shown
from cloudnet_sdn.cli.outcome import Exit
from cloudnet_sdn.cli.output import Format, emit, format_option, talk
from rdl.graph import Graph, MappingGraph


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("-w", "--write", is_flag=True, help="Into the files instead of stdout.")
@click.option(
    "--check", is_flag=True, help="Only name the files that would change, and end with 1."
)
@click.option("--shorthand", is_flag=True, help="In the spelling that a person writes.")
def fmt(files: tuple[str, ...], write: bool, check: bool, shorthand: bool) -> int:
    """Write documents in their canonical form; FILE - is stdin.

    Comments at the head of a document stay, others are lost.
    """
    from rdl.language.fmt import fmt as canonical

    if len(files) > 1 and not (write or check):
        raise click.UsageError("several files go together only with --write or --check")
    if write and STDIN in files:
        raise click.UsageError("stdin can't be written to")
    changed = 0
    for name in files:
        data = read_bytes(name)
        text = canonical(data, source=shown(name), shorthand=shorthand)
        if not (write or check):
            click.echo(text, nl=False)
        elif text.encode() != data:
            changed += 1
            talk(f"{'would change' if check else 'changed'} {shown(name)}")
            if not check:
                _replace(Path(name), text)
    return Exit.FAILED if check and changed else Exit.DONE


@click.command()
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option("--exit-code", is_flag=True, help="End with 1 when they differ.")
@format_option
def diff(a: str, b: str, exit_code: bool, fmt: Format) -> int:
    """Say what makes graph B of graph A: elements added, removed, changed, rewired.

    Spelling, order of keys and comments don't count. Either may be - for stdin.
    """
    from rdl.compare import diff as compare
    from rdl.compare import report

    before, after = read_document(a), read_document(b)
    delta: compare.Delta | compare.MappingDelta
    if isinstance(before, Graph) and isinstance(after, Graph):
        delta = compare.diff(before, after)
    elif isinstance(before, MappingGraph) and isinstance(after, MappingGraph):
        delta = compare.diff_mappings(before, after)
    else:
        raise click.UsageError("a graph and a mapping can't be compared")
    emit(fmt, report.to_data(delta), lambda: click.echo(report.text(delta), nl=False))
    if not delta:
        talk("no difference")
    return Exit.FAILED if exit_code and delta else Exit.DONE


@click.command()
@click.option(
    "--format",
    "fmt",
    type=click.Choice([Format.JSON.value, Format.YAML.value]),
    default=Format.JSON.value,
    show_default=True,
    help="How to print it.",
)
def schema(fmt: str) -> None:
    """Print the JSON Schema (2020-12) of RDL, for editors and other programs.

    It knows what a schema can know; `cloudnet validate` knows the rest.
    """
    from rdl.language.schema import schema as derived

    emit(Format(fmt), derived(), lambda: None)


def _replace(path: Path, text: str) -> None:
    """Put `text` in a file's place as a whole, with the file's mode."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(aside).chmod(path.stat().st_mode)
    Path(aside).replace(path)
