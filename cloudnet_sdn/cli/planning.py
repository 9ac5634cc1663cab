"""`cloudnet plan`: a mapping computed here, from files; nothing is touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cloudnet_sdn.cli.documents import FILE, read_graph
from cloudnet_sdn.cli.numbers import Finite
from cloudnet_sdn.cli.output import Format, emit, format_option, output_option, pairs, rows
from cloudnet_sdn.cli.progress import Say, working
from rdl.graph import Layer

TIME_LIMIT_S = 30.0


@click.command()
@click.argument("request", type=FILE)
@click.option("--substrate", type=FILE, required=True, help="The substrate (RDL, underlay).")
@click.option(
    "--state",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of what is embedded already: NAME.overlay.yaml and NAME.mapping.yaml each.",
)
@click.option("--objective", default="cost", show_default=True, help="cost, balance, compact, …")
@click.option(
    "--time-limit",
    type=Finite(positive=True),
    default=TIME_LIMIT_S,
    show_default=True,
    metavar="S",
    help="Stop after S seconds with the best mapping found.",
)
@click.option(
    "--gap",
    type=Finite(),
    default=0.0,
    show_default=True,
    help="Stop within this share of the optimum; 0 proves it.",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "exact", "fast"]),
    default="auto",
    show_default=True,
    help="How to look for a mapping.",
)
@output_option("Write the mapping there (RDL, mapping).")
@format_option
def plan(
    *,
    request: str,
    substrate: str,
    state: Path | None,
    objective: str,
    time_limit: float,
    gap: float,
    method: str,
    output: Path | None,
    fmt: Format,
) -> int:
    """Map REQUEST (RDL) onto a substrate and print the mapping; REQUEST - is stdin.

    Ends with 3, and the reasons, when it cannot be embedded.
    """
    from mip.errors import UnknownMethodError, UnknownObjectiveError
    from mip.mapping import map_request, mapping_graph
    from mip.problem.plan import EXIT_CODES, plan_dict
    from mip.problem.statement import Options, Problem
    from mip.standing import standing

    ground = read_graph(substrate, Layer.UNDERLAY)
    problem = Problem(
        substrate=ground,
        request=read_graph(request, Layer.OVERLAY),
        embedded=standing(state, ground) if state else (),
    )
    options = Options(objective=objective, method=method, time_limit=time_limit, gap=gap)
    try:
        with working("mapping") as say:
            result = map_request(problem, options, _progress(say))
    except (UnknownObjectiveError, UnknownMethodError) as error:
        raise click.UsageError(str(error)) from error
    if output is not None and result.value is not None:
        from rdl.language.dump import dump

        output.write_text(dump(mapping_graph(result, problem)), encoding="utf-8")
    data = plan_dict(result)
    emit(fmt, data, lambda: _table(data))
    return EXIT_CODES[result.status]


def _progress(say: Say) -> Any:
    """What the solver tells while it looks, for people."""

    def told(value: float | None, bound: float | None) -> None:
        if value is None:
            say("mapping: none found yet")
        elif bound is None:
            say(f"mapping: {value:g} found")
        else:
            gap = abs(value - bound) / max(abs(value), 1e-9)
            say(f"mapping: {value:g} found, {bound:g} is possible at best, gap {gap:.1%}")

    return told


def _table(data: dict[str, Any]) -> None:
    objective = data["objective"]
    pairs(
        {
            "status": data["status"],
            "objective": objective["name"],
            "value": objective["value"],
            "bound": objective["bound"],
            "seconds": f"{data['seconds'].get('total', 0):.3f}",
        }
    )
    _part(("vnode", "host"), [*data["nodes"].items()])
    _part(("vlink", "path"), [(v, _path(on)) for v, on in data["links"].items()])
    _part(("vlink", "backup path"), [(v, _path(on)) for v, on in data["backups"].items()])
    chosen = data["chosen"].items()
    _part(("element", "chosen", "value"), [(e, f, v) for e, fs in chosen for f, v in fs.items()])
    reasons = data["reasons"]
    _part(("element", "code", "why"), [(r["element"], r["code"], r["text"]) for r in reasons])


def _part(header: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    if lines:
        click.echo()
        rows(header, lines)


def _path(on: Sequence[str]) -> str:
    return " ".join(on) or "(on one host)"
