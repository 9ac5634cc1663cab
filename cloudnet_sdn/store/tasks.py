"""The journal: what each effect is meant to come to, and what came of it.

A row is written before its effect is tried and outlives it. `open` marks the rows with something
left to do; the reconciler looks at nothing else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from cloudnet_sdn.model.states import TaskState, Wanted, agrees
from cloudnet_sdn.ports import CloudnetId, Json, OfferId, PlannedTask, Task
from cloudnet_sdn.store.schema import tasks


@dataclass(frozen=True)
class Entry:
    """One line of the journal.

    Attributes:
        task: what plugins see of it.
        round: which attempt of its offer it belongs to; a retry with other tags is a new round.
        power: VNode id to what is wanted of it: `running`, `stopped` or `cycle-N`.
        powered: likewise, what has been brought about.
        problem: the reasons of a refusal, or what the last attempt said.
    """

    task: Task
    offer: OfferId
    round: int
    key: str
    wanted: Wanted
    state: TaskState
    power: Mapping[str, str]
    powered: Mapping[str, str]
    attempts: int
    due: dt.datetime
    problem: Json

    @property
    def id(self) -> int:
        """The task's id."""
        return self.task.id

    @property
    def agreed(self) -> bool:
        """Whether it has come to what was wanted."""
        return agrees(self.wanted, self.state)


def _entry(row: sa.Row[tuple[object, ...]]) -> Entry:
    return Entry(
        task=Task(
            id=row.id,
            cloudnet=CloudnetId(row.cloudnet),
            plugin=row.plugin,
            target=row.target,
            elements=tuple(row.elements),
            spec=row.spec,
            answer=row.answer,
        ),
        offer=OfferId(row.offer),
        round=row.round,
        key=row.key,
        wanted=Wanted(row.wanted),
        state=TaskState(row.state),
        power=row.power,
        powered=row.powered,
        attempts=row.attempts,
        due=row.due,
        problem=row.problem,
    )


def plan(
    conn: sa.Connection,
    cloudnet: str,
    offer: str,
    *,
    round_: int,
    planned: Iterable[PlannedTask],
    now: dt.datetime,
) -> None:
    """Write the intent to bring these about."""
    rows = [
        {
            "cloudnet": cloudnet,
            "offer": offer,
            "round": round_,
            "plugin": p.plugin,
            "target": p.target,
            "key": str(p.spec.get("key", "")),
            "elements": list(p.elements),
            "spec": p.spec,
            "answer": {},
            "wanted": Wanted.PRESENT.value,
            "state": TaskState.PLANNED.value,
            "power": {},
            "powered": {},
            "attempts": 0,
            "due": now,
            "problem": {},
            "open": True,
        }
        for p in planned
    ]
    if rows:
        conn.execute(tasks.insert(), rows)


def forget(conn: sa.Connection, cloudnet: str) -> None:
    """Drop a CloudNet's tasks: nothing is left of any of them."""
    conn.execute(tasks.delete().where(tasks.c.cloudnet == cloudnet))


def get(conn: sa.Connection, task: int, *, lock: bool = False) -> Entry | None:
    """By id; with `lock` nobody else changes it until this transaction ends."""
    query = sa.select(tasks).where(tasks.c.id == task)
    row = conn.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _entry(row)


def of_cloudnet(conn: sa.Connection, cloudnet: str, round_: int | None = None) -> list[Entry]:
    """All of a CloudNet (of one round), in the order they were planned."""
    query = sa.select(tasks).where(tasks.c.cloudnet == cloudnet)
    if round_ is not None:
        query = query.where(tasks.c.round == round_)
    return [_entry(row) for row in conn.execute(query.order_by(tasks.c.id))]


def current(conn: sa.Connection, cloudnet: str) -> list[Entry]:
    """Those of a CloudNet that are not on their way out."""
    return [e for e in of_cloudnet(conn, cloudnet) if e.wanted is not Wanted.ABSENT]


def of_target(conn: sa.Connection, plugin: str, target: str) -> list[Entry]:
    """All of one shell that are or may be there."""
    rows = conn.execute(
        sa.select(tasks)
        .where(tasks.c.plugin == plugin, tasks.c.target == target)
        .where(
            sa.or_(tasks.c.wanted != Wanted.ABSENT.value, tasks.c.state != TaskState.ABSENT.value)
        )
    )
    return [_entry(row) for row in rows]


