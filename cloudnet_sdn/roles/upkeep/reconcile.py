"""Keeping the world as the journal says: at start, when a shell returns, and every few seconds.

Nothing here is remembered: a tick looks at the store and the shells, and does what is missing. So
it makes no difference whether the process has run for a month or was killed and restarted just now.
"""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable

from cloudnet_sdn.model.identifiers import is_ours
from cloudnet_sdn.model.settings import Settings
from cloudnet_sdn.model.states import CloudnetState, OfferState, TaskState, Wanted
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import (
    Clock,
    Inventory,
    OfferId,
    Refused,
    Surveying,
    Transient,
    Watching,
)
from cloudnet_sdn.roles.effects.runner import Effects
from cloudnet_sdn.roles.mapping.component import Mapping
from cloudnet_sdn.roles.mapping.health import BROKEN
from cloudnet_sdn.roles.offers.lifecycle import Lifecycle
from cloudnet_sdn.roles.upkeep.keeping import Keeping
from cloudnet_sdn.roles.upkeep.mending import Mending
from cloudnet_sdn.roles.upkeep.strangers import Strangers
from cloudnet_sdn.store import cloudnets, offers, substrate, tasks, workers
from cloudnet_sdn.store.contention import StoreAway, repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.tasks import Entry
from cloudnet_sdn.wire.faults import TimedOut

log = logging.getLogger(__name__)

_MADE = (TaskState.PRESENT, TaskState.CONFIRMED)


