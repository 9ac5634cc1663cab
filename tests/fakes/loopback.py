"""A peer in the same process, behind the real wire format, that can be away or lose answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from cloudnet_sdn.wire.codec import dump_call, load_answer
from cloudnet_sdn.wire.faults import CloudnetError, PeerAway
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.rpc import Service


class Killed(BaseException):
    """The process ended here."""


class Loopback:
    """Calls a service as one caller. One whose process ends meanwhile doesn't answer.

    Attributes:
        down: whether it can't be reached.
        lost: methods whose next answers are lost after the work has been done, with how many.
        refused: methods that are answered with a fault.
        calls: the methods called, in order.
        bury: told when its process ended during a call, before the caller notices.
    """

    def __init__(self, service: Service | None, caller: Caller) -> None:
        self.service = service
        self.caller = caller
        self.down = False
        self.lost: dict[str, int] = {}
        self.refused: dict[str, CloudnetError] = {}
        self.calls: list[str] = []
        self.bury: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def call(self, method: str, *args: Any, timeout_s: float | None = None) -> Any:
        with self._lock:
            self.calls.append(method)
        if self.down or self.service is None:
            raise PeerAway("it can't be reached: connection refused")
        if method in self.refused:
            raise self.refused[method]
        try:
            body = self.service.dispatch(dump_call(method, args), self.caller)
        except Killed as exc:
            self.bury()
            raise PeerAway("it can't be reached: connection reset") from exc
        if self.lost.get(method, 0) > 0:
            self.lost[method] -= 1
            raise PeerAway("it can't be reached: connection reset")
        answer = load_answer(body)
        if isinstance(answer, CloudnetError):
            raise answer
        return answer
