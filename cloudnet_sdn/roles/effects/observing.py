"""What is seen of a CloudNet, as against what is wished: every shell asked, in bounded time."""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloudnet_sdn.model.power import Power, power_of
from cloudnet_sdn.model.settings import Timing
from cloudnet_sdn.model.states import CloudnetState
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import NodePlugin, Observation, Refused, Transient
from cloudnet_sdn.roles import documents
from cloudnet_sdn.store import offers, tasks
from cloudnet_sdn.store.cloudnets import Cloudnet
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.offers import GraphLayer
from cloudnet_sdn.store.tasks import Entry
from rdl.graph import Graph

log = logging.getLogger(__name__)

UNKNOWN = Observation("unknown", "the part of the substrate that has it doesn't answer")
_WORST_LAST = ("up", "running", "stopped", "pending", "starting", "stopping", "migrating")
_BROKEN = frozenset({"failed", "degraded", "unknown"})
_THREADS = 32
_CHANGING = "modifying"


@dataclass(frozen=True)
class Sight:
    """A CloudNet as seen.

    Attributes:
        state: stored, or `running` or `degraded` where that is what is seen; `modifying` while a
            change of it is worked on or held.
        elements: by overlay element.
        vnodes: which of them are VNodes.
    """

    state: str
    elements: Mapping[str, Observation]
    vnodes: frozenset[str]


class Observer:
    """Asks the shells."""

    def __init__(self, store: Store, registry: Registry, timing: Timing) -> None:
        self._store = store
        self._registry = registry
        self._timing = timing
        self._pool = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="look")

    def close(self) -> None:
        """Ask no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def look(self, cloudnet: Cloudnet) -> Sight:
        """See a CloudNet; where a shell doesn't answer, its elements are `unknown`."""
        return self.look_at([cloudnet])[0]

    def look_at(self, several: Sequence[Cloudnet]) -> list[Sight]:
        """See several at once, in the time that one takes."""
        entries: dict[str, list[Entry]] = {}
        overlays: dict[str, Graph] = {}
        changing: set[str] = set()
        with self._store.read() as conn:
            for cloudnet in several:
                current = tasks.current(conn, cloudnet.id)
                offer = offers.shown(conn, cloudnet.id) if current else None
                text = None if offer is None else offers.graph(conn, offer.id, GraphLayer.OL1)
                if text is not None:
                    overlays[cloudnet.id] = documents.graph(text)
                    entries[cloudnet.id] = current
                if cloudnet.generation and offers.unsettled(conn, cloudnet.id):
                    changing.add(cloudnet.id)
        seen = self._seen([e for found in entries.values() for e in found])
        return [
            _sight(c, overlays.get(c.id), seen.get(c.id, {}), changes=c.id in changing)
            if entries.get(c.id)
            else _unseen(c)
            for c in several
        ]

    def _seen(self, entries: Iterable[Entry]) -> dict[str, dict[str, Observation]]:
        """By CloudNet and element."""
        futures = {self._pool.submit(self._observe, e): e for e in entries}
        done, late = concurrent.futures.wait(futures, timeout=self._timing.peer_s)
        seen: dict[str, dict[str, Observation]] = {}
        for future in (*done, *late):
            entry = futures[future]
            # One that was never begun would only keep the next ones waiting.
            answer = future.result() if future in done else None
            if answer is None:
                future.cancel()
                answer = dict.fromkeys(entry.task.elements, UNKNOWN)
            mine = seen.setdefault(entry.task.cloudnet, {})
            for element, observation in answer.items():
                mine[element] = _worse(mine.get(element), observation)
        return seen

    def _observe(self, entry: Entry) -> Mapping[str, Observation] | None:
        plugin = self._registry.get(entry.task.plugin)
        try:
            answer = plugin.observe(entry.task)
        except (Transient, Refused) as exc:
            log.info("unseen key=%s target=%s: %s", entry.key, entry.task.target, exc)
            return None
        except Exception:
            log.exception("unseen key=%s target=%s", entry.key, entry.task.target)
            return None
        if not isinstance(plugin, NodePlugin):
            return answer
        return {e: _under_way(entry, e, o) for e, o in answer.items()}


def _unseen(cloudnet: Cloudnet) -> Sight:
    """A CloudNet of which nothing is anywhere."""
    return Sight(cloudnet.state.value, {}, frozenset())


def _sight(
    cloudnet: Cloudnet,
    overlay: Graph | None,
    seen: Mapping[str, Observation],
    *,
    changes: bool,
) -> Sight:
    if overlay is None:
        return _unseen(cloudnet)
    vnodes = frozenset(e.id for e in overlay.nodes() if not e.is_stub)
    elements = {e: seen.get(e, UNKNOWN) for e in _own(overlay)}
    state = _state(cloudnet.state, elements, vnodes)
    return Sight(_CHANGING if changes and state != "degraded" else state, elements, vnodes)


def _under_way(entry: Entry, element: str, seen: Observation) -> Observation:
    """What is seen, or that it is about to change."""
    wanted = entry.power.get(element)
    if wanted is None or entry.powered.get(element) == wanted:
        return seen
    if seen.state == "failed" and entry.attempts:
        return seen  # it was tried, and isn't under way before the next try
    if power_of(wanted) is Power.STOPPED:
        return Observation("stopping") if seen.state == "running" else seen
    return Observation("starting") if seen.state in ("stopped", "failed") else seen


def _own(overlay: Graph) -> list[str]:
    return [e.id for e in overlay.elements.values() if not e.is_stub]


def _worse(a: Observation | None, b: Observation) -> Observation:
    """The worse of two sights of one element."""
    if a is None:
        return b
    return max(a, b, key=lambda o: _rank(o.state))


def _rank(state: str) -> int:
    order = (*_WORST_LAST, "degraded", "unknown", "failed")
    return order.index(state) if state in order else len(order)


def _state(
    stored: CloudnetState, elements: Mapping[str, Observation], vnodes: frozenset[str]
) -> str:
    if stored is not CloudnetState.READY:
        return stored.value
    if any(o.state in _BROKEN for o in elements.values()):
        return "degraded"
    if vnodes and all(elements[v].state == "running" for v in vnodes):
        return "running"
    return stored.value
