"""The VNodes of a host: what is wanted of each, brought about by the driver, kept across crashes.

Intent is written before the effect: a record says what a VNode is to be, whether it is to run,
and which step is under way. `adopt` takes those steps up again after the agent was killed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from cloudnet_sdn.wire.faults import BadRequest, CloudnetError, Conflict, NotFound
from hostagent.command import CommandFailedError
from hostagent.drivers import Driver, Seen
from hostagent.ports import clash
from hostagent.records import Records
from hostagent.spec import Key, VNodeSpec, dump_spec, parse_spec

log = logging.getLogger(__name__)


class State(StrEnum):
    """A VNode's state as `provisioning.status` has it."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"


class Step(StrEnum):
    """What is under way with a VNode, or was when the agent died."""

    NOTHING = ""
    PUT = "put"
    START = "start"
    STOP = "stop"
    CYCLE = "powercycle"
    DELETE = "delete"


_PASSING = {
    Step.START: State.STARTING,
    Step.CYCLE: State.STARTING,
    Step.STOP: State.STOPPING,
    Step.DELETE: State.STOPPING,
}
_LOCKS = 64


@dataclass(frozen=True, slots=True)
class Record:
    """A VNode's entry in the journal.

    Attributes:
        spec: what it is to be.
        on: whether it is to run.
        step: what is under way.
        boot: the machine's boot during which it was last brought about.
        why: why it was last not started, for its owner's eyes; '' where it was.
        cycled: the last wish that it was powercycled for.
    """

    spec: VNodeSpec
    on: bool = False
    step: Step = Step.NOTHING
    boot: str = ""
    why: str = ""
    cycled: str = ""


def state_of(record: Record, seen: Seen) -> tuple[State, str]:
    """The state of a VNode with the reason where it isn't well, from intent and sight."""
    if record.step in _PASSING:
        return _PASSING[record.step], ""
    if seen.faults:
        return State.FAILED, "; ".join(seen.faults)
    if record.on and not seen.power:
        return State.FAILED, told_of(record, seen)
    return (State.RUNNING if seen.power else State.STOPPED), ""


def told_of(record: Record, seen: Seen) -> str:
    """What its owner may know of why it doesn't run though it should; '' where that is fine."""
    if record.step in _PASSING or seen.power or not record.on:
        return ""
    return record.why or "it has ended by itself"


