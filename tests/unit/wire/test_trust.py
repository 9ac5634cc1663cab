"""Whom a certificate lets do what, who is meant at the other end, and what is revoked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cloudnet_sdn.pki import init_authority, issue, revoke
from cloudnet_sdn.wire import tls as tls_module
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.faults import Forbidden, PeerAway, Unauthenticated
from cloudnet_sdn.wire.identity import CONTROLLER, Kind, role, shell
from cloudnet_sdn.wire.rpc import Service
from cloudnet_sdn.wire.server import Server
from cloudnet_sdn.wire.tls import TlsFiles

Serving = Callable[..., Server]
Calling = Callable[..., Client]


@pytest.fixture(autouse=True)
def look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # The files' times are looked at now and then; here, each time.
    monkeypatch.setattr(tls_module, "LOOK_S", 0.0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A provider's internal authority."""
    init_authority(tmp_path / "ca", "internal")
    return tmp_path


def own(home: Path, uri: str) -> TlsFiles:
    return issue(home / "ca", uri, out=home / uri.replace(":", "-"))


def test_a_shell_commands_nothing(
    service: Service, serving: Serving, calling: Calling, home: Path
) -> None:
    """Its certificate is good for being called; it may read what everybody may."""
    server = serving(service, own(home, "cloudnet:shell:sn1"))
    thief = calling(server.url, own(home, "cloudnet:shell:sn2"))
    with pytest.raises(Forbidden):
        thief.call("who.ami")
    (inner,) = thief.call("system.multicall", [{"methodName": "who.ami", "params": []}])
    assert inner["faultCode"] == 403
    assert "who.ami" in thief.call("system.listMethods")
    berlin = calling(server.url, own(home, "cloudnet:role:berlin"))
    assert berlin.call("who.ami") == "cloudnet:role:berlin"


def test_who_is_reached_is_who_is_meant(
    service: Service, serving: Serving, calling: Calling, home: Path
) -> None:
    """Munich's certificate where Berlin's is meant is an error that names both; nothing is sent."""
    server = serving(service, own(home, "cloudnet:role:munich"))
    berlin = own(home, "cloudnet:role:berlin")
    for peer, meant in [
        (role("berlin"), "cloudnet:role:berlin"),
        (shell("munich"), "cloudnet:shell:munich"),
        (shell(CONTROLLER), "cloudnet:shell:controller"),
        (Kind.SHELL, "cloudnet:shell:"),
    ]:
        with pytest.raises(PeerAway, match=f"{meant}.*meant.*is of cloudnet:role:munich"):
            calling(server.url, berlin, peer=peer).call("who.ami")
    for peer in (role("munich"), Kind.ROLE, None):
        assert calling(server.url, berlin, peer=peer).call("who.ami") == "cloudnet:role:berlin"


def test_a_revoked_caller_is_refused(
    service: Service, serving: Serving, calling: Calling, home: Path
) -> None:
    """Without a restart, and on connections too that were there before; others aren't."""
    first = own(home, "cloudnet:tenant:first")
    crl = revoke(home / "ca", first.cert)
    server = serving(service, replace(own(home, "cloudnet:role:berlin"), crl=crl))
    anna, ben = own(home, "cloudnet:tenant:anna"), own(home, "cloudnet:tenant:ben")
    stolen, good = calling(server.url, anna), calling(server.url, ben)
    for client in (stolen, good):
        client.call("who.ami")
    with pytest.raises(Unauthenticated):
        calling(server.url, first).call("who.ami")
    assert revoke(home / "ca", anna.cert) == crl
    with pytest.raises(Unauthenticated):
        stolen.call("who.ami")
    assert good.call("who.ami") == "cloudnet:tenant:ben"
    renewed = own(home, "cloudnet:tenant:anna")
    assert calling(server.url, renewed).call("who.ami") == "cloudnet:tenant:anna"


def test_a_revoked_server_is_not_trusted(
    service: Service, serving: Serving, calling: Calling, home: Path
) -> None:
    """Nor on a connection that is kept."""
    files = own(home, "cloudnet:shell:sn1")
    other = own(home, "cloudnet:shell:sn2")
    crl = revoke(home / "ca", other.cert)
    server = serving(service, files)
    client = calling(server.url, replace(own(home, "cloudnet:role:berlin"), crl=crl))
    client.call("who.ami")
    revoke(home / "ca", files.cert)
    with pytest.raises(PeerAway, match="revoked"):
        client.call("who.ami")


def test_new_certificates_are_used_without_a_restart(
    service: Service, serving: Serving, calling: Calling, home: Path
) -> None:
    """Renewed in place, at both ends; files that don't fit are left alone until they do."""
    files, mine = own(home, "cloudnet:role:berlin"), own(home, "cloudnet:tenant:anna")
    server = serving(service, files)
    client = calling(server.url, mine, peer=role("berlin"))
    assert client.call("who.ami") == "cloudnet:tenant:anna"

    key = files.key.read_bytes()
    issue(home / "ca", "cloudnet:role:munich", out=files.cert.parent)
    other = files.key.read_bytes()
    files.key.write_bytes(key)  # as between the two replacements
    assert client.call("who.ami") == "cloudnet:tenant:anna"
    files.key.write_bytes(other)
    with pytest.raises(PeerAway, match="is of cloudnet:role:munich"):
        client.call("who.ami")

    issue(home / "ca", "cloudnet:tenant:ben", out=mine.cert.parent)
    assert calling(server.url, mine).call("who.ami") == "cloudnet:tenant:ben"


def test_only_an_authority_s_own_certificates_are_revoked(home: Path) -> None:
    init_authority(home / "elsewhere", "internal")
    foreign = issue(home / "elsewhere", "cloudnet:role:berlin", out=home / "foreign")
    with pytest.raises(ValueError, match="not issued by"):
        revoke(home / "ca", foreign.cert)
    with pytest.raises(ValueError, match="no PEM certificate"):
        revoke(home / "ca", foreign.key)
    assert not (home / "ca" / "crl.pem").exists()
    mine = own(home, "cloudnet:role:berlin")
    before = revoke(home / "ca", mine.cert).read_bytes()
    assert revoke(home / "ca", mine.cert).read_bytes() == before
