"""`cloudnet vnp|pip|agent serve` and `cloudnet controller`: the processes.

The two shells lie outside `cloudnet_sdn`, which must not import them: this process becomes theirs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from cloudnet_sdn.cli.outcome import Exit, Failed

CONFIG = click.option(
    "--config",
    "config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The process's configuration (TOML).",
)


@click.group()
def vnp() -> None:
    """The broker: a role whose substrate is providers and the transit links between them."""


@click.group()
def pip() -> None:
    """A provider: a role whose substrate is hosts, switches and tunnel bridges."""


@click.group()
def agent() -> None:
    """The agent of one host: its VNodes, bridge ports, tunnels and consoles."""


@vnp.command("serve")
@CONFIG
def serve_vnp(config: Path) -> int:
    """Serve the broker's facade until SIGTERM or Ctrl-C."""
    return _serve(config, "vnp")


@pip.command("serve")
@CONFIG
def serve_pip(config: Path) -> int:
    """Serve the provider's facade until SIGTERM or Ctrl-C."""
    return _serve(config, "pip")


@agent.command("serve", context_settings={"ignore_unknown_options": True})
@click.option("--config", "config", type=click.Path(path_type=Path), help="Configuration (TOML).")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="")
def serve_agent(config: Path | None, rest: tuple[str, ...]) -> NoReturn:
    """Serve the host's agent until SIGTERM or Ctrl-C."""
    _become("hostagent", config, rest)


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--listen", help="Where switches connect.  [default: 127.0.0.1:6653]")
@click.option("--api", help="Where commands are taken.  [default: http://127.0.0.1:8643]")
@click.option("--store", help="Where VLinks are kept: sqlite:///FILE.")
@click.option("--config", type=click.Path(path_type=Path), help="Configuration (TOML); TLS.")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="")
def controller(
    listen: str | None,
    api: str | None,
    store: str | None,
    config: Path | None,
    rest: tuple[str, ...],
) -> NoReturn:
    """Run the VLink controller (Ryu, OpenFlow 1.3) until SIGTERM or Ctrl-C."""
    given = {"--listen": listen, "--api": api, "--store": store}
    options = [word for name, value in given.items() if value for word in (name, value)]
    _become("ryu_apps", config, (*options, *rest))


def _serve(config: Path, kind: str) -> int:
    from cloudnet_sdn.model.settings import SettingsError, load

    try:
        settings = load(config)
    except SettingsError as error:
        raise Failed(str(error), Exit.USAGE) from error
    if settings.kind != kind:
        text = f"{config}: kind: this is the configuration of a {settings.kind}, not of a {kind}"
        raise Failed(text, Exit.USAGE)
    from cloudnet_sdn.roles.serve import SubstrateError, serve

    try:
        return serve(settings)
    except SubstrateError as error:
        raise Failed(str(error), Exit.INVALID) from error
    except SettingsError as error:
        raise Failed(str(error.within(config)), Exit.USAGE) from error


def _become(module: str, config: Path | None, rest: tuple[str, ...]) -> NoReturn:
    """Replace this process by `python -m module`, so that signals and exit code are its own."""
    options = [] if config is None else ["--config", str(config)]
    sys.stdout.flush()
    sys.stderr.flush()
    # No shell is wanted.
    os.execv(sys.executable, [sys.executable, "-m", module, *options, *rest])  # noqa: S606
