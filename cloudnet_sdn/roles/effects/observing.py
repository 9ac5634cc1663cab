"""What is seen of a CloudNet, as against what is wished: every shell asked, in bounded time."""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

import sqlalchemy as sa

from cloudnet_sdn.model.power import Power, power_of
from cloudnet_sdn.model.states import CloudnetState, TaskState
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import NodePlugin, Observation, Refused, Surveying, Transient
from cloudnet_sdn.roles import documents
from cloudnet_sdn.roles.effects.lanes import Job, Lanes
from cloudnet_sdn.roles.mapping.health import BROKEN
from cloudnet_sdn.store import offers, tasks
from cloudnet_sdn.store.cloudnets import Cloudnet
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.offers import GraphLayer
from cloudnet_sdn.store.tasks import Entry
from cloudnet_sdn.wire.faults import TimedOut
from rdl.graph import Graph

log = logging.getLogger(__name__)

UNKNOWN = Observation("unknown", "the part of the substrate that has it doesn't answer")
_WORST_LAST = ("up", "running", "stopped", "pending", "starting", "stopping", "migrating")
_WIDTH = 8
"""Looks at one shell at a time."""

_Seen = dict[int, MappingOf[str, Observation]]
"""What is seen, by the id of a task."""
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
    elements: MappingOf[str, Observation]
    vnodes: frozenset[str]


@dataclass(frozen=True)
class _Group:
    """The tasks of one shell or provider, to be seen with one question."""

    plugin: str
    target: str
    entries: Sequence[Entry]


class Observer:
    """Asks the shells: each once, whatever the number of things that are looked at."""

    def __init__(self, store: Store, registry: Registry, within_s: float) -> None:
        """Put together.

        Args:
            store: the role's database.
            registry: the plugins.
            within_s: how long a look may take. Less than whoever asks us waits, so that one shell
                that hangs doesn't hide what the others say.
        """
        self._store = store
        self._registry = registry
        self._within_s = within_s
        self._lanes: Lanes[_Seen | None] = Lanes(width=_WIDTH, name="look")

    def close(self) -> None:
        """Ask no more."""
        self._lanes.close()

    def look(self, cloudnet: Cloudnet) -> Sight:
        """See a CloudNet; where a shell doesn't answer, its elements are `unknown`."""
        return self.look_at([cloudnet])[0]

    def look_at(self, several: Sequence[Cloudnet]) -> list[Sight]:
        """See several at once, in the time that one takes."""
        with self._store.read() as conn:
            entries = _entries(conn, several)
            overlays = _overlays(conn, several, entries)
            changing = offers.changing(conn, [c.id for c in several if c.generation])
        seen = self._seen([e for found in entries.values() for e in found])
        return [
            _sight(c, overlays.get(c.id), seen.get(c.id, {}), changes=c.id in changing)
            if entries.get(c.id)
            else _unseen(c)
            for c in several
        ]

    def _seen(self, entries: Iterable[Entry]) -> dict[str, dict[str, Observation]]:
        """By CloudNet and element."""
        futures = {self._submit(group): group for group in _groups(entries)}
        done, _ = concurrent.futures.wait(futures, timeout=self._within_s)
        seen: dict[str, dict[str, Observation]] = {}
        for future, group in futures.items():
            answers = (future.result() if future in done else None) or {}
            for entry in group.entries:
                blind = dict.fromkeys(entry.task.elements, UNKNOWN)
                mine = seen.setdefault(entry.task.cloudnet, {})
                for element, observation in answers.get(entry.id, blind).items():
                    mine[element] = _worse(mine.get(element), observation)
        return seen

    def _submit(self, group: _Group) -> concurrent.futures.Future[_Seen | None]:
        job: Job[_Seen | None] = Job(lambda: self._survey(group), lambda: None)
        return self._lanes.submit((group.plugin, group.target), job)

    def _survey(self, group: _Group) -> tuple[_Seen | None, bool]:
        """What is seen, None where it isn't; and whether the shell took too long to answer."""
        plugin = self._registry.get(group.plugin)
        every = [e.task for e in group.entries]
        try:
            if isinstance(plugin, Surveying):
                answers = dict(plugin.survey(group.target, every))
            else:
                answers = {task.id: plugin.observe(task) for task in every}
        except (Transient, Refused) as exc:
            log.info("unseen plugin=%s target=%s: %s", group.plugin, group.target, exc)
            return None, isinstance(exc.__cause__, TimedOut)
        except Exception:
            log.exception("unseen plugin=%s target=%s", group.plugin, group.target)
            return None, False
        for entry in group.entries:
            seen = {e: _told(entry, o) for e, o in answers[entry.id].items()}
            if isinstance(plugin, NodePlugin):
                seen = {e: _under_way(entry, e, o) for e, o in seen.items()}
            answers[entry.id] = seen
        return answers, False


