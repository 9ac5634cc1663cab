"""`cloudnet db upgrade`: the store's schema."""

from __future__ import annotations

from pathlib import Path

import click

from cloudnet_sdn.cli.outcome import Exit, Failed
from cloudnet_sdn.cli.output import Format, emit, format_option, pairs
from cloudnet_sdn.cli.progress import working


@click.group()
def db() -> None:
    """Look after the store of a role."""


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
        url = _store_of(config)
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


def _store_of(config: Path) -> str:
    from cloudnet_sdn.model.settings import SettingsError, load

    try:
        return load(config).store.url
    except SettingsError as error:
        raise Failed(str(error), Exit.USAGE) from error
