"""Routes of VLinks as flows: a path is one commodity, a tree one for each further end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from mip.formulation.capacities import Capacities
from mip.formulation.columns import Arc, Expression, RouteColumns, Terms
from mip.instance.instance import Instance, Kind, VLink
from mip.objectives import Weights
from mip.problem.amounts import Exact, scaled
from mip.solvers.linear import INFINITY, LinearModel
from rdl.graph import Element


class Flows:
    """The routes of a program.

    Args:
        instance: what is mapped.
        model: gets the columns and rows.
        x: for each point, vertex to the column that says that it is there.
        capacities: told what routes take.
        weights: says where listing an element costs something.
        left: per VLink the arcs it may cross; all that the instance allows for those left out.

    Attributes:
        routes: in the order in which they were added.
        carried: the columns of links and switches that may cost something, each with the VLink.
    """

    def __init__(
        self,
        instance: Instance,
        model: LinearModel,
        x: Sequence[Mapping[int, int]],
        capacities: Capacities,
        weights: Weights,
        *,
        left: Mapping[int, frozenset[Arc]],
    ) -> None:
        self.instance = instance
        self.model = model
        self.x = x
        self.routes: list[RouteColumns] = []
        self.carried: list[tuple[int, Element, Element]] = []
        self._capacities = capacities
        self._weights = weights
        self._left = left

    def _arcs(self, index: int) -> Iterator[tuple[Arc, int, int]]:
        vlink = self.instance.vlinks[index]
        left = self._left.get(index)
        for e in vlink.edges:
            edge = self.instance.network.edges[e]
            for arc, u, v in (((e, 0), edge.u, edge.v), ((e, 1), edge.v, edge.u)):
                if left is None or arc in left:
                    yield arc, u, v

    def route(self, index: int, *, backup: bool) -> None:
        """The working or the backup route of a VLink."""
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
                self.carried.extend((column, wanted, elements[link]) for column in used)
            for key, amount in self.instance.keys_of(link, vlink):
                for column in used:
                    self._capacities.draw(columns, key, column, amount)

    def _load_vertices(self, columns: RouteColumns, vlink: VLink) -> None:
        """Switches, providers and joined links that limit or cost something by themselves."""
        wanted = self.instance.problem.request.elements[vlink.id]
        network = self.instance.network
        for v, element in enumerate(network.ids):
            if v not in vlink.vertices:
                continue
            price = self._weights.carry(wanted, network.element(v))
            keys = self.instance.keys_of(element, vlink)
            if not price and not keys:
                continue
            column = self.used_column(columns, v)
            if column is None:
                continue
            if not columns.backup:
                self.carried.append((column, wanted, network.element(v)))
            for key, amount in keys:
                self._capacities.draw(columns, key, column, amount)

    def used_column(self, columns: RouteColumns, v: int) -> int | None:
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

    def inner(self, columns: RouteColumns, commodity: int, v: int) -> Expression:
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
        for p in (first, last):  # at both of them at once, where nothing passes: 1 as well
            if self.instance.points[p].kind is not Kind.VNODE and v in self.x[p]:
                out.add(self.x[p][v])
        return out

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

    def keep_disjoint(self, index: int) -> None:
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
                        one = self.inner(work, a, v)
                        other = self.inner(back, b, v)
                        for column, coefficient in other.terms.items():
                            one.add(column, coefficient)
                        self.model.row(one.terms, -INFINITY, 1.0)
