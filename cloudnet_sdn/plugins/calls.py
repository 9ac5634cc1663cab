"""Where the faults of shells and providers become `Refused` or `Transient`, once."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cloudnet_sdn.model.settings import Timing
from cloudnet_sdn.ports import Refused, Rpc, Transient
from cloudnet_sdn.wire.faults import (
    BadRequest,
    CloudnetError,
    Conflict,
    Forbidden,
    Gone,
    NotFound,
    TooLarge,
)
from mip.problem.statement import Code, Reason
from rdl.units import Quantity, human

log = logging.getLogger(__name__)

FINAL = (BadRequest, Conflict, Forbidden, Gone, NotFound, TooLarge)
"""Faults that another try would only bring again."""


About = Callable[[str], Reason | None]
"""What to tell of a member of a spec that a shell can't ever bring about, by its path."""


def unknown(_: str) -> None:
    """Of no member anything in particular."""


class Peer:
    """A shell's methods, with the limits of the two things that are asked of it."""

    def __init__(self, rpc: Rpc, timing: Timing) -> None:
        self._rpc = rpc
        self._timing = timing

    def do(self, method: str, *args: Any) -> Any:
        """Have it bring something about; it may take its time."""
        return self._rpc.call(method, *args, timeout_s=self._timing.shell_s)

    def look(self, method: str, *args: Any) -> Any:
        """Ask what there is; somebody waits for the answer."""
        return self._rpc.call(method, *args, timeout_s=self._timing.peer_s)


@contextlib.contextmanager
def shell(target: str, elements: Sequence[str], about: About = unknown) -> Iterator[None]:
    """Calls of an agent or controller.

    What a shell says stays in the log: it names hosts and ports, which nobody above a provider
    may see. Where it names the member that it can't do, `about` says it in the request's words.

    Raises:
        Refused: it won't, whatever the time.
        Transient: it is away, busy or broken.
    """
    try:
        yield
    except FINAL as exc:
        log.warning("refused target=%s elements=%s: %s", target, ",".join(elements), exc)
        if isinstance(exc, BadRequest) and (reason := about(exc.about)) is not None:
            raise Refused([reason]) from exc
        text = "the substrate didn't take it"
        raise Refused([Reason(e, Code.CAPACITY, text) for e in elements]) from exc
    except CloudnetError as exc:
        log.info("away target=%s: %s", target, exc)
        raise Transient(f"{target}: {exc}") from exc


def beyond(element: str, member: str, value: object) -> Reason:
    """The refusal of a member whose value no shell here can bring about."""
    if member in _MEASURED and isinstance(value, int | float):
        said = human(value, _MEASURED[member])
        text = f"{member}: {said} can't be had here, however much is free"
        return Reason(element, Code.CAPACITY, text)
    return Reason(element, Code.FEATURE, f"{member}: {value} can't be had here")


_MEASURED = {
    "bandwidth": Quantity.RATE,
    "cpu": Quantity.CORES,
    "memory": Quantity.BYTES,
    "storage": Quantity.BYTES,
}


@contextlib.contextmanager
def provider(name: str, elements: Sequence[str]) -> Iterator[None]:
    """Calls of a provider's facade. Raises as `shell`; what a provider says may be passed on."""
    try:
        yield
    except FINAL as exc:
        log.warning("refused provider=%s elements=%s: %s", name, ",".join(elements), exc)
        raise Refused([Reason(e, Code.POLICY, f"{name}: {exc}") for e in elements]) from exc
    except CloudnetError as exc:
        log.info("away provider=%s: %s", name, exc)
        raise Transient(f"{name}: {exc}") from exc
