"""The XML-RPC server of roles and agents: cheroot's HTTP, with threads for those who have said all.

A connection costs a thread only while it has something to say: until its first byte, and between
requests, it waits in the selector. TLS handshakes run in a thread, never in the accept loop. A
request has `REQUEST_S` to arrive whole, an answer `ANSWER_S` to be read, so a slow client ends
itself. Calls run at most `threads` at a time; who finds no place for `PATIENCE_S` is told to come
back (fault 429).
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import queue
import socket
import ssl
import threading
import time
from typing import Any

from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.ssl import Adapter
from cheroot.wsgi import Server as WsgiServer

from cloudnet_sdn.wire.codec import dump_fault
from cloudnet_sdn.wire.faults import Busy, to_fault
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.rpc import MAX_BYTES, Dispatcher, local, wsgi
from cloudnet_sdn.wire.tls import TlsFiles, caller_of, server_context

log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
REQUEST_S = 30.0
ANSWER_S = 60.0
IDLE_S = 30
PATIENCE_S = 10.0
MAX_CONNECTIONS = 512
MAX_HEADER_BYTES = 16 * 1024


class Server:
    """Serves one service on one address.

    Attributes:
        host: the address it listens on.
        port: the port; with 0 given, the one that was free, once started.
    """

    def __init__(
        self,
        service: Dispatcher,
        host: str,
        port: int,
        tls: TlsFiles | None,
        *,
        threads: int = 16,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            service: what answers.
            host: an address of this machine; a loopback one if `tls` is None.
            port: 0 to choose.
            tls: this end's files; None for plain HTTP, where every caller is the local operator.
            threads: calls that run at a time.
            max_bytes: larger requests are fault 413.

        Raises:
            ValueError: plain HTTP on what isn't loopback, or unusable TLS files.
            FileNotFoundError: a TLS file isn't there.
        """
        if tls is None and not _is_loopback(host):
            raise ValueError(f"plain HTTP is served on loopback alone, not on {host}")
        application = wsgi(_Bounded(service, threads), max_bytes=max_bytes)
        self.host = host
        self.port = port
        self._scheme = "https" if tls else "http"
        self._http = _Http((host, port), application if tls else local(application))
        self._http.max_request_body_size = 4 * max_bytes
        if tls:
            self._http.ssl_adapter = _Tls(server_context(tls))
        self._loop: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self._scheme}://{host}:{self.port}/RPC2"

    def start(self) -> None:
        """Listen and serve, in threads of its own; returns once it listens.

        Raises:
            OSError: the address can't be had.
        """
        self._http.prepare()
        self.port = int(self._http.bind_addr[1])
        self._loop = threading.Thread(
            target=self._http.serve, name=f"http:{self.port}", daemon=True
        )
        self._loop.start()

    def stop(self) -> None:
        """Listen no more, and give running calls a few seconds; may be repeated."""
        if self._loop is not None:
            self._http.stop()
            self._loop.join()
            self._loop = None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Bounded:
    """A dispatcher that runs a bounded number of calls at a time."""

    def __init__(self, service: Dispatcher, calls: int) -> None:
        self._service = service
        self._places = threading.BoundedSemaphore(calls)

    def dispatch(self, body: bytes, caller: Caller | None) -> bytes:
        if not self._places.acquire(timeout=PATIENCE_S):
            return dump_fault(to_fault(Busy("too many calls at a time", PATIENCE_S)))
        try:
            return self._service.dispatch(body, caller)
        finally:
            self._places.release()


class _Crew:
    """Threads that handle connections: as many as are busy, some spare ones for a while.

    Stands for cheroot's pool, which has a fixed size (a few slow clients fill it) and whose
    threads keep a process from ending.
    """

    SPARE_S = 30.0

    def __init__(self, http: _Http) -> None:
        self._http = http
        self._queue: queue.SimpleQueue[_Connection] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._spare = 0  # threads that wait and that no connection is on its way to
        self._busy: set[_Connection] = set()
        self._stopped = False

    @property
    def busy(self) -> int:
        """Connections that have a thread."""
        return len(self._busy)

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
            log.warning("connection from=%s ended: %s", conn.remote_addr, exc)
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
        if fine and self.chunked_read:  # refused unread, so nothing can follow it
            self.close_connection = True
        return fine