def unfinished(conn: sa.Connection) -> frozenset[CloudnetId]:
    """The CloudNets with a task that there is something left to do about."""
    absent = sa.and_(tasks.c.wanted == Wanted.ABSENT.value, tasks.c.state == TaskState.ABSENT.value)
    rows = conn.scalars(
        sa.select(tasks.c.cloudnet).where(tasks.c.open.is_(True), sa.not_(absent)).distinct()
    )
    return frozenset(map(CloudnetId, rows))


def due(conn: sa.Connection, now: dt.datetime, limit: int = 500) -> list[Entry]:
    """What there is to do by now."""
    rows = conn.execute(
        sa.select(tasks)
        .where(tasks.c.open.is_(True), tasks.c.due <= now)
        .order_by(tasks.c.due)
        .limit(limit)
    )
    return [_entry(row) for row in rows]


def want(
    conn: sa.Connection,
    cloudnet: str,
    wanted: Wanted,
    now: dt.datetime,
    *,
    rounds: Sequence[int] | None = None,
) -> int:
    """Change the intent of a CloudNet's tasks; what is to be absent stays so. How many changed."""
    update = tasks.update().where(
        tasks.c.cloudnet == cloudnet,
        tasks.c.wanted.not_in([Wanted.ABSENT.value, wanted.value]),
    )
    if rounds is not None:
        update = update.where(tasks.c.round.in_(rounds))
    values: dict[str, Any] = {"wanted": wanted.value, "open": True, "due": now, "attempts": 0}
    return conn.execute(update.values(**values)).rowcount


def outcome(
    conn: sa.Connection,
    entry: Entry,
    state: TaskState,
    *,
    answer: Json | None = None,
    problem: Json | None = None,
) -> Entry | None:
    """Write down what came of an effect; answers the task as it stands then, if it is there.

    The intent may have changed meanwhile and stays.
    """
    now = get(conn, entry.id, lock=True)
    if now is None:
        return None
    task = now.task if answer is None else replace(now.task, answer=answer)
    gone = state in (TaskState.PLANNED, TaskState.ABSENT)
    powered_ = {} if gone else now.powered
    return _written(
        conn, replace(now, task=task, state=state, powered=powered_, problem=problem or {})
    )


def postpone(conn: sa.Connection, entry: Entry, due_: dt.datetime, text: str) -> None:
    """Try again at `due_`."""
    conn.execute(
        tasks.update()
        .where(tasks.c.id == entry.id)
        .values(due=due_, attempts=tasks.c.attempts + 1, problem={"text": text})
    )


def hurry(conn: sa.Connection, plugin: str, target: str, now: dt.datetime) -> None:
    """The shell is back: try now what waits for it."""
    conn.execute(
        tasks.update()
        .where(tasks.c.plugin == plugin, tasks.c.target == target, tasks.c.open.is_(True))
        .values(due=now, attempts=0)
    )


def want_power(
    conn: sa.Connection, entry: Entry, power: Mapping[str, str], now: dt.datetime
) -> None:
    """Change what is wanted of some VNodes of a task."""
    entry = get(conn, entry.id, lock=True) or entry
    conn.execute(
        tasks.update()
        .where(tasks.c.id == entry.id)
        .values(power={**entry.power, **power}, open=True, due=now, attempts=0)
    )


def powered(conn: sa.Connection, entry: Entry, power: Mapping[str, str]) -> Entry | None:
    """Write down which power states were brought about; answers as `outcome`."""
    now = get(conn, entry.id, lock=True)
    return None if now is None else _written(conn, replace(now, powered=power, problem={}))


def _written(conn: sa.Connection, entry: Entry) -> Entry:
    """Write down how a task stands, and whether there is something left to do."""
    conn.execute(
        tasks.update()
        .where(tasks.c.id == entry.id)
        .values(
            state=entry.state.value,
            answer=entry.task.answer,
            powered=dict(entry.powered),
            problem=entry.problem,
            attempts=0,
            open=_is_open(entry),
        )
    )
    return replace(entry, attempts=0)


def _is_open(entry: Entry) -> bool:
    unpowered = entry.wanted is not Wanted.ABSENT and dict(entry.power) != dict(entry.powered)
    # A refused task rests until somebody wants it gone: trying again would be refused again.
    resting = entry.state is TaskState.FAILED and entry.wanted is not Wanted.ABSENT
    return not resting and (not entry.agreed or unpowered)
