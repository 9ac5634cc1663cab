"""`cloudnet check-config`: what is wrong with a process's configuration, without starting it.

The kinds are found by entry point, so that those of the shells, which lie outside `cloudnet_sdn`,
are read by the very forms that the shells read them by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloudnet_sdn.cli.outcome import Exit
from cloudnet_sdn.cli.output import Format, emit, format_option

if TYPE_CHECKING:
    from cloudnet_sdn.wire.reading import Form

GROUP = "cloudnet_sdn.configurations"
KINDS = ("pip", "vnp", "agent", "controller", "profile")
KIND = click.Choice(KINDS)


@click.command("check-config")
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE...",
)
@click.option("--kind", type=KIND, help="What the files configure.  [default: found from each]")
@click.option("--schema", type=KIND, help="Print the JSON Schema of such a file instead.")
@format_option
def check_config(files: tuple[Path, ...], kind: str | None, schema: str | None, fmt: Format) -> int:
    """Say everything that is wrong with configurations, each as FILE: KEY: what is wanted.

    Of brokers (vnp), providers (pip), their controllers and agents, and of this client (profile).
    Nothing is started and nothing else is looked at: whether a port is free or a certificate is
    there, the process says when it starts.
    """
    if bool(files) == bool(schema):
        raise click.UsageError("give either files or --schema")
    if schema:
        made = _forms()[schema].schema()
        emit(Format.YAML if fmt is Format.YAML else Format.JSON, made, lambda: None)
        return Exit.DONE
    found = [_checked(file, kind) for file in files]
    emit(fmt, found if len(found) > 1 else found[0], lambda: _say(found))
    return Exit.INVALID if any(one["problems"] for one in found) else Exit.DONE


def _forms() -> Mapping[str, Form[Any]]:
    from importlib.metadata import entry_points

    installed = entry_points(group=GROUP)
    return {name: installed[name].load() for name in KINDS}


def _checked(file: Path, kind: str | None) -> dict[str, Any]:
    from cloudnet_sdn.wire.configuration import ConfigurationError, read_toml

    try:
        document = read_toml(file)
    except ConfigurationError as error:
        return _answer(file, kind or "", [("", str(error))])
    base = file.resolve().parent
    forms = _forms()
    if kind is None:
        kind = _kind_of(document, forms)
    problems = _problems(forms[kind], document, base)
    if kind in ("pip", "vnp") and not problems and document["kind"] != kind:
        problems = [f"kind: this is the configuration of a {document['kind']}, not of a {kind}"]
    keyed = [problem.partition(": ") for problem in problems]
    return _answer(file, kind, [(key, text) for key, _, text in keyed])


def _answer(file: Path, kind: str, problems: Sequence[tuple[str, str]]) -> dict[str, Any]:
    listed = [{"key": key, "text": text} for key, text in problems]
    return {"file": str(file), "kind": kind, "problems": listed}


def _kind_of(document: Mapping[str, Any], forms: Mapping[str, Form[Any]]) -> str:
    """What a document says it is; else what its keys fit best."""
    told = document.get("kind")
    if told in ("pip", "vnp"):
        return str(told)
    return min(KINDS, key=lambda kind: forms[kind].strangeness(document))


def _problems(form: Form[Any], document: Mapping[str, Any], base: Path) -> Sequence[str]:
    from cloudnet_sdn.wire.configuration import ConfigurationError

    try:
        form.read(document, base)
    except ConfigurationError as error:
        return error.problems
    return ()


def _say(found: Sequence[Mapping[str, Any]]) -> None:
    for one in found:
        for problem in one["problems"]:
            key = f"{problem['key']}: " if problem["key"] else ""
            click.echo(f"{one['file']}: {key}{problem['text']}", err=True)
        if not one["problems"]:
            click.echo(f"{one['file']}: a configuration of kind {one['kind']}, nothing wrong")
