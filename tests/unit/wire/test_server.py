"""The server on real sockets: certificates, hostile and slow clients, plain `xmlrpc.client`."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from cloudnet_sdn.wire import server as server_module
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.codec import dump_call, load_answer
from cloudnet_sdn.wire.faults import Busy, CloudnetError, TooLarge, Unauthenticated
from cloudnet_sdn.wire.identity import LOCAL
from cloudnet_sdn.wire.rpc import Method, Service
from cloudnet_sdn.wire.server import Server
from cloudnet_sdn.wire.tls import TlsFiles

Serving = Callable[..., Server]
Calling = Callable[..., Client]


def context_of(files: TlsFiles, *, show: bool = True) -> ssl.SSLContext:
    """What a user of plain `xmlrpc.client` writes."""
    context = ssl.create_default_context(cafile=str(files.ca))
    if show:
        context.load_cert_chain(files.cert, files.key)
    return context


@contextmanager
def proxy(server: Server, context: ssl.SSLContext | None) -> Iterator[xmlrpc.client.ServerProxy]:
    with xmlrpc.client.ServerProxy(server.url, context=context) as made:
        yield made


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_plain_client_calls_with_its_certificate(
    service: Service, serving: Serving, role: TlsFiles, tenant: TlsFiles, host: str
) -> None:
    """`xmlrpc.client.ServerProxy` with an ssl context is all it takes, faults included."""
    server = serving(service, role)
    url = f"https://{host}:{server.port}/RPC2"
    with xmlrpc.client.ServerProxy(url, context=context_of(tenant)) as plain:
        assert plain.who.ami() == "cloudnet:tenant:anna"
        assert plain.echo({"a": [1, 2.5, True, "x"]}) == {"a": [1, 2.5, True, "x"]}
        assert plain.system.methodSignature("echo") == [["struct", "struct"]]
        for call, code in [(plain.busy, 429), (plain.broken, 500), (plain.nix, -32601)]:
            with pytest.raises(xmlrpc.client.Fault) as caught:
                call()
            assert caught.value.faultCode == code
        with pytest.raises(xmlrpc.client.Fault) as caught:
            plain.echo(1)
        assert caught.value.faultCode == -32602
        many = xmlrpc.client.MultiCall(plain)
        many.who.ami()
        many.halve(1.0)
        assert list(many()) == ["cloudnet:tenant:anna", 0.5]


def test_a_client_without_certificate_gets_fault_401(
    service: Service, serving: Serving, role: TlsFiles
) -> None:
    """It is answered, and may read the introspection, and nothing else."""
    server = serving(service, role)
    with proxy(server, context_of(role, show=False)) as plain:
        with pytest.raises(xmlrpc.client.Fault) as caught:
            plain.who.ami()
        assert caught.value.faultCode == 401
        assert "who.ami" in plain.system.listMethods()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_foreign_certificate_ends_the_handshake(
    service: Service, serving: Serving, role: TlsFiles, foreign: TlsFiles, version: ssl.TLSVersion
) -> None:
    """The client reads the alert that says so, not a reset; also under TLS 1.3."""
    server = serving(service, role)
    context = context_of(foreign)
    context.maximum_version = version
    with proxy(server, context) as plain, pytest.raises(ssl.SSLError, match=r"(?i)unknown ca"):
        plain.system.listMethods()


def test_old_tls_is_refused(service: Service, serving: Serving, role: TlsFiles) -> None:
    server = serving(service, role)
    context = context_of(role)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain, server_hostname="localhost")


def test_plain_http_is_for_loopback_alone(
    service: Service, serving: Serving, calling: Calling
) -> None:
    """On loopback everybody is the local operator; elsewhere it isn't served."""
    server = serving(service, None)
    assert server.url == f"http://127.0.0.1:{server.port}/RPC2"
    assert calling(server.url).call("who.ami") == LOCAL.uri
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org", ""):
        with pytest.raises(ValueError, match="loopback"):
            Server(service, host, 0, None)


def test_plain_http_to_a_tls_port_does_no_harm(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles
) -> None:
    server = serving(service, role)
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        plain.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.settimeout(5)
        assert b"200" not in plain.recv(1000)
    assert calling(server.url, role).call("who.ami") == "cloudnet:role:berlin"


