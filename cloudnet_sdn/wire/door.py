"""The door of a server: who connects waits outside, without a thread, until he has said something.

A connection comes in once its TLS handshake is through and the first byte of what it has to say is
there. Outside there is room for a few and for a short time: where it is full, the oldest of the
address with the most makes room, so that who says nothing keeps nobody out.
"""

from __future__ import annotations

import errno
import logging
import queue
import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cloudnet_sdn.wire.tls import Contexts

log = logging.getLogger(__name__)

GREETING_S = 5.0
"""Within which a connection has to say something."""

ROOM = 128
"""How many may wait outside at a time."""

LINGER_S = 1.0
"""How long who is turned away may still read why."""

_LOOK_S = 0.25
_CHUNK = 65536


@dataclass(eq=False)
class _Guest:
    """A connection outside."""

    sock: socket.socket
    address: Any
    greeted: bool
    until: float = field(default_factory=lambda: time.monotonic() + GREETING_S)
    leaving: bool = False


class Door:
    """Stands before a listening socket, for a server that takes it for one.

    Attributes:
        family: of the socket, such as `socket.AF_INET`.
    """

    def __init__(
        self,
        listener: socket.socket,
        tls: Contexts | None,
        admit: Callable[[str], bool] = lambda _host: True,
    ) -> None:
        """Prepare; nobody is let in before `listen`.

        Args:
            listener: bound; closed with the door.
            tls: this end's contexts; None for plain connections.
            admit: whether one more from that address may come in now.
        """
        self.family = listener.family
        self._listener = listener
        self._tls = tls
        self._admit = admit
        self._guests: dict[_Guest, None] = {}  # in the order they came
        self._selector = selectors.DefaultSelector()
        self._inside: queue.SimpleQueue[tuple[socket.socket, Any] | None] = queue.SimpleQueue()
        self._bell, self._rope = socket.socketpair()
        self._wake, self._waker = socket.socketpair()
        self._closed = False
        self._porter: threading.Thread | None = None

    def listen(self, backlog: int = 128) -> None:
        """Begin to let connections in, in a thread of its own."""
        self._listener.listen(backlog)
        self._listener.setblocking(False)
        self._bell.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._porter = threading.Thread(
            target=self._attend, name=f"door:{self.getsockname()[1]}", daemon=True
        )
        self._porter.start()

    def close(self) -> None:
        """Let nobody in any more; may be repeated."""
        if self._closed:
            return
        self._closed = True
        self._waker.send(b"\0")
        if self._porter is not None:
            self._porter.join()
        for guest in [*self._guests]:
            self._drop(guest)
        self._selector.close()
        for sock in (self._listener, self._wake, self._waker, self._bell, self._rope):
            sock.close()
        while not self._inside.empty():
            arrived = self._inside.get()
            if arrived is not None:
                arrived[0].close()

    # -- what a server takes for its listening socket

    def accept(self) -> tuple[socket.socket, Any]:
        """One that has something to say, and its address; blocking.

        Raises:
            OSError: the door is closed (EBADF), or nobody came (EAGAIN).
        """
        if self._closed:
            raise OSError(errno.EBADF, "the door is closed")
        self._bell.recv(1)
        arrived = self._inside.get()
        if arrived is None:
            raise BlockingIOError(errno.EAGAIN, "nobody came")
        return arrived

    def ring(self) -> None:
        """Have `accept` answer, though nobody came."""
        self._inside.put(None)
        self._rope.send(b"\0")

    def fileno(self) -> int:
        """Readable when `accept` has an answer."""
        return self._bell.fileno()

    def getsockname(self) -> Any:
        """The address it listens on."""
        return self._listener.getsockname()

    def settimeout(self, _seconds: float | None) -> None:
        """Nothing to do: `accept` is called when there is somebody."""

    # -- outside

    def _attend(self) -> None:
        due = 0.0
        while not self._closed:
            for key, _ in self._selector.select(_LOOK_S if self._guests else None):
                if key.fileobj is self._listener:
                    self._receive()
                elif isinstance(key.data, _Guest):
                    self._hear(key.data)
            if (now := time.monotonic()) >= due:
                due = now + _LOOK_S
                for guest in [g for g in self._guests if g.until <= now]:
                    self._drop(guest)

    def _receive(self) -> None:
        """Take those who have just come."""
        while True:
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as exc:  # no descriptor left, or the peer has gone
                log.warning("a connection can't be taken: %s", exc)
                self._make_room(0)
                return
            self._make_room(ROOM - 1)
            try:
                sock.setblocking(False)
                if self._tls is not None:
                    sock = self._tls.current().wrap_socket(
                        sock, server_side=True, do_handshake_on_connect=False
                    )
            except OSError as exc:
                log.info("connection from=%s ended: %s", address[0], exc)
                sock.close()
                continue
            guest = _Guest(sock, address, greeted=self._tls is None)
            self._guests[guest] = None
            self._selector.register(sock, selectors.EVENT_READ, guest)

    def _make_room(self, most: int) -> None:
        """Have the oldest of the address with the most go, while there are more than `most`."""
        while len(self._guests) > most:
            ((crowded, _),) = Counter(g.address[0] for g in self._guests).most_common(1)
            oldest = next(g for g in self._guests if g.address[0] == crowded)
            log.debug("silent connection from=%s makes room", crowded)
            self._drop(oldest)

    def _hear(self, guest: _Guest) -> None:
        """Somebody says something: of the handshake, or of what comes after it."""
        try:
            if guest.leaving:
                if not socket.socket.recv(guest.sock, _CHUNK):
                    self._drop(guest)
                return
            if not guest.greeted and isinstance(guest.sock, ssl.SSLSocket):
                guest.sock.do_handshake()
                guest.greeted = True
                if not guest.sock.pending():
                    return
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except (ssl.SSLError, OSError) as exc:
            log.info("handshake from=%s failed: %s", guest.address[0], exc)
            self._turn_away(guest)
            return
        self._let_in(guest)

    def _let_in(self, guest: _Guest) -> None:
        if not self._admit(guest.address[0]):
            log.warning("too many connections: from=%s is refused", guest.address[0])
            self._drop(guest)
            return
        del self._guests[guest]
        self._selector.unregister(guest.sock)
        guest.sock.settimeout(None)
        self._inside.put((guest.sock, guest.address))
        self._rope.send(b"\0")

    def _turn_away(self, guest: _Guest) -> None:
        """Let the peer read the alert: closing on unread bytes would reset the connection."""
        guest.leaving = True
        guest.until = time.monotonic() + LINGER_S
        try:
            socket.socket.shutdown(guest.sock, socket.SHUT_WR)
        except OSError:
            self._drop(guest)

    def _drop(self, guest: _Guest) -> None:
        if guest in self._guests:
            del self._guests[guest]
            self._selector.unregister(guest.sock)
            guest.sock.close()
