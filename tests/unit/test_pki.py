"""Authorities and certificates: who they name, what they are good for, who may read the keys."""

from __future__ import annotations

import datetime as dt
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from cloudnet_sdn.pki import init_authority, issue
from cloudnet_sdn.wire.tls import TlsFiles, client_context, server_context


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    init_authority(tmp_path / "ca", "the federation")
    return tmp_path / "ca"


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def uses(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_keys_are_the_owners_alone(authority: Path, tmp_path: Path) -> None:
    """Private keys have mode 0600 and their directories 0700; nothing else is left there."""
    files = issue(authority, "cloudnet:role:berlin", out=tmp_path / "berlin")
    for key in (authority / "ca.key", files.key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for directory in (authority, tmp_path / "berlin"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {p.name for p in authority.iterdir()} == {"ca.pem", "ca.key"}
    assert {p.name for p in (tmp_path / "berlin").iterdir()} == {"ca.pem", "cert.pem", "key.pem"}


def test_a_role_serves_and_calls(authority: Path, tmp_path: Path) -> None:
    hosts = ("pip.example.org", "192.0.2.7", "2001:db8::7")
    files = issue(authority, "cloudnet:role:berlin", out=tmp_path / "x", hosts=hosts)
    certificate = read(files.cert)
    san = names(certificate)
    assert san.get_values_for_type(x509.UniformResourceIdentifier) == ["cloudnet:role:berlin"]
    assert san.get_values_for_type(x509.DNSName) == ["pip.example.org"]
    assert [str(a) for a in san.get_values_for_type(x509.IPAddress)] == [*hosts[1:]]
    assert uses(certificate) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


@pytest.mark.parametrize("kind", ["tenant", "operator"])
def test_tenants_and_operators_only_call(authority: Path, tmp_path: Path, kind: str) -> None:
    """Their certificate names no host, or a customer could pose as the facade."""
    certificate = read(issue(authority, f"cloudnet:{kind}:anna", out=tmp_path / "anna").cert)
    assert uses(certificate) == {ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not names(certificate).get_values_for_type(x509.DNSName)
    assert not names(certificate).get_values_for_type(x509.IPAddress)


def test_certificates_sign_no_certificates(authority: Path, tmp_path: Path) -> None:
    certificate = read(issue(authority, "cloudnet:role:berlin", out=tmp_path / "x").cert)
    extension = certificate.extensions.get_extension_for_class
    assert not extension(x509.BasicConstraints).value.ca
    assert not extension(x509.KeyUsage).value.key_cert_sign
    assert extension(x509.BasicConstraints).critical


def test_certificates_end_with_their_authority(tmp_path: Path) -> None:
    """Asking for longer than the authority lives gives as long as it lives."""
    init_authority(tmp_path / "ca", "short", days=10)
    files = issue(tmp_path / "ca", "cloudnet:role:berlin", out=tmp_path / "x", days=100)
    assert read(files.cert).not_valid_after_utc == read(tmp_path / "ca/ca.pem").not_valid_after_utc
    short = issue(tmp_path / "ca", "cloudnet:role:berlin", out=tmp_path / "y", days=2)
    left = read(short.cert).not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=1) < left < dt.timedelta(days=2)


def test_an_authority_is_never_replaced(authority: Path) -> None:
    """A second `init` would make every certificate issued so far void."""
    before = (authority / "ca.key").read_bytes()
    with pytest.raises(FileExistsError):
        init_authority(authority, "another")
    assert (authority / "ca.key").read_bytes() == before


def test_certificates_are_renewed_in_place(authority: Path, tmp_path: Path) -> None:
    first = issue(authority, "cloudnet:role:berlin", out=tmp_path / "x")
    serial = read(first.cert).serial_number
    second = issue(authority, "cloudnet:role:berlin", out=tmp_path / "x")
    assert first == second
    assert read(second.cert).serial_number != serial
    server_context(second)
    client_context(second)


@pytest.mark.parametrize("uri", ["anna", "cloudnet:admin:anna", "cloudnet:tenant:../../etc"])
def test_other_uris_get_no_certificate(authority: Path, tmp_path: Path, uri: str) -> None:
    with pytest.raises(ValueError, match="is no cloudnet:"):
        issue(authority, uri, out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_without_an_authority_nothing_is_issued(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        issue(tmp_path, "cloudnet:tenant:anna", out=tmp_path / "x")


def test_a_certificate_does_not_fit_another_key(authority: Path, tmp_path: Path) -> None:
    one = issue(authority, "cloudnet:role:a", out=tmp_path / "a")
    two = issue(authority, "cloudnet:role:b", out=tmp_path / "b")
    with pytest.raises(ValueError, match=r"key\.pem"):
        server_context(TlsFiles(one.ca, one.cert, two.key))


def test_openssl_agrees(authority: Path, tmp_path: Path, need: Callable[[str], str]) -> None:
    """Another implementation finds the chain good, as client and as server, strictly."""
    openssl = need("openssl")
    files = issue(authority, "cloudnet:role:berlin", out=tmp_path / "x")
    for purpose in ("sslserver", "sslclient"):
        check = [openssl, "verify", "-x509_strict", "-purpose", purpose, "-CAfile", files.ca]
        subprocess.run([*check, files.cert], check=True, capture_output=True)
