"""What the roles need from the outside, as Protocols.

Plugins, clocks and peers implement these; `roles/` names nothing else. Specs and answers are
JSON-able dictionaries, because they are kept in the store and sent over XML-RPC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NewType, Protocol, runtime_checkable

from mip.problem.statement import Options, Problem, Reason, Result
from rdl.graph import Element, Graph, MappingGraph

CloudnetId = NewType("CloudnetId", str)
OfferId = NewType("OfferId", str)
Json = dict[str, Any]


class Refused(Exception):
    """A plugin's, a provider's or the mapper's "no", for good; becomes an offer's reasons."""

    def __init__(self, reasons: Sequence[Reason]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(f"{r.element}: {r.text}" for r in self.reasons))


class Transient(Exception):
    """It did not work now and may work later: the peer is away, busy or restarting."""


@dataclass(frozen=True)
class PlannedTask:
    """One effect to bring about, as a value.

    Attributes:
        plugin: the registered name of the plugin that planned it.
        target: the substrate element (or controller) it is about.
        elements: the overlay elements it embeds.
        spec: everything `make` needs, JSON-able; its `key` is the shell's name for the thing.
    """

    plugin: str
    target: str
    elements: tuple[str, ...]
    spec: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A planned task as the store has it: with an id, its CloudNet and what the shell answered.

    `confirmed` tells whether it has been made permanent, `applied` whether changing in place
    what stands has been begun.
    """

    id: int
    cloudnet: CloudnetId
    plugin: str
    target: str
    elements: tuple[str, ...]
    spec: Json
    answer: Json = field(default_factory=dict)
    confirmed: bool = False
    applied: bool = False


@dataclass(frozen=True)
class Plan:
    """What a plugin plans from: a solved request with its tags.

    Attributes:
        cloudnet: the id the tasks will belong to.
        substrate: the UL graph the mapping refers to.
        overlay: the OL1 graph.
        mapping: the ML graph, with segments.
        anchors: stub id to the substrate interface where it ends (see `mip.problem.Problem`).
        elements: the substrate elements of this plugin's types that the mapping uses.
        options: the offer's options, `hold_s` among them.
        key: what the tasks' keys begin with, `KEY.ELEMENT`: the CloudNet's id, with a number
            from its second round on.
    """

    cloudnet: CloudnetId
    substrate: Graph
    overlay: Graph
    mapping: MappingGraph
    anchors: Mapping[str, str]
    elements: tuple[Element, ...]
    options: Json = field(default_factory=dict)
    key: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen of one overlay element: `state` with a `reason` where it isn't well."""

    state: str
    reason: str = ""


@dataclass(frozen=True)
class Difference:
    """How a VLink differs from what it should be.

    Attributes:
        ok: whether it doesn't.
        texts: what differs, with names of the inside.
        shown: what differs in words that its owner may read.
    """

    ok: bool
    texts: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    def joined(self, other: Difference) -> Difference:
        """What both say."""
        texts, shown = self.texts + other.texts, self.shown + other.shown
        return Difference(self.ok and other.ok, texts, shown)


class Plugin(Protocol):
    """One way to embed what is mapped onto substrate elements of certain types."""

    def plan(self, plan: Plan) -> list[PlannedTask]:
        """The tasks that embed the plan's share. Pure."""

    def make(self, task: Task) -> Json:
        """Bring it about provisionally; idempotent. Answers what the store should keep.

        Where a role below holds it: `expires` and `lease_until` (RFC 3339), `price`, `currency`
        and `choices` among it.

        Raises:
            Refused: for good, with reasons.
            Transient: the shell is away.
        """

    def confirm(self, task: Task) -> Json:
        """Make the provisional permanent; idempotent. Raises as `make`."""

    def remove(self, task: Task) -> None:
        """Leave nothing of it, whatever had come of `make`; idempotent. Raises Transient."""

    def observe(self, task: Task) -> Mapping[str, Observation]:
        """What is seen of the task's overlay elements. Raises Transient."""


@runtime_checkable
class Batching(Plugin, Protocol):
    """A plugin whose shells take many things with one call.

    Tasks are of one target, each with a key of its own. What isn't in an answer is asked for alone.
    """

    def make_many(self, tasks: Sequence[Task]) -> Mapping[int, Json | Refused | Transient]:
        """As `make`, by the id of each task; raises Transient for all of them."""

    def remove_many(self, tasks: Sequence[Task]) -> Mapping[int, Transient | None]:
        """As `remove`, by the id of each task; raises Transient for all of them."""


@runtime_checkable
class NodePlugin(Plugin, Protocol):
    """A plugin whose tasks run VNodes. `vnodes` are overlay ids, a subset of the task's."""

    def start(self, task: Task, vnodes: Sequence[str]) -> None:
        """Boot them; returns once the intent is taken. Raises Transient, Refused."""

    def stop(self, task: Task, vnodes: Sequence[str]) -> None:
        """Shut them down."""

    def powercycle(self, task: Task, wishes: Mapping[str, str]) -> None:
        """Stop and start; a VNode once for each wish, however often that is told."""

    def console(self, task: Task, vnode: str) -> str:
        """A single-use `wss://` URL of the VNode's serial console, one role further down."""


