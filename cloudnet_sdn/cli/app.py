"""The commands by name. Each is imported when it is called, never for `--help`."""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NamedTuple

import click

from cloudnet_sdn.cli.outcome import Exit, explain


class Entry(NamedTuple):
    """Where a command is (`module:attribute` below `cloudnet_sdn.cli`) and what it does."""

    place: str
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Start here": {
        "demo": Entry("demo:demo", "A CloudNet across two providers on this machine."),
        "doctor": Entry("doctor:doctor", "What this machine lacks, and the mending command."),
    },
    "Requests and substrates as files (RDL)": {
        "validate": Entry("documents:validate", "Check documents; every error with its place."),
        "fmt": Entry("graphs:fmt", "Write a document in its canonical form."),
        "diff": Entry("graphs:diff", "How two graphs differ."),
        "schema": Entry("graphs:schema", "The JSON Schema of the language."),
        "draw": Entry("pictures:draw", "Draw a graph, or a mapping over its substrate."),
        "convert": Entry("converting:convert", "Read GraphML, SNDlib, GENI RSpec; write RFC 8345."),
        "plan": Entry("planning:plan", "Map a request onto a substrate, touching nothing."),
        "consolidate": Entry("consolidating:consolidate", "What can be freed, by which moves?"),
    },
    "CloudNets of a running role": {
        "request": Entry("offers:request", "Ask for a CloudNet; prints the offer."),
        "modify": Entry("changing:modify", "Change a CloudNet; shows what and asks first."),
        "confirm": Entry("offers:confirm", "Accept an offer that is held."),
        "cancel": Entry("offers:cancel", "Turn an offer down."),
        "list": Entry("cloudnets:list_", "Your CloudNets."),
        "show": Entry("cloudnets:show", "A CloudNet or an offer as it stands."),
        "history": Entry("cloudnets:history", "What happened to a CloudNet."),
        "renew": Entry("cloudnets:renew", "Prolong a lease."),
        "release": Entry("cloudnets:release", "Give a CloudNet back."),
        "start": Entry("vnodes:start", "Boot VNodes."),
        "stop": Entry("vnodes:stop", "Shut VNodes down."),
        "powercycle": Entry("vnodes:powercycle", "Stop and start VNodes."),
        "console": Entry("vnodes:console", "The serial console of a VNode."),
    },
    "Operators": {
        "substrate": Entry("substrate:substrate", "Show or load the role's substrate."),
        "check": Entry("watching:check", "Compare VLinks with what is installed."),
        "events": Entry("watching:events", "Print what happens."),
        "usage": Entry("watching:usage", "Show what is used of the substrate (operators)."),
        "operator": Entry("watching:operator", "What operators see of everybody."),
        "drain": Entry("substrate:drain", "Put nothing new onto an element."),
        "undrain": Entry("substrate:undrain", "Use an element again."),
    },
    "Processes and set-up": {
        "vnp": Entry("processes:vnp", "The broker (VNP)."),
        "pip": Entry("processes:pip", "A provider (PIP)."),
        "controller": Entry("processes:controller", "The OpenFlow controller of VLinks."),
        "agent": Entry("processes:agent", "The agent of one host."),
        "pki": Entry("pki:pki", "Certificate authorities and certificates."),
        "db": Entry("db:db", "The store's schema."),
        "check-config": Entry("configurations:check_config", "Check a process's configuration."),
    },
}

COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class LazyGroup(click.Group):
    """The top-level group: knows the names, imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help page."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command = getattr(importlib.import_module(f"cloudnet_sdn.cli.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.place} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with a hint where the name is a near miss."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help page's sections, from the table alone."""
        del ctx
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in section.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 cannot be embedded or refused, "
    "4 invalid document, 5 a peer can't be reached, 6 conflict, 7 not allowed.",
)
@click.version_option(package_name="cloudnet-sdn", message="cloudnet-sdn %(version)s")
def cli() -> None:
    """Federated CloudNets: virtual networks across competing providers.

    Data goes to stdout, talk to stderr.
    """


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line and answer its exit code; no traceback reaches the user."""
    _print_anything()
    try:
        result = cli.main(
            args=None if argv is None else list(argv), prog_name="cloudnet", standalone_mode=False
        )
        if sys.stdout is not None:
            sys.stdout.flush()  # what can't be written must be known before the exit code is
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Exit.USAGE
    except click.UsageError as error:
        error.show()
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _let_the_pipe_go()
        return Exit.FAILED
    except Exception as error:
        if os.environ.get("CLOUDNET_TRACEBACK"):
            traceback.print_exc()
        if isinstance(error, OSError) and error.filename is None:
            _let_the_pipe_go()  # it may be stdout that is full
        message, code = explain(error)
        # Errors of a document begin with FILE:LINE:COLUMN, as editors expect.
        click.echo(message if code is Exit.INVALID else f"cloudnet: {message}", err=True)
        return code
    return result if isinstance(result, int) else Exit.DONE


def _print_anything() -> None:
    """Let stdout write what its encoding lacks by escapes: names of files may be any bytes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _let_the_pipe_go() -> None:
    """Point stdout away, so that Python's flush at exit says nothing about the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
