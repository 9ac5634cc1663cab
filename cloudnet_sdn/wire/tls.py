"""TLS contexts of both ends, and the caller's identity in a certificate."""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudnet_sdn.wire.identity import Caller


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The PEM files of one end.

    Attributes:
        ca: the authority whose certificates the other end may have.
        cert: this end's certificate.
        key: its private key.
    """

    ca: Path
    cert: Path
    key: Path


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


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    for path in (files.ca, files.cert, files.key):
        _check_readable(path)  # ssl's own errors don't say which
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=files.ca)
    except ssl.SSLError as exc:
        raise ValueError(f"{files.ca}: no PEM certificate of an authority") from exc
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
