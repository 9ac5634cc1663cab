"""Where the faults of shells and providers become `Refused` or `Transient`, once."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence

from cloudnet_sdn.ports import Refused, Transient
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

log = logging.getLogger(__name__)

FINAL = (BadRequest, Conflict, Forbidden, Gone, NotFound, TooLarge)
"""Faults that another try would only bring again."""


@contextlib.contextmanager
def shell(target: str, elements: Sequence[str]) -> Iterator[None]:
    """Calls of an agent or controller.

    What a shell says stays in the log: it names hosts and ports, which nobody above a provider
    may see.

    Raises:
        Refused: it won't, whatever the time.
        Transient: it is away, busy or broken.
    """
    try:
        yield
    except FINAL as exc:
        log.warning("refused target=%s elements=%s: %s", target, ",".join(elements), exc)
        text = "the substrate didn't take it"
        raise Refused([Reason(e, Code.CAPACITY, text) for e in elements]) from exc
    except CloudnetError as exc:
        log.info("away target=%s: %s", target, exc)
        raise Transient(f"{target}: {exc}") from exc


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
