"""`cloudnet pki init|issue|revoke`: the command line of `cloudnet_sdn.pki`."""

from __future__ import annotations

from pathlib import Path

import click

from cloudnet_sdn.cli.numbers import LIFETIME
from cloudnet_sdn.cli.outcome import Exit, Failed
from cloudnet_sdn.cli.output import Format, emit, format_option, pairs, talk

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def pki() -> None:
    """Make certificate authorities and issue certificates.

    A federation's authority signs the facades and their callers; each provider has an internal one
    for its controller and its agents.
    """


@pki.command()
@click.argument("directory", type=FOLDER)
@click.option("--name", default="CloudNet federation", show_default=True, help="For people.")
@click.option("--days", type=LIFETIME, help="How long it is good.")
@format_option
def init(directory: Path, name: str, days: int | None, fmt: Format) -> None:
    """Make an authority in DIRECTORY: ca.pem, which may be shown, and ca.key, which may not."""
    from cloudnet_sdn.pki import AUTHORITY_DAYS, init_authority

    try:
        ca = init_authority(directory, name, days=days or AUTHORITY_DAYS)
    except FileExistsError as error:
        raise Failed(f"{directory}: there is an authority already", Exit.CONFLICT) from error
    except ValueError as error:
        raise Failed(f"--name: {error}", Exit.USAGE) from error
    data = {"ca": str(ca.absolute()), "key": str((directory / "ca.key").absolute())}
    emit(fmt, data, lambda: pairs(data))


@pki.command()
@click.argument("directory", type=FOLDER)
@click.argument("uri", metavar="cloudnet:KIND:NAME")
@click.option("--out", type=FOLDER, required=True, help="Folder for ca.pem, cert.pem, key.pem.")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="Where a role or shell is "
              "(DNS name or address); may be repeated.  [default: this machine]")  # fmt: skip
@click.option("--days", type=LIFETIME, help="How long it is good.")
@format_option
def issue(
    *, directory: Path, uri: str, out: Path, hosts: tuple[str, ...], days: int | None, fmt: Format
) -> None:
    """Issue a certificate of the authority in DIRECTORY; KIND is tenant, role, operator or shell.

    A shell's NAME is its substrate element, or `controller`.

    What is in the folder --out is replaced.
    """
    from cloudnet_sdn.pki import DAYS, LOCAL_HOSTS
    from cloudnet_sdn.pki import issue as sign

    try:
        files = sign(directory, uri, out=out, hosts=hosts or LOCAL_HOSTS, days=days or DAYS)
    except FileNotFoundError as error:
        text = f"{directory}: there is no authority; make one with: cloudnet pki init {directory}"
        raise Failed(text, Exit.USAGE) from error
    except ValueError as error:
        raise Failed(str(error), Exit.USAGE) from error
    data = {"ca": files.ca, "cert": files.cert, "key": files.key}
    shown = {name: str(path.absolute()) for name, path in data.items()}
    emit(fmt, shown, lambda: pairs(shown))
    talk(f"{files.key} is secret: give it to nobody but {uri}")


@pki.command()
@click.argument("directory", type=FOLDER)
@click.argument("certificate", type=click.Path(dir_okay=False, path_type=Path))
@format_option
def revoke(directory: Path, certificate: Path, fmt: Format) -> None:
    """Revoke CERTIFICATE, of the authority in DIRECTORY, and write its crl.pem anew.

    Copy crl.pem to where `crl` in the configurations says: it is used without a restart.
    """
    from cloudnet_sdn.pki import revoke as sign

    try:
        crl = sign(directory, certificate)
    except FileNotFoundError as error:
        raise Failed(f"{error.filename}: no such file", Exit.USAGE) from error
    except ValueError as error:
        raise Failed(str(error), Exit.USAGE) from error
    data = {"crl": str(crl.absolute())}
    emit(fmt, data, lambda: pairs(data))
