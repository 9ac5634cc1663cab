"""The client's configuration file: profiles by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from cloudnet_sdn.wire.configuration import ConfigurationError
from cloudnet_sdn.wire.files import File
from cloudnet_sdn.wire.reading import Form


def _at_home(name: Any) -> Any:
    """A name that begins with `~` is one in somebody's home."""
    if not isinstance(name, str) or not name.startswith("~"):
        return name
    try:
        return str(Path(name).expanduser())
    except RuntimeError as error:
        raise ConfigurationError(f"{name}: nobody of that name has a home here") from error


OwnFile = Annotated[File, BeforeValidator(_at_home)]


@dataclass(frozen=True)
class Profile:
    """A role to talk to, and as whom; what is left out comes from options or the environment.

    Attributes:
        at: the URL of the role's facade.
        ca: the federation's authority.
        cert: the caller's certificate.
        key: its private key.
        role: the name of the role that is meant.
    """

    at: str | None = None
    ca: OwnFile | None = None
    cert: OwnFile | None = None
    key: OwnFile | None = None
    role: str | None = None

    def given(self) -> Mapping[str, str]:
        """What is told, as text."""
        return {name: str(value) for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class ProfileFile:
    """The profiles of one file.

    Attributes:
        default: the name of the one that is taken where none is asked for.
        profile: the profiles by name.
    """

    default: str | None = None
    profile: Mapping[str, Profile] = field(default_factory=dict)


FORM = Form(ProfileFile)
"""The client's configuration."""
