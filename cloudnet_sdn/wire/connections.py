"""HTTP on connections: cheroot's, each with who calls, deadlines, and a thread while it speaks.

A connection costs a thread only while it has something to say; between requests it waits in the
selector. A request has `REQUEST_S` to arrive whole, an answer `ANSWER_S` to be read, so a slow
client ends itself. Who shows no certificate (a *stranger*) may say one short thing soon, and goes.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import ssl
import threading
import time
from typing import Any

from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Gateway_10
from cheroot.wsgi import Server as WsgiServer

from cloudnet_sdn.wire.door import Door
from cloudnet_sdn.wire.identity import LOCAL, Caller
from cloudnet_sdn.wire.shares import Shares
from cloudnet_sdn.wire.tls import Contexts, caller_of

log = logging.getLogger(__name__)

REQUEST_S = 30.0
STRANGER_S = 5.0
"""As `REQUEST_S`, without a certificate."""
ANSWER_S = 60.0
IDLE_S = 30
LINGER_S = 2.0
MAX_CONNECTIONS = 512
MAX_STRANGERS = 16
MAX_HEADER_BYTES = 16 * 1024


class HttpServer(WsgiServer):
    """Serves a WSGI application on one address."""

    max_request_header_size = MAX_HEADER_BYTES
    _connections: Any  # cheroot's, once prepared

    def __init__(
        self, address: tuple[str, int], application: Any, tls: Contexts | None, max_body: int
    ) -> None:
        """Prepare; `prepare` listens and `serve` serves.

        Args:
            address: host and port.
            application: gets the connection's `Caller` in `environ["cloudnet.caller"]`.
            tls: this end's contexts; None for plain HTTP, where everybody is the local operator.
            max_body: bytes; larger bodies aren't even handed on.
        """
        super().__init__(
            address, application, timeout=IDLE_S, request_queue_size=128, server_name="cloudnet"
        )
        self.ConnectionClass = _Connection
        self.gateway = _Gateway
        self.keep_alive_conn_limit = MAX_CONNECTIONS
        self.max_request_body_size = max_body
        self.requests = _Crew(self)
        self.tls = tls
        self.places = Shares(MAX_CONNECTIONS)
        self.strangers = Shares(MAX_STRANGERS)

    def clear_stats(self) -> None:
        """Count nothing: cheroot would keep each server's figures, and it with them, for ever."""
        super().clear_stats()  # type: ignore[no-untyped-call]
        vars(logging)["statistics"].pop(f"Cheroot HTTPServer {id(self)}", None)

    def bind(self, family: Any, kind: Any, proto: Any = 0) -> Any:
        """Bind as cheroot does, and put a door before it."""
        self.socket = Door(super().bind(family, kind, proto), self.tls)
        return self.socket

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: Any) -> socket.socket:
        """Bind, so that a restarted process gets its port back at once."""
        socket_.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_

    def stop(self) -> None:
        """As cheroot's, without waiting for the selector to time out."""
        if self.ready:
            self._connections._stop_requested = True
            self.socket.ring()
        super().stop()

    def process_conn(self, conn: _Connection) -> None:
        """A connection has something to say."""
        if conn.last_used is not None or conn.enter():
            conn.last_used = time.time()
            self.requests.put(conn)
        else:
            log.warning("too many connections: from=%s %s is refused", *conn.who)
            conn.close()

    def put_conn(self, conn: _Connection) -> None:
        """A connection has had its say, for now."""
        decrypted = isinstance(conn.socket, ssl.SSLSocket) and conn.socket.pending()
        if self.ready and decrypted:
            self.requests.put(conn)
        else:
            super().put_conn(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log what cheroot tells."""
        log.log(level, "http: %s", msg, exc_info=traceback)


class _Crew:
    """Threads that handle connections: as many as are busy, some spare ones for a while.

    Stands for cheroot's pool, which has a fixed size (a few slow clients fill it) and whose
    threads keep a process from ending.
    """

    SPARE_S = 30.0

    def __init__(self, http: HttpServer) -> None:
        self._http = http
        self._queue: queue.SimpleQueue[_Connection] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._spare = 0  # threads that wait and that no connection is on its way to
        self._busy: set[_Connection] = set()
        self._stopped = False

    def start(self) -> None:
        """Nothing to do before there are connections."""

    def put(self, conn: _Connection) -> None:
        """Have a connection handled that has something to say."""
        with self._lock:
            self._busy.add(conn)
            if self._spare:
                self._spare -= 1
                self._queue.put(conn)
                return
        threading.Thread(target=self._work, args=(conn,), name="http worker", daemon=True).start()

    def stop(self, timeout: float) -> None:
        """Wait for running requests, then cut their connections."""
        deadline = time.monotonic() + timeout
        self._stopped = True
        while self._busy and time.monotonic() < deadline:
            time.sleep(0.02)
        with self._lock:
            left = list(self._busy)
        for conn in left:
            conn.cut()

    def _work(self, conn: _Connection | None) -> None:
        while conn is not None:
            self._handle(conn)
            conn = self._next()

    def _next(self) -> _Connection | None:
        with self._lock:
            if self._stopped:
                return None
            self._spare += 1
        try:
            return self._queue.get(timeout=self.SPARE_S)
        except queue.Empty:
            with self._lock:
                if self._spare:
                    self._spare -= 1
                    return None
        return self._queue.get()  # one was given to us just now

    def _handle(self, conn: _Connection) -> None:
        keep = False
        try:
            keep = conn.communicate()
        except Exception as exc:
            log.warning("connection from=%s %s ended: %s", *conn.who, exc)
        finally:
            with self._lock:
                self._busy.discard(conn)
            if keep:
                self._http.put_conn(conn)
            else:
                conn.close()


class _Request(HTTPRequest):
    def read_request_headers(self) -> bool:
        fine = bool(super().read_request_headers())  # type: ignore[no-untyped-call]
        # Chunks are refused unread, so nothing can follow them; and strangers go.
        if fine and (self.chunked_read or self.conn.caller is None):
            self.close_connection = True
        return fine

    def send_headers(self) -> None:
        if (b"Connection", b"close") in self.outheaders:
            self.close_connection = True
        super().send_headers()
        self.conn.unread = getattr(self.rfile, "remaining", 0) > 0


class _Gateway(Gateway_10):
    def get_environ(self) -> Any:
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        return {**environ, "cloudnet.caller": self.req.conn.caller}


class _Paced:
    """A socket whose reads and writes have to be over by a deadline, however they drip."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._write_by: float | None = None
        self._read_by = 0.0

    def expect_request(self, within_s: float) -> None:
        """A request begins to come: its time runs from here, its answer's from the answer."""
        self._read_by = time.monotonic() + within_s
        self._write_by = None

    def _wait_until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)

    def recv_into(self, buffer: Any) -> int:
        self._wait_until(self._read_by)
        return self._sock.recv_into(buffer)

    def send(self, data: bytes) -> int:
        if self._write_by is None:
            self._write_by = time.monotonic() + ANSWER_S
        self._wait_until(self._write_by)
        return self._sock.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Connection(HTTPConnection):
    """One connection.

    Attributes:
        caller: who its certificate says it is; None for strangers.
        unread: whether it was answered before it had said all.
    """

    RequestHandlerClass = _Request

    def __init__(self, server: HttpServer, sock: socket.socket, _makefile: Any) -> None:
        self._paced = _Paced(sock)
        super().__init__(server, sock, lambda _sock, mode, size: MakeFile(self._paced, mode, size))
        self.caller: Caller | None = LOCAL
        if isinstance(sock, ssl.SSLSocket):
            self.caller = caller_of(sock.getpeercert())
        self.unread = False
        self._entered: Shares | None = None
        self._spoken = False

    @property
    def who(self) -> tuple[Any, Any]:
        """Where it comes from, and whose it is."""
        return self.remote_addr, self.caller or "-"

    def enter(self) -> bool:
        """Take one of the server's places for connections; whether there is one for the caller."""
        share = self.server.strangers if self.caller is None else self.server.places
        if not share.take(self._party):
            return False
        self._entered = share
        return True

    def communicate(self) -> bool:
        """Handle a request. Answers whether to keep the connection."""
        if self._spoken and self._is_outdated():
            return False
        self._spoken = True
        self._paced.expect_request(STRANGER_S if self.caller is None else REQUEST_S)
        keep = bool(super().communicate())  # type: ignore[no-untyped-call]
        if not keep and self.unread:
            self._linger()
        return keep

    def close(self) -> None:
        """End it, and give its place back."""
        entered, self._entered = self._entered, None
        if entered is not None:
            entered.give(self._party)
        super().close()

    def cut(self) -> None:
        """End it from another thread."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("connection from=%s %s was gone", *self.who)

    @property
    def _party(self) -> Any:
        return self.remote_addr if self.caller is None else self.caller

    def _is_outdated(self) -> bool:
        """Whether certificates have changed since it came: its own may have been revoked."""
        tls = self.server.tls
        return tls is not None and self.socket.context is not tls.current()

    def _linger(self) -> None:
        """Let the peer read the answer: closing on unread bytes would reset the connection.

        What it still sends is thrown away as it comes, without decrypting it.
        """
        deadline = time.monotonic() + LINGER_S
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if not socket.socket.recv(self.socket, 65536):
                    return
