"""The journal: what each effect is meant to come to, and what came of it.

A row is written before its effect is tried and outlives it. `open` marks the rows with something
left to do; the reconciler looks at nothing else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import sqlalchemy as sa

from cloudnet_sdn.model.states import LIVE, TaskState, Wanted, agrees
from cloudnet_sdn.ports import CloudnetId, Json, OfferId, PlannedTask, Task
from cloudnet_sdn.store import offers
from cloudnet_sdn.store.chunks import in_chunks
from cloudnet_sdn.store.offers import Offer
from cloudnet_sdn.store.schema import cloudnets, tasks

T = TypeVar("T")

APPLIED = "applied"
"""The mark in an answer that a change in place has been begun."""

_UNSENT = "unsent"
"""The mark in place of an answer that nobody has been asked yet. Rows of earlier versions have none
and count as sent, so nothing of them is forgotten."""


_VAIN = 3
"""After so many refusals others may look for another place for what was lost."""


@dataclass(frozen=True)
class Entry:
    """One line of the journal.

    Attributes:
        task: what plugins see of it.
        round: which attempt of its offer it belongs to; a retry with other tags is a new round.
        power: VNode id to the wish for it (`model/power.py`).
        powered: likewise, the wishes that have been granted.
        problem: the reasons of a refusal, or what the last attempt said.
        open: whether it is looked at for something left to do.
        succeeds: the id of the task whose thing it is to change in place, until it has.
        sent: whether its shell or provider may have been asked for it.
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
    succeeds: int | None = None
    open: bool = True
    sent: bool = True

    @property
    def id(self) -> int:
        """The task's id."""
        return self.task.id

    @property
    def agreed(self) -> bool:
        """Whether it has come to what was wanted."""
        return agrees(self.wanted, self.state)

    @property
    def vain(self) -> bool:
        """Whether what stood is gone, and its shell turns it down again and again."""
        again = self.state is TaskState.PLANNED and self.wanted is Wanted.CONFIRMED
        return again and self.attempts >= _VAIN and "reasons" in self.problem


def _entry(row: sa.Row[tuple[object, ...]]) -> Entry:
    return Entry(
        task=Task(
            id=row.id,
            cloudnet=CloudnetId(row.cloudnet),
            plugin=row.plugin,
            target=row.target,
            elements=tuple(row.elements),
            spec=row.spec,
            answer={k: v for k, v in row.answer.items() if k != _UNSENT},
            confirmed=row.state == TaskState.CONFIRMED.value,
            applied=bool(row.answer.get(APPLIED)),
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
        succeeds=row.succeeds,
        open=row.open,
        sent=not row.answer.get(_UNSENT),
    )


def plan(
    conn: sa.Connection,
    cloudnet: str,
    offer: str,
    *,
    round_: int,
    planned: Iterable[PlannedTask],
    now: dt.datetime,
    succeeding: Mapping[str, int] | None = None,
) -> None:
    """Write the intent to bring these about.

    Args:
        conn: the transaction.
        cloudnet: whose they are.
        offer: the offer they are made for.
        round_: the round they begin with.
        planned: what is to be brought about.
        now: the time.
        succeeding: by key, the task whose thing one is to change in place.
    """
    after = succeeding or {}
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
            "answer": {_UNSENT: True},
            "wanted": Wanted.PRESENT.value,
            "state": TaskState.PLANNED.value,
            "power": {},
            "powered": {},
            "attempts": 0,
            "due": now,
            "problem": {},
            "open": True,
            "succeeds": after.get(_whole_key(p.plugin, p.target, str(p.spec.get("key", "")))),
        }
        for p in planned
    ]
    if rows:
        conn.execute(tasks.insert(), rows)


def _whole_key(plugin: str, target: str, key: str) -> str:
    return f"{plugin} {target} {key}"


def whole_key(task: Task | PlannedTask) -> str:
    """What tells a thing from all others: who keeps it, and by which key."""
    return _whole_key(task.plugin, task.target, str(task.spec.get("key", "")))


