"""A server of consoles: WebSockets that a single-use token opens.

`wss://HOST:PORT/…TOKEN`, binary frames of what is typed and shown. The token in the path is secret,
so nothing here logs a path or a URL.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, cast

from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.tls import caller_of
from cloudnet_sdn.wire.tokens import Tokens, utc_now

OPEN_S = 10.0
"""Within which a console opens."""

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


class ConsoleServer:
    """Listens, and serves whoever has a token.

    Attributes:
        port: where it listens; with 0 given, the one that was free, once started.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        serve_one: Callable[[ServerConnection, str], None],
        *,
        prefix: str = "/",
        public: str = "",
        allowed: Caller | None = None,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            host: the address to listen on.
            port: 0 to choose.
            context: the server's side of TLS.
            serve_one: serves a session, given what its token was granted for, in a thread.
            prefix: what paths have before the token.
            public: the host's name in the URLs; `host` where not given.
            allowed: whose certificate a token needs besides; None: nobody's.
            now: the clock tokens go by.
        """
        self.port = port
        self._host = host
        self._context = context
        self._serve_one = serve_one
        self._prefix = prefix
        self._public = public or host
        self._allowed = allowed
        self._tokens = Tokens(now=now)
        self._server: Server | None = None
        self._loop: threading.Thread | None = None

    def start(self) -> None:
        """Listen and serve, in threads of its own; returns once it listens.

        Raises:
            OSError: the address can't be had.
        """
        self._server = serve(
            self._serve,
            self._host,
            self.port,
            ssl=self._context,
            process_request=self._admit,
            create_connection=_Session,
            compression=None,
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            max_size=MAX_FRAME,
            server_header=None,
            logger=frames_log,
        )
        self.port = int(self._server.socket.getsockname()[1])
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

    def grant(self, opens: str) -> Ticket:
        """A URL that opens a session for `opens`, once and within 60 s.

        Raises:
            Busy: too many are open.
        """
        token, expires = self._tokens.grant(opens)
        host = f"[{self._public}]" if ":" in self._public else self._public
        return Ticket(f"wss://{host}:{self.port}{self._prefix}{token}", token, expires)

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
        self._serve_one(session, cast("_Session", session).opens)


class _Session(ServerConnection):
    """A console's upper end, which knows what its token was granted for."""

    opens: str = ""


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
