"""What goes into an embedding and what comes out, as values.

The roles, `cloudnet plan` and `cloudnet consolidate` speak to this package in these types alone.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from rdl.graph import Element, Graph, MappingGraph, Scalar


class Status(enum.StrEnum):
    """How a solve ended."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    TIMEOUT = "timeout"


class Code(enum.StrEnum):
    """Why something can't be embedded (contract, "An offer")."""

    CAPACITY = "capacity"
    FRAGMENTED = "fragmented"
    FEATURE = "feature"
    TYPE = "type"
    CONSTRAINT = "constraint"
    LATENCY = "latency"
    NO_PATH = "no-path"
    VLAN_TAKEN = "vlan-taken"
    UNKNOWN_TARGET = "unknown-target"
    QUOTA = "quota"
    POLICY = "policy"
    TIMEOUT = "timeout"
    PEER_AWAY = "peer-away"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is short: the element asked for, a code, and a sentence with figures."""

    element: str
    code: Code
    text: str


@dataclass(frozen=True)
class Embedded:
    """A CloudNet that is on the substrate already and uses it up.

    `anchors` as in `Problem`, for partial graphs; without it the segments' interfaces tell.
    """

    overlay: Graph
    mapping: MappingGraph
    anchors: Mapping[str, str] = field(default_factory=dict)
    counted: list[tuple[Graph, object]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )
    """What it was last found to use of which substrate; kept by `mip.instance.capacity.used`."""


@dataclass(frozen=True)
class Problem:
    """One embedding to compute.

    Attributes:
        substrate: the UL graph, resources as installed (not as left).
        request: the OL graph to place.
        embedded: what is there; its use is subtracted. A CloudNet being modified is left out.
        anchors: for each stub of a partial graph that ends a VLink, the substrate interface
            (`tbr.t1`) where it ends: that interface's element is the path's fixed end, the
            interface's `bandwidth` is used up, no host capacity is.
        unavailable: substrate elements that may carry nothing new (drained, down).
        keep: VNodes whose host is fixed, as {vnode: host} (modification keeps what is unchanged).
        shown: the substrate ids that `on` and `not_on` may name, None for all. Any other id gets
            the same refusal whether or not it exists.
        taken: amounts in use besides those of `embedded`, by holder (an element, an interface or
            `pool NAME`) and resource. For who keeps sums instead of graphs.
        occupied: hosts that carry VNodes besides those of `embedded`.
        nogoods: (VNodes, host) pairs: not all of these VNodes on that host, as one that has turned
            them down together. No VNode at all forbids nothing.
    """

    substrate: Graph
    request: Graph
    embedded: tuple[Embedded, ...] = ()
    anchors: Mapping[str, str] = field(default_factory=dict)
    unavailable: frozenset[str] = frozenset()
    keep: Mapping[str, str] = field(default_factory=dict)
    shown: frozenset[str] | None = None
    taken: Mapping[tuple[str, str], int | float | Fraction] = field(default_factory=dict)
    occupied: frozenset[str] = frozenset()
    nogoods: tuple[tuple[frozenset[str], str], ...] = ()


def _nothing(_request: Element, _substrate: Element) -> float:
    return 0.0


def _no_host(_host: Element) -> float:
    return 0.0


@dataclass(frozen=True)
class Weights:
    """A linear objective over a mapping, to be minimised.

    value = constant + sum over VNodes of place(vnode, host)
          + sum over VLinks and elements of their working paths of carry(vlink, element)
          + sum over hosts that carry at least one VNode of the request of open(host)
          + peak * (highest utilisation of any resource of any substrate element)

    All but `constant` are non-negative. `carry` is a multiple of the VLink's bandwidth in Mbit/s
    in every objective shipped. `level` promises that `carry` is the same for every link and 0 for
    all else, so that nobody has to ask about each; `whole` that every price is a whole number.

    Model: (1).
    """

    place: Callable[[Element, Element], float] = _nothing
    carry: Callable[[Element, Element], float] = _nothing
    open: Callable[[Element], float] = _no_host
    peak: float = 0.0
    constant: float = 0.0
    level: bool = False
    whole: bool = False

    @property
    def additive(self) -> bool:
        """Whether the value is a plain sum over VNodes and VLinks."""
        return not self.peak and self.open is _no_host


class Objective(Protocol):
    """What a mapping is to minimise; an instance of any class with these two will do."""

    @property
    def name(self) -> str:
        """What results call it."""

    def weights(self, problem: Problem) -> Weights:
        """What each decision costs in `problem`."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to solve.

    Attributes:
        objective: the name of a registered objective, or one of your own.
        method: `auto`, `exact` or `fast`.
        time_limit: seconds of wall time, None for no limit.
        gap: relative gap at which a solve may stop; 0 proves the optimum.
        seed: of whatever is randomised.
        solver: the name of the solver behind the exact methods.
        explain: whether to look for the reasons of what doesn't fit, which takes its time.
    """

    objective: str | Objective = "cost"
    method: str = "auto"
    time_limit: float | None = 30.0
    gap: float = 0.0
    seed: int = 0
    solver: str = "cbc"
    explain: bool = True

    @property
    def objective_name(self) -> str:
        """What results call the objective."""
        return self.objective if isinstance(self.objective, str) else self.objective.name


@dataclass(frozen=True)
class Result:
    """What came out (contract, `plan --format json`).

    Attributes:
        status: how the solve ended.
        value: the objective's value, None without a mapping.
        bound: a true lower bound on the optimum, None where none is known.
        nodes: VNode id to host id.
        links: VLink id to substrate link and switch ids in path order, without the two hosts;
            a tree's in id order.
        backups: likewise the disjoint backup path of VLinks with `protection`.
        chosen: element id to {feature: value}: what was left open and is now settled.
        reasons: why not, when there is no mapping.
        seconds: wall time of `build`, `solve`, `total`.
    """

    status: Status
    objective: str
    value: float | None = None
    bound: float | None = None
    nodes: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    backups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chosen: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def gap(self) -> float | None:
        """Relative distance between value and bound, None where either is missing."""
        if self.value is None or self.bound is None:
            return None
        return abs(self.value - self.bound) / max(abs(self.value), 1e-9)
