"""Consoles through one and two proxies to a real one, and the terminal at the end, on a pty."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import pty
import socket
import ssl
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from cloudnet_sdn.console import ConsoleProxy, attach
from cloudnet_sdn.pki import init_authority, issue
from cloudnet_sdn.wire.certificates import public_place
from cloudnet_sdn.wire.configuration import ConfigurationError, Public
from cloudnet_sdn.wire.consoles import MAX_OPENING
from cloudnet_sdn.wire.faults import Busy, NotFound, PeerAway
from cloudnet_sdn.wire.identity import Caller, Kind
from cloudnet_sdn.wire.tls import TlsFiles, server_context


@pytest.fixture(scope="module")
def internal(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """The provider's inner authority, of its agents."""
    directory = tmp_path_factory.mktemp("internal")
    init_authority(directory, "berlin, internal")
    return issue(directory, "cloudnet:shell:sn1", out=directory / "agent")


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    directory = tmp_path_factory.mktemp("federation")
    init_authority(directory, "federation")
    return issue(directory, "cloudnet:role:berlin", out=directory / "berlin")


@pytest.fixture(scope="module")
def agent(internal: TlsFiles) -> Iterator[str]:
    """A VNode's console: answers in capitals, `exit` ends it, `crash` breaks it off."""

    def shell(session: ServerConnection) -> None:
        for frame in session:
            if frame == b"exit":
                session.send(b"bye")
                return
            if frame == b"crash":
                session.socket.close()
                return
            session.send(frame.upper())

    context = server_context(internal, ask=False)
    with serve(shell, "127.0.0.1", 0, ssl=context, max_size=None, close_timeout=1) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"wss://127.0.0.1:{server.socket.getsockname()[1]}/x"


class Watch:
    time = dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.time


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def pip(federation: TlsFiles, internal: TlsFiles, watch: Watch) -> Iterator[ConsoleProxy]:
    """A PIP's proxy, above its agents."""
    proxy = ConsoleProxy("127.0.0.1", 0, federation, below=internal, below_is=Kind.SHELL, now=watch)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def vnp(federation: TlsFiles, watch: Watch) -> Iterator[ConsoleProxy]:
    """A VNP's proxy, above PIPs."""
    proxy = ConsoleProxy("127.0.0.1", 0, federation, now=watch)
    proxy.start()
    yield proxy
    proxy.stop()


@contextlib.contextmanager
def opened(url: str, files: TlsFiles) -> Iterator[ClientConnection]:
    """As a user's own tool would, with the authority's certificate alone."""
    context = ssl.create_default_context(cafile=str(files.ca))
    with connect(url, ssl=context, close_timeout=1, proxy=None, open_timeout=5) as link:
        yield link


def test_a_console_is_relayed_over_two_roles(
    vnp: ConsoleProxy, pip: ConsoleProxy, agent: str, federation: TlsFiles
) -> None:
    """Frames cross whole and in order, both ways."""
    url = vnp.grant(pip.grant(agent).url).url
    with opened(url, federation) as link:
        for n in range(50):
            link.send(f"line {n}\n".encode())
        assert [link.recv(5) for _ in range(50)] == [f"LINE {n}\n".encode() for n in range(50)]
        every_byte = bytes(range(256)) * 1000
        link.send(every_byte)
        assert link.recv(5) == every_byte.upper()


def test_the_end_below_is_the_end_above(
    vnp: ConsoleProxy, pip: ConsoleProxy, agent: str, federation: TlsFiles
) -> None:
    """With what was said last, and with how it ended."""
    with opened(vnp.grant(pip.grant(agent).url).url, federation) as link:
        link.send(b"exit")
        assert link.recv(5) == b"bye"
        with pytest.raises(ConnectionClosed):
            link.recv(5)
        assert link.close_code == 1000
    with opened(vnp.grant(pip.grant(agent).url).url, federation) as link:
        link.send(b"crash")
        with pytest.raises(ConnectionClosed):
            link.recv(5)
        assert link.close_code == 1011


