"""The linear program over whole mappings of tree requests, and randomised rounding of it.

As in Rost, Doehne, Schmid (ACM CCR January 2019): a column is a mapping of one request, the program
chooses fractions of mappings so as to earn most within what nodes and links hold, and columns are
priced by dynamic programming over the request, every VLink on its shortest path under the duals.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import highspy
import networkx as nx
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tree:
    """A request: the same `cpu` for each node, the same `width` for each edge of a tree."""

    graph: nx.Graph
    allowed: Sequence[Sequence[int]]
    cpu: float
    width: float
    profit: float


@dataclass(frozen=True)
class Column:
    """A mapping of a request: what it takes of each node, then of each link."""

    request: int
    takes: Floats


@dataclass
class Columns:
    """The program, with its columns so far.

    Attributes:
        plain: the substrate.
        room: what each node holds, and each link.
        requests: those with a mapping alone.
    """

    plain: nx.Graph
    room: tuple[float, float]
    requests: Sequence[Tree]
    columns: list[Column] = field(default_factory=list)
    fractions: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        self._edges = {frozenset(e): k for k, e in enumerate(self.plain.edges)}
        self._n, self._m = len(self.plain), len(self._edges)
        node, link = self.room
        self._holds = np.array([node] * self._n + [link] * self._m, dtype=np.float64)
        self._highs = highspy.Highs()
        self._highs.setOptionValue("output_flag", False)
        self._highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
        for high in [*self._holds, *(1.0 for _ in self.requests)]:
            self._highs.addRow(-highspy.kHighsInf, float(high), 0, [], [])

    def solve(self, gap: float = 0.005, rounds: int = 200) -> float:
        """Price columns until the bound is proven up to `gap`; the bound, which is true always."""
        duals = np.zeros(self._n + self._m + len(self.requests))
        best = float("inf")
        for _ in range(rounds):
            prices = duals[: self._n + self._m]
            bound, fresh = float(prices @ self._holds), []
            for column, gain in self._priced(prices):
                bound += max(0.0, gain)
                if gain > duals[self._n + self._m + column.request] + 1e-7:
                    fresh.append(column)
            best = min(best, bound)
            value = self._highs.getInfo().objective_function_value if self.columns else 0.0
            if not fresh or best - value <= gap * value:
                break
            for column in fresh:
                self._add(column)
            self._highs.run()
            solution = self._highs.getSolution()
            self.fractions = np.array(solution.col_value)
            duals = np.maximum(0.0, np.array(solution.row_dual))
        return best

    def rounded(self, rng: random.Random, times: int = 50) -> float:
        """The most that mappings drawn by their fractions earn, each kept if there is room."""
        by_request: dict[int, list[tuple[Column, float]]] = {}
        for column, part in zip(self.columns, self.fractions, strict=True):
            by_request.setdefault(column.request, []).append((column, max(0.0, float(part))))
        return max(self._drawn(by_request, rng) for _ in range(times))

    def _drawn(
        self, by_request: dict[int, list[tuple[Column, float]]], rng: random.Random
    ) -> float:
        left, earned = self._holds.copy(), 0.0
        for request in rng.sample(sorted(by_request), len(by_request)):
            some = [*by_request[request], (None, 1 - sum(p for _, p in by_request[request]))]
            (column,) = rng.choices([c for c, _ in some], [max(0.0, p) for _, p in some])
            if column is not None and np.all(column.takes <= left + 1e-9):
                left -= column.takes
                earned += self.requests[request].profit
        return earned

    def _add(self, column: Column) -> None:
        (rows,) = np.nonzero(column.takes)
        index = [*map(int, rows), self._n + self._m + column.request]
        values = [*map(float, column.takes[rows]), 1.0]
        profit = self.requests[column.request].profit
        self._highs.addCol(profit, 0.0, highspy.kHighsInf, len(index), index, values)
        self.columns.append(column)

    def _priced(self, prices: Floats) -> Iterator[tuple[Column, float]]:
        """For each request its cheapest mapping, and what it gains beyond the prices."""
        for (a, b), k in zip(self.plain.edges, range(self._m), strict=True):
            # A little for each link, so that paths are short where nothing is scarce yet.
            self.plain.edges[a, b]["price"] = float(prices[self._n + k]) + 1e-9
        ways = dict(nx.all_pairs_dijkstra(self.plain, weight="price"))
        far = np.array([[ways[a][0][b] for b in range(self._n)] for a in range(self._n)])
        for number, tree in enumerate(self.requests):
            hosts, cost = _cheapest(tree, prices[: self._n], far)
            takes = np.zeros(self._n + self._m)
            for host in hosts:
                takes[host] += tree.cpu
            for a, b in tree.graph.edges:
                path = ways[hosts[a]][1][hosts[b]]
                for step in pairwise(path):
                    takes[self._n + self._edges[frozenset(step)]] += tree.width
            yield Column(number, takes), tree.profit - cost


def _cheapest(tree: Tree, node: Floats, far: Floats) -> tuple[list[int], float]:
    """A host for each node so that hosts and shortest paths cost least."""
    order = list(nx.dfs_preorder_nodes(tree.graph, 0))
    above = {child: parent for parent, child in nx.dfs_edges(tree.graph, 0)}
    cost = {v: tree.cpu * node[list(tree.allowed[v])] for v in order}
    choice: dict[int, NDArray[np.intp]] = {}
    for v in reversed(order[1:]):
        between = tree.width * far[np.ix_(tree.allowed[above[v]], tree.allowed[v])]
        table = between + cost[v][None, :]
        choice[v] = table.argmin(axis=1)
        cost[above[v]] = cost[above[v]] + table.min(axis=1)
    at = {0: int(cost[0].argmin())}
    for v in order[1:]:
        at[v] = int(choice[v][at[above[v]]])
    return [tree.allowed[v][at[v]] for v in range(len(order))], float(cost[0].min())
