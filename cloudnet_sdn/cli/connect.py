"""The options of a connection: the role that a command talks to, and as whom."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = (
    click.option("--at", metavar="URL", help="The role's facade: https://HOST:PORT/RPC2."),
    click.option("--ca", metavar="FILE", help="The federation's certificate authority."),
    click.option("--cert", metavar="FILE", help="Your certificate."),
    click.option("--key", metavar="FILE", help="Its key."),
    click.option("--role", "named", metavar="NAME", help="Whom its certificate has to name."),
    click.option("--profile", metavar="NAME", help="Take what is not given from this profile."),
)


def connected(command: F) -> Callable[..., Any]:
    """Add the options of a connection; the command gets a `RoleClient` as its first argument."""

    @functools.wraps(command)
    def with_role(
        *args: Any,
        at: str | None,
        ca: str | None,
        cert: str | None,
        key: str | None,
        named: str | None,
        profile: str | None,
        **kwargs: Any,
    ) -> Any:
        from cloudnet_sdn import profile as profiles
        from cloudnet_sdn.client import RoleClient

        given = {"at": at, "ca": ca, "cert": cert, "key": key, "role": named}
        known = profiles.load(profiles.files(os.environ))
        target = profiles.resolve(given, os.environ, known, profile)
        with RoleClient.at(target) as role:
            return command(role, *args, **kwargs)

    wrapped: Callable[..., Any] = with_role
    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped
