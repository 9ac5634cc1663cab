"""The oracle: what is right for a small problem, by trying everything in exact arithmetic.

It reads the contract (`RDL 1`, "The outer interfaces") and, where that is silent, "What a mapping
is" of docs/embedding.md. It shares no code with `mip` but the types of `mip.problem`, none with
the verifier and none with `rdl`'s matching. All placements, all loop-free paths and trees, all
backups and all choices of values are tried; whatever is cut short is cut by a sum that only grows.

What the contract leaves open is told, with the answer taken here, at the top of `oracle_values`,
`oracle_routes` and `oracle_use`. Besides:

- "Among equals lower cost is preferred": an optimum has a value and, among those, a least cost.
- `keep` fixes a host, which still has to fit; an unavailable one may keep what is kept there, and
  paths end there, but pass nowhere through what is unavailable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

from oracle_routes import Ends, Route, Routes, disjoint, protection
from oracle_use import (
    Key,
    Stock,
    Use,
    anchors,
    embedded_use,
    ends_of,
    failures,
    of_anchors,
    utilisation,
    vlinks,
    vnodes,
)
from oracle_values import (
    ABSENT,
    Variable,
    exact,
    is_pip,
    may_stand,
    meets,
    offered,
    settled,
    value_rules,
)

from mip.problem.statement import Problem
from rdl.graph import ConstraintKind, Element, Feature

PIECES = {"memory": 2**30, "storage": 2**30, "bandwidth": 10**6}
"""What a `price.X` is for, in base units."""

OBJECTIVES = ("cost", "balance", "compact")
MOST_STEPS = 300_000


class TooLargeError(Exception):
    """The problem has more mappings than can be tried in a moment."""


@dataclass(frozen=True)
class Mapped:
    """A mapping: VNode to host, VLink to route and backup."""

    nodes: Mapping[str, str]
    working: Mapping[str, Route]
    backup: Mapping[str, Route]


@dataclass(frozen=True)
class Best:
    """The optimum of one objective, the least cost among mappings of that value, and one such."""

    value: Fraction
    cost: Fraction
    mapping: Mapped


@dataclass(frozen=True)
class _Option:
    """A way for one VLink, with what it takes."""

    working: Route
    backup: Route | None
    always: Mapping[Key, int]
    spare: Mapping[Key, int]
    down: frozenset[str]
    cost: Fraction


@dataclass
class Oracle:
    """All there is to know about one problem."""

    problem: Problem
    steps: int = 0
    _options: dict[tuple[str, Ends], list[_Option]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = self.problem
        self.ul = problem.substrate.elements
        self.ol = problem.request.elements
        self.stock = Stock(problem)
        self.before = embedded_use(problem, self.stock)
        self.routes = Routes(problem.substrate, problem.unavailable)
        self.rules = value_rules(problem.request.constraints, self.ol)
        self.vlinks = list(vlinks(problem.request))
        self.vnodes = list(vnodes(problem.request))
        self.busy = {
            placed.on[0]
            for one in problem.embedded
            for name, placed in one.mapping.mapping.items()
            if one.overlay.elements[name].is_node
        }

    # --- nodes --------------------------------------------------------------------------------

    def hosts_of(self, vnode: Element) -> list[str]:
        """The hosts that a VNode could have by itself."""
        return [e.id for e in self.ul.values() if e.is_node and self._stands(vnode, e)]

    def _stands(self, vnode: Element, there: Element) -> bool:
        kept = self.problem.keep.get(vnode.id)
        if kept is not None and kept != there.id:
            return False
        if kept is None and there.id in self.problem.unavailable:
            return False
        return may_stand(vnode, there, self.problem.request.constraints) and all(
            meets(offered(there, name, self.problem.substrate.name), demand)
            or (name == "provider" and meets(there.features.get(name, ABSENT), demand))
            for name, demand in vnode.features.items()
        )

    def refused(self) -> bool:
        """Whether a target is named that can't be asked for: then nothing is right."""
        shown = self.problem.shown
        return any(
            target not in self.ul or (shown is not None and target not in shown)
            for rule in self.problem.request.constraints
            for target in rule.targets
            if not target.startswith("/")
        )

    def placements(self) -> Iterator[dict[str, str]]:
        """Every placement that is right without the VLinks."""
        if self.refused():
            return
        names = [v.id for v in self.vnodes]
        for places in product(*(self.hosts_of(v) for v in self.vnodes)):
            nodes = dict(zip(names, places, strict=True))
            if (
                self.spread(nodes)
                and not self.turned_down(nodes)
                and self.values(nodes, {}) is not None
            ):
                yield nodes

    def turned_down(self, nodes: Mapping[str, str]) -> bool:
        """Whether a host has all of what it must not have all of."""
        return any(
            some and some <= {v for v, at in nodes.items() if at == host}
            for some, host in self.problem.nogoods
        )

    def spread(self, nodes: Mapping[str, str]) -> bool:
        """Whether `together` and `apart` without `by` are kept."""
        for rule in self.problem.request.constraints:
            places = [nodes[m] for m in rule.of if m in nodes]
            if rule.by is None and rule.kind is ConstraintKind.TOGETHER and len(set(places)) > 1:
                return False
            if rule.by is None and rule.kind is ConstraintKind.APART:
                machines = [p for p in places if not is_pip(self.ul[p])]
                if len(set(machines)) < len(machines):
                    return False
        return True

    def values(
        self,
        nodes: Mapping[str, str],
        working: Mapping[str, Route],
        fixed: Mapping[Variable, object] | None = None,
    ) -> dict[Variable, object] | None:
        """Values for all that rules bind among `nodes` and `working`."""
        offers: dict[Variable, list[object]] = {}
        demands: dict[Variable, Feature | None] = {}
        name = self.problem.substrate.name
        for rule in self.rules:
            for member in rule.members:
                at = self._carriers(member, nodes, working)
                if not at:
                    continue
                variable = (member, rule.feature)
                offers[variable] = [offered(self.ul[e], rule.feature, name) for e in at]
                demands[variable] = self.ol[member].features.get(rule.feature)
        return settled(self.rules, offers, demands, fixed)

    def _carriers(
        self, member: str, nodes: Mapping[str, str], working: Mapping[str, Route]
    ) -> list[str]:
        """The elements whose values count for a member; none for a VLink without links."""
        if member in nodes:
            return [nodes[member]]
        return sorted(working[member].links) if member in working else []

    # --- worth --------------------------------------------------------------------------------

    def price(self, nodes: Mapping[str, str]) -> Fraction:
        """What the hosts cost."""
        total = Fraction(0)
        for vnode, host in nodes.items():
            for name, price in self.ul[host].features.items():
                if name == "price":
                    total += exact(price)
                elif name.startswith("price."):
                    resource = name.removeprefix("price.")
                    amount = exact(self.ol[vnode].amount(resource))
                    total += exact(price) * amount / PIECES.get(resource, 1)
        return total

    def carriage(self, vlink: Element, route: Route) -> Fraction:
        """What a VLink's working path costs."""
        return exact(vlink.amount("bandwidth")) / 10**6 * len(route.links)

    def cost(self, mapped: Mapped) -> Fraction:
        return self.price(mapped.nodes) + sum(
            (self.carriage(v, mapped.working[v.id]) for v in self.vlinks), Fraction(0)
        )

    def value(self, mapped: Mapped, objective: str) -> Fraction:
        """The exact value of a mapping."""
        if objective == "cost":
            return self.cost(mapped)
        if objective == "compact":
            return Fraction(len(self.busy | set(mapped.nodes.values())))
        return utilisation(self.stock, self.used(mapped), self.stock.capacity)

    def used(self, mapped: Mapped) -> Use:
        """All that is used with this mapping."""
        use = embedded_use(self.problem, self.stock)
        use.add(self.placed(mapped.nodes))
        for vlink in self.vlinks:
            option = self.option(vlink, mapped.working[vlink.id], mapped.backup.get(vlink.id))
            use.add(option.always)
            use.add_backup(option.spare, option.down)
        return use

    def placed(self, nodes: Mapping[str, str]) -> dict[Key, int]:
        """What the VNodes take, and VLinks at their anchors."""
        out: dict[Key, int] = {}
        parts = [self.stock.of_node(self.ol[v], host) for v, host in nodes.items()]
        for vlink in self.vlinks:
            interfaces = anchors(self.problem.request, vlink, self.problem.anchors)
            parts.append(of_anchors(self.stock, vlink, interfaces))
        for part in parts:
            for key, amount in part.items():
                out[key] = out.get(key, 0) + amount
        return out

    # --- links --------------------------------------------------------------------------------

    def options(self, vlink: Element, nodes: Mapping[str, str]) -> list[_Option]:
        """Every way for a VLink under a placement, cheapest first."""
        ends = ends_of(self.problem, vlink, nodes)
        key = (vlink.id, ends)
        if key not in self._options:
            kind = protection(vlink)
            found = self.routes.of(vlink, ends)
            pairs: list[tuple[Route, Route | None]] = [(w, None) for w in found]
            if kind != "none":
                pairs = [(w, b) for w in found for b in found if disjoint(w, b, kind)]
            made = (self.option(vlink, w, b) for w, b in pairs)
            self._options[key] = sorted(made, key=lambda o: o.cost)
        return self._options[key]

    def option(self, vlink: Element, working: Route, backup: Route | None) -> _Option:
        always = self.stock.of_route(vlink, working.on)
        spare = {} if backup is None else self.stock.of_route(vlink, backup.on)
        down = failures(vlink, working)
        return _Option(working, backup, always, spare, down, self.carriage(vlink, working))

    def over(self, use: Use, keys: Mapping[Key, int]) -> list[Key]:
        """Those of `keys` of which something is taken and too much is in use."""
        return [
            k for k, more in keys.items() if more and use.most(k) > self.stock.capacity.get(k, 0)
        ]

    # --- the optimum --------------------------------------------------------------------------

    def best(self, *, any_at_all: bool = False) -> dict[str, Best]:
        """The optimum of each objective; empty where nothing is right.

        Raises:
            TooLargeError: there is too much to try.
        """
        search = _Search(self, {}, any_at_all)
        for nodes in self.placements():
            search.place(nodes)
            if any_at_all and search.best:
                break
        return search.best


@dataclass
class _Search:
    """Depth first over the VLinks of one placement after the other."""

    oracle: Oracle
    best: dict[str, Best]
    any_at_all: bool

    def place(self, nodes: dict[str, str]) -> None:
        oracle = self.oracle
        use = embedded_use(oracle.problem, oracle.stock)
        placed = oracle.placed(nodes)
        use.add(placed)
        if oracle.over(use, placed):
            return
        options = [oracle.options(v, nodes) for v in oracle.vlinks]
        if not all(options):
            return
        rest = [sum((o[0].cost for o in options[k:]), Fraction(0)) for k in range(len(options))]
        self.nodes, self.options, self.rest = nodes, options, [*rest, Fraction(0)]
        self.hosts = Fraction(len(oracle.busy | set(nodes.values())))
        peak = utilisation(oracle.stock, use, oracle.stock.capacity)
        self._route(0, use, oracle.price(nodes), peak, [])

    def _route(
        self, depth: int, use: Use, cost: Fraction, peak: Fraction, taken: list[_Option]
    ) -> None:
        self.oracle.steps += 1
        if self.oracle.steps > MOST_STEPS:
            raise TooLargeError
        if not self._could_better(cost + self.rest[depth], peak):
            return
        if depth == len(self.options):
            self._keep(cost, peak, taken)
            return
        stock = self.oracle.stock
        for option in self.options[depth]:
            use.add(option.always)
            use.add_backup(option.spare, option.down)
            touched = {**option.always, **option.spare}
            for key, amount in option.always.items():
                touched[key] = max(touched[key], amount)
            if not self.oracle.over(use, touched):
                higher = max(peak, utilisation(stock, use, touched))
                self._route(depth + 1, use, cost + option.cost, higher, [*taken, option])
            use.add(option.always, -1)
            use.add_backup(option.spare, option.down, -1)
            if self.any_at_all and self.best:
                return

    def _worth(self, cost: Fraction, peak: Fraction) -> dict[str, tuple[Fraction, Fraction]]:
        return {"cost": (cost, cost), "balance": (peak, cost), "compact": (self.hosts, cost)}

    def _could_better(self, cost: Fraction, peak: Fraction) -> bool:
        return any(self._betters(name, pair) for name, pair in self._worth(cost, peak).items())

    def _betters(self, name: str, pair: tuple[Fraction, Fraction]) -> bool:
        known = self.best.get(name)
        return known is None or pair < (known.value, known.cost)

    def _keep(self, cost: Fraction, peak: Fraction, taken: Sequence[_Option]) -> None:
        names = [v.id for v in self.oracle.vlinks]
        working = {n: o.working for n, o in zip(names, taken, strict=True)}
        if self.oracle.values(self.nodes, working) is None:
            return
        backup = {n: o.backup for n, o in zip(names, taken, strict=True) if o.backup is not None}
        mapped = Mapped(dict(self.nodes), working, backup)
        for name, pair in self._worth(cost, peak).items():
            if self._betters(name, pair):
                self.best[name] = Best(*pair, mapped)