@runtime_checkable
class Synchronised(Protocol):
    """A plugin whose substrate elements must be asked what they have (a provider's sums)."""

    def offered(self, element: Element) -> Element:
        """The element with what it offers now. Raises Transient when it is away."""


@runtime_checkable
class Inventory(Protocol):
    """A plugin whose shells can tell what they have, to be compared with the journal."""

    mends: bool
    """Whether `make` brings back what a shell has lost."""

    def targets(self) -> Sequence[str]:
        """The shells, as tasks name them."""

    def inventory(self, target: str) -> Collection[str] | None:
        """The keys of what a shell has; None: it answers, but was asked a while ago already.

        Raises Transient.
        """

    def discard(self, target: str, key: str) -> None:
        """Remove what no task stands for. Raises Transient, Refused."""


@runtime_checkable
class Checking(Protocol):
    """A plugin that can compare VLinks with what they should be."""

    def check(self, task: Task) -> Mapping[str, Difference]:
        """By VLink: desired, installed and, where it can be, observed. Raises Transient."""


@runtime_checkable
class Surveying(Protocol):
    """A plugin that sees many things of one shell with one question."""

    def survey(self, target: str, tasks: Sequence[Task]) -> Mapping[int, Mapping[str, Observation]]:
        """As `observe`, by the id of each task; all are of this target. Raises Transient.

        Of a provider's part, all elements may be told to be as the part as a whole is.
        """


@runtime_checkable
class Watching(Protocol):
    """A plugin that sees which substrate elements don't carry."""

    def down(self, substrate: Graph) -> frozenset[str]:
        """The elements seen to be down, now. Raises Transient."""


@runtime_checkable
class Forgetting(Protocol):
    """A plugin one of whose shells waits for substrate elements that aren't shells themselves."""

    def forget(self, element: Element) -> str:
        """Have its shell wait no more for an element that is gone for good.

        Answers the shell, whose tasks are worth another try, or '' where none waits for such an
        element. Raises Transient, Refused.
        """


@runtime_checkable
class Withdrawing(Protocol):
    """A plugin whose `make` may take long, and can be told that it isn't wanted any more."""

    def withdraw(self, task: Task) -> None:
        """End what `make` waits for, from another thread. Raises Transient, Refused."""


@runtime_checkable
class Changing(Protocol):
    """A plugin that can change in place what stands; others make the new beside the old."""

    def successor(self, old: Task, new: PlannedTask) -> PlannedTask | None:
        """`new` as a change of what `old` stands for, under its key; None where it can't be. Pure.

        Its `spec` is that of `old` where nothing changes.
        """

    def stage(self, task: Task, old: Task) -> Json:
        """Hold what the change takes; until `apply`, what stands works whole as `old` says.

        Raises as `make`.
        """

    def apply(self, task: Task) -> Json:
        """Make it be as `task` says, for good; idempotent. Raises as `make`."""

    def revert(self, task: Task, old: Task) -> Json | None:
        """Make it be as `old` says, whatever had come of `stage` and `apply`; idempotent.

        Answers what the store is to keep of `old` from then on, None for what it has.
        Raises Transient.
        """

    def restaged(self, task: Task) -> Json | None:
        """The spec to stage a change with once more, None where it is held still. Raises Transient.

        Asked once another change that was to take the place of this one has been taken back.
        """


@runtime_checkable
class Leased(Protocol):
    """A plugin whose effects end by themselves unless they are prolonged."""

    def renew(self, task: Task, until: dt.datetime) -> dt.datetime:
        """Prolong until then, or as long as is granted; answers it. Raises Transient, Refused."""


class Mapper(Protocol):
    """The solver behind the mapping component."""

    def map(self, problem: Problem, options: Options) -> Result:
        """See `mip.mapping.map_request`."""


@runtime_checkable
class Interruptible(Mapper, Protocol):
    """A solver whose solves end as soon as the offer they are for isn't wanted any more."""

    def attending(self, offer: OfferId) -> AbstractContextManager[None]:
        """For the time that an offer is worked on: `interrupt` counts from its beginning."""

    def map_for(self, offer: OfferId, problem: Problem, options: Options) -> Result:
        """As `embed`, for an offer that is attended to. Raises Refused once interrupted."""

    def interrupt(self, offer: OfferId) -> None:
        """End what is solved for an offer, and what will be, while it is attended to."""


class Mender(Protocol):
    """Who has CloudNets mapped anew that can't stay as they are."""

    def mend(self, several: Collection[CloudnetId]) -> list[CloudnetId]:
        """Begin to; answers those that could be begun with."""


class Clock(Protocol):
    """Time, so that tests own it. Aware UTC datetimes."""

    def now(self) -> dt.datetime:
        """The time."""

    def sleep(self, seconds: float) -> None:
        """Let it pass."""


class Rpc(Protocol):
    """A peer's XML-RPC methods; raises the tree of `cloudnet_sdn.wire.faults`."""

    def call(self, method: str, *args: Any, timeout_s: float | None = None) -> Any:
        """Call `method` and answer its result."""
