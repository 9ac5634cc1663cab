"""The client: what goes wrong becomes the error tree; kept connections are safe to use."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cloudnet_sdn.wire import client as client_module
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.codec import dump_answer
from cloudnet_sdn.wire.faults import (
    BadRequest,
    Busy,
    CloudnetError,
    NoSuchMethod,
    PeerAway,
    TimedOut,
    Unauthenticated,
)
from cloudnet_sdn.wire.rpc import Service
from cloudnet_sdn.wire.server import Server
from cloudnet_sdn.wire.tls import TlsFiles

Serving = Callable[..., Server]
Calling = Callable[..., Client]
Behaviour = Callable[[socket.socket, int], None]
"""What a peer does with its n-th connection."""


@contextmanager
def peer(behave: Behaviour) -> Iterator[str]:
    """A hand-made server; answers its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            number = 0
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with sock:
                    sock.settimeout(5)
                    behave(sock, number)
                number += 1

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/RPC2"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(6)


def request_of(sock: socket.socket) -> bytes:
    """Read one request, b'' at the end."""
    data = b""
    while b"</methodCall>" not in data:
        part = sock.recv(65536)
        if not part:
            return b""
        data += part
    return data


def http_answer(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_calls_and_faults_cross(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles
) -> None:
    client = calling(serving(service, role).url, role)
    assert client.call("echo", {"a": [1, "ä", b"\x00", 2.5, False]}) == {
        "a": [1, "ä", b"\x00", 2.5, False]
    }
    with pytest.raises(Busy) as caught:
        client.call("busy")
    assert caught.value.retry_after_s == 2.5
    with pytest.raises(NoSuchMethod):
        client.call("nix")


def test_the_url_may_leave_out_the_path(
    service: Service, serving: Serving, calling: Calling
) -> None:
    server = serving(service, None)
    assert calling(f"http://127.0.0.1:{server.port}").call("halve", 1.0) == 0.5


def test_threads_share_a_client(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles
) -> None:
    """Answers never go to another thread's call."""
    client = calling(serving(service, role).url, role)
    wrong: list[object] = []

    def ask(n: int) -> None:
        wrong.extend(n for _ in range(25) if client.call("echo", {"n": n}) != {"n": n})

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert wrong == []


@pytest.mark.parametrize("argument", [2**31, None, float("nan"), object()])
def test_what_cannot_be_sent_is_a_bad_request(calling: Calling, argument: object) -> None:
    """Before anything is connected."""
    with pytest.raises(BadRequest, match="argument 1"):
        calling("http://127.0.0.1:9").call("echo", argument)


def test_nobody_there_is_peer_away(calling: Calling, role: TlsFiles) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url in (f"https://127.0.0.1:{port}/RPC2", "https://no-such-host.invalid/RPC2"):
        with pytest.raises(PeerAway, match="can't be reached"):
            calling(url, role).call("who.ami")


def test_a_refused_certificate_is_unauthenticated(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles, foreign: TlsFiles
) -> None:
    """Ours, refused by the peer in the handshake."""
    with pytest.raises(Unauthenticated, match="certificate"):
        calling(serving(service, role).url, foreign).call("who.ami")


def test_a_peer_of_another_authority_is_away(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles, foreign: TlsFiles
) -> None:
    """Theirs, not trusted by us: nothing is sent to it, not even the certificate's owner's call."""
    impostor = serving(service, foreign)
    with pytest.raises(PeerAway, match="certificate"):
        calling(impostor.url, role).call("who.ami")


def test_a_tenant_cannot_play_the_server(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles, tenant: TlsFiles
) -> None:
    """A tenant's certificate is of the right authority, and still none of a server's."""
    with pytest.raises(PeerAway, match="certificate"):
        calling(serving(service, tenant).url, role).call("who.ami")


def test_a_certificate_for_another_host_is_no_server(
    service: Service, serving: Serving, calling: Calling, role: TlsFiles
) -> None:
    server = serving(service, role)
    with pytest.raises(PeerAway, match=r"(?i)certificate|reached"):
        calling(f"https://127.0.0.2:{server.port}/RPC2", role).call("who.ami")


def test_a_silent_peer_times_out(calling: Calling) -> None:
    with peer(lambda sock, _: void(request_of(sock), sock.recv(1))) as url:
        begun = time.monotonic()
        with pytest.raises(TimedOut, match=r"0\.3 s"):
            calling(url).call("who.ami", timeout_s=0.3)
        assert time.monotonic() - begun < 2


def test_a_dripping_answer_times_out(calling: Calling) -> None:
    """The limit is on the whole call, not on each byte."""

    def drip(sock: socket.socket, _number: int) -> None:
        request_of(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            for _ in range(100):
                sock.sendall(b"<")
                time.sleep(0.05)
        except OSError:
            return

    with peer(drip) as url:
        begun = time.monotonic()
        with pytest.raises(TimedOut):
            calling(url, timeout_s=0.5).call("who.ami")
        assert time.monotonic() - begun < 2


def void(*_: object) -> None:
    """Evaluate a lambda's steps."""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        http_answer(b"<html/>"),
        http_answer(b"not xml"),
        http_answer(b"<methodResponse><params/></methodResponse>"),
        http_answer(dump_answer("x"), "503 Service Unavailable"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<methodResponse>",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
    ],
)
def test_nonsense_is_peer_away(calling: Calling, answer: bytes) -> None:
    """Whatever listens there: the layer below is not to be had, and nothing else is raised."""

    def behave(sock: socket.socket, _number: int) -> None:
        request_of(sock)
        sock.sendall(answer)

    with peer(behave) as url, pytest.raises(PeerAway):
        calling(url, timeout_s=5).call("who.ami")


def test_an_endless_answer_is_peer_away(calling: Calling, monkeypatch: pytest.MonkeyPatch) -> None:
    # The real limit, lowered: an answer of 64 MiB takes long.
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 100_000)

    def behave(sock: socket.socket, _number: int) -> None:
        request_of(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        try:
            while True:
                sock.sendall(b" " * 10_000)
        except OSError:
            return

    with peer(behave) as url, pytest.raises(PeerAway, match="100000"):
        calling(url, timeout_s=5).call("who.ami")


# -- kept connections -----------------------------------------------------------------------


def test_a_connection_closed_meanwhile_is_noticed(calling: Calling) -> None:
    """The peer closes after each answer without saying so: each call gets through, once."""
    seen: list[int] = []

    def once(sock: socket.socket, number: int) -> None:
        if request_of(sock):
            seen.append(number)
            sock.sendall(http_answer(dump_answer(number)))

    with peer(once) as url:
        client = calling(url, timeout_s=5)
        for expected in range(3):
            assert client.call("who.ami") == expected
            time.sleep(0.05)
    assert seen == [0, 1, 2]


def test_a_call_is_repeated_once_when_the_kept_connection_dies_unanswered(
    calling: Calling,
) -> None:
    """The peer goes away while the second call is on its way, and is back for the repetition."""

    def mortal(sock: socket.socket, number: int) -> None:
        request_of(sock)
        sock.sendall(http_answer(dump_answer(number)))
        if number == 0:
            request_of(sock)  # read, never answered

    with peer(mortal) as url:
        client = calling(url, timeout_s=5)
        assert client.call("who.ami") == 0
        assert client.call("who.ami") == 1


def test_a_call_is_not_repeated_on_a_fresh_connection(calling: Calling) -> None:
    """Who closes on a first request is away; the caller decides whether to come back."""
    seen: list[int] = []

    def rude(sock: socket.socket, number: int) -> None:
        request_of(sock)
        seen.append(number)

    with peer(rude) as url, pytest.raises(PeerAway):
        calling(url, timeout_s=5).call("who.ami")
    assert seen == [0]


def test_a_call_is_not_repeated_once_an_answer_has_begun(calling: Calling) -> None:
    seen: list[int] = []

    def stutter(sock: socket.socket, number: int) -> None:
        request_of(sock)
        seen.append(number)
        sock.sendall(http_answer(dump_answer(number)))
        if request_of(sock):
            seen.append(number)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<")

    with peer(stutter) as url:
        client = calling(url, timeout_s=5)
        client.call("who.ami")
        with pytest.raises(PeerAway, match="short"):
            client.call("who.ami")
    assert seen == [0, 0]


def test_a_call_that_timed_out_leaves_no_connection_for_the_next(calling: Calling) -> None:
    """A late answer is never taken for the next call's."""

    def late(sock: socket.socket, number: int) -> None:
        request_of(sock)
        if number == 0:
            time.sleep(0.4)
        try:
            sock.sendall(http_answer(dump_answer(number)))
        except OSError:
            return

    with peer(late) as url:
        client = calling(url, timeout_s=5)
        with pytest.raises(TimedOut):
            client.call("who.ami", timeout_s=0.2)
        assert client.call("who.ami") == 1


def test_a_forgotten_client_leaves_no_connection(service: Service, serving: Serving) -> None:
    """Collected unclosed, it warns about no open socket (warnings are errors here)."""
    client = Client(serving(service, None).url)
    client.call("who.ami")
    del client
    gc.collect()


@pytest.mark.parametrize("url", ["", "ftp://x/", "127.0.0.1:8", "https:///RPC2", "https://x/RPC2"])
def test_unusable_urls_are_refused(url: str) -> None:
    """No scheme, another one, no host, or https without certificates."""
    with pytest.raises(ValueError, match=r".+"):
        Client(url)


def test_errors_are_of_one_tree(calling: Calling) -> None:
    """Callers catch `CloudnetError` and have all."""
    with pytest.raises(CloudnetError):
        calling("http://127.0.0.1:1").call("x")