def test_a_taken_port_is_an_error(service: Service, serving: Serving) -> None:
    server = serving(service, None)
    with pytest.raises(OSError, match="in use"):
        Server(service, "127.0.0.1", server.port, None).start()


def test_a_missing_file_is_named(service: Service, role: TlsFiles) -> None:
    """And a key that isn't the certificate's is told, both before anything listens."""
    gone = role.key.with_name("gone.pem")
    with pytest.raises(FileNotFoundError, match=r"gone\.pem"):
        Server(service, "127.0.0.1", 0, TlsFiles(role.ca, role.cert, gone))
    with pytest.raises(ValueError, match=r"ca\.pem"):
        Server(service, "127.0.0.1", 0, TlsFiles(role.ca, role.ca, role.key))


def test_a_stopped_server_is_gone_and_its_port_free(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles
) -> None:
    """Stopping twice is fine; another one can have the port at once; clients go on."""
    server = serving(service, role)
    client = calling(server.url, role)
    client.call("who.ami")
    server.stop()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 5)
    serving(service, role, port=server.port)
    assert client.call("who.ami") == "cloudnet:role:berlin"


def test_connections_are_kept(service: Service, serving: Serving, role: TlsFiles) -> None:
    server = serving(service, role)
    connection = http.client.HTTPSConnection(
        "127.0.0.1", server.port, context=context_of(role), timeout=5
    )
    with ExitStack() as stack:
        stack.callback(connection.close)
        seen = set()
        for _ in range(3):
            connection.request("POST", "/RPC2", dump_call("who.ami", []))
            with connection.getresponse() as response:
                assert load_answer(response.read()) == "cloudnet:role:berlin"
            seen.add(connection.sock)
        assert len(seen) == 1


# -- hostile and slow clients ---------------------------------------------------------------


def test_too_large_a_request_is_fault_413(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles
) -> None:
    """The client gets the fault though it sends all before it reads; 16 MiB of RDL pass."""
    server = serving(service, role)
    client = calling(server.url, role)
    text = "x" * 16 * 1024 * 1024
    assert client.call("echo", {"rdl": text}) == {"rdl": text}
    with pytest.raises(TooLarge):
        client.call("echo", {"rdl": text * 2})
    assert client.call("who.ami") == "cloudnet:role:berlin"


def test_an_immense_request_is_cut_off(service: Service, serving: Serving) -> None:
    """A promised terabyte isn't waited for."""
    server = serving(service, None)
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        plain.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n")
        plain.settimeout(5)
        assert b" 413 " in plain.recv(1000)


def test_endless_headers_are_cut_off(service: Service, serving: Serving) -> None:
    server = serving(service, None)
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        plain.settimeout(5)
        plain.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nX: ")
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                plain.sendall(b"x" * 1000)


def test_a_chunked_body_is_refused_and_ends_the_connection(
    service: Service, serving: Serving
) -> None:
    """Its bytes are never taken for another request."""
    server = serving(service, None)
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        plain.settimeout(5)
        plain.sendall(
            b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"10\r\nGET / HTTP/1.1\r\n\r\n0\r\n\r\n"
        )
        answer = b""
        while part := plain.recv(1000):
            answer += part
    assert answer.startswith(b"HTTP/1.1 411")
    assert answer.count(b"HTTP/1.1") == 1


def test_silent_and_slow_clients_starve_nobody(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles
) -> None:
    """With few places for calls and many that connect and stall at every stage, others go on."""
    server = serving(service, role, threads=2)
    half_request = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<method"
    with ExitStack() as stack:
        for n in range(60):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
            if n % 3 == 1:
                slow.sendall(b"\x16\x03\x01")  # a third of a TLS record's head
            if n % 3 == 2:
                wrapped = context_of(role).wrap_socket(slow, server_hostname="localhost")
                stack.enter_context(wrapped).sendall(half_request)
        client = calling(server.url, role, timeout_s=5)
        begun = time.monotonic()
        for _ in range(20):
            client.call("who.ami")
        assert time.monotonic() - begun < 3


