"""A federation's authority, a foreign one, and servers that go away with their test."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloudnet_sdn.pki import init_authority, issue
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.faults import Busy
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.rpc import Method, Service
from cloudnet_sdn.wire.server import Server
from cloudnet_sdn.wire.tls import TlsFiles


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("federation")
    init_authority(directory, "federation")
    return directory


@pytest.fixture(scope="session")
def role(authority: Path) -> TlsFiles:
    return issue(authority, "cloudnet:role:berlin", out=authority / "berlin")


@pytest.fixture(scope="session")
def tenant(authority: Path) -> TlsFiles:
    return issue(authority, "cloudnet:tenant:anna", out=authority / "anna")


@pytest.fixture(scope="session")
def foreign(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """A tenant's certificate of another authority; it trusts ours."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    init_authority(elsewhere, "federation")
    files = issue(elsewhere, "cloudnet:tenant:anna", out=elsewhere / "anna")
    return TlsFiles(authority / "ca.pem", files.cert, files.key)


@pytest.fixture
def service() -> Service:
    """Echoes, tells who calls, and fails in several ways."""

    def whoami(caller: Caller | None) -> str:
        return str(caller)

    def echo(_caller: Caller | None, value: dict) -> dict:
        return value

    def halve(_caller: Caller | None, number: float) -> float:
        return number / 2

    def busy(_caller: Caller | None) -> None:
        raise Busy("come back later", 2.5)

    def broken(_caller: Caller | None) -> None:
        raise KeyError("a secret")

    return Service(
        [
            Method("who.ami", whoami, ("string",), "Who calls."),
            Method("echo", echo, ("struct", "struct"), "What it is given."),
            Method("halve", halve, ("double", "double"), "Half of it."),
            Method("busy", busy, ("int",), "Never has time."),
            Method("broken", broken, ("int",), "Has a bug."),
        ]
    )


@pytest.fixture
def serving() -> Iterator[Callable[..., Server]]:
    """Starts servers on loopback; all are stopped after the test."""
    started: list[Server] = []

    def serve(service: Service, tls: TlsFiles | None, **options: int) -> Server:
        server = Server(service, "127.0.0.1", options.pop("port", 0), tls, **options)
        server.start()
        started.append(server)
        return server

    yield serve
    for server in started:
        server.stop()


@pytest.fixture
def calling() -> Iterator[Callable[..., Client]]:
    """Makes clients; all are closed after the test."""
    made: list[Client] = []

    def client(url: str, tls: TlsFiles | None = None, **options: float) -> Client:
        made.append(Client(url, tls, **options))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def nameless(authority: Path) -> TlsFiles:
    """A certificate of our authority, made by other tools, without an identity of ours."""
    signer = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate((authority / "ca.pem").read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloudnet:tenant:eve")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier("https://example.org/")]),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    files = TlsFiles(authority / "ca.pem", authority / "eve.pem", authority / "eve.key")
    files.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
