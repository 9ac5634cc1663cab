"""What the demo changes of a CloudNet that runs, and whether anybody notices: a packet train.

A train is a frame each millisecond from one end of a VLink to the other, each with its number.
"""

from __future__ import annotations

import struct
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from cloudnet_sdn.demo.frames import ETHERTYPE, Port, open_socket
from rdl.graph import Amount, Element, Graph, Interface

EVERY_S = 0.001
_WARM_S = 0.3
_TRAIL_S = 0.3
_MARK = b"cloudnet-train:"
_LEAST = 4e6
"""A train takes less than a quarter of so many bit/s."""


@dataclass(frozen=True, slots=True)
class Change:
    """A request and what it changes of the one before.

    Attributes:
        graph: the request.
        vnode: the VNode that is new.
        vlink: the VLink that it hangs on.
        wider: the VLink whose bandwidth is doubled.
        untouched: a VLink that stays as it is.
    """

    graph: Graph
    vnode: str
    vlink: str
    wider: str
    untouched: str


def grown(request: Graph, providers: Mapping[str, str]) -> Change | None:
    """The request with a VNode more at the provider that has fewer, and a VLink twice as wide.

    None where the request has no two VLinks to do that with. Pure.

    Args:
        request: what runs.
        providers: where each VNode is.
    """
    pairs = [e for e in request.links() if len(request.neighbours(e.id)) == 2]
    wide = sorted((e for e in pairs if e.amount("bandwidth") >= _LEAST), key=_bandwidth)
    sites = {v: request.elements[v].features.get("site") for v in providers}
    if len(wide) < 2:
        return None
    count = Counter(providers.values())
    fewer = min(count, key=lambda p: (count[p], p))
    peer = next(v for v in sorted(providers) if providers[v] == fewer)
    vnode, vlink = _fresh(request, "extra"), _fresh(request, f"{peer}-extra")
    place = {"site": sites[peer] or fewer}
    new = Element(
        vnode,
        request.elements[peer].type,
        {"cpu": Amount(0.1), "memory": Amount(16 << 20)},
        place,
        (Interface(f"{vnode}.{vlink}"),),
    )
    line = Element(
        vlink,
        wide[0].type,
        {"bandwidth": Amount(5_000_000)},
        {},
        (Interface(f"{vlink}.0"), Interface(f"{vlink}.1")),
    )
    there = request.elements[peer]
    plugged = replace(there, interfaces=(*there.interfaces, Interface(f"{peer}.{vlink}")))
    doubled = Amount(2 * wide[0].amount("bandwidth"))
    wider = replace(wide[0], resources={**wide[0].resources, "bandwidth": doubled})
    elements = {**request.elements, peer: plugged, wider.id: wider, vnode: new, vlink: line}
    connections = (
        *request.connections,
        (f"{peer}.{vlink}", f"{vlink}.0"),
        (f"{vlink}.1", f"{vnode}.{vlink}"),
    )
    graph = replace(request, elements=elements, connections=connections)
    return Change(graph, vnode, vlink, wider.id, wide[-1].id)


class Train:
    """A packet train from one port to another, in the background; a context manager.

    Attributes:
        lost: frames that were sent and didn't come, once it has ended; the first ones, by which
            switches learn the way, aside.
    """

    def __init__(self, a: Port, b: Port) -> None:
        self._from, self._to = open_socket(a), open_socket(b)
        self._target = self._to.getsockname()[4]
        self._sent = 0
        self._came: set[int] = set()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=run, name="train", daemon=True)
            for run in (self._send, self._receive)
        ]
        self.lost = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        time.sleep(_WARM_S)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(_TRAIL_S)
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._from.close()
        self._to.close()
        first = round(_WARM_S / EVERY_S / 2)
        self.lost = sum(n not in self._came for n in range(first, self._sent))

    def _send(self) -> None:
        source: bytes = self._from.getsockname()[4]
        head = self._target + source + struct.pack("!H", ETHERTYPE) + _MARK
        begun = time.monotonic()
        while not self._ended.is_set():
            frame = head + struct.pack("!I", self._sent) + b"." * 30
            try:
                self._from.send(frame)
            except BlockingIOError:
                continue
            except OSError:  # the VNode is gone
                return
            self._sent += 1
            ahead = begun + self._sent * EVERY_S - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)

    def _receive(self) -> None:
        self._to.settimeout(0.2)
        quiet = False
        while not (self._ended.is_set() and quiet):
            try:
                data = self._to.recv(2048)
            except TimeoutError:
                quiet = True
                continue
            quiet = False
            at = data.find(_MARK)
            if at >= 0:
                number = data[at + len(_MARK) : at + len(_MARK) + 4]
                self._came.add(struct.unpack("!I", number)[0])


def _bandwidth(vlink: Element) -> float:
    return vlink.amount("bandwidth")


def _fresh(graph: Graph, name: str) -> str:
    number, found = 0, name
    while found in graph.elements:
        number += 1
        found = f"{name}{number}"
    return found
