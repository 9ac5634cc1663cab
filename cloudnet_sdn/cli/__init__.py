"""The command `cloudnet`. `main` is its entry point; nothing heavy is imported before it is needed.

Modules:
    app: the commands by name, loaded when called, so that `--help` stays under 0.3 s.
    outcome: exit codes, and the one place where errors become them.
    output: tables, JSON and YAML on stdout; talk on stderr.
    connect: `--at`, `--ca`, `--cert`, `--key`: which role is talked to, and as whom.
    one module per group of commands besides.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `cloudnet` with `argv` (the process's own by default).

    Returns:
        The exit code (`cloudnet_sdn.cli.outcome.Exit`).
    """
    from cloudnet_sdn.cli.app import run

    return run(argv)
