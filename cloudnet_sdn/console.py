"""Consoles: the proxy that hands them up one role, and the terminal at the end.

A role answers `provisioning.console` with a URL of its own proxy. Who connects there is relayed to
the URL that the layer below gave: the host's agent under a PIP, the PIP's proxy under a VNP. The
token in the path is the whole authority, so nothing here logs a path or a URL.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import select
import socket
import ssl
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection
from websockets.sync.server import ServerConnection

from cloudnet_sdn.wire.configuration import WHERE_IT_LISTENS, Public
from cloudnet_sdn.wire.consoles import (
    CLOSE_S,
    MAX_FRAME,
    OPEN_S,
    ConsoleServer,
    frames_log,
    write_frame,
)
from cloudnet_sdn.wire.faults import NotFound, PeerAway
from cloudnet_sdn.wire.identity import Caller, Kind, Peer
from cloudnet_sdn.wire.tls import Contexts, TlsFiles, check_peer, client_context, server_context
from cloudnet_sdn.wire.tokens import utc_now

log = logging.getLogger(__name__)

ESCAPE = 0x1D
"""Control and `]`: ends `attach`."""

_PREFIX = "/console/"
_ENDED_WELL = (1000, 1001, 1005)


class Grant(NamedTuple):
    """A console to be had once.

    Attributes:
        url: `wss://HOST:PORT/console/TOKEN`.
        expires: until when it may be connected to.
    """

    url: str
    expires: dt.datetime


class ConsoleProxy:
    """Relays consoles of one role."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: TlsFiles,
        *,
        below: TlsFiles | None = None,
        below_is: Kind = Kind.ROLE,
        public: Public = WHERE_IT_LISTENS,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            host: the address to listen on.
            port: 0 to choose.
            tls: the role's files; no client certificates are asked for.
            below: files that trust the authority of the layer below; `tls` where not given.
            below_is: what that layer is: shells under a PIP, roles under a VNP.
            public: host and port in the URLs; where it listens, as far as not given.
            now: the clock tokens go by.

        Raises:
            ValueError: unusable TLS files.
            FileNotFoundError: a TLS file isn't there.
        """
        self._below = Contexts(below or tls, client_context)
        self._below_is = below_is
        self._server: ConsoleServer[_Target] = ConsoleServer(
            host,
            port,
            Contexts(tls, partial(server_context, ask=False)),
            self._relay,
            prefix=_PREFIX,
            public=public,
            now=now,
        )

    @property
    def port(self) -> int:
        """Where it listens; with 0 given, the one that was free, once started."""
        return self._server.port

    def start(self) -> None:
        """Listen and relay, in threads of its own; returns once it listens.

        Raises:
            OSError: the address can't be had.
        """
        self._server.start()

    def stop(self) -> None:
        """Listen no more and end all consoles; may be repeated."""
        self._server.stop()

    def check(self, caller: Caller) -> None:
        """See whether the caller may have one more console, before one is asked for below.

        Raises:
            Busy: he has his share of them, or too many are open.
        """
        self._server.check(caller)

    def grant(self, target_url: str, caller: Caller | None = None, at: str = "") -> Grant:
        """A URL that leads, once and within 60 s, to the console at `target_url`.

        Args:
            target_url: as the layer below gave it.
            caller: for whom.
            at: who is to be found there: a shell's element, a provider; '' for any of them.

        Raises:
            ValueError: the target is no `wss://` URL.
            Busy: as `check`.
        """
        _place(target_url)
        peer = Caller(self._below_is, at) if at else self._below_is
        ticket = self._server.grant(_Target(target_url, peer), caller)
        return Grant(ticket.url, ticket.expires)

    def _relay(self, session: ServerConnection, target: _Target) -> None:
        log.info("console opens id=%s", session.id)
        try:
            with _open(target.url, self._below.current(), target.peer) as below:
                _both_ways(session, below)
        except (PeerAway, NotFound) as exc:
            log.warning("console id=%s has nothing below: %s", session.id, exc)
            session.close(1014, "the console can't be reached")
        log.info("console ended id=%s", session.id)


class _Target(NamedTuple):
    """A console below, and whose certificate is to be found there."""

    url: str
    peer: Peer


def _both_ways(above: Connection, below: Connection) -> None:
    """Relay frames until either end closes; both are closed then."""
    up = threading.Thread(target=_one_way, args=(below, above), name="console up", daemon=True)
    up.start()
    _one_way(above, below)
    up.join()


def _one_way(source: Connection, sink: Connection) -> None:
    with contextlib.suppress(ConnectionClosed):
        for frame in source:
            sink.send(frame)
    code = source.close_code if source.close_code in (1000, 1001) else 1011
    for end in (sink, source):
        end.close(code, (source.close_reason or "")[:100])


def _open(url: str, context: ssl.SSLContext, peer: Peer = None) -> ClientConnection:
    """Connect to a console. The token is sent only to whom it is meant for.

    Raises:
        PeerAway: it can't be reached, or somebody else is there.
        NotFound: its token isn't good (any more).
    """
    place = _place(url)
    try:
        return connect(
            f"ws{url.removeprefix('wss')}",  # TLS is there already
            sock=secured(url, context, peer),
            compression=None,
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            max_size=MAX_FRAME,
            proxy=None,
            logger=frames_log,
        )
    except InvalidStatus as exc:
        if exc.response.status_code == HTTPStatus.NOT_FOUND:
            raise NotFound("no such console, or no longer: ask for a new one") from None
        raise PeerAway(f"{place} answered {exc.response.status_code}") from None
    except InvalidURI:
        raise PeerAway(f"{place} leads to no console") from None
    except (OSError, InvalidHandshake) as exc:
        raise PeerAway(f"{place} can't be reached: {exc}") from None


def secured(url: str, context: ssl.SSLContext, peer: Peer) -> ssl.SSLSocket:
    """A connection to where a console's URL leads, before anything of it is told.

    Raises:
        OSError: it can't be reached, or its certificate isn't valid.
        PeerAway: somebody else than `peer` is there.
        ValueError: `url` is no `wss://` URL.
    """
    place = _place(url)
    host, _, port = place.rpartition(":")
    plain = socket.create_connection((host, int(port)), OPEN_S)
    try:
        sock = context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise
    try:
        check_peer(sock, peer, place)
    except PeerAway:
        sock.close()
        raise
    sock.settimeout(None)
    return sock


def _place(url: str) -> str:
    """Host and port of a console's URL; the rest of it is secret.

    Raises:
        ValueError: it is no `wss://` URL.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme == "wss" and parts.hostname:
            return f"{parts.hostname}:{parts.port or 443}"
    except ValueError:  # its text may have the URL
        pass
    raise ValueError("a console's URL is wss://HOST:PORT/...")


