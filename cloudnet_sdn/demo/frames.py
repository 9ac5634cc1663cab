"""Raw Ethernet frames between VNodes: does a VLink carry, and does it keep to itself?

Every interface of every VNode gets a packet socket in its own namespace. From each end of each
VLink go broadcasts, frames to the other VNodes' addresses, and frames with forged 802.1Q tags
(every tag there is, and a stacked pair). A frame names the VLink it was sent on; whoever receives
it must be on that VLink.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self, TypeVar

T = TypeVar("T")

ETHERTYPE = 0x88B5  # IEEE 802 local experimental
_VLAN = 0x8100
_ALL = 0x0003
_OUTGOING = 4
_CLONE_NEWNET = 0x40000000
_BROADCAST = b"\xff" * 6
_MARK = b"cloudnet-frame:"


@dataclass(frozen=True, slots=True)
class Port:
    """One VNode's end of one VLink: where it is on this machine.

    Attributes:
        vnode: overlay id.
        vlink: overlay id of the link element.
        netns: path of the network namespace (`/run/netns/NAME`).
        device: the interface's name in there.
    """

    vnode: str
    vlink: str
    netns: str
    device: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """A frame of `vlink`, sent by `sender`, was seen at `port`."""

    port: Port
    vlink: str
    sender: str
    kind: str


def in_namespace(netns: str, action: Callable[[], T]) -> T:
    """Run `action` on a thread of its own that has entered `netns`.

    `setns` changes the calling thread alone, so the thread ends with the call.

    Raises:
        OSError: the namespace can't be entered.
    """
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            descriptor = os.open(netns, os.O_RDONLY)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(descriptor, _CLONE_NEWNET) != 0:
                    code = ctypes.get_errno()
                    raise OSError(code, os.strerror(code), netns)
            finally:
                os.close(descriptor)
            result.append(action())
        except BaseException as exc:
            failure.append(exc)

    thread = threading.Thread(target=run, name="in-namespace")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def open_socket(port: Port) -> socket.socket:
    """A packet socket on a port, in its namespace; it doesn't block."""

    def make() -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        sock.bind((port.device, _ALL))
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        return sock

    return in_namespace(port.netns, make)


def _mac(sock: socket.socket) -> bytes:
    address: bytes = sock.getsockname()[4]
    return address


def _payload(port: Port, kind: str) -> bytes:
    return (_MARK + f"{port.vlink}|{port.vnode}|{kind}|".encode()).ljust(46, b".")


def _forgeries(port: Port, source: bytes, others: Iterable[bytes]) -> Iterator[bytes]:
    """What a hostile VNode would send from `port`."""
    for target in others:
        yield target + source + struct.pack("!H", ETHERTYPE) + _payload(port, "unicast")
    for tag in range(4096):
        head = _BROADCAST + source + struct.pack("!HHH", _VLAN, tag, ETHERTYPE)
        yield head + _payload(port, f"tag-{tag}")
    for inner in (1, 2, 100, 101, 2000, 2001):
        head = _BROADCAST + source + struct.pack("!HHHHH", _VLAN, inner, _VLAN, inner, ETHERTYPE)
        yield head + _payload(port, f"stacked-{inner}")


class Taps:
    """Packet sockets on all ports; a context manager."""

    def __init__(self, ports: Iterable[Port]) -> None:
        self._socks = {port: open_socket(port) for port in ports}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._socks.values():
            sock.close()

    def broadcast(self) -> list[Sighting]:
        """One untagged broadcast from every port; who saw which."""
        for _ in range(3):  # a userspace datapath may drop the very first frame of a flow
            for port, sock in self._socks.items():
                frame = _BROADCAST + _mac(sock) + struct.pack("!H", ETHERTYPE)
                sock.send(frame + _payload(port, "broadcast"))
            time.sleep(0.1)
        return self._collect(0.5)

    def forge(self, *, frames_per_s: float = 12000.0) -> list[Sighting]:
        """Forged and misdirected frames from every port; who saw which.

        Paced, all ports together, so that no shaper's queue hides a leak by dropping it.
        """
        macs = {port: _mac(sock) for port, sock in self._socks.items()}
        streams = [
            (sock, _forgeries(port, macs[port], (m for p, m in macs.items() if p != port)))
            for port, sock in self._socks.items()
        ]
        seen: list[Sighting] = []
        begun = time.monotonic()
        sent = 0
        while streams:
            for item in list(streams):
                sock, frames = item
                frame = next(frames, None)
                if frame is None:
                    streams.remove(item)
                    continue
                with contextlib.suppress(BlockingIOError, OSError):
                    sock.send(frame)
                sent += 1
            if sent % 64 == 0:
                seen += self._collect(0.0)
                ahead = begun + sent / frames_per_s - time.monotonic()
                if ahead > 0:
                    time.sleep(ahead)
        return seen + self._collect(0.5)

    def _collect(self, wait_s: float) -> list[Sighting]:
        seen = []
        by_fd = {sock.fileno(): port for port, sock in self._socks.items()}
        deadline = time.monotonic() + wait_s
        while True:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select(list(by_fd), [], [], left)
            for fd in ready:
                port = by_fd[fd]
                with contextlib.suppress(BlockingIOError):
                    while True:
                        data, address = self._socks[port].recvfrom(2048)
                        sighting = _sighting(port, data, address[2])
                        if sighting is not None:
                            seen.append(sighting)
            if time.monotonic() >= deadline:
                return seen


def _sighting(port: Port, data: bytes, packet_type: int) -> Sighting | None:
    """The frame as one of ours received at `port`, or None."""
    at = data.find(_MARK)
    if at < 0 or packet_type == _OUTGOING:
        return None
    vlink, sender, kind = data[at + len(_MARK) :].split(b"|")[:3]
    return Sighting(port, vlink.decode(), sender.decode(), kind.decode())


def carried(vlink: str, ports: Iterable[Port], seen: Iterable[Sighting]) -> bool:
    """Whether every end of `vlink` saw every other end's broadcast."""
    ends = {p.vnode for p in ports if p.vlink == vlink}
    got = {
        (s.sender, s.port.vnode)
        for s in seen
        if s.vlink == vlink and s.port.vlink == vlink and s.kind == "broadcast"
    }
    return all((a, b) in got for a in ends for b in ends if a != b)


def leaks(vlink: str, seen: Iterable[Sighting]) -> list[str]:
    """Where frames of `vlink` were seen that must not have been, or foreign ones on it."""
    return sorted(
        {
            f"{s.kind} frame of {s.vlink} from {s.sender} seen by {s.port.vnode} on {s.port.vlink}"
            for s in seen
            if (s.vlink == vlink) != (s.port.vlink == vlink)
        }
    )
