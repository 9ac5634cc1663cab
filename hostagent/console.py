"""Consoles: a shell with a terminal inside a VNode, over a WebSocket. Like a serial line.

`wss://HOST:PORT/TOKEN`, binary frames of what is typed and shown. The token opens it once, within
60 s, and only for the provider's certificate. The shell ends with its connection, the connection
with its shell. Paths are secret: nothing here logs them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pty
import select
import ssl
import subprocess
import termios
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.tls import TlsFiles, caller_of, server_context
from cloudnet_sdn.wire.tokens import Tokens
from hostagent.config import Address
from hostagent.spec import Key

log = logging.getLogger(__name__)

_OPEN_S = 10.0
_END_S = 2.0
_MAX_FRAME = 1024 * 1024
_WINDOW = (24, 80)
_NOBODY = 65534

_quiet = logging.getLogger(f"{__name__}.frames")
_quiet.setLevel(logging.WARNING)  # below that websockets logs paths, and with them tokens


class Consoles:
    """Serves consoles of one host's VNodes.

    Attributes:
        port: where it listens; with 0 given, the one that was free, once started.
    """

    def __init__(
        self,
        listen: Address,
        tls: TlsFiles,
        *,
        allowed: Caller,
        shell: Callable[[Key], Sequence[str]],
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            listen: where.
            tls: the agent's files.
            allowed: who may connect.
            shell: the command that opens a shell in a VNode.
        """
        self.port = listen.port
        self._host = listen.host
        self._context = server_context(tls)
        self._allowed = allowed
        self._shell = shell
        self._tokens = Tokens()
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
            compression=None,
            open_timeout=_OPEN_S,
            close_timeout=_END_S,
            max_size=_MAX_FRAME,
            server_header=None,
            logger=_quiet,
        )
        self.port = int(self._server.socket.getsockname()[1])
        self._loop = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._loop.start()

    def stop(self) -> None:
        """Listen no more; may be repeated."""
        if self._server is not None and self._loop is not None:
            self._server.shutdown()
            self._loop.join()
            self._server = self._loop = None

    def grant(self, key: Key) -> dict[str, str]:
        """`{url, token, expires}` of a console that may be opened once.

        Raises:
            Busy: too many have been asked for.
        """
        token, expires = self._tokens.grant(key)
        host = f"[{self._host}]" if ":" in self._host else self._host
        return {
            "url": f"wss://{host}:{self.port}/{token}",
            "token": token,
            "expires": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _admit(self, session: ServerConnection, request: Request) -> Response | None:
        peer = session.socket
        certificate = peer.getpeercert() if isinstance(peer, ssl.SSLSocket) else None
        if caller_of(certificate) != self._allowed:
            return session.respond(HTTPStatus.FORBIDDEN, "consoles are for the provider\n")
        upgrades = "websocket" in request.headers.get("Upgrade", "").lower()
        key = self._tokens.redeem(request.path.removeprefix("/")) if upgrades else None
        if key is None:
            return session.respond(HTTPStatus.NOT_FOUND, "no such console, or no longer\n")
        session.username = key
        return None

    def _serve(self, session: ServerConnection) -> None:
        key = Key(session.username or "")
        try:
            argv = self._shell(key)
        except Exception as exc:
            log.warning("console key=%s: %s", key, exc)
            session.close(1011, "the VNode does not run")
            return
        log.info("console key=%s opens", key)
        _relay(session, argv)
        log.info("console key=%s ended", key)


def _relay(session: ServerConnection, argv: Sequence[str]) -> None:
    """Run the shell on a terminal of its own until it or the connection ends."""
    master, slave = pty.openpty()
    gone, go = os.pipe()
    try:
        try:
            termios.tcsetwinsize(slave, _WINDOW)
            os.fchown(slave, _NOBODY, _NOBODY)
            shell = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave)
        finally:
            os.close(slave)
        shown = threading.Thread(target=_show, args=(master, gone, session), daemon=True)
        shown.start()
        _type(session, master)
    finally:
        os.close(go)
    shown.join()  # nobody may sit in a read when the terminal closes: it would not hang up
    os.close(gone)
    os.close(master)  # hangs up: the shell and its jobs get SIGHUP
    _end(shell)
    session.close(1000, "the shell has ended")


def _type(session: ServerConnection, master: int) -> None:
    """Hand what is typed to the shell until it or the client is gone."""
    try:
        for frame in session:
            _write(master, frame.encode() if isinstance(frame, str) else frame)
    except (ConnectionClosed, OSError) as exc:  # OSError: the shell has ended
        log.debug("console: %s", exc)


def _show(master: int, gone: int, session: ServerConnection) -> None:
    """Send what the shell writes until it ends or the client is gone."""
    poll = select.poll()
    poll.register(master, select.POLLIN)
    poll.register(gone, select.POLLIN)
    with contextlib.suppress(OSError, ConnectionClosed):  # a terminal at its end says EIO
        while gone not in dict(poll.poll()) and (data := os.read(master, 65536)):
            session.send(data)
    session.close(1000, "the shell has ended")


def _write(master: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(master, view) :]


def _end(shell: subprocess.Popen[bytes]) -> None:
    """Wait for the shell that was hung up on; what ignores that stays in the VNode, detached."""
    try:
        shell.wait(_END_S)
    except subprocess.TimeoutExpired:
        shell.kill()
        shell.wait()
