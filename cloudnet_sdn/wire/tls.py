"""TLS contexts of both ends, and the caller's identity in a certificate."""

from __future__ import annotations

import errno
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudnet_sdn.wire.faults import PeerAway
from cloudnet_sdn.wire.files import File
from cloudnet_sdn.wire.identity import Caller, Kind, Peer, fits

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between looks at whether files have changed."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The PEM files of one end.

    Attributes:
        ca: the authority whose certificates the other end may have.
        cert: this end's certificate.
        key: its private key.
        crl: certificates that the authority has revoked, as `cloudnet pki revoke` writes it.
    """

    ca: File
    cert: File
    key: File
    crl: File | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """Those there are."""
        found = (self.ca, self.cert, self.key)
        return found if self.crl is None else (*found, self.crl)


def server_context(files: TlsFiles, *, ask: bool = True) -> ssl.SSLContext:
    """The context of a server that asks for client certificates; TLS 1.2 and up.

    A certificate of another authority ends the handshake with the alert `unknown ca`. A client
    without one is let in, so that it can be answered with fault 401 and may read the public
    introspection: the service refuses it all else.

    Args:
        files: this end's.
        ask: False where something else than a certificate says who calls.

    Raises:
        FileNotFoundError: a file isn't there.
        ValueError: a file isn't what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, files)
    context.verify_mode = ssl.CERT_OPTIONAL if ask else ssl.CERT_NONE
    # Tickets are written right after the handshake: they would race with a client that leaves,
    # and connections are kept anyway.
    context.num_tickets = 0
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """The context of a client that shows its certificate and checks the server's and its name.

    Raises:
        FileNotFoundError: a file isn't there.
        ValueError: a file isn't what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _load(context, files)
    return context


def check_peer(sock: ssl.SSLSocket, expected: Peer, url: str) -> None:
    """See that who was reached is who is meant; the authority and the host are checked already.

    Args:
        sock: after the handshake.
        expected: who is meant.
        url: what the error calls the place.

    Raises:
        PeerAway: it is somebody else.
    """
    found = caller_of(sock.getpeercert())
    if not fits(found, expected):
        meant = f"cloudnet:{expected}:…" if isinstance(expected, Kind) else expected
        there = found or "somebody without a name of ours"
        raise PeerAway(f"{url}: {meant} is meant, and the certificate there is of {there}")


class Contexts:
    """The context of an end's files as they are now: made anew once a file has changed.

    Files that are replaced one after the other don't fit for a moment: until they do, the context
    before them is used. Threads may share it.
    """

    def __init__(
        self, files: TlsFiles, make: Callable[[TlsFiles], ssl.SSLContext] = server_context
    ) -> None:
        """Make the first one.

        Raises:
            FileNotFoundError: a file isn't there.
            ValueError: a file isn't what it should be.
        """
        self._files = files
        self._make = make
        self._seen = self._state()
        self._context = make(files)
        self._looked = time.monotonic()
        self._lock = threading.Lock()

    def current(self) -> ssl.SSLContext:
        """The context to use for a new connection."""
        with self._lock:
            now = time.monotonic()
            if now >= self._looked + LOOK_S:
                self._looked = now
                self._renew()
            return self._context

    def _renew(self) -> None:
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._context = self._make(self._files)
        except (OSError, ValueError) as exc:
            log.warning("changed files of TLS aren't used: %s", exc)
        else:
            log.info("files of TLS were changed, and are used from now on: %s", self._files.cert)

    def _state(self) -> tuple[object, ...]:
        found: list[object] = []
        for path in self._files.all:
            try:
                at = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((at.st_mtime_ns, at.st_size, at.st_ino))
        return tuple(found)


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    for path in files.all:
        _check_readable(path)  # ssl's own errors don't say which
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=files.ca)
    except ssl.SSLError as exc:
        raise ValueError(f"{files.ca}: no PEM certificate of an authority") from exc
    if files.crl is not None:
        try:
            context.load_verify_locations(cafile=files.crl)
        except ssl.SSLError as exc:
            raise ValueError(f"{files.crl}: no PEM list of revoked certificates") from exc
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    try:
        # Without a word for it, OpenSSL asks for a key's passphrase at the terminal.
        context.load_cert_chain(files.cert, files.key, password="")
    except ssl.SSLError as exc:
        raise ValueError(f"{files.cert}, {files.key}: no PEM certificate with its key") from exc


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"{path}: a PEM file is wanted, this is a directory")
    try:
        with path.open("rb"):
            pass
    except OSError as exc:
        code = exc.errno or errno.EIO
        raise type(exc)(code, os.strerror(code), str(path)) from exc


def caller_of(peercert: Mapping[str, Any] | None) -> Caller | None:
    """The caller a verified certificate names, from `SSLSocket.getpeercert()`.

    None without a certificate, and where its SAN URIs name no caller of ours or more than one:
    which one would be meant is anybody's guess.
    """
    found = []
    for kind, value in (peercert or {}).get("subjectAltName", ()):
        if kind == "URI" and str(value).startswith("cloudnet:"):
            try:
                found.append(Caller.parse(value))
            except ValueError:
                return None
    return found[0] if len(found) == 1 else None
