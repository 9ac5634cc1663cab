"""`cloudnet consolidate`: the migration question, answered from files; nothing is touched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cloudnet_sdn.cli.documents import FILE, read_graph
from cloudnet_sdn.cli.numbers import Finite
from cloudnet_sdn.cli.outcome import Exit
from cloudnet_sdn.cli.output import Format, emit, format_option, output_option, pairs, rows
from cloudnet_sdn.cli.progress import working
from rdl.graph import Layer

TIME_LIMIT_S = 60.0


def _share(_context: click.Context, _parameter: click.Parameter, value: str) -> float:
    """`20%` or `0.2` as 0.2."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", value.strip())
    share = float(match.group(1)) / (100 if match.group(2) else 1) if match else -1.0
    if not 0 < share <= 1:
        raise click.BadParameter(f"{value!r} is no share such as 20% or 0.2")
    return share


@click.command()
@click.option("--substrate", type=FILE, required=True, help="The substrate (RDL, underlay).")
@click.option(
    "--state",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of what is embedded: NAME.overlay.yaml and NAME.mapping.yaml each.",
)
@click.option("--free", callback=_share, required=True, metavar="SHARE", help="Such as 20%.")
@click.option(
    "--of",
    type=click.Choice(["hosts", "bandwidth"]),
    required=True,
    help="Of the hosts that carry a VNode, or of the bandwidth in use.",
)
@click.option(
    "--time-limit",
    type=Finite(positive=True),
    default=TIME_LIMIT_S,
    show_default=True,
    metavar="S",
    help="Stop after S seconds with the best plan found.",
)
@output_option("Draw the front of freed against cost there (SVG).")
@format_option
def consolidate(
    *,
    substrate: str,
    state: Path,
    free: float,
    of: str,
    time_limit: float,
    output: Path | None,
    fmt: Format,
) -> int:
    """Can SHARE be freed, by which moves, and at what cost? Nothing is touched.

    Ends with 3 when it can't be freed. Moves and re-routes are in an order that can be carried out.
    """
    from mip.migration.consolidate import consolidate as answer
    from mip.migration.plan import plan_dict
    from mip.problem.statement import Options
    from mip.standing import standing

    ground = read_graph(substrate, Layer.UNDERLAY)
    with working("looking for moves"):
        found = answer(
            ground,
            standing(state, ground),
            free,
            of,
            Options(time_limit=time_limit),
        )
    if output is not None:
        from mip.migration.picture import svg

        output.write_text(svg(found.frontier, of), encoding="utf-8")
    data = plan_dict(found)
    emit(fmt, data, lambda: _table(data))
    return Exit.DONE if data["possible"] else Exit.REFUSED


def _table(data: dict[str, Any]) -> None:
    pairs(
        {
            "possible": "yes" if data["possible"] else "no",
            "freed": f"{data['freed']:.1%}",
            "moves": data["cost"]["moves"],
            "memory": _gib(data["cost"]["memory_bytes"]),
        }
    )
    _part(
        ("cloudnet", "vnode", "from", "to"),
        [(m["cloudnet"], m["vnode"], m["from"], m["to"]) for m in data["moves"]],
    )
    _part(
        ("cloudnet", "vlink", "path"),
        [(r["cloudnet"], r["vlink"], " ".join(r["path"])) for r in data["reroutes"]],
    )
    _part(
        ("freed", "moves", "memory"),
        [(f"{p['freed']:.1%}", p["moves"], _gib(p["memory_bytes"])) for p in data["frontier"]],
    )


def _part(header: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    if lines:
        click.echo()
        rows(header, lines)


def _gib(amount: float) -> str:
    return f"{amount / (1 << 30):.2f} GiB"
