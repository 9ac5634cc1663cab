"""Authorities and certificates of a federation: `cloudnet pki init`, `issue`, `revoke`."""

from __future__ import annotations

import datetime as dt
import errno
import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloudnet_sdn.wire.identity import Caller, Kind
from cloudnet_sdn.wire.tls import TlsFiles

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
AUTHORITY_DAYS = 3650
DAYS = 397
_MOST_NAME = 64
"""Of a common name (RFC 5280, appendix A.1)."""

_HOST = re.compile(r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_SKEW = dt.timedelta(minutes=5)


def init_authority(directory: Path, name: str, *, days: int = AUTHORITY_DAYS) -> Path:
    """Make an authority: `ca.pem`, and `ca.key` (mode 0600), in `directory`.

    Args:
        directory: made if it isn't there, mode 0700.
        name: for people, in the subject.
        days: how long it is good.

    Returns:
        The path of `ca.pem`.

    Raises:
        ValueError: `name` can't stand in a certificate.
        FileExistsError: there is an authority in it; another one would make its certificates void.
    """
    if not 1 <= len(name) <= _MOST_NAME or not name.isprintable():
        raise ValueError(f"1 to {_MOST_NAME} printable characters are wanted")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (directory / "ca.key").exists() or (directory / "ca.pem").exists():
        raise FileExistsError(errno.EEXIST, "there is an authority already", str(directory))
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(_key_id(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(directory / "ca.key", _pem(key), mode=0o600)
    return _write(directory / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))


def issue(
    directory: Path,
    uri: str,
    *,
    out: Path,
    hosts: Sequence[str] = LOCAL_HOSTS,
    days: int = DAYS,
) -> TlsFiles:
    """Issue a certificate: `cert.pem`, `key.pem` (mode 0600) and a copy of `ca.pem` in `out`.

    Roles serve and call, so theirs names `hosts` too; so do shells, which call nobody but each
    other's tunnels. Tenants and operators only call, and a certificate of theirs never passes for
    a server's.

    Args:
        directory: the authority's, see `init_authority`.
        uri: `cloudnet:tenant|role|operator|shell:NAME`.
        out: made if it isn't there, mode 0700. What is in it is replaced.
        hosts: DNS names and addresses where a role's servers are.
        days: how long it is good; not longer than its authority.

    Returns:
        The three files.

    Raises:
        ValueError: no such URI or host, or files of an authority that are none.
        FileNotFoundError: `directory` has no authority.
    """
    caller = Caller.parse(uri)
    authority, signer = _authority(directory)
    names_of_hosts = [_host(h) for h in hosts]
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, caller.name)])
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(caller.uri)]
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if caller.kind in (Kind.ROLE, Kind.SHELL):
        names += names_of_hosts
        purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
    certificate = (
        _builder(subject, authority.subject, key.public_key(), days, authority.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_key_id(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    return TlsFiles(
        ca=_write(out / "ca.pem", authority.public_bytes(serialization.Encoding.PEM)),
        cert=_write(out / "cert.pem", certificate.public_bytes(serialization.Encoding.PEM)),
        key=_write(out / "key.pem", _pem(key), mode=0o600),
    )


def revoke(directory: Path, certificate: Path) -> Path:
    """Add a certificate to those that the authority in `directory` has revoked: `crl.pem`.

    The list holds as long as the authority, so that nobody is locked out by an old one; whoever is
    to obey it gets a copy of the new one.

    Args:
        directory: the authority's, see `init_authority`.
        certificate: a PEM file, or a copy; a certificate of this authority.

    Returns:
        The path of `crl.pem`. Revoking what is revoked changes nothing.

    Raises:
        ValueError: it is no certificate of this authority, or files of an authority are none.
        FileNotFoundError: `directory` has no authority, or `certificate` isn't there.
    """
    authority, signer = _authority(directory)
    try:
        revoked = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError as exc:
        raise ValueError(f"{certificate}: no PEM certificate") from exc
    try:
        revoked.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as exc:
        raise ValueError(f"{certificate}: not issued by the authority in {directory}") from exc
    file = directory / "crl.pem"
    before = _revoked(file)
    if any(one.serial_number == revoked.serial_number for one in before):
        return file
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(now)
        .next_update(authority.not_valid_after_utc)
        .add_extension(x509.CRLNumber(len(before) + 1), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    added = (
        x509.RevokedCertificateBuilder()
        .serial_number(revoked.serial_number)
        .revocation_date(now)
        .build()
    )
    for one in (*before, added):
        builder = builder.add_revoked_certificate(one)
    signed = builder.sign(signer, hashes.SHA256())
    return _write(file, signed.public_bytes(serialization.Encoding.PEM))


def _revoked(file: Path) -> list[x509.RevokedCertificate]:
    """Those on a list; none where there is no list yet."""
    if not file.exists():
        return []
    try:
        return list(x509.load_pem_x509_crl(file.read_bytes()))
    except ValueError as exc:
        raise ValueError(f"{file}: no PEM list of revoked certificates") from exc


def _authority(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The certificate and the key of the authority in a folder."""
    certificate, key = directory / "ca.pem", directory / "ca.key"
    try:
        authority = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError as exc:
        raise ValueError(f"{certificate}: no PEM certificate") from exc
    try:
        signer = serialization.load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise ValueError(f"{key}: no PEM key without a passphrase") from exc
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key}: no EC key")  # noqa: TRY004  a file's fault
    if signer.public_key() != authority.public_key():
        raise ValueError(f"{key}: not the key of {certificate}")
    return authority, signer


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    days: int,
    latest: dt.datetime | None = None,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    end = now + dt.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(min(end, latest) if latest else end)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_id(key: ec.EllipticCurvePublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key)


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if not _HOST.fullmatch(name):
            text = f"host: {name[:80]!r} is neither an address nor a DNS name"
            raise ValueError(text) from None
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, *, mode: int = 0o644) -> Path:
    """Put a file in place whole, with its mode from the first byte on."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
    aside.replace(path)
    return path
