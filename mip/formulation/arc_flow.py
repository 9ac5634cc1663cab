"""The mixed-integer program: node and path mapping together (docs/embedding.md).

Columns: x[i, v] says that point i is at vertex v; f[l, r, k, a] that route r (working or backup)
of VLink l takes arc a towards its k-th further end. A VLink with two ends has one such commodity
and its use of an edge is the flow over it; one with more is a tree, and y[l, r, e] says that it
uses edge e. Everything is whole: no VLink is split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from mip.clock import NEVER, Clock
from mip.formulation.capacities import Capacities
from mip.formulation.columns import Arc
from mip.formulation.constraints import Constraints
from mip.formulation.flows import Flows
from mip.instance.capacity import key_of
from mip.instance.instance import Instance, Kind
from mip.objectives import Weights
from mip.solvers.linear import INFINITY, LinearModel
from rdl.graph import Element


@dataclass(frozen=True)
class Scope:
    """What is left in.

    Attributes:
        hosts: candidates per point; None for all that the instance allows.
        arcs: per VLink the arcs it may cross; all that the instance allows for those left out.
        opened: the most hosts that may carry a VNode; None for any number.
    """

    hosts: Mapping[int, frozenset[int]] | None = None
    arcs: Mapping[int, frozenset[Arc]] = field(default_factory=dict)
    opened: int | None = None


class ArcFlow:
    """The program for one instance.

    Attributes:
        x: for each point, vertex to the column that says that it is there.
        flows: the routes of VLinks.
        capacities: what is taken of them.
        opened_row: the row that limits the hosts that carry a VNode, where the scope does.

    Raises:
        OutOfTimeError: the clock has run out before it was built.
    """

    def __init__(
        self,
        instance: Instance,
        weights: Weights,
        scope: Scope | None = None,
        clock: Clock = NEVER,
    ) -> None:
        self.instance = instance
        self.weights = weights
        self.scope = scope or Scope()
        self.model = LinearModel(constant=weights.constant, clock=clock)
        self.x: list[dict[int, int]] = []
        self.opened_row: int | None = None
        self.capacities = Capacities(instance, self.model)
        self._placed: list[tuple[int, Element, Element]] = []
        self._place()
        self.flows = Flows(
            instance, self.model, self.x, self.capacities, weights, left=self.scope.arcs
        )
        for index in range(len(instance.vlinks)):
            self.flows.route(index, backup=False)
            if instance.vlinks[index].protection != "none":
                self.flows.route(index, backup=True)
                self.flows.keep_disjoint(index)
        Constraints(instance, self.model, self.x, self.flows).keep()
        self.capacities.keep(weights.peak)
        for column, cost in self.costs(weights).items():
            self.model.cost[column] += cost

    def costs(self, weights: Weights) -> dict[int, float]:
        """What hosts and links cost under `weights`, by column.

        Model: (1).
        """
        out: dict[int, float] = defaultdict(float)
        for column, vnode, host in self._placed:
            out[column] += weights.place(vnode, host)
        for column, vlink, element in self.flows.carried:
            out[column] += weights.carry(vlink, element)
        return out

    def _place(self) -> None:
        """Every point at one of its candidates.

        Model: (5).
        """
        request = self.instance.problem.request
        network = self.instance.network
        opened: dict[int, int] = {}
        for index, point in enumerate(self.instance.points):
            left = None if self.scope.hosts is None else self.scope.hosts.get(index)
            columns: dict[int, int] = {}
            for v in point.candidates:
                if left is not None and v not in left:
                    continue
                columns[v] = self.model.column()
                if point.kind is Kind.VNODE:
                    vnode = request.elements[point.id]
                    self._placed.append((columns[v], vnode, network.element(v)))
                for resource, amount in point.demand.items():
                    key = key_of(network.element(v), resource)
                    self.capacities.always[key][columns[v]] = amount
            self.x.append(columns)
            self.model.row(dict.fromkeys(columns.values(), 1.0), 1.0, 1.0)
            if point.kind is Kind.VNODE:
                self._open(columns, opened)
        if self.scope.opened is not None:
            limit = float(self.scope.opened)
            self.opened_row = len(self.model.rows)
            self.model.row(dict.fromkeys(opened.values(), 1.0), -INFINITY, limit)

    def _open(self, columns: Mapping[int, int], opened: dict[int, int]) -> None:
        """Hosts that carry a VNode, where that has a price or a limit.

        Model: (8).
        """
        for v, column in columns.items():
            price = self.weights.open(self.instance.network.element(v))
            if price or self.scope.opened is not None:
                if v not in opened:
                    opened[v] = self.model.column(price)
                self.model.row({column: 1.0, opened[v]: -1.0}, -INFINITY, 0.0)
