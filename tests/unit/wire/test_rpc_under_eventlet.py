"""The same WSGI application under eventlet, as the controller serves it; in a process of its own,
because eventlet patches the whole process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.faults import TooLarge, Unauthenticated
from cloudnet_sdn.wire.tls import TlsFiles

PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
import eventlet
eventlet.monkey_patch()
import eventlet.wsgi
from pathlib import Path
from cloudnet_sdn.wire.rpc import Method, Service, wsgi
from cloudnet_sdn.wire.tls import TlsFiles, caller_of, server_context

class Protocol(eventlet.wsgi.HttpProtocol):
    def get_environ(self):
        environ = super().get_environ()
        environ["cloudnet.caller"] = caller_of(self.connection.getpeercert())
        return environ

listener = server_context(TlsFiles(*map(Path, sys.argv[1:]))).wrap_socket(
    eventlet.listen(("127.0.0.1", 0)), server_side=True, do_handshake_on_connect=False
)
methods = [
    Method("who", lambda caller: str(caller), ("string",), "Who calls."),
    Method("echo", lambda caller, value: value, ("string", "string"), "What it is given."),
]
print(listener.getsockname()[1], flush=True)
eventlet.wsgi.server(listener, wsgi(Service(methods)), protocol=Protocol, log_output=False)
"""


@pytest.fixture(scope="module")
def url(role: TlsFiles) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, role.ca, role.cert, role.key],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            assert process.stdout
            yield f"https://127.0.0.1:{int(process.stdout.readline())}/RPC2"
        finally:
            process.kill()


def test_callers_are_known_and_large_requests_refused(
    url: str, calling: Callable[..., Client], role: TlsFiles, tenant: TlsFiles
) -> None:
    assert calling(url, tenant).call("who") == "cloudnet:tenant:anna"
    client = calling(url, role)
    assert client.call("who") == "cloudnet:role:berlin"
    assert client.call("echo", "x" * 1_000_000) == "x" * 1_000_000
    with pytest.raises(TooLarge):
        client.call("echo", "x" * 21_000_000)
    assert client.call("who") == "cloudnet:role:berlin"


def test_foreign_certificates_are_refused(
    url: str, calling: Callable[..., Client], foreign: TlsFiles, nameless: TlsFiles
) -> None:
    """eventlet's own `wrap_ssl` would have let anybody in."""
    for stranger in (foreign, nameless):
        with pytest.raises(Unauthenticated):
            calling(url, stranger).call("who")
