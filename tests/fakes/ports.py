"""TCP ports on loopback for servers under test."""

from __future__ import annotations

import random
import socket

_RANGE = range(12000, 20000)
"""Below the ports that the kernel gives to outgoing connections: there, a port that is free now
may be taken a moment later, or a switch that calls it may connect to itself."""

_random = random.SystemRandom()


def free_port() -> int:
    """A port nobody listens on."""
    while True:
        port = _random.choice(_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
