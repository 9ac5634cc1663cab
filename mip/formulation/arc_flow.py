"""The mixed-integer program: node and path mapping together (docs/embedding.md).

Columns: x[i, v] says that point i is at vertex v; f[l, r, k, a] that route r (working or backup)
of VLink l takes arc a towards its k-th further end. A VLink with two ends has one such commodity
and its use of an edge is the flow over it; one with more is a tree, and y[l, r, e] says that it
uses edge e. Everything is whole: no VLink is split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from mip.draft import is_element
from mip.instance.capacity import Key, key_of
from mip.instance.features import is_pip
from mip.instance.instance import Instance, Kind, VLink
from mip.objectives import Weights
from mip.problem.amounts import Exact, scaled
from mip.solvers.linear import INFINITY, LinearModel
from rdl.graph import Element, Scalar

Arc = tuple[int, int]
"""An edge and the direction it is crossed in: 0 from u to v, 1 back."""

Terms = dict[int, float]


@dataclass
class Expression:
    """terms · x + constant."""

    terms: Terms = field(default_factory=dict)
    constant: float = 0.0

    def add(self, column: int, coefficient: float = 1.0) -> None:
        """Add one column."""
        self.terms[column] = self.terms.get(column, 0.0) + coefficient


@dataclass
class RouteColumns:
    """The columns of one route of one VLink.

    Attributes:
        vlink: its index.
        backup: whether it is the backup route.
        flows: for each further end, arc to column.
        use: edge to the columns whose sum says that it is used.
    """

    vlink: int
    backup: bool
    flows: list[dict[Arc, int]] = field(default_factory=list)
    use: dict[int, tuple[int, ...]] = field(default_factory=dict)


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
    """Builds the program for one instance and reads mappings out of its solutions."""

    def __init__(self, instance: Instance, weights: Weights, scope: Scope | None = None) -> None:
        self.instance = instance
        self.weights = weights
        self.scope = scope or Scope()
        self.model = LinearModel(constant=weights.constant)
        self.x: list[dict[int, int]] = []
        self.routes: list[RouteColumns] = []
        self.peak: int | None = None
        self.opened_row: int | None = None
        self._loads: dict[Key, dict[int, Exact]] = defaultdict(dict)
        self._fixed_loads: dict[Key, Exact] = defaultdict(int)
        self._backup_loads: dict[tuple[Key, int], dict[int, Exact]] = defaultdict(dict)
        self._through: dict[tuple[int, int], Expression] = {}
        self._z: dict[tuple[str, str], list[int]] = {}
        self._both: dict[tuple[str, str, int], int] = {}
        self._placed: list[tuple[int, Element, Element]] = []
        self._carried: list[tuple[int, Element, Element]] = []
        self._place()
        for index in range(len(instance.vlinks)):
            self._route(index, backup=False)
            if instance.vlinks[index].protection != "none":
                self._route(index, backup=True)
                self._keep_disjoint(index)
        self._rules()
        self._capacities()
        for column, cost in self.costs(weights).items():
            self.model.cost[column] += cost

    def costs(self, weights: Weights) -> dict[int, float]:
        """What hosts and links cost under `weights`, by column.

        Model: (1).
        """
        out: dict[int, float] = defaultdict(float)
        for column, vnode, host in self._placed:
            out[column] += weights.place(vnode, host)
        for column, vlink, element in self._carried:
            out[column] += weights.carry(vlink, element)
        return out

    # --- points ---------------------------------------------------------------------------

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
                    self._loads[key][columns[v]] = amount
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

    # --- routes ---------------------------------------------------------------------------

    def _arcs(self, index: int) -> Iterator[tuple[Arc, int, int]]:
        vlink = self.instance.vlinks[index]
        left = self.scope.arcs.get(index)
        for e in vlink.edges:
            edge = self.instance.network.edges[e]
            for arc, u, v in (((e, 0), edge.u, edge.v), ((e, 1), edge.v, edge.u)):
                if left is None or arc in left:
                    yield arc, u, v

    def _route(self, index: int, *, backup: bool) -> None:
        vlink = self.instance.vlinks[index]
        columns = RouteColumns(index, backup)
        self.routes.append(columns)
        tree = len(vlink.points) > 2
        root = vlink.points[0]
        for end in vlink.points[1:]:
            columns.flows.append(self._commodity(index, root, end))
        if tree:
            self._tree(columns)
        elif columns.flows:
            crossed: dict[int, list[int]] = defaultdict(list)
            for (e, _), column in columns.flows[0].items():
                crossed[e].append(column)
            columns.use = {e: tuple(c) for e, c in crossed.items()}
        self._load_edges(columns, vlink)
        self._load_vertices(columns, vlink)
        self._latency(columns, vlink)

    def _commodity(self, index: int, source: int, sink: int) -> dict[Arc, int]:
        """Flow of one unit from point `source` to point `sink`; hosts pass nothing on.

        Model: (9), (10).
        """
        vlink = self.instance.vlinks[index]
        start, end = self.x[source], self.x[sink]
        flow: dict[Arc, int] = {}
        balance: dict[int, Terms] = defaultdict(dict)
        leaving: dict[int, Terms] = defaultdict(dict)
        for arc, u, v in self._arcs(index):
            if (u in vlink.vertices or u in start) and (v in vlink.vertices or v in end):
                column = self.model.column()
                flow[arc] = column
                balance[u][column] = 1.0
                balance[v][column] = -1.0
                leaving[u][column] = 1.0
        for v, column in start.items():
            balance[v][column] = balance[v].get(column, 0.0) - 1.0
        for v, column in end.items():
            balance[v][column] = balance[v].get(column, 0.0) + 1.0
        for terms in balance.values():
            self.model.row(terms, 0.0, 0.0)
        for v, terms in leaving.items():
            if v not in vlink.vertices:
                self.model.row({**terms, start[v]: -1.0}, -INFINITY, 0.0)
        return flow

    def _tree(self, columns: RouteColumns) -> None:
        """The edges that a tree uses; a host is a leaf of it.

        Model: (11), (12).
        """
        network = self.instance.network
        vlink = self.instance.vlinks[columns.vlink]
        used = {e for flow in columns.flows for e, _ in flow}
        at: dict[int, Terms] = defaultdict(dict)
        for e in sorted(used):
            y = self.model.column()
            columns.use[e] = (y,)
            for flow in columns.flows:
                terms = {flow[a]: 1.0 for a in ((e, 0), (e, 1)) if a in flow}
                self.model.row({**terms, y: -1.0}, -INFINITY, 0.0)
            at[network.edges[e].u][y] = 1.0
            at[network.edges[e].v][y] = 1.0
        for v, terms in at.items():
            if v not in vlink.vertices and len(terms) > 1:
                self.model.row(terms, -INFINITY, 1.0)

    def _load_edges(self, columns: RouteColumns, vlink: VLink) -> None:
        wanted = self.instance.problem.request.elements[vlink.id]
        elements = self.instance.network.substrate.elements
        for e, used in columns.use.items():
            link = self.instance.network.edges[e].link
            if link is None:
                continue
            if not columns.backup:
                self._carried.extend((column, wanted, elements[link]) for column in used)
            for key, amount in self.instance.keys_of(link, vlink):
                for column in used:
                    self._load(columns, key, column, amount)

    def _load(self, columns: RouteColumns, key: Key, column: int, amount: Exact) -> None:
        shared = columns.backup and key[1] == "bandwidth"
        load = self._backup_loads[key, columns.vlink] if shared else self._loads[key]
        load[column] = load.get(column, 0) + amount

    def _load_vertices(self, columns: RouteColumns, vlink: VLink) -> None:
        """Switches, providers and joined links that limit or cost something by themselves."""
        wanted = self.instance.problem.request.elements[vlink.id]
        network = self.instance.network
        for v, element in enumerate(network.ids):
            if v not in vlink.vertices:
                continue
            price = self.weights.carry(wanted, network.element(v))
            keys = self.instance.keys_of(element, vlink)
            if not price and not keys:
                continue
            column = self._used_column(columns, v)
            if column is None:
                continue
            if not columns.backup:
                self._carried.append((column, wanted, network.element(v)))
            for key, amount in keys:
                self._load(columns, key, column, amount)

    def _used_column(self, columns: RouteColumns, v: int) -> int | None:
        """A column that is at least 1 if the route lists the element of `v`.

        Model: (13).
        """
        expressions = [self._listed(columns, k, v) for k in range(len(columns.flows))]
        expressions = [e for e in expressions if e.terms or e.constant]
        if not expressions:
            return None
        column = self.model.column(integer=False)
        for e in expressions:
            self.model.row({**e.terms, column: -1.0}, -INFINITY, -e.constant)
        return column

    def _inner(self, columns: RouteColumns, commodity: int, v: int) -> Expression:
        """1 if commodity passes through `v`, where no end of its VLink is; 0 or less if not."""
        out = self._passing(columns, commodity, v)
        self._but_at_ends(out, columns, commodity, v, tuple(Kind))
        return out

    def _but_at_ends(
        self,
        out: Expression,
        columns: RouteColumns,
        commodity: int,
        v: int,
        kinds: Sequence[Kind],
    ) -> None:
        """Less 1 where another end of a tree is at `v`: what passes it on there isn't between."""
        points = self.instance.vlinks[columns.vlink].points
        for k, p in enumerate(points[1:]):
            if k != commodity and v in self.x[p] and self.instance.points[p].kind in kinds:
                out.add(self.x[p][v], -1.0)

    def _passing(self, columns: RouteColumns, commodity: int, v: int) -> Expression:
        """1 if commodity enters `v` and leaves it again; 0 or -1 if not."""
        vlink = self.instance.vlinks[columns.vlink]
        out = Expression()
        for e, near in self.instance.network.incident[v]:
            edge = self.instance.network.edges[e]
            arc = (e, 1 if edge.u == v and near == edge.v else 0)
            column = columns.flows[commodity].get(arc)
            if column is not None:
                out.add(column)
        sink = self.x[vlink.points[1 + commodity]].get(v)
        if sink is not None:
            out.add(sink, -1.0)
        return out

    def _listed(self, columns: RouteColumns, commodity: int, v: int) -> Expression:
        """1 if commodity passes `v` where no VNode of its VLink is, or has a fixed end there.

        Model: (13).
        """
        vlink = self.instance.vlinks[columns.vlink]
        out = self._passing(columns, commodity, v)
        self._but_at_ends(out, columns, commodity, v, (Kind.VNODE,))
        first, last = vlink.points[0], vlink.points[1 + commodity]
        free_first = self.instance.points[first].kind is not Kind.VNODE
        free_last = self.instance.points[last].kind is not Kind.VNODE
        if free_first and v in self.x[first]:
            out.add(self.x[first][v])
        elif free_last and v in self.x[last]:
            out.add(self.x[last][v])
        if free_first and free_last and v in self.x[last]:
            out.add(self.x[last][v])
            if v in self.x[first]:
                out.add(self._both_at(first, last, v), -1.0)
        return out

    def _both_at(self, a: int, b: int, v: int) -> int:
        """A column that is 1 only if both points are at `v`."""
        key = (self.instance.points[a].id, self.instance.points[b].id, v)
        if key not in self._both:
            column = self.model.column(integer=False)
            self.model.row({column: 1.0, self.x[a][v]: -1.0}, -INFINITY, 0.0)
            self.model.row({column: 1.0, self.x[b][v]: -1.0}, -INFINITY, 0.0)
            self._both[key] = column
        return self._both[key]

    def _latency(self, columns: RouteColumns, vlink: VLink) -> None:
        """Bounds on what a route takes, along each of its flows.

        Model: (14), (15).
        """
        if not vlink.bounded:
            return
        network = self.instance.network
        for commodity, flow in enumerate(columns.flows):
            terms: dict[int, Exact] = {}
            for (e, _), column in flow.items():
                link = network.edges[e].link
                if link is not None and network.latency(link):
                    terms[column] = terms.get(column, 0) + network.latency(link)
            slack = {c: float(a) for c, a in terms.items()}
            for v in sorted(vlink.vertices):
                lag = network.latency(network.ids[v])
                if lag:
                    listed = self._listed(columns, commodity, v)
                    column = self.model.column(integer=False)
                    self.model.row({**listed.terms, column: -1.0}, -INFINITY, -listed.constant)
                    ends = {v for p in vlink.points[1:] for v in self.x[p]}
                    if vlink.latency_min and (len(vlink.points) <= 2 or v not in ends):
                        self.model.row({**listed.terms, column: -1.0}, -listed.constant, INFINITY)
                    terms[column] = lag
                    slack[column] = float(lag)
            if terms and vlink.latency_max is not None:
                coefficients, top = scaled(list(terms.values()), vlink.latency_max)
                self.model.row(dict(zip(terms, coefficients, strict=True)), -INFINITY, top)
            if vlink.latency_min:
                self.model.row(slack, float(vlink.latency_min), INFINITY)

    def _keep_disjoint(self, index: int) -> None:
        """`protection: link` shares no link between the two routes, `node` no inner node either.

        Model: (16), (17).
        """
        work, back = (r for r in self.routes if r.vlink == index)
        network = self.instance.network
        for e in work.use.keys() & back.use.keys():
            if network.edges[e].link is not None:
                columns = (*work.use[e], *back.use[e])
                self.model.row(dict.fromkeys(columns, 1.0), -INFINITY, 1.0)
        whole = self.instance.vlinks[index].protection == "node"
        for v in self.instance.vlinks[index].vertices:
            if whole or network.element(v).is_link:
                for a in range(len(work.flows)):
                    for b in range(len(back.flows)):
                        one = self._inner(work, a, v)
                        other = self._inner(back, b, v)
                        for column, coefficient in other.terms.items():
                            one.add(column, coefficient)
                        self.model.row(one.terms, -INFINITY, 1.0)

    # --- rules ----------------------------------------------------------------------------

    def _rules(self) -> None:
        """`together`, `apart`, and one value or different ones.

        Model: (19), (20), (23), (24).
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
                for columns in self.routes
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
            listed = self._used_column(columns, v)
            if listed is not None:
                yield (listed,), network.ids[v]

    # --- capacities -----------------------------------------------------------------------

    def _capacities(self) -> None:
        """Every capacity under no failure; the rows for single failures come when they bite.

        Model: (6), (7).
        """
        if self.weights.peak:
            floor = max(
                (
                    float(self.instance.use.peak(key) / cap)
                    for key, cap in self.instance.capacity.items()
                    if cap and is_element(key)
                ),
                default=0.0,
            )
            self.peak = self.model.column(self.weights.peak, integer=False)
            self.model.lower[self.peak] = min(floor, 1.0)
        backed: dict[Key, list[dict[int, Exact]]] = defaultdict(list)
        for (key, _), terms in self._backup_loads.items():
            backed[key].append(terms)
        for key in sorted(self._loads.keys() | backed.keys()):
            extra = max(self.instance.use.scenarios(key).values(), default=0)
            self._capacity(key, self._loads.get(key, {}), extra)
            for terms in backed.get(key, []):
                self._capacity(key, {**self._loads.get(key, {}), **terms}, 0)

    def _capacity(self, key: Key, load: Mapping[int, Exact], extra: Exact) -> None:
        """Load plus what is used plus `extra` stays within the capacity, and below the peak.

        Model: (6), (7), (18).
        """
        capacity = self.instance.capacity.get(key, 0)
        taken = self.instance.use.fixed.get(key, 0) + extra
        left = max(0, capacity - taken)
        if not load:
            return
        if sum(load.values()) > left:
            coefficients, top = scaled(list(load.values()), left)
            self.model.row(dict(zip(load, coefficients, strict=True)), -INFINITY, top)
        if self.peak is not None and capacity and is_element(key):
            shares = {c: float(a / capacity) for c, a in load.items()}
            self.model.row({**shares, self.peak: -1.0}, -INFINITY, -float(taken / capacity))


def is_provider(instance: Instance, vertex: int) -> bool:
    """Whether a vertex is a whole provider, inside which `apart` is not judged."""
    return is_pip(instance.network.element(vertex))