def forget(conn: sa.Connection, cloudnet: str) -> None:
    """Drop those of a CloudNet of which nothing is left."""
    absent = sa.and_(
        tasks.c.cloudnet == cloudnet,
        tasks.c.wanted == Wanted.ABSENT.value,
        tasks.c.state == TaskState.ABSENT.value,
    )
    conn.execute(tasks.delete().where(absent))


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
    """Those of the generation in force; where there is none, of what is held or worked on."""
    offer = offers.shown(conn, cloudnet)
    return [] if offer is None else of_offer(conn, offer)


def in_force(conn: sa.Connection, several: Mapping[str, str]) -> dict[str, list[Entry]]:
    """The tasks of the offers that are in force, by CloudNet; told as CloudNet to offer."""
    found: dict[str, list[Entry]] = {}
    for some in in_chunks(several):
        query = sa.select(tasks).where(
            tasks.c.cloudnet.in_(some), tasks.c.wanted != Wanted.ABSENT.value
        )
        for row in conn.execute(query.order_by(tasks.c.id)):
            if row.offer == several[row.cloudnet]:
                found.setdefault(row.cloudnet, []).append(_entry(row))
    return found


def of_offer(conn: sa.Connection, offer: Offer) -> list[Entry]:
    """What an offer's generation consists of: its own tasks, and what it keeps of another's."""
    query = sa.select(tasks).where(
        tasks.c.cloudnet == offer.cloudnet, tasks.c.wanted != Wanted.ABSENT.value
    )
    kept = frozenset(offer.kept_tasks)
    found = [_entry(row) for row in conn.execute(query.order_by(tasks.c.id))]
    return [e for e in found if e.offer == offer.id or e.id in kept]


def leaving(conn: sa.Connection, cloudnet: str) -> bool:
    """Whether something of a CloudNet is yet to be removed."""
    query = sa.select(tasks.c.id).where(
        tasks.c.cloudnet == cloudnet,
        tasks.c.wanted == Wanted.ABSENT.value,
        # Not `!=`: an index knows ranges, and a large CloudNet is asked after with each task.
        tasks.c.state.in_([s.value for s in TaskState if s is not TaskState.ABSENT]),
    )
    return conn.scalar(query.limit(1)) is not None


def reverting(conn: sa.Connection, cloudnet: str) -> bool:
    """Whether something of a CloudNet that was changed in place is yet to be changed back."""
    rows = conn.execute(
        sa.select(tasks).where(
            tasks.c.cloudnet == cloudnet,
            tasks.c.wanted == Wanted.ABSENT.value,
            tasks.c.state != TaskState.ABSENT.value,
            tasks.c.succeeds.is_not(None),
        )
    )
    return any(_entry(row).task.applied for row in rows)


def unstage(conn: sa.Connection, offer: Offer, now: dt.datetime) -> None:
    """An offer comes to nothing: what is its own is removed, what it keeps is another's."""
    _want(conn, Wanted.ABSENT, now, tasks.c.cloudnet == offer.cloudnet, tasks.c.offer == offer.id)


def absorb(conn: sa.Connection, offer: Offer, now: dt.datetime) -> None:
    """An offer's round takes the place of its earlier ones: what it doesn't keep of them goes.

    What it changed in place is as if it had been changed from what stood before both.
    """
    mine = [e for e in of_offer(conn, offer) if e.offer == offer.id]
    kept = frozenset(offer.kept_tasks)
    old = {e.id: e for e in mine if e.round != offer.round and e.id not in kept}
    for entry in mine:
        if entry.succeeds in old:
            after = old.pop(entry.succeeds).succeeds
            conn.execute(tasks.update().where(tasks.c.id == entry.id).values(succeeds=after))
            _drop(conn, [int(entry.succeeds or 0)])
    for some in in_chunks(old):
        _want(conn, Wanted.ABSENT, now, tasks.c.id.in_(some))


