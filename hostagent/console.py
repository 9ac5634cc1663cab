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
import subprocess
import termios
import threading
from collections.abc import Callable, Sequence

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from cloudnet_sdn.wire.certificates import public_place
from cloudnet_sdn.wire.consoles import ConsoleServer, write_frame
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.tls import Contexts, TlsFiles
from hostagent.config import Address
from hostagent.spec import Key

log = logging.getLogger(__name__)

_END_S = 2.0
_WINDOW = (24, 80)
_NOBODY = 65534


class Consoles:
    """Serves consoles of one host's VNodes."""

    def __init__(
        self,
        listen: Address,
        tls: TlsFiles,
        *,
        allowed: Caller,
        public: str = "",
        shell: Callable[[Key], Sequence[str]],
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            listen: where.
            tls: the agent's files.
            allowed: who may connect.
            public: `HOST` or `HOST:PORT` in URLs; '' for where it listens.
            shell: the command that opens a shell in a VNode.

        Raises:
            ConfigurationError: nothing tells what to say in URLs.
        """
        self._shell = shell
        self._server: ConsoleServer[Key] = ConsoleServer(
            listen.host,
            listen.port,
            Contexts(tls),
            self._serve,
            allowed=allowed,
            public=public_place(listen.host, public, tls.cert),
        )

    def start(self) -> None:
        """Listen and serve, in threads of its own; returns once it listens.

        Raises:
            OSError: the address can't be had.
        """
        self._server.start()

    def stop(self) -> None:
        """Listen no more; may be repeated."""
        self._server.stop()

    def grant(self, key: Key) -> dict[str, str]:
        """`{url, token, expires}` of a console that may be opened once.

        Raises:
            Busy: too many have been asked for.
        """
        ticket = self._server.grant(key)
        expires = ticket.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"url": ticket.url, "token": ticket.token, "expires": expires}

    def _serve(self, session: ServerConnection, key: Key) -> None:
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
            write_frame(master, frame)
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


def _end(shell: subprocess.Popen[bytes]) -> None:
    """Wait for the shell that was hung up on; what ignores that stays in the VNode, detached."""
    try:
        shell.wait(_END_S)
    except subprocess.TimeoutExpired:
        shell.kill()
        shell.wait()
