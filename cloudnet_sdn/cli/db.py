"""`cloudnet db`: whose a store is, and its schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudnet_sdn.cli.outcome import Exit, Failed
from cloudnet_sdn.cli.output import Format, emit, format_option, pairs
from cloudnet_sdn.cli.progress import working

if TYPE_CHECKING:
    from cloudnet_sdn.model.settings import Settings


@click.group()
def db() -> None:
    """Look after the store of a role."""


@db.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The role's configuration (TOML): its store is meant.",
)
@format_option
def init(config: Path, fmt: Format) -> None:
    """Make a database the store of a role: once, before the role is served. May be repeated.

    A role isn't served on any other store, so that it doesn't take its customers' VNodes and
    VLinks for left-overs where a name was mistyped or a volume isn't mounted.
    """
    from cloudnet_sdn.model.clock import SystemClock
    from cloudnet_sdn.store.engine import StoreError
    from cloudnet_sdn.store.identity import initialise

    settings = _settings(config)
    try:
        with working("initialising"):
            found, fresh = initialise(settings.store.url, settings.name, SystemClock().now())
    except StoreError as error:
        raise Failed(f"store.url: {error}", Exit.USAGE) from error
    data = {"role": found.role, "epoch": found.epoch, "new": fresh}
    emit(fmt, data, lambda: pairs({**data, "new": "yes" if fresh else "no"}))


@db.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The role's configuration (TOML): its store is meant.",
)
@click.option("--url", metavar="URL", help="The store itself: sqlite:////var/lib/cloudnet/role.db")
@format_option
def upgrade(config: Path | None, url: str | None, fmt: Format) -> None:
    """Bring a role's store to the schema that this version speaks; make it where there is none.

    Roles do the same when they start. May be repeated.
    """
    if config is not None and url is None:
        url = _settings(config).store.url
    elif url is None or config is not None:
        raise click.UsageError("give either --config or --url")
    from cloudnet_sdn.store import upgrade as schema
    from cloudnet_sdn.store.engine import StoreError

    try:
        with working("upgrading"):
            before, after = schema.upgrade(url)
    except StoreError as error:
        raise Failed(str(error), Exit.USAGE) from error
    data = {"before": before, "after": after}
    emit(fmt, data, lambda: pairs({**data, "before": before or "nothing"}))


def _settings(config: Path) -> Settings:
    from cloudnet_sdn.model.settings import SettingsError, load

    try:
        return load(config)
    except SettingsError as error:
        raise Failed(str(error), Exit.USAGE) from error
