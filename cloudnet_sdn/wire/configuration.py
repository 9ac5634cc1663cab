"""What the configuration files of all processes have in common: TOML, addresses, URLs, TLS files.

Whatever is wrong is said in plain words, as the end of a sentence that begins with the key.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from cloudnet_sdn.wire.tls import TlsFiles, client_context

MOST_BYTES = 1 << 20
_LAST_PORT = 65535
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_TROUBLE = {
    errno.EADDRINUSE: "this port is in use by another process",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "this port is for root alone",
}


class ConfigurationError(ValueError):
    """A configuration, or a value of one, can't be used; says why in plain words.

    Attributes:
        problems: everything that is wrong; of a whole configuration each begins with its key.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def within(self, file: Path) -> Self:
        """The same, said of a file."""
        return type(self)(*(f"{file}: {problem}" for problem in self.problems))


class Endpoint(NamedTuple):
    """Where a peer is reached, from its URL."""

    scheme: str
    host: str
    port: int | None


class Public(NamedTuple):
    """How others reach a place that listens.

    Attributes:
        host: a name or an address; '' for where it listens.
        port: None for the one it listens on.
    """

    host: str
    port: int | None


WHERE_IT_LISTENS = Public("", None)


def read_toml(path: Path) -> dict[str, Any]:
    """The document in a TOML file.

    Raises:
        ConfigurationError: it can't be read, or is no TOML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise ConfigurationError(plain(exc)) from exc
    if len(data) > MOST_BYTES:
        raise ConfigurationError("this is no configuration: more than 1 MiB")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"this is no UTF-8 text (byte {exc.start})") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigurationError(f"this is no TOML: {exc}") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError("this is no TOML: too many digits, or nested too deep") from exc


def plain(error: OSError) -> str:
    """What the system says, in lower case and without numbers: `no such file or directory`."""
    said = error.strerror or str(error) or "it failed"
    return said[:1].lower() + said[1:]


def parse_listen(text: str) -> tuple[str, int]:
    """`HOST:PORT` as the two; an IPv6 address in brackets.

    Raises:
        ConfigurationError: it isn't one.
    """
    try:
        url = urlsplit(f"//{text}")
        host, port = url.hostname, url.port
    except ValueError:
        host, port = None, None
    if not host or port is None or url.netloc != text or "@" in text:
        wanted = f"HOST:PORT with a port of 0 to {_LAST_PORT} is wanted, such as 127.0.0.1:8443"
        raise ConfigurationError(f"{wanted}, not {text[:80]!r}")
    return host, port


def parse_public(text: str) -> Public:
    """`HOST` or `HOST:PORT`; an IPv6 address in brackets where there is a port.

    Raises:
        ConfigurationError: it isn't one.
    """
    if not text or _HOST.fullmatch(text) or is_address(text):
        return Public(text, None)
    try:
        host, port = parse_listen(text)
    except ConfigurationError:
        host, port = "", 0
    if not (_HOST.fullmatch(host) or is_address(host)) or not port:
        raise ConfigurationError(f"HOST or HOST:PORT is wanted, not {text[:80]!r}")
    return Public(host, port)


def is_address(host: str) -> bool:
    """Whether `host` is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_wildcard(host: str) -> bool:
    """Whether `host` is every address of a machine, and so no address of it."""
    return is_address(host) and ipaddress.ip_address(host).is_unspecified


def parse_url(text: str) -> Endpoint:
    """Where the peer of a URL is: `https://HOST[:PORT][/RPC2]`, or `http://` on loopback.

    Raises:
        ConfigurationError: it is no such URL.
    """
    wanted = "a URL such as https://HOST:PORT/RPC2 is wanted"
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        host, port = None, None
    if not host or url.scheme not in ("http", "https") or not text.isprintable() or " " in text:
        raise ConfigurationError(f"{wanted}, not {text[:80]!r}")
    if url.username is not None or url.query or url.fragment or port == 0:
        raise ConfigurationError(f"{wanted}, with nothing else in it, not {text[:80]!r}")
    return Endpoint(url.scheme, host, port)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, seen from nowhere else."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening_trouble(host: str, port: int) -> str:
    """Why nothing can listen there now; '' where something can."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError):
        return f"{host} is neither an address nor a name that stands for one"
    why = ""
    for family, kind, protocol, _, address in found:  # a name may stand for several
        try:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(address)
                tried.listen(1)
        except OSError as exc:
            why = why or f"{host}:{port}: {_TROUBLE.get(exc.errno or 0, plain(exc))}"
        else:
            return ""
    return why


def listening_troubles(places: Sequence[tuple[str, str, int]]) -> list[str]:
    """Why a process can't listen at all its (key, host, port); each with its key."""
    found = []
    taken: dict[tuple[str, int], str] = {}
    for key, host, port in places:
        first = taken.setdefault((host, port), key) if port else key
        if first != key:
            found.append(f"{key}: {host}:{port} is that of {first}, too")
        elif why := listening_trouble(host, port):
            found.append(f"{key}: {why}")
    return found


def tls_trouble(files: TlsFiles) -> str:
    """Why these files are no use for TLS; '' where they are."""
    try:
        client_context(files)
    except OSError as exc:
        return f"{exc.filename}: {plain(exc)}"
    except ValueError as exc:
        return str(exc)
    return ""


def folder_trouble(folder: Path) -> str:
    """Why no file can be made in a folder; '' where one can."""
    if not folder.exists():
        return f"the folder {folder} isn't there"
    if not folder.is_dir():
        return f"{folder} is no folder"
    return ""