class Reconciler:
    """The role's one loop."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        mapping: Mapping,
        effects: Effects,
        lifecycle: Lifecycle,
        mending: Mending,
        attended: Callable[[], Collection[OfferId]],
        clock: Clock,
        settings: Settings,
    ) -> None:
        """Put together.

        Args:
            store: the role's database.
            registry: the plugins.
            mapping: knows which shells are away.
            effects: carries tasks out.
            lifecycle: takes the steps of offers and CloudNets.
            mending: has what broke mapped anew.
            attended: answers the offers that this process works on.
            clock: time.
            settings: the role's configuration.
        """
        self._attended = attended
        self._store = store
        self._registry = registry
        self._mapping = mapping
        self._effects = effects
        self._lifecycle = lifecycle
        self._mending = mending
        self._clock = clock
        self._settings = settings
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pool = concurrent.futures.ThreadPoolExecutor(8, thread_name_prefix="inventory")
        self._looking: dict[tuple[str, str], concurrent.futures.Future[None]] = {}
        self._looked = float("-inf")
        self._told: set[str] = set()
        self._telling = threading.Lock()
        self._keeping = Keeping(store, clock, settings.keep)
        self._strangers = Strangers(store, clock, settings.timing)

    # -- life

    def start(self) -> None:
        """Take up what an earlier process left, then tick until `stop`."""
        self.recover()
        self._threads = [
            threading.Thread(target=self._run, name="reconciler", daemon=True),
            threading.Thread(target=self._live, name="beat", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the tick under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._threads and self._store.shared:
            self._retire()
        self._threads = []
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stop.wait(self._settings.timing.tick_s):
            try:
                self.tick()
            except Exception:
                log.exception("a tick broke down; the next one tries again")

    def recover(self) -> None:
        """Offers that an earlier process was working on come to nothing; all else goes on.

        So does mending, which nobody would ask for again.
        """
        if told := self._mapping.complete_usage():
            log.info("usage of %s CloudNets of an earlier version written down", told)
        self._beat()
        self._end_orphans()
        self._mending.resume()

    def _end_orphans(self) -> bool:
        """Offers that nobody works on any more come to nothing; whether there are any."""
        now = self._clock.now()
        with self._store.read() as conn:
            orphaned = workers.orphaned(
                conn, self._store.worker, now, at=self._attended, shared=self._store.shared
            )
        for offer in orphaned:
            log.warning("offer=%s: nobody works on it any more", offer)
            text = "the role was restarted while it worked on it; ask again"
            self._lifecycle.fail(offer, [{"element": "", "code": "peer-away", "text": text}])
        return bool(orphaned)

    # -- one tick

    def tick(self) -> None:
        """Do what is due; of several processes one does it at a time."""
        self._beat()
        if not self._chosen():
            return
        if self._end_orphans():
            self._mending.resume()
        self._sweep()
        self._ends()
        now = self._clock.now()
        with self._store.read() as conn:
            due = tasks.due(conn, now)
            confirming = offers.in_state(conn, OfferState.CONFIRMING)
        for entry in due:
            self._effects.dispatch(entry)
        for offer in confirming:
            self._lifecycle.conclude(offer.id)
        self._mending.tick()
        self._keeping.tick()
        if time.monotonic() - self._looked >= self._settings.timing.inventory_s:
            self._looked = time.monotonic()
            self.take_inventory()

    @repeatable
    def _beat(self) -> None:
        """Let the other processes know that this one lives."""
        if self._store.shared:
            with self._store.write() as conn:
                workers.beat(conn, self._store.worker, self._clock.now())

    def _live(self) -> None:
        while not self._stop.wait(workers.BEAT_S):
            try:
                self._beat()
            except Exception:
                log.exception("the others couldn't be told that this process lives")

    @repeatable
    def _retire(self) -> None:
        try:
            with self._store.write() as conn:
                workers.retire(conn, self._store.worker)
        except StoreAway as exc:
            log.info("the others will see by themselves that this process has ended: %s", exc)

    @repeatable
    def _chosen(self) -> bool:
        """Whether this process is the one that does what is due."""
        if not self._store.shared:
            return True
        length = dt.timedelta(seconds=10 + 3 * self._settings.timing.tick_s)
        with self._store.write() as conn:
            return workers.lease(conn, "tick", self._store.worker, self._clock.now(), length)

    def _sweep(self) -> None:
        """What is left of CloudNets that are over goes, should a step have been missed."""
        with self._store.read() as conn:
            strays = tasks.stray(conn)
        for cloudnet in strays:
            log.warning("cloudnet=%s is over, and has tasks that were to stay", cloudnet)
            self._lifecycle.sweep(cloudnet)

    def _ends(self) -> None:
        """Holds and leases that are over."""
        now = self._clock.now()
        with self._store.read() as conn:
            lapsed = offers.lapsed(conn, now)
            ended = cloudnets.leases_ended(conn, now)
            leaving = cloudnets.in_state(conn, CloudnetState.RELEASING)
            busy = tasks.unfinished(conn) if leaving else frozenset()
        for offer in lapsed:
            self._lifecycle.expire(offer)
        for cloudnet in ended:
            self._lifecycle.let_go(cloudnet.id, "its lease is over")
        for cloudnet in leaving:
            if cloudnet.id not in busy:
                self._lifecycle.finish(cloudnet.id)

    # -- the shells

    def take_inventory(self) -> None:
        """Compare what every shell has with the journal, each in a thread of its own."""
        for name, plugin in self._registry.items():
            if not isinstance(plugin, Inventory):
                continue
            for target in plugin.targets():
                running = self._looking.get((name, target))
                if running is None or running.done():
                    self._looking[name, target] = self._pool.submit(
                        self._compare, name, plugin, target
                    )

    def wait_for_inventory(self) -> None:
        """Wait until the comparisons under way have ended."""
        concurrent.futures.wait(list(self._looking.values()))

    def _compare(self, name: str, plugin: Inventory, target: str) -> None:
        try:
            self._mend(name, plugin, target)
        except (Transient, Refused) as exc:
            hangs = isinstance(exc.__cause__, TimedOut)
            if self._mapping.health.away(name, target, hangs=hangs):
                log.warning("away plugin=%s target=%s: %s", name, target, exc)
                self._moved(target)
        except Exception:
            log.exception("comparing plugin=%s target=%s broke down", name, target)

    def _mend(self, name: str, plugin: Inventory, target: str) -> None:
        with self._store.read() as conn:
            before = {e.id: e for e in tasks.of_target(conn, name, target)}
        keys = plugin.inventory(target)
        if self._settings.heal.enabled and isinstance(plugin, Watching):
            self._mapping.watch(name, plugin)
        if self._mapping.health.back(name, target):
            log.info("back plugin=%s target=%s", name, target)
            self._moved(target)
            self._hurry(name, target)
        if keys is None:
            return
        if self._settings.heal.enabled and not plugin.mends and isinstance(plugin, Surveying):
            self._note_ailing(name, plugin, target, before.values())
        # The journal again, and after the shell: what is being made is in it before it is there.
        with self._store.read() as conn:
            entries = tasks.of_target(conn, name, target)
        known = {e.key for e in (*before.values(), *entries)}
        ours = {k for k in keys if k not in known and is_ours(self._settings.name, k)}
        self._strangers.meet(name, plugin, target, ours, among=len(keys))
        lost = [e for e in entries if e.key not in keys and _was_made(before.get(e.id), e)]
        if plugin.mends:
            self._remake(lost)
        elif self._settings.heal.enabled:
            self._give_up(lost)

    def _note_ailing(
        self, name: str, plugin: Surveying, target: str, entries: Iterable[Entry]
    ) -> None:
        """Note which parts a provider sees broken: where it doesn't mend them, others may."""
        stand = [e.task for e in entries if e.task.confirmed and e.wanted is Wanted.CONFIRMED]
        seen = plugin.survey(target, stand) if stand else {}
        ailing = [
            t for t, states in seen.items() if any(o.state in BROKEN for o in states.values())
        ]
        self._mapping.health.saw_ailing(name, target, ailing)

    def _remake(self, lost: list[Entry]) -> None:
        for entry in lost:
            log.warning("lost key=%s target=%s: it is made again", entry.key, entry.task.target)
            self._note_lost(entry, TaskState.PLANNED, "it is made again")
            self._effects.dispatch(entry)

    def _give_up(self, lost: list[Entry]) -> None:
        """A provider has given back what it promised: another one has to be found."""
        for entry in lost:
            if entry.wanted is Wanted.CONFIRMED:
                log.warning("given up key=%s by=%s", entry.key, entry.task.target)
                text = f"{entry.task.target} has given it up"
                self._note_lost(entry, TaskState.FAILED, text)

    @repeatable
    def _note_lost(self, entry: Entry, state: TaskState, text: str) -> None:
        lines = [(e, "lost", text) for e in entry.task.elements]
        with self._store.write() as conn:
            tasks.outcome(conn, entry, state)
            cloudnets.record_of(conn, entry.task.cloudnet, self._clock.now(), lines)

    @repeatable
    def _hurry(self, name: str, target: str) -> None:
        """A shell is back, and what it has to carry with it."""
        with self._store.write() as conn:
            tasks.hurry(conn, name, target, self._clock.now())
            substrate.bump(conn)

    def _moved(self, target: str) -> None:
        """What is available has changed: operators are told, and who reserves looks again.

        An agent may be called by several plugins, and is one shell.
        """
        with self._telling:
            away = target in {t for _, t in self._mapping.health.all_away()}
            news = away != (target in self._told)
            self._told ^= {target} if news else set()
        line = (target, "away", "it doesn't answer") if away else (target, "back", "it answers")
        self._note_moved([line] if news else [])

    @repeatable
    def _note_moved(self, lines: list[tuple[str, str, str]]) -> None:
        with self._store.write() as conn:
            cloudnets.record_of(conn, "", self._clock.now(), lines)
            substrate.bump(conn)


def _was_made(before: Entry | None, entry: Entry) -> bool:
    """Whether a task's effect was there before the shell was asked, and is still wanted."""
    if before is None or entry.wanted is Wanted.ABSENT:
        return False
    return before.state in _MADE and entry.state in _MADE
