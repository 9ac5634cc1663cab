"""A server of consoles: WebSockets that a single-use token opens.

`wss://HOST:PORT/…TOKEN`, binary frames of what is typed and shown. The token in the path is secret,
so nothing here logs a path or a URL.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, NamedTuple, TypeVar, cast

from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from cloudnet_sdn.wire.configuration import WHERE_IT_LISTENS, Public, is_wildcard
from cloudnet_sdn.wire.door import Door
from cloudnet_sdn.wire.identity import Caller, Kind
from cloudnet_sdn.wire.shares import Shares
from cloudnet_sdn.wire.tls import Contexts, caller_of
from cloudnet_sdn.wire.tokens import MAX_OPEN, Tokens, utc_now

T = TypeVar("T")

OPEN_S = 5.0
"""Within which a console opens."""

MAX_OPENING = 32
"""Connections on the way to a console, at a time."""

MAX_SESSIONS = 256
"""Consoles that are open, at a time."""

CLOSE_S = 2.0
"""Within which one that ends says good-bye."""

MAX_FRAME = 1024 * 1024

frames_log = logging.getLogger(f"{__name__}.frames")
"""The logger that websockets gets: below warnings it would tell paths, and with them tokens."""
frames_log.setLevel(logging.WARNING)


class Ticket(NamedTuple):
    """A console to be had once.

    Attributes:
        url: where.
        token: the end of the URL.
        expires: until when it may be connected to.
    """

    url: str
    token: str
    expires: dt.datetime


class ConsoleServer(Generic[T]):
    """Listens, and serves whoever has a token.

    A connection costs a thread from its first word on (`door.Door`); few may be on their way to a
    console at a time. Of tokens and of open consoles an owner has a share: a role up to half of
    all, since it asks for many, and anybody else a tenth.

    Attributes:
        port: where it listens; with 0 given, the one that was free, once started.
    """

    def __init__(
        self,
        host: str,
        port: int,
        tls: Contexts,
        serve_one: Callable[[ServerConnection, T], None],
        *,
        prefix: str = "/",
        public: Public = WHERE_IT_LISTENS,
        allowed: Caller | None = None,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            host: the address to listen on.
            port: 0 to choose.
            tls: the server's side of TLS.
            serve_one: serves a session, given what its token was granted for, in a thread.
            prefix: what paths have before the token.
            public: host and port in the URLs; where it listens, as far as not given.
            allowed: whose certificate a token needs besides; None: nobody's.
            now: the clock tokens go by.
        """
        self.port = port
        self._host = host
        self._tls = tls
        self._serve_one = serve_one
        self._prefix = prefix
        self._public = public
        self._allowed = allowed
        self._tokens: Tokens[_Opens[T]] = Tokens(now=now)
        self._opening = Shares(MAX_OPENING)
        self._on_the_way: dict[int, str] = {}  # by thread, from where
        self._sessions = Shares(MAX_SESSIONS)
        self._server: Server | None = None
        self._loop: threading.Thread | None = None

    def start(self) -> None:
        """Listen and serve, in threads of its own; returns once it listens.

        Raises:
            OSError: the address can't be had.
        """
        six = ":" in self._host
        listener = socket.create_server(
            (self._host, self.port),
            family=socket.AF_INET6 if six else socket.AF_INET,
            dualstack_ipv6=six and is_wildcard(self._host),
        )
        self.port = int(listener.getsockname()[1])
        door = Door(listener, self._tls, self._opening.take)
        self._server = serve(
            self._serve,
            sock=cast("socket.socket", door),
            process_request=self._admit,
            create_connection=_Session,
            compression=None,
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            max_size=MAX_FRAME,
            server_header=None,
            logger=frames_log,
        )
        self._server.handler = self._counted(self._server.handler)
        door.listen()
        self._loop = threading.Thread(
            target=self._server.serve_forever, name=f"consoles:{self.port}", daemon=True
        )
        self._loop.start()

    def stop(self) -> None:
        """Listen no more and end all consoles; may be repeated."""
        if self._server is not None and self._loop is not None:
            self._server.shutdown()
            self._loop.join()
            self._server = self._loop = None

    def check(self, owner: Caller | None) -> None:
        """See whether `owner` may have one more token.

        Raises:
            Busy: he has his share of them, or too many are open.
        """
        self._tokens.check(owner, _share(owner, MAX_OPEN))

    def grant(self, opens: T, owner: Caller | None = None) -> Ticket:
        """A URL that opens a session for `opens`, once and within 60 s.

        Raises:
            Busy: as `check`.
        """
        token, expires = self._tokens.grant(_Opens(opens, owner), owner, _share(owner, MAX_OPEN))
        name = self._public.host or self._host
        host = f"[{name}]" if ":" in name else name
        port = self._public.port or self.port
        return Ticket(f"wss://{host}:{port}{self._prefix}{token}", token, expires)

    def _counted(self, handler: Callable[..., None]) -> Callable[..., None]:
        """Handle a connection; until its console opens it is on the way to one."""

        def counted(sock: socket.socket, address: Any) -> None:
            self._on_the_way[threading.get_ident()] = address[0]
            try:
                handler(sock, address)
            finally:
                self._arrived()

        return counted

    def _arrived(self) -> None:
        host = self._on_the_way.pop(threading.get_ident(), None)
        if host is not None:
            self._opening.give(host)

    def _admit(self, session: ServerConnection, request: Request) -> Response | None:
        """See who comes and redeem the token, before the WebSocket opens."""
        if self._allowed is not None and _caller(session) != self._allowed:
            return session.respond(HTTPStatus.FORBIDDEN, "consoles are for the provider\n")
        upgrades = "websocket" in request.headers.get("Upgrade", "").lower()
        opens = None
        if upgrades and request.path.startswith(self._prefix):
            opens = self._tokens.redeem(request.path.removeprefix(self._prefix))
        if opens is None:
            return session.respond(HTTPStatus.NOT_FOUND, "no such console, or no longer\n")
        cast("_Session", session).opens = opens
        return None

    def _serve(self, session: ServerConnection) -> None:
        self._arrived()
        opens: _Opens[T] = cast("_Session", session).opens
        owner = opens.owner
        if not self._sessions.take(owner, most=_share(owner, MAX_SESSIONS)):
            session.close(1013, "too many consoles are open")
            return
        try:
            self._serve_one(session, opens.thing)
        finally:
            self._sessions.give(owner)


def _share(owner: Caller | None, total: int) -> int:
    """How many of `total` an owner may have; a role asks for all its customers."""
    return total // 2 if owner is None or owner.kind is Kind.ROLE else total // 10


@dataclass(frozen=True, slots=True)
class _Opens(Generic[T]):
    """What a token opens, and whose it is."""

    thing: T
    owner: Caller | None


class _Session(ServerConnection):
    """A console's upper end, which knows what its token was granted for."""

    opens: Any


def _caller(session: ServerConnection) -> Caller | None:
    peer = session.socket
    return caller_of(peer.getpeercert() if isinstance(peer, ssl.SSLSocket) else None)


def write_frame(fd: int, frame: str | bytes) -> None:
    """Write a frame to a terminal, whole.

    Raises:
        OSError: nobody reads it.
    """
    view = memoryview(frame.encode() if isinstance(frame, str) else frame)
    while view:
        view = view[os.write(fd, view) :]