def put_in_force(
    conn: sa.Connection, offer: Offer, before: Offer | None, wanted: Wanted, now: dt.datetime
) -> None:
    """An offer's generation is the CloudNet: what it doesn't keep of `before`'s goes.

    What it changed in place is its own from now on. A thing that was changed, or a VNode that was
    made anew elsewhere, keeps the power that was wanted of it.
    """
    mine = of_offer(conn, offer)
    kept = frozenset(e.id for e in mine if e.offer != offer.id)
    old = [] if before is None else [e for e in of_offer(conn, before) if e.id not in kept]
    power = {v: p for e in old for v, p in e.power.items()}
    reached = {e.id: e.powered for e in old}
    succeeded = set()
    for entry in mine:
        values: dict[str, Any] = {"succeeds": None, "offer": offer.id}
        if entry.id not in kept:
            inherited = {e: power[e] for e in entry.task.elements if e in power}
            values["power"] = {**inherited, **entry.power}
            if entry.succeeds is not None:
                succeeded.add(entry.succeeds)
                granted = {**reached.get(entry.succeeds, {}), **entry.powered}
                # Not of VNodes that have left the part.
                values["powered"] = {v: w for v, w in granted.items() if v in values["power"]}
            left = {**entry.powered, **values.get("powered", {})} != values["power"]
            if left:
                values |= {"open": True, "due": now, "attempts": 0}
        conn.execute(tasks.update().where(tasks.c.id == entry.id).values(**values))
    _drop(conn, succeeded)
    for some in in_chunks(e.id for e in old if e.id not in succeeded):
        _want(conn, Wanted.ABSENT, now, tasks.c.id.in_(some))
    ours = (tasks.c.cloudnet == offer.cloudnet, tasks.c.offer == offer.id)
    _want(conn, wanted, now, *ours)


def _drop(conn: sa.Connection, ids: Iterable[int]) -> None:
    """Strike out what another task stands for now."""
    for some in in_chunks(ids):
        conn.execute(tasks.delete().where(tasks.c.id.in_(some)))


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


def leaving_at(conn: sa.Connection, target: str) -> list[Entry]:
    """Those that are to be removed from a shell and aren't known to be."""
    rows = conn.execute(
        sa.select(tasks).where(
            tasks.c.target == target,
            tasks.c.wanted == Wanted.ABSENT.value,
            tasks.c.state != TaskState.ABSENT.value,
        )
    )
    return [_entry(row) for row in rows]


def given_up(conn: sa.Connection) -> frozenset[CloudnetId]:
    """The CloudNets with a confirmed part that whoever had it has given up, or won't make again."""
    confirmed = tasks.c.wanted == Wanted.CONFIRMED.value
    failed = tasks.c.state == TaskState.FAILED.value
    rows = conn.scalars(sa.select(tasks.c.cloudnet).where(confirmed, failed).distinct())
    found = set(map(CloudnetId, rows))
    lost = sa.and_(tasks.c.state == TaskState.PLANNED.value, tasks.c.attempts >= _VAIN)
    again = map(_entry, conn.execute(sa.select(tasks).where(confirmed, lost)))
    return frozenset(found | {e.task.cloudnet for e in again if e.vain})


def unfinished(conn: sa.Connection) -> frozenset[CloudnetId]:
    """The CloudNets with a task that there is something left to do about."""
    absent = sa.and_(tasks.c.wanted == Wanted.ABSENT.value, tasks.c.state == TaskState.ABSENT.value)
    rows = conn.scalars(
        sa.select(tasks.c.cloudnet).where(tasks.c.open.is_(True), sa.not_(absent)).distinct()
    )
    return frozenset(map(CloudnetId, rows))


def stray(conn: sa.Connection) -> list[CloudnetId]:
    """The CloudNets that are over, or aren't known at all, with a task that is to stay."""
    live = sa.select(cloudnets.c.id).where(cloudnets.c.state.in_([s.value for s in LIVE]))
    query = sa.select(tasks.c.cloudnet).where(
        tasks.c.wanted != Wanted.ABSENT.value, tasks.c.cloudnet.not_in(live)
    )
    return [CloudnetId(c) for c in conn.scalars(query.distinct())]


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
    which = [tasks.c.cloudnet == cloudnet]
    if rounds is not None:
        which.append(tasks.c.round.in_(rounds))
    return _want(conn, wanted, now, *which)


