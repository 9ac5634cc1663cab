"""The server on real sockets: certificates, hostile and slow clients, plain `xmlrpc.client`."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress

import pytest

from cloudnet_sdn.wire import connections, door
from cloudnet_sdn.wire import server as server_module
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.codec import dump_call, load_answer
from cloudnet_sdn.wire.faults import Busy, PeerAway, TooLarge, Unauthenticated
from cloudnet_sdn.wire.identity import LOCAL
from cloudnet_sdn.wire.places import waiting
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
    # The real time, shortened.
    monkeypatch.setattr(connections, "REQUEST_S", 0.5)
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
    # The real time, shortened.
    monkeypatch.setattr(connections, "REQUEST_S", 0.3)
    monkeypatch.setattr(connections, "ANSWER_S", 0.3)

    def work(_caller: object) -> int:
        time.sleep(0.8)
        return 7

    client = calling(serving(Service([Method("work", work, ("int",), "Works.")]), None).url)
    assert client.call("work") == 7
    assert client.call("work") == 7


def test_a_stalled_handshake_is_ended(
    service: Service, serving: Serving, role: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real time, shortened.
    monkeypatch.setattr(door, "GREETING_S", 0.3)
    server = serving(service, role)
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        plain.sendall(b"\x16\x03\x01\x02\x00")
        plain.settimeout(5)
        assert plain.recv(1000) == b""


def test_idle_connections_are_closed(
    service: Service, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real time, shortened.
    monkeypatch.setattr(connections, "IDLE_S", 0.3)
    server = serving(service, None)
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        plain.settimeout(4)
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while plain.recv(1000):
            pass


def connect_to(stack: ExitStack, server: Server) -> socket.socket:
    """A plain TCP connection, as long as the stack is."""
    return stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))


def test_silent_connections_keep_nobody_out(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles, tenant: TlsFiles
) -> None:
    """512 that say nothing, and then as many that stop within the handshake: others go on."""
    server = serving(service, role)
    before = threading.active_count()
    for said in (b"", b"\x16\x03\x01"):
        with ExitStack() as stack:
            for _ in range(512):
                connect_to(stack, server).sendall(said)
            with calling(server.url, tenant, timeout_s=5) as client:
                assert client.call("who.ami") == "cloudnet:tenant:anna"
            assert threading.active_count() <= before + 2


def test_the_oldest_of_the_address_with_the_most_makes_room(
    service: Service, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So one address that fills the door keeps no other one out, silent as that may be."""
    # The real limit, lowered: it takes 128 silent connections.
    monkeypatch.setattr(door, "ROOM", 4)
    server = serving(service, None)
    with ExitStack() as stack:
        other = stack.enter_context(
            socket.create_connection(("127.0.0.1", server.port), 5, ("127.0.0.2", 0))
        )
        many = [connect_to(stack, server) for _ in range(6)]
        for gone in many[:3]:
            gone.settimeout(3)
            assert gone.recv(1) == b""
        for kept in (other, *many[3:]):
            kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            kept.settimeout(3)
            assert kept.recv(12) == b"HTTP/1.1 404"


