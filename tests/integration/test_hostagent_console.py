"""Consoles: a shell in the VNode over a WebSocket, once, for the provider alone."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hostagent_support import Lab, client_context, spec, tool, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from cloudnet_sdn.wire.faults import Conflict, NotFound

pytestmark = pytest.mark.ovs


@pytest.fixture(scope="module")
def lab(tmp_path_factory, open_vswitch):
    laboratory = Lab(tmp_path_factory.mktemp("lab"))
    try:
        yield laboratory
    finally:
        laboratory.close()


@pytest.fixture(scope="module")
def agent(lab):
    made = lab.agent("host", bridge=lab.bridge("c"))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        made.start()
    finally:
        signal.signal(signal.SIGHUP, before)
    return made


@pytest.fixture
def web(agent):
    """The namespace of a running VNode `shop.web`."""
    agent.call("vnode.put", "shop.web", spec({"name": "lan", "vlan": 5, "address": "10.0.0.1/24"}))
    yield agent.call("vnode.start", "shop.web")["netns"]
    agent.call("vnode.delete", "shop.web")


def opened(lab: Lab, url: str) -> ClientConnection:
    return connect(url, ssl=client_context(lab.tls), compression=None, proxy=None)


def typed(link: ClientConnection, line: str, awaited: str, timeout_s: float = 5.0) -> str:
    """Type a line; answer what is shown until `awaited` is."""
    link.send(line.encode() + b"\n")
    shown = ""
    deadline = time.monotonic() + timeout_s
    while awaited not in shown:
        frame = link.recv(timeout=max(0.01, deadline - time.monotonic()))
        assert isinstance(frame, bytes)
        shown += frame.decode(errors="replace")
    return shown


def test_a_console_is_a_shell_inside_the_vnode(lab, agent, web):
    grant = agent.call("vnode.console", "shop.web")
    assert grant["token"] in grant["url"]
    assert grant["url"].startswith("wss://127.0.0.1:")
    with opened(lab, grant["url"]) as link:
        assert "host is web" in typed(link, "echo host is $(uname -n)", "host is web")
        assert "10.0.0.1/24" in typed(link, "ip -brief addr show lan; echo do''ne", "done")
        shown = typed(link, "tty; stty size; echo do''ne", "done")
        assert "/dev/pts/" in shown
        assert "24 80" in shown
        shown = typed(link, "ping -c1 -W1 10.0.0.1; echo do''ne", "done")
        assert "1 received" in shown


def test_a_console_sees_and_touches_only_the_vnode(lab, agent, web):
    """No processes, keys, namespaces or switches of the host."""
    with opened(lab, agent.call("vnode.console", "shop.web")["url"]) as link:
        shown = typed(link, f"cat {lab.tls.key}; echo do''ne", "done")
        assert "PRIVATE" not in shown
        shown = typed(link, "ls /run/netns /run/openvswitch; echo do''ne", "done")
        assert shown.count("cannot access") == 2
        shown = typed(link, "ls -d /proc/[0-9]* | wc -l; echo do''ne", "done")
        assert int(shown.split()[-2 if "done" in shown.split()[-1] else -3]) < 12
        for denied in ("touch /etc/x", "mount -t tmpfs x /mnt", "cat /etc/shadow", "ls /root/"):
            typed(link, f"{denied} || echo de''nied", "denied")


def test_a_token_opens_once(lab, agent, web):
    url = agent.call("vnode.console", "shop.web")["url"]
    with opened(lab, url) as link:
        typed(link, "echo o''ne", "one")
        with pytest.raises(InvalidStatus) as refused:
            opened(lab, url)
        assert refused.value.response.status_code == 404


def test_consoles_are_for_the_provider(lab, agent, web):
    url = agent.call("vnode.console", "shop.web")["url"]
    with pytest.raises(InvalidStatus) as refused:
        connect(url, ssl=client_context(lab.stranger), compression=None, proxy=None)
    assert refused.value.response.status_code == 403
    with opened(lab, url) as link:
        typed(link, "echo o''ne", "one")


def commands(netns: str) -> dict[str, str]:
    """What runs in a VNode: pid to command line."""
    found = {}
    for pid in tool("ip", "netns", "pids", netns).split():
        with suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
            found[pid] = " ".join(words).strip()
    return found


def test_the_shell_ends_with_its_connection(lab, agent, web):
    booted = until(lambda: commands(web), lambda found: "sleep infinity" in found.values())
    for _ in range(3):
        with opened(lab, agent.call("vnode.console", "shop.web")["url"]) as link:
            typed(link, "sleep 1000 & echo o''ne", "one")
            # A hang-up in the moment between a job's fork and its exec is the shell's to lose.
            until(lambda: commands(web), lambda found: "sleep 1000" in found.values())
        until(lambda: commands(web), lambda found: found.keys() <= booted.keys())


def test_the_connection_ends_with_its_shell_and_its_vnode(lab, agent, web):
    for ending in ("exit", "stop"):
        agent.call("vnode.start", "shop.web")
        with opened(lab, agent.call("vnode.console", "shop.web")["url"]) as link:
            typed(link, "echo o''ne", "one")
            if ending == "exit":
                link.send(b"exit\n")
            else:
                agent.call("vnode.stop", "shop.web")
            with pytest.raises(ConnectionClosed):
                while True:
                    link.recv(timeout=5)
            assert link.close_code == 1000


def test_only_running_vnodes_have_consoles(agent, web):
    agent.call("vnode.stop", "shop.web")
    with pytest.raises(Conflict, match="does not run"):
        agent.call("vnode.console", "shop.web")
    with pytest.raises(NotFound):
        agent.call("vnode.console", "shop.db")