def _entries(conn: sa.Connection, several: Sequence[Cloudnet]) -> dict[str, list[Entry]]:
    """The tasks of each, of those that stand with one question."""
    standing = tasks.in_force(conn, {c.id: c.offer for c in several if c.offer})
    return {
        c.id: standing.get(c.id, []) if c.offer else tasks.current(conn, c.id)
        for c in several
        if c.live
    }


def _overlays(
    conn: sa.Connection, several: Sequence[Cloudnet], entries: MappingOf[str, Sequence[Entry]]
) -> dict[str, Graph]:
    """The OL1 graph of each of which something is there."""
    shown: dict[str, str] = {}
    for cloudnet in several:
        if entries.get(cloudnet.id):
            offer = cloudnet.offer or getattr(offers.shown(conn, cloudnet.id), "id", "")
            shown[cloudnet.id] = offer
    texts = offers.graphs_of(conn, shown.values(), GraphLayer.OL1)
    return {c: documents.graph(texts[offer]) for c, offer in shown.items() if offer in texts}


def _groups(entries: Iterable[Entry]) -> list[_Group]:
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.task.plugin, entry.task.target), []).append(entry)
    return [_Group(*key, group) for key, group in found.items()]


def _unseen(cloudnet: Cloudnet) -> Sight:
    """A CloudNet of which nothing is anywhere."""
    return Sight(cloudnet.state.value, {}, frozenset())


def _sight(
    cloudnet: Cloudnet,
    overlay: Graph | None,
    seen: MappingOf[str, Observation],
    *,
    changes: bool,
) -> Sight:
    if overlay is None:
        return _unseen(cloudnet)
    vnodes = frozenset(e.id for e in overlay.nodes() if not e.is_stub)
    elements = {e: seen.get(e, UNKNOWN) for e in _own(overlay)}
    state = _state(cloudnet.state, elements, vnodes)
    return Sight(_CHANGING if changes and state != "degraded" else state, elements, vnodes)


def _told(entry: Entry, seen: Observation) -> Observation:
    """What is seen; of what is lost and turned down when it is made again, why."""
    refused = [str(r["text"]) for r in entry.problem.get("reasons", [])]
    if seen.state != "failed" or entry.state is not TaskState.PLANNED or not refused:
        return seen
    text = "; ".join(dict.fromkeys(refused))
    return Observation("failed", f"it is gone, and couldn't be made again yet: {text}")


def _under_way(entry: Entry, element: str, seen: Observation) -> Observation:
    """What is seen, or that it is about to change."""
    wanted = entry.power.get(element)
    if wanted is None or entry.powered.get(element) == wanted:
        return seen
    vain = entry.attempts or entry.state is TaskState.FAILED
    if seen.state == "failed" and vain:
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
    stored: CloudnetState, elements: MappingOf[str, Observation], vnodes: frozenset[str]
) -> str:
    if stored is not CloudnetState.READY:
        return stored.value
    if any(o.state in BROKEN for o in elements.values()):
        return "degraded"
    if vnodes and all(elements[v].state == "running" for v in vnodes):
        return "running"
    return stored.value
