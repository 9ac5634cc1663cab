"""The API's HTTP server, on eventlet like everything in the controller's process.

Client certificates are checked by a context of our own that wraps the listener:
`eventlet.wrap_ssl` ignores `cert_reqs`, and would let anybody in.
"""

from __future__ import annotations

import logging
from typing import Any

import eventlet
import eventlet.wsgi

from cloudnet_sdn.wire.rpc import Service, local, wsgi
from cloudnet_sdn.wire.tls import Contexts, TlsFiles, caller_of
from ryu_apps.settings import Address

log = logging.getLogger(__name__)

IDLE_S = 60.0
"""A connection that says nothing for so long is closed."""


class CallerProtocol(eventlet.wsgi.HttpProtocol):
    """HTTP that tells the application who calls, from the client's certificate."""

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environment, with `cloudnet.caller`."""
        environ: dict[str, Any] = super().get_environ()
        environ["cloudnet.caller"] = caller_of(self.connection.getpeercert())
        return environ


class _Secured:
    """A listening socket that wraps each connection with the certificates of that moment."""

    def __init__(self, listener: Any, contexts: Contexts) -> None:
        self._listener = listener
        self._contexts = contexts

    def accept(self) -> tuple[Any, Any]:
        """The next connection; its handshake is for whoever reads from it."""
        while True:
            sock, address = self._listener.accept()
            try:
                secured = self._contexts.current().wrap_socket(
                    sock, server_side=True, do_handshake_on_connect=False
                )
            except OSError as exc:  # the peer has gone
                log.info("connection from=%s ended: %s", address[0], exc)
                sock.close()
            else:
                return secured, address

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


def open_listener(address: Address, tls: TlsFiles | None) -> Any:
    """The API's listening socket.

    Raises:
        OSError: the address is taken, or a file of `tls` isn't there.
        ValueError: a file of `tls` isn't what it should be.
    """
    contexts = Contexts(tls) if tls is not None else None
    listener = eventlet.listen((address.host, address.port), reuse_port=False)
    return listener if contexts is None else _Secured(listener, contexts)


def serve(listener: Any, service: Service, *, secured: bool) -> None:
    """Serve until killed. Plain HTTP makes every caller the local operator."""
    application = wsgi(service)
    options: dict[str, Any] = {"log_output": False, "socket_timeout": IDLE_S, "debug": False}
    if secured:
        eventlet.wsgi.server(listener, application, protocol=CallerProtocol, **options)
    else:
        eventlet.wsgi.server(listener, local(application), **options)
