"""The XML-RPC client: calls a peer, keeps connections, maps what goes wrong onto the error tree."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

from cloudnet_sdn.wire.codec import Unsendable, dump_call, load_answer
from cloudnet_sdn.wire.faults import (
    BadRequest,
    CloudnetError,
    PeerAway,
    ProtocolError,
    TimedOut,
    TooLarge,
    Unauthenticated,
)
from cloudnet_sdn.wire.identity import Peer
from cloudnet_sdn.wire.tls import Contexts, TlsFiles, check_peer, client_context

MAX_ANSWER_BYTES = 64 * 1024 * 1024
KEEP_S = 15.0
"""Unused connections are closed after that; servers wait longer."""

_HEADERS = {"Content-Type": "text/xml", "User-Agent": "cloudnet", "Accept-Encoding": "identity"}
_HUNG_UP = (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError)


class Client:
    """Calls one peer. Threads may share it."""

    def __init__(
        self,
        url: str,
        tls: TlsFiles | None = None,
        *,
        peer: Peer = None,
        timeout_s: float = 60.0,
    ) -> None:
        """Prepare; nothing is connected before the first call.

        Args:
            url: `https://HOST[:PORT][/RPC2]`, or `http://` on loopback.
            tls: this end's files, for https; used as they are at each new connection.
            peer: whom its certificate has to name, for https.
            timeout_s: of a whole call, unless the call says otherwise.

        Raises:
            ValueError: no such URL, or unusable TLS files.
            FileNotFoundError: a TLS file isn't there.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no http:// or https:// URL")
        if parts.scheme == "https" and tls is None:
            raise ValueError(f"{url}: a CA, a certificate and its key are needed")
        self.url = url
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/") or "/RPC2"
        secured = tls is not None and parts.scheme == "https"
        self._tls = Contexts(tls, client_context) if tls and secured else None
        self._peer = peer
        self._timeout_s = timeout_s
        self._idle: list[_Link] = []
        self._lock = threading.Lock()
        # Whoever forgets a client leaves no connection behind.
        weakref.finalize(self, _close, self._idle)

    def call(self, method: str, *args: Any, timeout_s: float | None = None) -> Any:
        """Call a method and answer its result.

        A request that finds its kept connection closed, before any byte of an answer, is sent once
        more on a new one; the contract's methods may all be repeated.

        Raises:
            CloudnetError: the peer's fault; PeerAway where it can't be reached or talks nonsense,
                TimedOut where it takes too long, Unauthenticated where it refuses our certificate,
                BadRequest where XML-RPC can't carry an argument.
        """
        try:
            body = dump_call(method, args)
        except Unsendable as exc:
            raise BadRequest(str(exc)) from exc
        allowed = self._timeout_s if timeout_s is None else timeout_s
        status, answer = self._talk(body, time.monotonic() + allowed, allowed)
        if status != 200:
            raise PeerAway(f"{self.url} answered with HTTP status {status}")
        try:
            found = load_answer(answer)
        except (ProtocolError, TooLarge) as exc:
            raise PeerAway(f"{self.url} talks no XML-RPC: {exc}") from exc
        if isinstance(found, CloudnetError):
            raise found
        return found

    def close(self) -> None:
        """Close kept connections; further calls open new ones."""
        with self._lock:
            links = self._idle[:]
            self._idle.clear()
        _close(links)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _talk(self, body: bytes, deadline: float, allowed: float) -> tuple[int, bytes]:
        try:
            link = self._kept()
            if link is not None:
                try:
                    return self._exchange(link, body, deadline)
                except _Stale:
                    pass
            return self._exchange(self._new(), body, deadline)
        except TimeoutError as exc:
            raise TimedOut(f"{self.url} took longer than {allowed:g} s") from exc
        except ssl.SSLCertVerificationError as exc:
            raise PeerAway(
                f"{self.url}: its certificate isn't valid: {exc.verify_message}"
            ) from exc
        except ssl.SSLError as exc:
            raise _refusal(self.url, exc) from exc
        except (_Stale, OSError, http.client.HTTPException) as exc:
            raise PeerAway(f"{self.url} can't be reached: {_cause(exc)}") from exc

    def _exchange(self, link: _Link, body: bytes, deadline: float) -> tuple[int, bytes]:
        try:
            found = link.exchange(self._path, body, deadline)
        except BaseException:
            link.close()
            raise
        if link.reusable:
            with self._lock:
                self._idle.append(link)
        return found

    def _kept(self) -> _Link | None:
        """The connection used last, if it is still good."""
        now = time.monotonic()
        with self._lock:
            context = self._tls.current() if self._tls else None
            link = self._idle.pop() if self._idle else None
            old = [k for k in self._idle if k.used + KEEP_S < now or k.context is not context]
            self._idle[:] = [k for k in self._idle if k not in old]
        if link is not None and (
            link.used + KEEP_S < now or link.context is not context or link.has_ended()
        ):
            old.append(link)
            link = None
        _close(old)
        return link

    def _new(self) -> _Link:
        if self._tls is None:
            return _Link(http.client.HTTPConnection(self._host, self._port))
        context = self._tls.current()
        secured = http.client.HTTPSConnection(self._host, self._port, context=context)
        return _Link(secured, context, lambda sock: check_peer(sock, self._peer, self.url))


