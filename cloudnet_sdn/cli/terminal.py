"""A VNode's serial console on this terminal: bytes to and from a WebSocket."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from cloudnet_sdn.cli.outcome import Exit, Failed
from cloudnet_sdn.cli.output import talk
from cloudnet_sdn.console import secured
from cloudnet_sdn.wire.identity import Peer
from cloudnet_sdn.wire.tls import TlsFiles, client_context

ESCAPE = b"\x1d"
END_OF_INPUT = b"\x04"
SILENCE_S = 3.0
"""After the end of piped input: how long the console may say nothing before it is left."""


def attach(url: str, tls: TlsFiles | None, peer: Peer = None) -> None:
    """Join stdin and stdout to the console at `url` until it closes or Ctrl-] is typed.

    Args:
        url: as the role answered it.
        tls: the caller's files, for `wss://`.
        peer: whom the certificate there has to name.

    Raises:
        PeerAway: somebody else is there.
        Failed: it can't be reached, or the token is no longer good.
    """
    try:
        with _connected(url, tls, peer) as socket:
            _join(socket)
    except (OSError, WebSocketException) as error:
        raise Failed(f"the console at {url} can't be reached: {error}", Exit.UNREACHABLE) from error


def _connected(url: str, tls: TlsFiles | None, peer: Peer) -> ClientConnection:
    if tls is None or not url.startswith("wss:"):
        return connect(url, proxy=None, compression=None)
    sock = secured(url, client_context(tls), peer)
    # TLS is there already.
    return connect(f"ws{url.removeprefix('wss')}", sock=sock, proxy=None, compression=None)


def _join(socket: ClientConnection) -> None:
    closed_r, closed_w = os.pipe()
    heard = threading.Event()
    printer = threading.Thread(target=_print, args=(socket, heard, closed_w), daemon=True)
    interactive = sys.stdin.isatty()
    if interactive:
        talk("connected; Ctrl-] leaves\r")
    with _raw() if interactive else nullcontext():
        printer.start()
        _send(socket, closed_r, heard)
    socket.close()
    printer.join()
    os.close(closed_r)
    os.close(closed_w)


def _send(socket: ClientConnection, closed: int, heard: threading.Event) -> None:
    """Send what is typed until the escape, the console's end, or silence after piped input."""
    stdin = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([stdin, closed], [], [])
        if closed in ready:
            return
        data = os.read(stdin, 4096)
        typed, escape, _ = data.partition(ESCAPE)
        try:
            socket.send(typed or END_OF_INPUT if not escape else typed)
        except ConnectionClosed:
            return
        if escape:
            return
        if not data:
            break
    heard.clear()
    while not select.select([closed], [], [], 0)[0] and heard.wait(SILENCE_S):
        heard.clear()


def _print(socket: ClientConnection, heard: threading.Event, closed: int) -> None:
    """Print what the console says; tell through `closed` that it has ended."""
    for frame in socket:
        data = frame.encode() if isinstance(frame, str) else frame
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        heard.set()
    os.write(closed, b"x")
    heard.set()


@contextmanager
def _raw() -> Iterator[None]:
    """Every key to the console: no echo, no line editing, no signals."""
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    try:
        tty.setraw(stdin)
        yield
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
