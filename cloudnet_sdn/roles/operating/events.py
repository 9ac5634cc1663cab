"""What has happened, for who follows it, and whether VLinks are as they should be."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cloudnet_sdn.model.settings import RoleKind
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import Checking, Clock, Difference, Refused, Transient
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.roles.effects.observing import Observer
from cloudnet_sdn.store import cloudnets, history, tasks
from cloudnet_sdn.store.cloudnets import Cloudnet, Event
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.wire.faults import BadRequest
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.places import waiting

log = logging.getLogger(__name__)

LONGEST_S = 25.0
MOST = 500
"""Events in one answer; the rest is asked for with the number that it tells."""
_LOOK_S = 1.0
"""Between looks for what other processes of the role have written."""
_PAUSE_S = 0.05
"""Between looks while this one writes much."""
_CHECK_S = {RoleKind.PIP: 18.0, RoleKind.VNP: 25.0}
"""How long a check may take: a provider's less than the broker waits that asks it."""

_CLUSTER = "solving.scheduler"
"""What events call the cluster: the key of the configuration; no element has such an id."""


@dataclass(frozen=True)
class News:
    """What is newer than a number, and the number to ask with next."""

    next: int
    events: Sequence[Event]


class Watch:
    """Events as they come, and checks on demand."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        access: Access,
        observing: Observer,
        clock: Clock,
        kind: RoleKind,
    ) -> None:
        self._store = store
        self._within_s = _CHECK_S[kind]
        self._observing = observing
        self._clock = clock
        self._closed = threading.Event()
        self._registry = registry
        self._access = access
        self._pool = concurrent.futures.ThreadPoolExecutor(16, thread_name_prefix="check")

    def close(self) -> None:
        """Ask nobody any more, and let nobody wait."""
        self._closed.set()
        self._store.bell.ring()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def events(self, caller: Caller, after: int, wait_s: float) -> News:
        """What is newer than `after` of the caller's; waits at most `wait_s` for the first."""
        return self._after(after, wait_s, caller.uri)

    def all_events(self, caller: Caller, after: int, wait_s: float) -> News:
        """The same of the whole role, shells and substrate included; for operators."""
        self._access.operator(caller)
        return self._after(after, wait_s, None)

    def _after(self, after: int, wait_s: float, owner: str | None) -> News:
        if not 0 <= wait_s <= LONGEST_S or after < 0:
            raise BadRequest(f"after, wait_s: a number, and 0 to {LONGEST_S:g} s are wanted")
        deadline = time.monotonic() + wait_s
        with waiting() as may:
            while True:
                heard = self._store.bell.times
                news = self._look(after, owner)
                left = deadline - time.monotonic()
                if news.events or left <= 0 or not may or self._closed.is_set():
                    return news
                after = news.next
                self._store.bell.wait(heard, min(_LOOK_S, left))
                self._closed.wait(min(_PAUSE_S, max(0.0, deadline - time.monotonic())))

    def _look(self, after: int, owner: str | None) -> News:
        with self._store.read() as conn:
            if self._store.shared:
                upto = history.settled(conn, self._clock.now())
            else:
                upto = history.newest(conn)
            found = cloudnets.events_after(conn, after, upto, owner=owner, limit=MOST)
        return News(found[-1].id if len(found) == MOST else upto, found)

    @repeatable
    def note_cluster(self, there: bool, why: str) -> None:
        """Tell operators that the cluster where requests are mapped is away, or back."""
        away = (_CLUSTER, "away", f"{why}: requests are mapped on the role's own machine")
        line = (_CLUSTER, "back", "requests are mapped there") if there else away
        with self._store.write() as conn:
            cloudnets.record_of(conn, "", self._clock.now(), [line])

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
        done, _ = concurrent.futures.wait(asked, timeout=self._within_s)
        found = self._seen(cloudnet)
        for future, entry in asked.items():
            answers = dict.fromkeys(entry.task.elements, _UNSEEN)
            if future in done:
                try:
                    answers = dict(future.result())
                except (Transient, Refused) as exc:
                    log.info("unchecked key=%s: %s", entry.key, exc)
            for element in answers.keys() & found.keys():
                found[element] = found[element].joined(answers[element])
        inside = self._access.is_operator(caller)
        return found if inside else {e: _discreet(d) for e, d in found.items()}

    def _seen(self, cloudnet: Cloudnet) -> dict[str, Difference]:
        """What is seen of each VLink: those within a host and at tunnels are nobody else's."""
        sight = self._observing.look(cloudnet)
        found = {}
        for vlink, seen in sight.elements.items():
            if vlink in sight.vnodes:
                continue
            text = f"it is {seen.state}" + (f": {seen.reason}" if seen.reason else "")
            texts = () if seen.state == "up" else (text,)
            found[vlink] = Difference(not texts, texts, texts)
        return found


_AWAY = ("what carries it doesn't answer",)
_UNSEEN = Difference(ok=False, texts=_AWAY, shown=_AWAY)


def _discreet(difference: Difference) -> Difference:
    """What may be told outside: nothing of a provider's inside."""
    texts: Sequence[str] = difference.shown
    if not difference.ok and not texts:
        texts = ("what is installed differs from what is wanted",)
    return Difference(difference.ok, (), tuple(texts)) if not difference.ok else difference
