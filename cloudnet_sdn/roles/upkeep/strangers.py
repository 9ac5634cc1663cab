"""Things on a shell with a key of ours that no task stands for.

They are left over from CloudNets that are gone, or they are customers' and the store is wrong. So
only what belongs to a CloudNet that this store knows is removed, after a while and a few at a time;
all else is reported and stays until an operator has looked.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection

from cloudnet_sdn.model.identifiers import cloudnet_in
from cloudnet_sdn.model.settings import Timing
from cloudnet_sdn.ports import Clock, Inventory
from cloudnet_sdn.store import cloudnets, strangers
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store

log = logging.getLogger(__name__)

_HOUR = dt.timedelta(hours=1)
_LEAST, _SHARE = 3, 0.05
"""So many of a shell's things may be removed in an hour, or this share of them."""


class Strangers:
    """Meets them."""

    def __init__(self, store: Store, clock: Clock, timing: Timing) -> None:
        self._store = store
        self._clock = clock
        self._quarantine = dt.timedelta(seconds=timing.quarantine_s)
        self._met: dict[tuple[str, str], frozenset[str]] = {}

    @repeatable
    def meet(
        self, name: str, plugin: Inventory, target: str, keys: Collection[str], *, among: int
    ) -> None:
        """See which things of a shell nobody stands for, and remove what may be.

        Args:
            name: the plugin's.
            plugin: removes them.
            target: the shell.
            keys: theirs.
            among: how many things the shell has.

        Raises:
            Transient: the shell is away.
            Refused: it keeps one.
        """
        now = self._clock.now()
        before = self._met.get((name, target))
        if not keys and before == frozenset():
            return
        with self._store.write() as conn:
            strangers.note(conn, name, target, keys, now)
            seen = strangers.seen(conn, name, target)
            removed = strangers.removals(conn, name, target, now - _HOUR)
            known = strangers.known(conn, {cloudnet_in(k) for k in keys})
            for key in sorted(set(keys) - (before or frozenset())):
                self._tell(key, name, target, known=cloudnet_in(key) in known)
                text = f"{key} at {target}: no task stands for it"
                cloudnets.record(conn, "", now, "stranger", text)
        self._met[name, target] = frozenset(keys)
        left = max(_LEAST, int(_SHARE * among)) - removed
        ripe = [
            k for k in sorted(keys) if cloudnet_in(k) in known and now - seen[k] >= self._quarantine
        ]
        for key in ripe[: max(0, left)]:
            plugin.discard(target, key)
            log.warning("removed key=%s plugin=%s target=%s", key, name, target)
            with self._store.write() as conn:
                strangers.removed(conn, name, target, key, now)

    @staticmethod
    def _tell(key: str, name: str, target: str, *, known: bool) -> None:
        if known:
            log.warning("nobody wants key=%s plugin=%s target=%s", key, name, target)
        else:
            log.error(
                "key=%s plugin=%s target=%s is of a CloudNet that this store doesn't know: "
                "is it the right store? It stays until an operator removes it",
                key,
                name,
                target,
            )
