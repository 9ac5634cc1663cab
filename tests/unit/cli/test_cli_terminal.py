"""The console on a terminal and in a pipe, against a small serial line behind a real WebSocket."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

ATTACH = "import sys; from cloudnet_sdn.cli.terminal import attach; attach(sys.argv[1], None)"


def line(socket: ServerConnection) -> None:
    """A VNode that repeats in capitals, says good-bye at Ctrl-D, and hangs up."""
    try:
        socket.send(b"login: ")
        for data in socket:
            if b"\x04" in data:
                socket.send(b"bye\r\n")
                return
            socket.send(bytes(data).upper())
    except ConnectionClosed:
        return


@pytest.fixture
def url() -> Iterator[str]:
    with serve(line, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/token"
        server.shutdown()
        thread.join()


def test_piped_input_is_sent_and_the_answers_printed(url):
    ran = subprocess.run(
        [sys.executable, "-c", ATTACH, url],
        input=b"ls\n",
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout == b"login: LS\nbye\r\n"


def test_on_a_terminal_keys_go_through_and_the_escape_leaves(url):
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", ATTACH, url])
    seen = read_until(terminal, b"login: ")
    assert b"Ctrl-] leaves" in seen
    os.write(terminal, b"a\x03b")
    read_until(terminal, b"A\x03B")
    os.write(terminal, b"\x1d")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0


def read_until(terminal: int, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        seen += os.read(terminal, 1024)
    return seen