def _close(links: list[_Link]) -> None:
    for link in links:
        link.close()


class _Stale(Exception):
    """The peer closed a kept connection before it answered anything."""


class _Link:
    """One connection.

    Attributes:
        context: of its TLS.
        used: when an exchange on it ended, `time.monotonic()`.
        reusable: whether another exchange may follow.
    """

    def __init__(
        self,
        http_connection: http.client.HTTPConnection,
        context: ssl.SSLContext | None = None,
        check: Callable[[ssl.SSLSocket], None] = lambda _sock: None,
    ) -> None:
        self._http = http_connection
        self.context = context
        self._check = check
        self.used = 0.0
        self.reusable = False

    def has_ended(self) -> bool:
        """Whether the peer has closed it (or says what nobody asked)."""
        poll = select.poll()
        poll.register(self._http.sock, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        self._http.close()

    def exchange(self, path: str, body: bytes, deadline: float) -> tuple[int, bytes]:
        """Send a request, and answer status and body."""
        reused, self.reusable = self.reusable, False
        if not reused:
            self._http.timeout = _left(deadline)
            self._http.connect()
            if isinstance(self._http.sock, ssl.SSLSocket):
                self._check(self._http.sock)
        sock = self._http.sock
        try:
            sock.settimeout(_left(deadline))
            self._send(path, body)
            sock.settimeout(_left(deadline))
            response = self._http.getresponse()
        except _HUNG_UP as exc:
            if reused:
                raise _Stale from exc
            raise
        answer = _read(response, sock, deadline)
        self.used = time.monotonic()
        self.reusable = not response.will_close
        return response.status, answer

    def _send(self, path: str, body: bytes) -> None:
        try:
            self._http.request("POST", path, body, _HEADERS)
        except (ssl.SSLEOFError, ConnectionError):
            # Under TLS 1.3 a refused certificate shows only now: the alert says so, if it is there.
            if isinstance(self._http.sock, ssl.SSLSocket):
                with contextlib.suppress(ssl.SSLEOFError, ConnectionError):
                    self._http.sock.recv(1)
            raise


def _read(response: http.client.HTTPResponse, sock: socket.socket, deadline: float) -> bytes:
    parts, length = [], 0
    with response:
        while True:
            if not response.isclosed():
                sock.settimeout(_left(deadline))
            part = response.read1(65536)
            if not part:
                break
            parts.append(part)
            length += len(part)
            if length > MAX_ANSWER_BYTES:
                raise http.client.HTTPException(f"more than {MAX_ANSWER_BYTES} bytes of answer")
        if response.length:
            raise http.client.HTTPException("the answer was cut short")
    return b"".join(parts)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _refusal(url: str, exc: ssl.SSLError) -> PeerAway | Unauthenticated:
    reason = exc.reason or ""
    if "ALERT" in reason and ("CERT" in reason or "UNKNOWN_CA" in reason):
        return Unauthenticated(f"{url} refuses our certificate")
    return PeerAway(f"{url}: TLS failed: {reason.lower().replace('_', ' ') or exc}")


def _cause(exc: BaseException) -> str:
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror.lower()
    return str(exc) or "the connection was closed"