# -- the terminal -------------------------------------------------------------------------


def attach(
    url: str, ca: Path, stdin_fd: int = 0, stdout_fd: int = 1, *, silence_s: float = 2.0
) -> None:
    """Connect a terminal to a console until it ends or the user types `^]`.

    A terminal is put into raw mode meanwhile. Where the input is something else and ends, the
    console is left once it has been silent for `silence_s`.

    Args:
        url: as `provisioning.console` answered it.
        ca: the PEM file of the role's authority.
        stdin_fd: what is typed.
        stdout_fd: where the console's output goes.
        silence_s: seconds.

    Raises:
        NotFound: the token is used or expired.
        PeerAway: it can't be reached, or broke off.
        ValueError: `url` is no `wss://` URL, or `ca` no authority's certificate.
    """
    _place(url)
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as exc:
        raise ValueError(f"{ca}: no PEM certificate of an authority") from exc
    with _open(url, context) as link, _raw(stdin_fd), _Screen(link, stdout_fd) as screen:
        with contextlib.suppress(ConnectionClosed):
            _type(link, stdin_fd, screen, silence_s)
        link.close()
    if screen.broke_off:
        raise PeerAway(f"the console broke off: {link.close_reason or 'no reason given'}")


@contextlib.contextmanager
def _raw(fd: int) -> Iterator[None]:
    """The terminal in raw mode, if it is one."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSADRAIN)  # what was typed ahead is kept
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


class _Screen:
    """Writes a console's output in a thread.

    Attributes:
        ended: a descriptor that becomes readable when the console has ended.
        last: when output came last, `time.monotonic()`.
        broke_off: whether it ended other than by closing.
    """

    def __init__(self, link: ClientConnection, fd: int) -> None:
        self._link = link
        self._fd = fd
        self.ended, self._ending = os.pipe()
        self.last = time.monotonic()
        self.broke_off = False
        self._thread = threading.Thread(target=self._show, name="console output", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()
        self._thread.join()
        os.close(self.ended)

    def _show(self) -> None:
        try:
            for frame in self._link:
                self.last = time.monotonic()
                write_frame(self._fd, frame)
        except ConnectionClosed:
            self.broke_off = self._link.close_code not in _ENDED_WELL
        except OSError as exc:
            log.debug("nobody reads the console's output: %s", exc)
        finally:
            os.close(self._ending)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:  # a terminal that was closed
        return b""


def _type(link: ClientConnection, fd: int, screen: _Screen, silence_s: float) -> None:
    """Send what is typed, until the escape, the end of the console or of the input."""
    poll = select.poll()
    poll.register(screen.ended, select.POLLIN)
    poll.register(fd, select.POLLIN)
    while screen.ended not in (ready := {number for number, _ in poll.poll()}):
        if fd not in ready:
            continue
        data = _read(fd)
        typed, escape, _ = data.partition(bytes([ESCAPE]))
        if typed:
            link.send(typed)
        if escape:
            return
        if not data:
            poll.unregister(fd)
            break
    screen.last = time.monotonic()
    while (left := screen.last + silence_s - time.monotonic()) > 0 and not poll.poll(left * 1000):
        pass