def this_boot() -> str:
    """What tells this boot of the machine from the last."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


class VNodes:
    """All VNodes of one host. Calls about one VNode wait for each other; others run beside."""

    def __init__(
        self, records: Records, driver: Driver, *, uplinks: Collection[str], boot: str
    ) -> None:
        """Know what the journal knows; nothing is brought about before `adopt`.

        Args:
            records: the journal.
            driver: how they run.
            uplinks: the ways off this host.
            boot: what tells this boot of the machine from others.
        """
        self._records = records
        self._uplinks = frozenset(uplinks)
        self._driver = driver
        self._boot = boot
        self._known = {key: _load(raw) for key, raw in records.load().items()}
        self._lock = threading.Lock()
        self._one_at_a_time = [threading.RLock() for _ in range(_LOCKS)]

    def journalled(self) -> list[Key]:
        """Keys of all VNodes that somebody wants, or wants gone."""
        return sorted(self._known)

    def adopt(self, keys: Collection[Key]) -> list[Key]:
        """Complete what a killed agent had begun, and rebuild what a reboot of the machine took.

        Returns:
            Those that could not be brought about now: try again.
        """
        left = []
        for key in keys:
            try:
                with self._one(key):
                    self._adopt(key)
            except (CloudnetError, CommandFailedError) as exc:
                log.warning("adopt key=%s failed: %s", key, exc)
                left.append(key)
        return left

    def _adopt(self, key: Key) -> None:
        if (record := self._known.get(key)) is None:
            return
        rebuilt = Step.START if record.on and record.boot != self._boot else Step.PUT
        self._take(key, record.step or rebuilt)

    def put(self, key: Key, spec: VNodeSpec) -> dict[str, Any]:
        """The VNode exists as `spec` says, stopped if it is new.

        Raises:
            BadRequest: an uplink isn't one of this host's, or the driver can't ever have it so.
            Conflict: its tags would join VLinks that must stay apart.
        """
        self._driver.check(spec)
        for one in spec.interfaces:
            if one.uplink and one.uplink not in self._uplinks:
                raise BadRequest(f"{key}: this host has no uplink {one.uplink[:80]!r}")
        with self._one(key):
            with self._lock:
                others = {k: r.spec for k, r in self._known.items() if r.step is not Step.DELETE}
                if why := clash(key, spec, others):
                    raise Conflict(f"{key}: {why}")
                record = replace(self._known.get(key, Record(spec)), spec=spec, step=Step.PUT)
                self._write(key, record)
            self._take(key, Step.PUT)
            return self.get(key)

    def delete(self, key: Key) -> None:
        """Nothing of the VNode is left, also if it is a left-over without a record."""
        with self._one(key):
            with self._lock:
                if key in self._known:
                    self._write(key, replace(self._known[key], on=False, step=Step.DELETE))
            self._take(key, Step.DELETE)

    def start(self, key: Key) -> dict[str, Any]:
        """It runs. Raises NotFound."""
        return self._set(key, Step.START)

    def stop(self, key: Key) -> dict[str, Any]:
        """It doesn't run. Raises NotFound."""
        return self._set(key, Step.STOP)

    def powercycle(self, key: Key, wish: str = "") -> dict[str, Any]:
        """It runs, and has been off once since this wish was first told. Raises NotFound."""
        record = self._known.get(key)
        again = bool(wish) and record is not None and record.cycled == wish
        return self._set(key, Step.START if again else Step.CYCLE, wish)

    def get(self, key: Key) -> dict[str, Any]:
        """`{key, state, reason, told, netns, ports: [{name, device, vlan, up}]}`, as observed.

        `told` is what of the reason its owner may know: it names nothing of the host's.

        Raises:
            NotFound: there is nothing of that key.
        """
        record = self._known.get(key)
        if record is None:
            if key not in self._driver.owned(tuple(self._known)):
                raise NotFound(f"no VNode {key} here")
            return _answer(
                key, (State.FAILED, "left over: nobody says what it is to be"), "", Seen(False)
            )
        seen = self._driver.observe(key, record.spec)
        return _answer(key, state_of(record, seen), told_of(record, seen), seen)

    def get_many(self, keys: Collection[Key]) -> dict[str, dict[str, Any]]:
        """`get` for several, by key; of what isn't there nothing is said."""
        return {key: self.get(key) for key in keys if key in self._known}

    def all_keys(self) -> list[Key]:
        """Keys of all VNodes, of what is under way and of what is left over."""
        return sorted({*self._known, *self._driver.owned(tuple(self._known))})

    def shell(self, key: Key) -> list[str]:
        """The command that opens a shell in the VNode.

        Raises:
            NotFound: there is none of that key.
            Conflict: it does not run.
        """
        record = self._known.get(key)
        if record is None:
            raise NotFound(f"no VNode {key} here")
        if not self._driver.observe(key, record.spec).power:
            raise Conflict(f"{key} does not run")
        return list(self._driver.shell(key))

    def _set(self, key: Key, step: Step, wish: str = "") -> dict[str, Any]:
        with self._one(key):
            with self._lock:
                record = self._known.get(key)
                if record is None or record.step is Step.DELETE:
                    raise NotFound(f"no VNode {key} here")
                self._write(key, replace(record, on=step is not Step.STOP, step=step))
            try:
                self._take(key, step, wish)
            except (CloudnetError, CommandFailedError) as exc:
                with self._lock:  # it isn't under way any more; what came of it is to be seen
                    why = getattr(exc, "told", "") or "it could not be started"
                    self._write(key, replace(self._known[key], step=Step.NOTHING, why=why))
                raise
            return self.get(key)

    def _take(self, key: Key, step: Step, wish: str = "") -> None:
        """Carry out a step that the record says is under way, and note that it is done."""
        record = self._known.get(key)
        if step is Step.DELETE or record is None:
            self._driver.remove(key)
            with self._lock:
                self._records.remove(key)
                self._known.pop(key, None)
            return
        self._driver.ensure(key, record.spec)
        if step in (Step.STOP, Step.CYCLE):
            self._driver.power(key, record.spec, on=False)
        if step in (Step.START, Step.CYCLE):
            self._driver.power(key, record.spec, on=True)
        with self._lock:
            cycled = wish or record.cycled
            done = replace(record, step=Step.NOTHING, boot=self._boot, why="", cycled=cycled)
            self._write(key, done)

    def _write(self, key: Key, record: Record) -> None:
        self._records.put(key, _dump(record))
        self._known[key] = record

    def _one(self, key: Key) -> threading.RLock:
        """The lock of a VNode; some share one."""
        return self._one_at_a_time[hash(key) % _LOCKS]


def _answer(key: Key, state: tuple[State, str], told: str, seen: Seen) -> dict[str, Any]:
    return {
        "key": key,
        "state": str(state[0]),
        "reason": state[1],
        "told": told,
        "netns": seen.netns,
        "ports": [
            {"name": p.name, "device": p.device, "vlan": p.vlan, "up": p.up} for p in seen.ports
        ],
    }


def _dump(record: Record) -> dict[str, Any]:
    return {
        "spec": dump_spec(record.spec),
        "on": record.on,
        "step": str(record.step),
        "boot": record.boot,
        "why": record.why,
        "cycled": record.cycled,
    }


def _load(raw: dict[str, Any]) -> Record:
    return Record(
        parse_spec(raw["spec"]),
        bool(raw["on"]),
        Step(raw["step"]),
        str(raw["boot"]),
        str(raw.get("why", "")),  # journals of earlier agents have none
        str(raw.get("cycled", "")),
    )
