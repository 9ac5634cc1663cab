"""Affinity constraints and rules on features, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

from mip.formulation.columns import RouteColumns
from mip.formulation.flows import Flows
from mip.instance.features import is_pip
from mip.instance.instance import Instance
from mip.solvers.linear import INFINITY, LinearModel
from rdl.graph import Scalar


class Constraints:
    """The constraints of a program, once it has its points and routes."""

    def __init__(
        self,
        instance: Instance,
        model: LinearModel,
        x: Sequence[Mapping[int, int]],
        flows: Flows,
    ) -> None:
        self.instance = instance
        self.model = model
        self.x = x
        self.flows = flows
        self._z: dict[tuple[str, str], list[int]] = {}

    def keep(self) -> None:
        """`together`, `apart`, one value or different ones, and what has been turned down.

        Model: (19), (20), (23), (24), (29).
        """
        rules = self.instance.rules
        for members in rules.together:
            for a, b in pairwise(members):
                for v in self.x[a].keys() | self.x[b].keys():
                    terms = {self.x[p][v]: s for p, s in ((a, 1.0), (b, -1.0)) if v in self.x[p]}
                    self.model.row(terms, 0.0, 0.0)
        for members in rules.apart:
            for v in sorted({v for m in members for v in self.x[m]}):
                columns = [self.x[m][v] for m in members if v in self.x[m]]
                if len(columns) > 1 and not is_provider(self.instance, v):
                    self.model.row(dict.fromkeys(columns, 1.0), -INFINITY, 1.0)
        for some, v in rules.never:
            columns = [self.x[m][v] for m in some if v in self.x[m]]
            if len(columns) == len(some):
                self.model.row(dict.fromkeys(columns, 1.0), -INFINITY, len(columns) - 1.0)
        for choice, where in rules.allowed.items():
            self._choice(choice, where)
        placed = frozenset(self.instance.point_index)
        for rule in rules.values:
            columns_of = [self._z[m, rule.feature] for m in rule.members]
            for k in range(len(rules.domain[rule.feature])):
                if rule.same and placed.issuperset(rule.members):
                    for near, far in pairwise(columns_of):
                        self.model.row({near[k]: 1.0, far[k]: -1.0}, 0.0, 0.0)
                elif rule.same:  # a VLink may have no value: each two that have one agree
                    for near, far in combinations(columns_of, 2):
                        others = dict.fromkeys(far[:k] + far[k + 1 :], 1.0)
                        self.model.row({near[k]: 1.0, **others}, -INFINITY, 1.0)
                else:
                    self.model.row(dict.fromkeys((z[k] for z in columns_of), 1.0), -INFINITY, 1.0)

    def _choice(self, choice: tuple[str, str], where: Mapping[str, frozenset[int]]) -> None:
        """The value that a member of a rule settles on, among those offered where it is.

        Model: (21), (22).
        """
        domain: Sequence[Scalar] = self.instance.rules.domain[choice[1]]
        z = [self.model.column() for _ in domain]
        self._z[choice] = z
        point = self.instance.point_index.get(choice[0])
        self.model.row(dict.fromkeys(z, 1.0), -INFINITY if point is None else 1.0, 1.0)
        if point is not None:
            carriers: list[tuple[tuple[int, ...], str]] = [
                ((c,), self.instance.network.ids[v]) for v, c in self.x[point].items()
            ]
        else:
            carriers = [
                found
                for columns in self.flows.routes
                if self.instance.vlinks[columns.vlink].id == choice[0] and not columns.backup
                for found in self._links_used(columns)
            ]
        for used, element in carriers:
            good = where.get(element, frozenset())
            row = {**dict.fromkeys(used, 1.0), **{z[k]: -1.0 for k in good}}
            self.model.row(row, -INFINITY, 0.0)

    def _links_used(self, columns: RouteColumns) -> Iterator[tuple[tuple[int, ...], str]]:
        """For each substrate link that a route may list, the columns that say so."""
        network = self.instance.network
        for e, used in columns.use.items():
            link = network.edges[e].link
            if link is not None:
                yield used, link
        for v in sorted(network.link_vertices & self.instance.vlinks[columns.vlink].vertices):
            listed = self.flows.used_column(columns, v)
            if listed is not None:
                yield (listed,), network.ids[v]


def is_provider(instance: Instance, vertex: int) -> bool:
    """Whether a vertex is a whole provider, inside which `apart` is not judged."""
    return is_pip(instance.network.element(vertex))