def want_absent(conn: sa.Connection, several: Iterable[int], now: dt.datetime) -> None:
    """Have some tasks removed."""
    for some in in_chunks(several):
        _want(conn, Wanted.ABSENT, now, tasks.c.id.in_(some))


def want_of(conn: sa.Connection, offer: Offer, wanted: Wanted, now: dt.datetime) -> int:
    """Change the intent of what is an offer's own."""
    which = (tasks.c.cloudnet == offer.cloudnet, tasks.c.offer == offer.id)
    return _want(conn, wanted, now, *which)


def _want(
    conn: sa.Connection, wanted: Wanted, now: dt.datetime, *which: sa.ColumnElement[bool]
) -> int:
    values: dict[str, Any] = {"wanted": wanted.value, "open": True, "due": now, "attempts": 0}
    update = tasks.update().where(
        *which, tasks.c.wanted.not_in([Wanted.ABSENT.value, wanted.value])
    )
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


def rivals(conn: sa.Connection, entry: Entry) -> list[Entry]:
    """Other tasks, of held changes, that are to change in place what this one was to."""
    rows = conn.execute(
        sa.select(tasks).where(
            tasks.c.cloudnet == entry.task.cloudnet,
            tasks.c.succeeds == entry.succeeds,
            tasks.c.id != entry.id,
            tasks.c.wanted == Wanted.PRESENT.value,
            tasks.c.state == TaskState.PRESENT.value,
        )
    )
    return [_entry(row) for row in rows]


def plan_again(conn: sa.Connection, entry: Entry, spec: Json, now: dt.datetime) -> None:
    """Have a task that is there made once more, as `spec` says."""
    there = (tasks.c.id == entry.id, tasks.c.state == TaskState.PRESENT.value)
    again: dict[str, Any] = {"state": TaskState.PLANNED.value, "spec": spec, "answer": {}}
    conn.execute(tasks.update().where(*there).values(**again, open=True, due=now, attempts=0))


def sending(conn: sa.Connection, several: Iterable[Entry]) -> None:
    """Note that shells and providers are asked for these from now on."""
    for some in in_chunks(e.id for e in several if not e.sent):
        # One that has come to something meanwhile has an answer of its own.
        mine = (tasks.c.id.in_(some), tasks.c.state == TaskState.PLANNED.value)
        conn.execute(tasks.update().where(*mine).values(answer={}))


def postpone(
    conn: sa.Connection,
    entry: Entry,
    due_: dt.datetime,
    text: str,
    reasons: Sequence[Json] = (),
) -> None:
    """Try again at `due_`; `reasons` where it was refused."""
    problem = {"text": text, "reasons": list(reasons)} if reasons else {"text": text}
    conn.execute(
        tasks.update()
        .where(tasks.c.id == entry.id)
        .values(due=due_, attempts=tasks.c.attempts + 1, problem=problem)
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


def rest(conn: sa.Connection, task: int) -> None:
    """Nothing is left to do about a task, unless somebody has changed his mind meanwhile."""
    now = get(conn, task, lock=True)
    if now is not None and not _is_open(now):
        conn.execute(tasks.update().where(tasks.c.id == task).values(open=False))


def _written(conn: sa.Connection, entry: Entry) -> Entry:
    """Write down how a task stands, and whether there is something left to do."""
    left = _is_open(entry)
    conn.execute(
        tasks.update()
        .where(tasks.c.id == entry.id)
        .values(
            state=entry.state.value,
            answer=entry.task.answer,
            powered=dict(entry.powered),
            problem=entry.problem,
            attempts=0,
            open=left,
        )
    )
    return replace(entry, attempts=0, open=left)


def _is_open(entry: Entry) -> bool:
    unpowered = entry.wanted is not Wanted.ABSENT and dict(entry.power) != dict(entry.powered)
    # A refused task rests until somebody wants it gone: trying again would be refused again.
    resting = entry.state is TaskState.FAILED and entry.wanted is not Wanted.ABSENT
    return not resting and (not entry.agreed or unpowered)
