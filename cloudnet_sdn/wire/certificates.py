"""What a certificate's file says: whose it is, and which hosts it is good for."""

from __future__ import annotations

from pathlib import Path

from cloudnet_sdn.wire.configuration import (
    ConfigurationError,
    Public,
    is_loopback,
    is_wildcard,
    parse_public,
    plain,
)
from cloudnet_sdn.wire.identity import Caller


def identity_in(file: Path) -> Caller | None:
    """Whom the certificate in a PEM file names; None for nobody of ours, or several.

    Raises:
        ValueError: it is none.
        OSError: it can't be read.
    """
    from cryptography import x509

    uris = _names(file, x509.UniformResourceIdentifier)
    ours = [uri for uri in uris if uri.startswith("cloudnet:")]
    try:
        found = [Caller.parse(uri) for uri in ours]
    except ValueError:
        return None
    return found[0] if len(found) == 1 else None


def identity_trouble(file: Path, wanted: Caller) -> str:
    """Why a certificate isn't that of `wanted`; '' where it is."""
    try:
        found = identity_in(file)
    except OSError as exc:
        return f"{file}: {plain(exc)}"
    except ValueError:
        return f"{file}: no PEM certificate"
    if found == wanted:
        return ""
    return f"{file} is the certificate of {found or 'nobody of ours'}; that of {wanted} is wanted"


def hosts_in(file: Path) -> list[str]:
    """The hosts that the certificate in a PEM file is good for: names first, then addresses.

    Raises:
        ValueError: it is none.
        OSError: it can't be read.
    """
    from cryptography import x509

    return _names(file, x509.DNSName) + _names(file, x509.IPAddress)


def public_place(listen: str, public: str, cert: Path) -> Public:
    """What the URLs of a server that listens on the host `listen` say.

    Args:
        listen: an address or a name.
        public: `HOST` or `HOST:PORT` as configured; '' where it isn't.
        cert: the server's certificate.

    Raises:
        ConfigurationError: it listens on every address, so that says nothing, nothing is
            configured, and the certificate names no host that others know.
    """
    if public:
        return parse_public(public)
    if not is_wildcard(listen):
        return Public(listen, None)
    try:
        hosts = hosts_in(cert)
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{cert}: no PEM certificate") from exc
    for host in hosts:
        if not is_loopback(host) and "*" not in host:
            return Public(host.rstrip("."), None)
    raise ConfigurationError(
        f"missing: {listen} is every address of this machine, and {cert} names no host that "
        "others know; say HOST or HOST:PORT, as URLs are to have it"
    )


def _names(file: Path, kind: type) -> list[str]:
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name) for name in names.get_values_for_type(kind)]