def test_the_end_above_is_the_end_below(
    pip: ConsoleProxy, internal: TlsFiles, federation: TlsFiles
) -> None:
    """A user who leaves doesn't leave a shell open."""
    ended = threading.Event()

    def shell(session: ServerConnection) -> None:
        for _ in session:
            pass
        ended.set()

    context = server_context(internal, ask=False)
    with serve(shell, "127.0.0.1", 0, ssl=context, close_timeout=1) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = f"wss://127.0.0.1:{server.socket.getsockname()[1]}/"
        with opened(pip.grant(target).url, federation) as link:
            link.send(b"x")
        assert ended.wait(5)


def test_a_url_opens_once(pip: ConsoleProxy, agent: str, federation: TlsFiles) -> None:
    url = pip.grant(agent).url
    with opened(url, federation) as link:
        with pytest.raises(InvalidStatus, match="404"), opened(url, federation):
            pass
        link.send(b"still here")
        assert link.recv(5) == b"STILL HERE"


def test_a_url_expires(pip: ConsoleProxy, agent: str, federation: TlsFiles, watch: Watch) -> None:
    """After the 60 s of the contract."""
    grant = pip.grant(agent)
    assert grant.expires - watch.time == dt.timedelta(seconds=60)
    watch.time += dt.timedelta(seconds=61)
    with pytest.raises(InvalidStatus, match="404"), opened(grant.url, federation):
        pass


@pytest.mark.parametrize("path", ["", "/", "/console/", "/console/x", "/console/../console/x"])
def test_guesses_open_nothing(
    pip: ConsoleProxy, agent: str, federation: TlsFiles, path: str
) -> None:
    pip.grant(agent)
    with pytest.raises(InvalidStatus, match="404"):
        with opened(f"wss://127.0.0.1:{pip.port}{path}", federation):
            pass


def test_nothing_below_is_said(pip: ConsoleProxy, federation: TlsFiles) -> None:
    """A host that went away meanwhile ends the console with a reason, not with silence."""
    with opened(pip.grant("wss://127.0.0.1:1/x").url, federation) as link:
        with pytest.raises(ConnectionClosed, match="can't be reached"):
            link.recv(5)


def test_a_layer_below_of_another_authority_is_not_trusted(
    vnp: ConsoleProxy, agent: str, federation: TlsFiles
) -> None:
    """The VNP trusts the federation; an agent's inner authority says nothing to it."""
    with opened(vnp.grant(agent).url, federation) as link:
        with pytest.raises(ConnectionClosed, match="can't be reached"):
            link.recv(5)


@pytest.mark.parametrize("target", ["", "ws://127.0.0.1/x", "https://127.0.0.1/x"])
def test_targets_are_wss(pip: ConsoleProxy, target: str) -> None:
    with pytest.raises(ValueError, match="wss"):
        pip.grant(target)


