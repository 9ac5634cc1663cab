"""The provisioning interface: VNodes started, stopped, and reached by console (paper, 4.2.2, 5.7).

A power state is an intent like any other: stored, then brought about and kept up by the reconciler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloudnet_sdn.console import ConsoleProxy, Grant
from cloudnet_sdn.model.power import Power, wish
from cloudnet_sdn.model.states import CloudnetState
from cloudnet_sdn.plugins.registry import Registry
from cloudnet_sdn.ports import Clock, NodePlugin, Refused, Transient
from cloudnet_sdn.roles.access import Access
from cloudnet_sdn.roles.effects.observing import Observer
from cloudnet_sdn.roles.effects.runner import Effects
from cloudnet_sdn.store import cloudnets, tasks
from cloudnet_sdn.store.cloudnets import Cloudnet
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.store.tasks import Entry
from cloudnet_sdn.wire.faults import BadRequest, Conflict, NotFound, PeerAway
from cloudnet_sdn.wire.identity import Caller


class Provisioning:
    """What callers may ask about VNodes."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        effects: Effects,
        observing: Observer,
        access: Access,
        clock: Clock,
        console: ConsoleProxy | None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._effects = effects
        self._observing = observing
        self._access = access
        self._clock = clock
        self._console = console

    def start(self, caller: Caller, cloudnet: str, vnodes: Sequence[str]) -> Cloudnet:
        """Boot VNodes, all for an empty list; answers once the intent is stored."""
        return self._want(caller, cloudnet, vnodes, Power.RUNNING, "starting")

    def stop(self, caller: Caller, cloudnet: str, vnodes: Sequence[str]) -> Cloudnet:
        """Shut VNodes down, all for an empty list."""
        return self._want(caller, cloudnet, vnodes, Power.STOPPED, "stopping")

    def powercycle(self, caller: Caller, cloudnet: str, vnodes: Sequence[str]) -> Cloudnet:
        """Stop and start VNodes, all for an empty list."""
        return self._want(caller, cloudnet, vnodes, Power.CYCLE, "powercycling")

    @repeatable
    def _want(
        self,
        caller: Caller,
        cloudnet_id: str,
        vnodes: Sequence[str],
        power: Power,
        event: str,
    ) -> Cloudnet:
        if not all(isinstance(v, str) for v in vnodes):
            raise BadRequest("vnodes: a list of VNode ids is wanted")
        cloudnet = self._access.cloudnet(caller, cloudnet_id)
        now = self._clock.now()
        changed = []
        with self._store.write() as conn:
            current = cloudnets.get(conn, cloudnet.id) or cloudnet
            if current.state is not CloudnetState.READY:
                raise Conflict(f"the CloudNet is {current.state}, not ready")
            entries = self._access.vnodes(conn, cloudnet.id)
            chosen = _chosen(entries, vnodes)
            for entry, mine in chosen:
                tasks.want_power(conn, entry, {v: wish(power) for v in mine}, now)
                changed.append(entry)
            lines = [(v, event, "") for _, mine in chosen for v in mine]
            cloudnets.record_of(conn, cloudnet.id, now, lines)
        for entry in changed:
            self._effects.dispatch(entry)
        return current

    def status(self, caller: Caller, cloudnet_id: str) -> Mapping[str, str]:
        """The state of each VNode, as seen.

        Raises:
            PeerAway: none of them can be seen.
        """
        cloudnet = self._access.cloudnet(caller, cloudnet_id)
        sight = self._observing.look(cloudnet)
        states = {v: o.state for v, o in sight.elements.items() if v in sight.vnodes}
        if states and set(states.values()) == {"unknown"}:
            raise PeerAway("what runs the VNodes doesn't answer")
        return states

    def console(self, caller: Caller, cloudnet_id: str, vnode: str) -> Grant:
        """A single-use URL on this role's own proxy that leads to a VNode's console.

        Raises:
            Conflict: this role has no console proxy, or the VNode has no console now.
            Busy: the caller has too many that it hasn't connected to.
        """
        cloudnet = self._access.cloudnet(caller, cloudnet_id)
        if self._console is None:
            raise Conflict("this role offers no consoles")
        with self._store.read() as conn:
            chosen = _chosen(self._access.vnodes(conn, cloudnet.id), [vnode])
        entry, _ = chosen[0]
        plugin = self._registry.get(entry.task.plugin)
        if not isinstance(plugin, NodePlugin):
            raise Conflict(f"{vnode} has no console")
        self._console.check(caller)
        try:
            target = plugin.console(entry.task, vnode)
        except Transient as exc:
            raise PeerAway("what runs the VNode doesn't answer") from exc
        except Refused as exc:
            raise Conflict(f"{vnode} has no console now; is it running?") from exc
        return self._console.grant(target, caller, entry.task.target)


def _chosen(
    entries: Sequence[tuple[Entry, list[str]]], vnodes: Sequence[str]
) -> list[tuple[Entry, list[str]]]:
    """The tasks of the VNodes named (of all, if none is), each with its share.

    Raises:
        NotFound: one of them isn't there.
    """
    known = {v for _, mine in entries for v in mine}
    missing = [v for v in vnodes if v not in known]
    if missing:
        raise NotFound(f"no VNode {missing[0][:100]!r} in this CloudNet")
    wanted = set(vnodes) or known
    shares = [(e, [v for v in mine if v in wanted]) for e, mine in entries]
    return [(e, mine) for e, mine in shares if mine]
