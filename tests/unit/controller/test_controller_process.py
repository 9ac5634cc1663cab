"""The controller's process: how it starts, whom it obeys, how it ends. Without switches."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.ports import free_port

from cloudnet_sdn.pki import init_authority, issue, revoke
from cloudnet_sdn.wire.client import Client
from cloudnet_sdn.wire.faults import Forbidden, PeerAway, Unauthenticated
from cloudnet_sdn.wire.identity import CONTROLLER, shell
from cloudnet_sdn.wire.tls import TlsFiles

Start = Callable[..., subprocess.Popen[str]]


def await_port(port: int, timeout: float = 15.0) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, python: tuple[str, ...] = ("-m", "ryu_apps"), **env: str) -> object:
        process = subprocess.Popen(
            [sys.executable, *python, *arguments],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=os.environ | env | {"PYTHONPATH": str(Path(__file__).parents[3])},
            cwd=tmp_path,
        )
        running.append(process)
        return process

    yield begin  # type: ignore[misc]
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("provider")
    init_authority(directory, "berlin")
    return directory


def certificate(authority: Path, uri: str) -> TlsFiles:
    return issue(authority, uri, out=authority / uri.replace(":", "-"))


def test_only_the_role_named_in_the_configuration_may_command(
    start: Start, authority: Path, tmp_path: Path
) -> None:
    """401 without a certificate, 403 with another's, also while somebody else dawdles."""
    server = certificate(authority, "cloudnet:shell:controller")
    openflow, api = free_port(), free_port()
    config = tmp_path / "controller.toml"
    config.write_text(
        f'listen = "127.0.0.1:{openflow}"\napi = "https://127.0.0.1:{api}"\nstore = "memory:"\n'
        'callers = ["cloudnet:role:berlin"]\n'
        f'[tls]\nca = "{server.ca}"\ncert = "{server.cert}"\nkey = "{server.key}"\n'
    )
    start("--config", str(config))
    await_port(api)
    url = f"https://127.0.0.1:{api}/RPC2"
    with socket.create_connection(("127.0.0.1", api)):  # says nothing, not even a handshake
        berlin = Client(url, certificate(authority, "cloudnet:role:berlin"))
        assert berlin.call("vlinks.list") == []
        assert berlin.call("topology.get") == {"switches": [], "links": []}
        munich = Client(url, certificate(authority, "cloudnet:role:munich"))
        for method in ("vlinks.list", "topology.get"):
            with pytest.raises(Forbidden):
                munich.call(method)
        signatures = munich.call("system.methodSignature", "vlinks.put")
        assert signatures == [["struct", "string", "struct"]]
        nobody = Client(url, certificate(authority, "cloudnet:tenant:berlin"))
        with pytest.raises(Forbidden):
            nobody.call("vlinks.list")
        elsewhere = tmp_path / "elsewhere"
        init_authority(elsewhere, "berlin")
        forged = issue(elsewhere, "cloudnet:role:berlin", out=elsewhere / "b")
        stranger = Client(url, TlsFiles(server.ca, forged.cert, forged.key))
        with pytest.raises((Unauthenticated, PeerAway)):
            stranger.call("vlinks.list")
        for client in (berlin, munich, nobody, stranger):
            client.close()


def test_revoked_certificates_are_refused_without_a_restart(
    start: Start, authority: Path, tmp_path: Path
) -> None:
    """Once the list has changed; a renewed certificate of the controller's own is shown, too."""
    server = certificate(authority, "cloudnet:shell:controller")
    revoke(authority, certificate(authority, "cloudnet:role:gone").cert)
    api = free_port()
    config = tmp_path / "controller.toml"
    config.write_text(
        f'listen = "127.0.0.1:{free_port()}"\napi = "https://127.0.0.1:{api}"\nstore = "memory:"\n'
        'callers = ["cloudnet:role:berlin"]\n'
        f'[tls]\nca = "{server.ca}"\ncert = "{server.cert}"\nkey = "{server.key}"\n'
        f'crl = "{authority / "crl.pem"}"\n'
    )
    start("--config", str(config))
    await_port(api)
    url = f"https://127.0.0.1:{api}/RPC2"
    berlin = certificate(authority, "cloudnet:role:berlin")
    with Client(url, berlin, peer=shell(CONTROLLER)) as client:
        assert client.call("vlinks.list") == []
    certificate(authority, "cloudnet:shell:controller")
    revoke(authority, berlin.cert)
    for _ in range(50):
        try:
            with Client(url, berlin, peer=shell(CONTROLLER)) as client:
                client.call("vlinks.list")
        except (Unauthenticated, PeerAway):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the revoked certificate is still taken")
    renewed = certificate(authority, "cloudnet:role:berlin")
    with Client(url, renewed, peer=shell(CONTROLLER)) as client:
        assert client.call("vlinks.list") == []


def test_it_ends_at_once_when_told_to(start: Start) -> None:
    """SIGTERM is a clean end, as service managers expect."""
    openflow, api = free_port(), free_port()
    process = start(
        *("--listen", f"127.0.0.1:{openflow}", "--api", f"http://127.0.0.1:{api}"),
        *("--store", "sqlite:///c.sqlite"),
    )
    await_port(api)
    await_port(openflow)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5.0) == 0


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        (("--listen", "nonsense"), 2, "listen"),
        (("--config", "missing.toml"), 2, "missing.toml"),
        (("--store", "sqlite:////nowhere/at/all.sqlite"), 2, "/nowhere/at isn't there"),
    ],
)
def test_what_cannot_be_started_says_why(
    start: Start, more: tuple[str, ...], code: int, text: str
) -> None:
    """One line on stderr and the exit codes of the command; no traceback."""
    process = start("--api", f"http://127.0.0.1:{free_port()}", *more)
    _, err = process.communicate(timeout=15.0)
    assert process.returncode == code
    assert text in err
    assert "Traceback" not in err


def test_an_address_that_is_taken(start: Start) -> None:
    """Two controllers never share a port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listen = f"127.0.0.1:{free_port()}"
        for arguments in (
            ("--listen", f"127.0.0.1:{port}", "--api", f"http://127.0.0.1:{free_port()}"),
            ("--listen", listen, "--api", f"http://127.0.0.1:{port}"),
        ):
            process = start(*arguments, "--store", "memory:")
            _, err = process.communicate(timeout=15.0)
            assert process.returncode == 2
            assert "in use" in err


RYU_MANAGER = """
import eventlet.wsgi
eventlet.wsgi.ALREADY_HANDLED = b""
from ryu.cmd.manager import main
main()
"""


def test_it_runs_under_ryu_manager(start: Start, tmp_path: Path) -> None:
    """The app alone, as `ryu-manager FILE`, where Ryu itself gets along with its eventlet."""
    api, openflow = free_port(), free_port()
    config = tmp_path / "c.toml"
    config.write_text(f'api = "http://127.0.0.1:{api}"\nstore = "memory:"\n')
    app = Path(__file__).parents[3] / "ryu_apps" / "vlink_controller.py"
    start(
        *("--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", str(openflow), str(app)),
        python=("-W", "ignore", "-c", RYU_MANAGER),
        CLOUDNET_CONTROLLER_CONFIG=str(config),
    )
    await_port(api)
    await_port(openflow)
    client = Client(f"http://127.0.0.1:{api}/RPC2")
    assert client.call("vlinks.list") == []
    client.close()