def test_a_dripping_request_is_ended(
    service: Service, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then doesn't prolong the time a request has."""
    monkeypatch.setattr(server_module, "REQUEST_S", 0.5)
    server = serving(service, None)
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        begun = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() - begun < 10:
                plain.sendall(b"P")
                time.sleep(0.05)
        assert time.monotonic() - begun < 3


def test_a_long_call_is_answered(
    serving: Serving, calling: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long a method takes counts neither as the request's time nor as its answer's."""
    monkeypatch.setattr(server_module, "REQUEST_S", 0.3)
    monkeypatch.setattr(server_module, "ANSWER_S", 0.3)

    def work(_caller: object) -> int:
        time.sleep(0.8)
        return 7

    client = calling(serving(Service([Method("work", work, ("int",), "Works.")]), None).url)
    assert client.call("work") == 7
    assert client.call("work") == 7


def test_a_stalled_handshake_is_ended(
    service: Service, serving: Serving, role: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE_S", 0.3)
    server = serving(service, role)
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        plain.sendall(b"\x16\x03\x01\x02\x00")
        plain.settimeout(5)
        assert plain.recv(1000) == b""


def test_idle_connections_are_closed(
    service: Service, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "IDLE_S", 0.3)
    server = serving(service, None)
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        plain.settimeout(5)
        assert plain.recv(1000) == b""


def test_connections_are_bounded(
    service: Service, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One too many is closed at once, and there is room again when others leave."""
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 5)
    server = serving(service, None)
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
        time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", server.port), 5) as one_more:
            one_more.settimeout(5)
            assert one_more.recv(1) == b""
    for _ in range(50):
        try:
            assert Client(server.url, timeout_s=5).call("who.ami") == LOCAL.uri
            return
        except CloudnetError:
            time.sleep(0.1)
    pytest.fail("no room after the others left")


def test_calls_at_a_time_are_bounded(
    serving: Serving, calling: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds no place is told to come back, and gets one once the others are done."""
    monkeypatch.setattr(server_module, "PATIENCE_S", 0.2)
    go_on = threading.Event()
    inside = threading.Semaphore(0)

    def wait(_caller: object) -> int:
        inside.release()
        go_on.wait(10)
        return 1

    server = serving(Service([Method("wait", wait, ("int",), "Waits.")]), None, threads=2)
    client = calling(server.url)
    answers: list[int] = []
    callers = [
        threading.Thread(target=lambda: answers.append(client.call("wait"))) for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    for _ in callers:
        assert inside.acquire(timeout=5)
    with pytest.raises(Busy):
        client.call("wait")
    go_on.set()
    for caller in callers:
        caller.join(5)
    assert answers == [1, 1]
    assert client.call("wait") == 1


def test_stopping_waits_for_running_calls(serving: Serving, calling: Calling) -> None:
    """A call that is being answered when the server stops still gets its answer."""
    inside = threading.Event()

    def work(_caller: object) -> int:
        inside.set()
        time.sleep(0.5)
        return 7

    server = serving(Service([Method("work", work, ("int",), "Works.")]), None)
    client = calling(server.url)
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(client.call("work")))
    caller.start()
    assert inside.wait(5)
    server.stop()
    caller.join(5)
    assert answers == [7]


def test_the_callers_identity_is_the_connections(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles, tenant: TlsFiles
) -> None:
    """Interleaved callers are never taken for one another."""
    server = serving(service, role)
    clients = {
        "cloudnet:role:berlin": calling(server.url, role),
        "cloudnet:tenant:anna": calling(server.url, tenant),
    }
    wrong: list[str] = []

    def ask(uri: str) -> None:
        wrong.extend(a for _ in range(30) if (a := clients[uri].call("who.ami")) != uri)

    threads = [threading.Thread(target=ask, args=(uri,)) for uri in [*clients] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert wrong == []


def test_an_identity_of_no_kind_is_unauthenticated(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles, nameless: TlsFiles
) -> None:
    """Signed by the right authority, but its URI names no tenant, role or operator: 401."""
    server = serving(service, role)
    with pytest.raises(Unauthenticated):
        calling(server.url, nameless).call("who.ami")
