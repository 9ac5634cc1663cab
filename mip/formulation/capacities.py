"""What columns take of every capacity, and the rows that keep it within."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from mip.draft import is_element
from mip.formulation.columns import RouteColumns
from mip.instance.capacity import Key
from mip.instance.instance import Instance
from mip.problem.amounts import Exact, scaled
from mip.solvers.linear import INFINITY, LinearModel


class Capacities:
    """The capacities of a program.

    Attributes:
        always: what each column takes, whatever fails.
        backups: for each protected VLink, what the columns of its backup take of a bandwidth that
            backups share.
        peak: the column of the highest utilisation, where that has a price.
    """

    def __init__(self, instance: Instance, model: LinearModel) -> None:
        self.instance = instance
        self.model = model
        self.always: dict[Key, dict[int, Exact]] = defaultdict(dict)
        self.backups: dict[tuple[Key, int], dict[int, Exact]] = defaultdict(dict)
        self.peak: int | None = None

    def draw(self, columns: RouteColumns, key: Key, column: int, amount: Exact) -> None:
        """`amount` of `key` is taken where `column` of a route is 1; backups share bandwidth."""
        shared = columns.backup and key[1] == "bandwidth"
        load = self.backups[key, columns.vlink] if shared else self.always[key]
        load[column] = load.get(column, 0) + amount

    def keep(self, price: float) -> None:
        """Every capacity under no failure; the rows for single failures come when they bite.

        `price` is what the peak counts; 0 where it doesn't.

        Model: (6), (7).
        """
        if price:
            floor = max(
                (
                    float(self.instance.use.peak(key) / cap)
                    for key, cap in self.instance.capacity.items()
                    if cap and is_element(key)
                ),
                default=0.0,
            )
            self.peak = self.model.column(price, integer=False)
            self.model.lower[self.peak] = min(floor, 1.0)
        backed: dict[Key, list[dict[int, Exact]]] = defaultdict(list)
        for (key, _), terms in self.backups.items():
            backed[key].append(terms)
        for key in sorted(self.always.keys() | backed.keys()):
            extra = max(self.instance.use.scenarios(key).values(), default=0)
            self.row(key, self.always.get(key, {}), extra)
            for terms in backed.get(key, []):
                self.row(key, {**self.always.get(key, {}), **terms}, 0)

    def row(self, key: Key, load: Mapping[int, Exact], extra: Exact) -> None:
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
