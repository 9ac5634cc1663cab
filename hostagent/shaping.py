"""How a VNode's sending is shaped at its edge: a token bucket with a short queue. Pure.

Drop meters alone halve greedy TCP, so the fabric's meters only guard; what a sender sees is
this bucket. Its queue is short: long ones fill Open vSwitch's one packet socket, and every
VLink of the host would wait in it.
"""

from __future__ import annotations

LEAST_BANDWIDTH = 1e3
"""bit/s; below, a full frame takes longer than a dozen seconds, and a meter can't be set."""

_FRAME = 1518
_MIN_BURST = 3 * _FRAME
_BURST_S = 0.004
_QUEUE_S = 0.06
_MIN_QUEUE = 16 * _FRAME

MOST_BANDWIDTH = 5e11
"""bit/s; above, burst and queue don't fit into the kernel's 32 bits of bytes."""


def shape(device: str, bandwidth: float) -> str:
    """The `tc` command that holds `device` to `bandwidth` bit/s of frames; 0 lifts the limit.

    Frames count with their Ethernet header, so greedy TCP sees about 95 % of `bandwidth`.
    """
    if not bandwidth:
        return f"qdisc replace dev {device} root pfifo limit 1000"
    burst = max(_MIN_BURST, int(bandwidth * _BURST_S / 8))
    limit = burst + max(_MIN_QUEUE, int(bandwidth * _QUEUE_S / 8))
    return (
        f"qdisc replace dev {device} root tbf rate {int(bandwidth)}bit burst {burst} limit {limit}"
    )