def test_nothing_logs_a_token(
    vnp: ConsoleProxy,
    pip: ConsoleProxy,
    agent: str,
    federation: TlsFiles,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not even with everything logged."""
    with caplog.at_level(logging.DEBUG):
        below = pip.grant(agent).url
        above = vnp.grant(below).url
        terminal = Terminal(above, federation.ca)
        terminal.type(b"\x1d")
        terminal.left()
        with pytest.raises(NotFound):
            attach(above, federation.ca)
    assert "console opens" in caplog.text
    for url in (above, below):
        assert url.rpartition("/")[2] not in caplog.text


def test_stopping_ends_all_consoles(federation: TlsFiles, internal: TlsFiles, agent: str) -> None:
    proxy = ConsoleProxy("127.0.0.1", 0, federation, below=internal, below_is=Kind.SHELL)
    proxy.start()
    with opened(proxy.grant(agent).url, federation) as link:
        link.send(b"x")
        assert link.recv(5) == b"X"
        proxy.stop()
        proxy.stop()
        with pytest.raises(ConnectionClosed):
            link.recv(5)


def test_the_url_names_the_public_host(federation: TlsFiles, agent: str) -> None:
    named = ConsoleProxy("0.0.0.0", 7, federation, public=Public("vnp.example.org", None))
    assert named.grant(agent).url.startswith("wss://vnp.example.org:7/console/")
    assert ConsoleProxy("::1", 7, federation).grant(agent).url.startswith("wss://[::1]:7/console/")


# -- who may take how much, and where it is -------------------------------------------------


def test_silent_connections_cost_no_threads(
    pip: ConsoleProxy, agent: str, federation: TlsFiles
) -> None:
    """600 of them, and as many that begin a handshake: a console opens all the same."""
    before = set(threading.enumerate())
    for said in (b"", b"\x16\x03\x01"):
        with contextlib.ExitStack() as stack:
            for _ in range(600):
                silent = socket.create_connection(("127.0.0.1", pip.port), 5)
                stack.enter_context(silent).sendall(said)
            assert set(threading.enumerate()) <= before
            with opened(pip.grant(agent).url, federation) as link:
                link.send(b"x")
                assert link.recv(5) == b"X"


def test_connections_that_stop_on_their_way_are_few(
    pip: ConsoleProxy, agent: str, federation: TlsFiles
) -> None:
    """Each that has said half a word costs threads; those of one address are bounded."""
    before = threading.active_count()
    context = ssl.create_default_context(cafile=str(federation.ca))
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", pip.port), 5))
            secured = context.wrap_socket(plain, server_hostname="localhost")
            with contextlib.suppress(OSError):
                stack.enter_context(secured).sendall(b"GET /console/")
        time.sleep(0.5)
        assert threading.active_count() - before <= 2 * MAX_OPENING
    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.1)
    with opened(pip.grant(agent).url, federation) as link:
        link.send(b"x")
        assert link.recv(5) == b"X"


def test_tokens_are_shared(pip: ConsoleProxy, agent: str) -> None:
    """A tenant gets a tenth of all, and can't use up what others need; a role gets half."""
    acme, rival = Caller(Kind.TENANT, "acme"), Caller(Kind.TENANT, "rival")
    broker = Caller(Kind.ROLE, "vnp")
    for _ in range(100):
        pip.grant(agent, acme)
    with pytest.raises(Busy):
        pip.check(acme)
    with pytest.raises(Busy):
        pip.grant(agent, acme)
    pip.grant(agent, rival)
    for _ in range(500):
        pip.grant(agent, broker)
    with pytest.raises(Busy):
        pip.grant(agent, broker)
    pip.grant(agent, rival)


def test_a_token_goes_to_nobody_else(
    pip: ConsoleProxy, agent: str, federation: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    """Another shell of the same provider, where `sn2` is meant, doesn't get to see it."""
    with opened(pip.grant(agent, at="sn2").url, federation) as link:
        with pytest.raises(ConnectionClosed, match="can't be reached"):
            link.recv(5)
    assert "cloudnet:shell:sn2 is meant, and the certificate there is of cloudnet:shell:sn1" in (
        caplog.text
    )
    with opened(pip.grant(agent, at="sn1").url, federation) as link:
        link.send(b"x")
        assert link.recv(5) == b"X"


@pytest.mark.parametrize(
    ("listen", "public", "hosts", "place"),
    [
        ("192.0.2.7", "", ["berlin.example"], ("192.0.2.7", None)),
        ("0.0.0.0", "", ["localhost", "*.example", "berlin.example"], ("berlin.example", None)),
        ("::", "", ["127.0.0.1", "192.0.2.7"], ("192.0.2.7", None)),
        ("0.0.0.0", "console.example", ["berlin.example"], ("console.example", None)),
        ("192.0.2.7", "console.example:443", [], ("console.example", 443)),
        ("0.0.0.0", "[2001:db8::1]:443", [], ("2001:db8::1", 443)),
    ],
)
def test_urls_name_a_place_that_others_know(
    tmp_path: Path, listen: str, public: str, hosts: list[str], place: tuple[str, int | None]
) -> None:
    """What is configured, where it listens, or the first host of the certificate."""
    init_authority(tmp_path, "federation")
    files = issue(tmp_path, "cloudnet:role:berlin", out=tmp_path / "x", hosts=hosts)
    assert public_place(listen, public, files.cert) == place


def test_every_address_is_no_place(federation: TlsFiles) -> None:
    """The certificate here is for this machine alone, and says nothing to others."""
    with pytest.raises(ConfigurationError, match="HOST or HOST:PORT"):
        public_place("0.0.0.0", "", federation.cert)
    for nonsense in ("https://x", "a b", "x:99999", ":7", "x:0"):
        with pytest.raises(ConfigurationError, match="HOST or HOST:PORT"):
            public_place("0.0.0.0", nonsense, federation.cert)


# -- the terminal ---------------------------------------------------------------------------


class Terminal:
    """A pty with `attach` on it in a thread."""

    def __init__(self, url: str, ca: Path) -> None:
        self.keys, self.screen = pty.openpty()
        self.before = termios.tcgetattr(self.screen)
        self.raised: list[Exception] = []
        self._thread = threading.Thread(target=self._attach, args=(url, ca), daemon=True)
        self._thread.start()

    def _attach(self, url: str, ca: Path) -> None:
        try:
            attach(url, ca, self.screen, self.screen)
        except Exception as exc:
            self.raised.append(exc)

    def type(self, keys: bytes) -> None:
        os.write(self.keys, keys)

    def shows(self, text: bytes) -> None:
        seen = b""
        while text not in seen:
            seen += os.read(self.keys, 1000)

    def left(self) -> None:
        """Attach has returned and the terminal is as before."""
        self._thread.join(10)
        assert not self._thread.is_alive()
        assert termios.tcgetattr(self.screen) == self.before
        os.close(self.keys)
        os.close(self.screen)


@pytest.fixture
def terminal(pip: ConsoleProxy, agent: str, federation: TlsFiles) -> Terminal:
    return Terminal(pip.grant(agent).url, federation.ca)


def test_keys_go_raw_and_the_escape_leaves(terminal: Terminal) -> None:
    """Ctrl-C and Ctrl-D are the VNode's; `^]` is ours, and what stands before it is sent."""
    time.sleep(0.2)
    terminal.type(b"a\x03\x04\r")
    terminal.shows(b"A\x03\x04\r")
    terminal.type(b"last\x1dnever")
    terminal.left()
    assert terminal.raised == []


def test_what_is_typed_ahead_is_sent(terminal: Terminal) -> None:
    """Also without waiting for the connection."""
    terminal.type(b"early")
    terminal.shows(b"EARLY")
    terminal.type(b"\x1d")
    terminal.left()


def test_the_consoles_end_leaves(terminal: Terminal) -> None:
    time.sleep(0.2)
    terminal.type(b"exit")
    terminal.shows(b"bye")
    terminal.left()
    assert terminal.raised == []


def test_a_console_that_breaks_off_is_an_error(terminal: Terminal) -> None:
    """With the terminal restored all the same."""
    time.sleep(0.2)
    terminal.type(b"crash")
    terminal.left()
    assert isinstance(terminal.raised[0], PeerAway)


def test_piped_input_is_answered_before_it_ends(
    pip: ConsoleProxy, agent: str, federation: TlsFiles
) -> None:
    """`echo … | cloudnet console …` shows the answer and returns."""
    typed, typing = os.pipe()
    shown, showing = os.pipe()
    with os.fdopen(typing, "wb") as keys:
        keys.write(b"uptime\n")
    begun = time.monotonic()
    attach(pip.grant(agent).url, federation.ca, typed, showing, silence_s=0.3)
    assert os.read(shown, 100) == b"UPTIME\n"
    assert time.monotonic() - begun < 3
    for fd in (typed, shown, showing):
        os.close(fd)


def test_a_used_url_is_not_found(pip: ConsoleProxy, agent: str, federation: TlsFiles) -> None:
    url = pip.grant(agent).url
    with opened(url, federation):
        pass
    with pytest.raises(NotFound, match="ask for a new one"):
        attach(url, federation.ca)


def test_errors_keep_the_token_to_themselves(federation: TlsFiles, internal: TlsFiles) -> None:
    """Nobody there, another authority, not even a URL."""
    for url, ca in [
        ("wss://127.0.0.1:1/console/SECRET", federation.ca),
        ("wss://no-such-host.invalid/console/SECRET", internal.ca),
        ("ws://127.0.0.1:1/console/SECRET", federation.ca),
        ("wss:///console/SECRET", federation.ca),
        ("wss://127.0.0.1:port/console/SECRET", federation.ca),
    ]:
        with pytest.raises((PeerAway, ValueError)) as caught:
            attach(url, ca)
        assert "SECRET" not in str(caught.value)


def test_a_missing_authority_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ca\.pem"):
        attach("wss://127.0.0.1:1/", tmp_path / "ca.pem")
