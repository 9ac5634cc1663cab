"""Which role is talked to, and as whom: options, environment, configuration files.

Each of the settings (`at`, `ca`, `cert`, `key`, `role`) is taken from the first that has it: the
option, the variable `CLOUDNET_AT` … `CLOUDNET_ROLE`, the profile. Profiles stand in
`$XDG_CONFIG_HOME/cloudnet-sdn/config.toml` (else below `~/.config`) and in
`/etc/cloudnet-sdn/config.toml`, the user's before the machine's:

    default = "lab"

    [profile.lab]
    at = "https://vnp.example:8642/RPC2"
    ca = "federation.pem"             # relative to this file
    cert = "alice.pem"
    key = "alice.key"
    role = "vnp"                      # whom its certificate has to name; left out: any role
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloudnet_sdn.wire.configuration import ConfigurationError, is_loopback, parse_url
from cloudnet_sdn.wire.identity import Caller, Kind, Peer
from cloudnet_sdn.wire.tls import TlsFiles

FILES = ("ca", "cert", "key")
SETTINGS = ("at", *FILES, "role")
SYSTEM_FILE = Path("/etc/cloudnet-sdn/config.toml")


class ProfileError(ConfigurationError):
    """The settings don't add up to a role that can be talked to; says what is missing and where."""


@dataclass(frozen=True, slots=True)
class Target:
    """A role to talk to.

    Attributes:
        at: the URL of its facade.
        tls: the caller's files; None on plain loopback.
        peer: whom its certificate has to name.
    """

    at: str
    tls: TlsFiles | None
    peer: Peer = Kind.ROLE


@dataclass(frozen=True)
class Profiles:
    """The profiles of the configuration files, by name, and the one that is the default."""

    by_name: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    default: str | None = None

    def get(self, name: str | None) -> Mapping[str, str]:
        """The profile `name`; without a name the default one, or the only one, or none.

        Raises:
            ProfileError: there is no profile of that name.
        """
        wanted = name or self.default
        if wanted is None:
            return next(iter(self.by_name.values())) if len(self.by_name) == 1 else {}
        if wanted not in self.by_name:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise ProfileError(f"there is no profile {wanted!r} (known: {known})")
        return self.by_name[wanted]


def files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where profiles are looked for, the most important first."""
    home = Path(environ.get("HOME") or "/")
    base = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return (base / "cloudnet-sdn" / "config.toml", SYSTEM_FILE)


def load(paths: Sequence[Path]) -> Profiles:
    """The profiles of those of `paths` that exist; an earlier file hides a later one's.

    Raises:
        ProfileError: a file can't be read, isn't TOML, or has keys that mean nothing.
    """
    by_name: dict[str, Mapping[str, str]] = {}
    default: str | None = None
    for path in paths:
        if not path.exists():
            continue
        from cloudnet_sdn.profile_file import FORM  # most machines have none to read

        try:
            one = FORM.load(path)
        except ConfigurationError as error:
            raise ProfileError(*error.problems) from error
        by_name = {**{name: p.given() for name, p in one.profile.items()}, **by_name}
        default = default or one.default
    return Profiles(by_name, default)


def resolve(
    given: Mapping[str, str | None],
    environ: Mapping[str, str],
    profiles: Profiles,
    profile: str | None = None,
) -> Target:
    """The target that options, environment and profile add up to.

    Args:
        given: the options by setting, None or '' where not given.
        environ: the process's environment.
        profiles: of the configuration files.
        profile: the profile's name; `CLOUDNET_PROFILE` and the default one otherwise.

    Raises:
        ProfileError: no URL, an unusable one, or a file of the caller's missing.
    """
    chosen = profiles.get(profile or environ.get("CLOUDNET_PROFILE") or None)
    settings = {
        name: given.get(name) or environ.get(f"CLOUDNET_{name.upper()}") or chosen.get(name) or ""
        for name in SETTINGS
    }
    if not settings["at"]:
        raise ProfileError("which role? Give --at URL, set CLOUDNET_AT, or write a profile")
    return Target(settings["at"], _tls(settings), _peer(settings["role"]))


def _peer(name: str) -> Peer:
    if not name:
        return Kind.ROLE
    try:
        return Caller.parse(f"cloudnet:{Kind.ROLE}:{name}")
    except ValueError as error:
        text = f"--role: {name[:80]!r} is no name: 1 to 63 letters, digits and . _ @ -"
        raise ProfileError(text) from error


def _tls(settings: Mapping[str, str]) -> TlsFiles | None:
    try:
        scheme, host, _ = parse_url(settings["at"])
    except ConfigurationError as error:
        raise ProfileError(f"--at: {error}") from error
    if scheme == "http":
        if not is_loopback(host):
            raise ProfileError(f"{settings['at']}: plain HTTP is for loopback alone; use https://")
        return None
    missing = [f"--{name}" for name in FILES if not settings[name]]
    if missing:
        raise ProfileError(
            f"{settings['at']}: {', '.join(missing)} missing (or CLOUDNET_CA, CLOUDNET_CERT, "
            "CLOUDNET_KEY, or a profile)"
        )
    ca, cert, key = (_file(settings[name]) for name in FILES)
    for path in (ca, cert, key):
        if not path.is_file():
            raise ProfileError(f"{path}: no such file")
    return TlsFiles(ca=ca, cert=cert, key=key)


def _file(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ProfileError(f"{name}: nobody of that name has a home here") from error
