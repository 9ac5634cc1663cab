"""Checksum offload of network devices, switched off by the kernel's own interface.

As `ethtool -K DEVICE tx off rx off` does it, in any network namespace, without starting a tool.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hostagent.command import CommandFailedError

_SIOCETHTOOL = 0x8946  # linux/sockios.h
_SET_RX_CHECKSUMS, _SET_TX_CHECKSUMS = 0x15, 0x17  # linux/ethtool.h
_CLONE_NEWNET = 0x40000000  # linux/sched.h


def switch_off(devices: Collection[str], namespace: Path | None = None) -> None:
    """No device offloads checksums any more, neither those it sends nor those it receives.

    Args:
        devices: their names.
        namespace: where they are; the agent's own by default.

    Raises:
        CommandFailedError: one can't be told so.
    """
    argv = ["ethtool", "-K", *devices, "tx", "off", "rx", "off"]
    try:
        with _socket_in(namespace) as sock:
            for device in devices:
                for command in (_SET_TX_CHECKSUMS, _SET_RX_CHECKSUMS):
                    _tell(sock, device, command)
    except OSError as exc:
        raise CommandFailedError(argv, str(exc)) from exc


def _tell(sock: socket.socket, device: str, command: int) -> None:
    value = ctypes.create_string_buffer(struct.pack("II", command, 0))
    request = struct.pack("16sP16x", device.encode(), ctypes.addressof(value))
    fcntl.ioctl(sock, _SIOCETHTOOL, bytearray(request))


def _socket_in(namespace: Path | None) -> socket.socket:
    """A socket that speaks to the devices of a namespace."""
    if namespace is None:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # A thread of its own goes there, and never comes back: what it leaves is the socket.
    with ThreadPoolExecutor(1) as there:
        return there.submit(_opened, namespace).result()


def _opened(namespace: Path) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(namespace, os.O_RDONLY)
    try:
        if libc.setns(handle, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(namespace))
    finally:
        os.close(handle)
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
