"""What has happened, for who follows it, and whether VLinks are as they should be."""

from __future__ import annotations

import concurrent.futures
import logging
import time
from collections.abc import Sequence

from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import Checking, Difference, Refused, Transient
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.store import cloudnets, tasks
from cloudnet_sdn.store.cloudnets import Event
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.wire.faults import BadRequest
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.places import waiting

log = logging.getLogger(__name__)

LONGEST_S = 25.0
_LOOK_S = 0.25
_CHECK_S = 30.0


class Watch:
    """Events as they come, and checks on demand."""

    def __init__(self, store: Store, registry: Registry, access: Access) -> None:
        self._store = store
        self._registry = registry
        self._access = access
        self._pool = concurrent.futures.ThreadPoolExecutor(16, thread_name_prefix="check")

    def close(self) -> None:
        """Ask nobody any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def events(self, caller: Caller, after: int, wait_s: float) -> list[Event]:
        """What is newer than `after` of the caller's; waits at most `wait_s` for the first."""
        return self._after(after, wait_s, caller.uri)

    def all_events(self, caller: Caller, after: int, wait_s: float) -> list[Event]:
        """The same of the whole role, shells and substrate included; for operators."""
        self._access.operator(caller)
        return self._after(after, wait_s, None)

    def _after(self, after: int, wait_s: float, owner: str | None) -> list[Event]:
        if not 0 <= wait_s <= LONGEST_S:
            raise BadRequest(f"wait_s: 0 to {LONGEST_S:g} seconds are wanted")
        deadline = time.monotonic() + wait_s
        with waiting() as may:
            while True:
                with self._store.read() as conn:
                    found = cloudnets.events_after(conn, after, owner)
                left = deadline - time.monotonic()
                if found or left <= 0 or not may:
                    return found
                time.sleep(min(_LOOK_S, left))

    def check(self, caller: Caller, cloudnet_id: str) -> dict[str, Difference]:
        """Whether each VLink is as it should be: desired, installed and, where it can be, observed.

        What differs at whose is told to the operator; its owner learns that it differs.
        """
        cloudnet = self._access.cloudnet(caller, cloudnet_id)
        with self._store.read() as conn:
            entries = tasks.current(conn, cloudnet.id)
        asked = {}
        for entry in entries:
            plugin = self._registry.get(entry.task.plugin)
            if isinstance(plugin, Checking):
                asked[self._pool.submit(plugin.check, entry.task)] = entry
        done, _ = concurrent.futures.wait(asked, timeout=_CHECK_S)
        found: dict[str, Difference] = {}
        for future, entry in asked.items():
            answers = dict.fromkeys(entry.task.elements, _UNSEEN)
            if future in done:
                try:
                    answers = dict(future.result())
                except (Transient, Refused) as exc:
                    log.info("unchecked key=%s: %s", entry.key, exc)
            for element, difference in answers.items():
                before = found.get(element, Difference(ok=True))
                found[element] = before.joined(difference)
        inside = self._access.is_operator(caller)
        return found if inside else {e: _discreet(d) for e, d in found.items()}


_UNSEEN = Difference(ok=False, texts=("what carries it doesn't answer",))


def _discreet(difference: Difference) -> Difference:
    """What may be told outside: nothing of a provider's inside."""
    texts: Sequence[str] = difference.shown
    if not difference.ok and not texts:
        texts = ("what is installed differs from what is wanted",)
    return Difference(difference.ok, (), tuple(texts)) if not difference.ok else difference
