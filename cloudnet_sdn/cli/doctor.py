"""`cloudnet doctor`: the command line of `cloudnet_sdn.doctor`."""

from __future__ import annotations

import dataclasses

import click

from cloudnet_sdn.cli.outcome import Exit
from cloudnet_sdn.cli.output import Format, emit, format_option, rows, talk
from cloudnet_sdn.cli.progress import working


@click.command()
@format_option
def doctor(fmt: Format) -> int:
    """Say what is missing on this machine, and the command that mends it.

    Changes nothing. Ends with 0 when nothing is missing, else with 1.
    """
    from cloudnet_sdn.doctor import State, ThisMachine, examine, ready

    with working("examining"):
        findings = examine(ThisMachine())
    data = [{**dataclasses.asdict(f), "state": f.state.value} for f in findings]
    columns = ("what", "state", "text")
    emit(
        fmt, data, lambda: rows(("what", "state", "found"), [[f[c] for c in columns] for f in data])
    )
    for finding in findings:
        if finding.mend:
            optional = " (optional)" if finding.state is State.NOTE else ""
            talk(f"to mend {finding.what}{optional}: {finding.mend}")
    return Exit.DONE if ready(findings) else Exit.FAILED