def test_connections_of_one_caller_are_bounded(
    *,
    service: Service,
    serving: Serving,
    calling: Calling,
    role: TlsFiles,
    tenant: TlsFiles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One too many is closed, others find room, and there is room again when some leave."""
    # The real limit, lowered: it takes 512 connections.
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 8)
    server = serving(service, role)
    clients = [calling(server.url, tenant, timeout_s=5) for _ in range(4)]
    for client in clients:
        client.call("who.ami")
    with pytest.raises(PeerAway):
        calling(server.url, tenant, timeout_s=5).call("who.ami")
    assert calling(server.url, role, timeout_s=5).call("who.ami") == "cloudnet:role:berlin"
    for client in clients:
        client.close()
    for _ in range(50):
        with suppress(PeerAway):
            assert calling(server.url, tenant).call("who.ami") == "cloudnet:tenant:anna"
            return
        time.sleep(0.1)
    pytest.fail("no room after the others left")


def test_a_large_body_without_certificate_is_refused_unread(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles
) -> None:
    """Its sender reads fault 401; twenty at a time slow nobody down, and hold no memory."""
    server = serving(service, role)
    body = b"x" * 19 * 1024 * 1024
    faults: list[object] = []

    def send() -> None:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", server.port, context=context_of(role, show=False), timeout=20
        )
        with suppress(OSError), ExitStack() as stack:
            stack.callback(connection.close)
            connection.request("POST", "/RPC2", body)
            with connection.getresponse() as response:
                faults.append(load_answer(response.read()))

    senders = [threading.Thread(target=send) for _ in range(20)]
    for sender in senders:
        sender.start()
    with calling(server.url, role, timeout_s=5) as client:
        for _ in range(10):
            assert client.call("who.ami") == "cloudnet:role:berlin"
    for sender in senders:
        sender.join(30)
    assert faults
    assert all(isinstance(fault, Unauthenticated) for fault in faults)


def test_what_strangers_leave_unfinished_ends_soon(
    service: Service, serving: Serving, role: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real time, shortened.
    monkeypatch.setattr(connections, "STRANGER_S", 0.3)
    server = serving(service, role)
    context = context_of(role, show=False)
    with ExitStack() as stack:
        plain = connect_to(stack, server)
        secured = context.wrap_socket(plain, server_hostname="localhost")
        stack.enter_context(secured).sendall(
            b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n<method"
        )
        secured.settimeout(4)
        answer = b""
        while part := secured.recv(1000):
            answer += part
        assert not answer.startswith(b"HTTP/1.1 200")


def test_unfinished_bodies_of_one_caller_hold_his_share_of_memory(
    *,
    service: Service,
    serving: Serving,
    calling: Calling,
    role: TlsFiles,
    tenant: TlsFiles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who promises more than that is told to come back; others' large requests are read."""
    # The real time, shortened.
    monkeypatch.setattr(server_module, "PATIENCE_S", 0.2)
    server = serving(service, role, max_bytes=1_000_000)
    head = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    text = "x" * 900_000
    with ExitStack() as stack:
        for _ in range(8):  # half of 16 MB
            plain = connect_to(stack, server)
            secured = context_of(tenant).wrap_socket(plain, server_hostname="localhost")
            stack.enter_context(secured).sendall(head + b" " * 900_000)
        time.sleep(0.2)
        with pytest.raises(Busy):
            calling(server.url, tenant).call("echo", {"a": text})
        assert calling(server.url, tenant).call("echo", {"a": "small"}) == {"a": "small"}
        assert calling(server.url, role).call("echo", {"a": text}) == {"a": text}


class Hall:
    """A method `wait` that lasts until `go_on` is set; `apart`: within `waiting`."""

    def __init__(self, *, apart: bool) -> None:
        self.go_on = threading.Event()
        self.inside = threading.Semaphore(0)
        self._apart = apart
        self.service = Service(
            [
                Method("wait", self.wait, ("boolean",), "Waits."),
                Method("look", lambda _caller: 7, ("int",), "Looks."),
            ]
        )

    def wait(self, _caller: object) -> bool:
        with waiting() if self._apart else nullcontext(True) as may:
            self.inside.release()
            if may:
                self.go_on.wait(20)
        return may


@contextmanager
def waiters(hall: Hall, client: Client, number: int) -> Iterator[list[bool]]:
    """As many calls of `wait` under way; what they answer is there at the end."""
    answers: list[bool] = []
    callers = [
        threading.Thread(target=lambda: answers.append(client.call("wait"))) for _ in range(number)
    ]
    for caller in callers:
        caller.start()
    for _ in callers:
        assert hall.inside.acquire(timeout=5)
    yield answers
    hall.go_on.set()
    for caller in callers:
        caller.join(5)


def test_calls_of_one_caller_are_bounded(
    serving: Serving,
    calling: Calling,
    role: TlsFiles,
    tenant: TlsFiles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who has half of all places is told to come back; others find one."""
    # The real time, shortened.
    monkeypatch.setattr(server_module, "PATIENCE_S", 0.2)
    hall = Hall(apart=False)
    server = serving(hall.service, role, threads=4)
    client = calling(server.url, tenant)
    with waiters(hall, client, 2) as answers:
        with pytest.raises(Busy):
            client.call("look")
        assert calling(server.url, role).call("look") == 7
    assert answers == [True, True]
    assert client.call("look") == 7


def test_calls_that_wait_hold_no_place(
    serving: Serving, calling: Calling, role: TlsFiles, tenant: TlsFiles
) -> None:
    """As many as there are places, and more: their own caller and others go on."""
    hall = Hall(apart=True)
    server = serving(hall.service, role, threads=4)
    client = calling(server.url, tenant, timeout_s=5)
    with waiters(hall, client, 8) as answers:
        assert client.call("look") == 7
        assert calling(server.url, role).call("look") == 7
    assert answers == [True] * 8


def test_one_too_many_that_waits_is_answered_at_once(
    serving: Serving, calling: Calling, role: TlsFiles, tenant: TlsFiles
) -> None:
    hall = Hall(apart=True)
    server = serving(hall.service, role, threads=4)  # 16 may wait, 8 of one caller
    client = calling(server.url, tenant, timeout_s=5)
    with waiters(hall, client, 8) as answers:
        assert client.call("wait") is False
    assert answers == [True] * 8


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
