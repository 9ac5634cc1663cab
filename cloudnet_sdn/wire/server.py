"""The XML-RPC server of roles and agents: a door, HTTP on connections, and places for calls.

`door.Door` keeps who says nothing outside, `connections.HttpServer` reads requests, and calls run
at most `threads` at a time (`places.Places`). Of connections, of bytes that are being read and of
places each caller gets a share (`shares.Shares`); who finds none for `PATIENCE_S` is told to come
back (fault 429).
"""

from __future__ import annotations

import ipaddress
import threading

from cloudnet_sdn.wire.codec import dump_fault
from cloudnet_sdn.wire.connections import HttpServer
from cloudnet_sdn.wire.faults import Busy, to_fault
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.places import Places
from cloudnet_sdn.wire.rpc import MAX_BYTES, Bodies, Dispatcher, wsgi
from cloudnet_sdn.wire.tls import Contexts, TlsFiles

PATIENCE_S = 10.0
WAITING = 4
"""Calls that may wait, for each that may run."""
BODIES = 16
"""Of the largest bodies, how many may be in memory at a time."""


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
        threads: int = 32,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            service: what answers.
            host: an address of this machine; a loopback one if `tls` is None.
            port: 0 to choose.
            tls: this end's files, used as they are at each new connection; None for plain HTTP,
                where every caller is the local operator.
            threads: calls that run at a time; of one caller alone, half as many.
            max_bytes: larger requests are fault 413.

        Raises:
            ValueError: plain HTTP on what isn't loopback, or unusable TLS files.
            FileNotFoundError: a TLS file isn't there.
        """
        if tls is None and not _is_loopback(host):
            raise ValueError(f"plain HTTP is served on loopback alone, not on {host}")
        bodies = Bodies(BODIES * max_bytes, PATIENCE_S)
        application = wsgi(_Placed(service, threads), max_bytes=max_bytes, bodies=bodies)
        self.host = host
        self.port = port
        self._scheme = "https" if tls else "http"
        contexts = Contexts(tls) if tls else None
        self._http = HttpServer((host, port), application, contexts, 4 * max_bytes)
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


class _Placed:
    """A dispatcher whose calls have places; those of strangers are few as it is."""

    def __init__(self, service: Dispatcher, threads: int) -> None:
        self._service = service
        self._places = Places(threads, WAITING * threads, patience_s=PATIENCE_S)

    def dispatch(self, body: bytes, caller: Caller | None) -> bytes:
        if caller is None:
            return self._service.dispatch(body, caller)
        try:
            with self._places.taken(caller):
                return self._service.dispatch(body, caller)
        except Busy as exc:
            return dump_fault(to_fault(exc))