class _Paced:
    """A socket whose reads and writes have to be over by a deadline, however they drip."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._write_by: float | None = None
        self.read_by = time.monotonic() + REQUEST_S

    def expect_request(self) -> None:
        """A request may begin to come: its time runs from here, its answer's from the answer."""
        self.read_by = time.monotonic() + REQUEST_S
        self._write_by = None

    def _wait_until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)

    def recv_into(self, buffer: Any) -> int:
        self._wait_until(self.read_by)
        return self._sock.recv_into(buffer)

    def send(self, data: bytes) -> int:
        if self._write_by is None:
            self._write_by = time.monotonic() + ANSWER_S
        self._wait_until(self._write_by)
        return self._sock.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request

    def __init__(self, server: Any, sock: socket.socket, _makefile: Any) -> None:
        self._paced = _Paced(sock)
        super().__init__(server, sock, lambda _sock, mode, size: MakeFile(self._paced, mode, size))
        self._greeted = not isinstance(sock, ssl.SSLSocket)

    def communicate(self) -> bool:
        """Handle what has come: the handshake or a request. Answers whether to keep it."""
        if not self._greeted:
            return self._greet()
        self._paced.expect_request()
        return bool(super().communicate())  # type: ignore[no-untyped-call]

    def cut(self) -> None:
        """End it from another thread."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("connection from=%s was gone", self.remote_addr)

    def _greet(self) -> bool:
        self.socket.settimeout(HANDSHAKE_S)
        try:
            self.socket.do_handshake()
        except (ssl.SSLError, OSError) as exc:
            log.info("handshake from=%s failed: %s", self.remote_addr, exc)
            _linger(self.socket)
            return False
        self._greeted = True
        self.ssl_env = {
            "wsgi.url_scheme": "https",
            "cloudnet.caller": caller_of(self.socket.getpeercert()),
        }
        return True


def _linger(sock: socket.socket) -> None:
    """Let the peer read the alert: closing on unread bytes would reset the connection."""
    deadline = time.monotonic() + 1
    try:
        socket.socket.shutdown(sock, socket.SHUT_WR)
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            if not socket.socket.recv(sock, 65536):
                return
    except OSError:
        return


class _Tls(Adapter):
    """Wraps connections without the handshake, which `_Connection` does in its thread."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def bind(self, sock: socket.socket) -> socket.socket:
        return sock

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, Any]]:
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {}

    def get_environ(self) -> dict[str, Any]:
        return {}

    def makefile(self, sock: Any, mode: str = "r", bufsize: int = -1) -> Any:
        return MakeFile(sock, mode, bufsize)


class _Http(WsgiServer):
    ConnectionClass = _Connection
    max_request_header_size = MAX_HEADER_BYTES
    keep_alive_conn_limit = MAX_CONNECTIONS
    _connections: Any  # cheroot's, once prepared

    def __init__(self, address: tuple[str, int], application: Any) -> None:
        super().__init__(
            address, application, timeout=IDLE_S, request_queue_size=128, server_name="cloudnet"
        )
        self.requests = _Crew(self)

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
            with contextlib.suppress(OSError):
                socket.create_connection(self.socket.getsockname()[:2], 1).close()
        super().stop()

    def process_conn(self, conn: _Connection) -> None:
        """A connection has something to say, or has just come."""
        if conn.last_used is not None:
            self.requests.put(conn)
        elif self._connections._num_connections + self.requests.busy >= MAX_CONNECTIONS:
            log.warning("too many connections: from=%s is refused", conn.remote_addr)
            conn.close()
        else:
            self._connections.put(conn)

    def put_conn(self, conn: _Connection) -> None:
        """A connection has had its say, for now."""
        decrypted = isinstance(conn.socket, ssl.SSLSocket) and conn.socket.pending()
        if self.ready and decrypted:
            self.requests.put(conn)
        else:
            super().put_conn(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        log.log(level, "http: %s", msg, exc_info=traceback)
