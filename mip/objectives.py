"""Objectives: small plugins that say what a mapping costs.

An objective hands out `Weights`; every solver here, the fast one and the exact ones, works from
those alone. A third party writes a class with a `name` and a method `weights(problem)`, and gives
an instance as `Options.objective`, or adds the class under the entry-point group
`cloudnet_sdn.objectives` to have it by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points

from mip.errors import UnknownObjectiveError, WrongObjectiveError
from mip.instance.capacity import used_in
from mip.instance.features import number
from mip.problem.amounts import MBPS, PIECE
from mip.problem.statement import Objective, Problem, Weights
from rdl.graph import Element

__all__ = [
    "BUILT_IN",
    "GROUP",
    "Balance",
    "Compact",
    "Cost",
    "Objective",
    "Weights",
    "names",
    "objective",
    "weights_of",
]

GROUP = "cloudnet_sdn.objectives"


class Cost:
    """The price of the hosts plus the bandwidth that paths take (contract, "Objectives").

    sum_l b_l * |{substrate links on l's working path}|
    + sum_i (price(h_i) + sum_X price.X(h_i) * d_i(X)),
    b_l in Mbit/s, memory and storage in GiB, h_i the host of VNode i.

    Model: (2).
    """

    name = "cost"

    def weights(self, problem: Problem) -> Weights:  # noqa: ARG002 (the same for every problem)
        """Prices of hosts and links crossed."""
        return Weights(place=_price, carry=_mbps, level=True)


class Balance:
    """The highest utilisation in the whole substrate: max_k (used_k + new_k) / capacity_k.

    Model: (3).
    """

    name = "balance"

    def weights(self, problem: Problem) -> Weights:  # noqa: ARG002 (the same for every problem)
        """The peak alone."""
        return Weights(peak=1.0)


class Compact:
    """How many hosts carry at least one VNode: |U| + |{h_i} - U|, U those in use already.

    Model: (4).
    """

    name = "compact"

    def weights(self, problem: Problem) -> Weights:
        """One for each host newly in use."""
        busy = used_in(problem).hosts
        there = frozenset(h for h in busy if h in problem.substrate.elements)
        return Weights(open=lambda host: float(host.id not in there), constant=float(len(there)))


def _price(vnode: Element, host: Element) -> float:
    total = number(host.features, "price")
    for name in host.features:
        if name.startswith("price."):
            resource = name.removeprefix("price.")
            amount = vnode.amount(resource) / PIECE.get(resource, 1)
            total += number(host.features, name) * amount
    return total


def _mbps(vlink: Element, element: Element) -> float:
    return vlink.amount("bandwidth") / MBPS if element.is_link else 0.0


BUILT_IN: Mapping[str, Callable[[], Objective]] = {
    "cost": Cost,
    "balance": Balance,
    "compact": Compact,
}


@cache
def _installed() -> Mapping[str, Callable[[], Objective]]:
    found: dict[str, Callable[[], Objective]] = dict(BUILT_IN)
    for entry in entry_points(group=GROUP):
        if entry.name not in found:
            found[entry.name] = entry.load()
    return found


def objective(chosen: str | Objective) -> Objective:
    """The objective registered under a name; one that is an objective already is returned.

    Raises:
        UnknownObjectiveError: there is none; the message lists what there is.
    """
    if not isinstance(chosen, str):
        return chosen
    known = _installed()
    if chosen not in known:
        raise UnknownObjectiveError(chosen, tuple(sorted(known)))
    return known[chosen]()


def weights_of(chosen: Objective, problem: Problem) -> Weights:
    """What `chosen` asks for in `problem`; a third party's prices are checked as they are asked.

    Raises:
        WrongObjectiveError: it isn't an objective, or asks for a price that is no number from 0
            up: bounds and searches hold for those alone. The prices handed out raise it as well.
    """
    if isinstance(chosen, type) or not callable(getattr(chosen, "weights", None)):
        raise WrongObjectiveError(f"{chosen!r} is no objective: an instance is wanted, or a name")
    weights = chosen.weights(problem)
    if type(chosen) in BUILT_IN.values():
        return weights
    if not isinstance(weights, Weights):
        raise WrongObjectiveError(f"objective {chosen.name!r} hands out no Weights")
    _price_of(weights.peak, chosen.name, "the peak")
    if not math.isfinite(weights.constant):
        raise WrongObjectiveError(f"objective {chosen.name!r} has the constant {weights.constant}")
    return _checked(weights, chosen.name)


def _checked(weights: Weights, name: str) -> Weights:
    """The same, looking at each price; what is left at its default stays, and is known by that."""
    plain = Weights()

    def place(vnode: Element, host: Element) -> float:
        return _price_of(weights.place(vnode, host), name, f"{vnode.id} on {host.id}")

    def carry(vlink: Element, element: Element) -> float:
        return _price_of(weights.carry(vlink, element), name, f"{vlink.id} over {element.id}")

    def opened(host: Element) -> float:
        return _price_of(weights.open(host), name, f"host {host.id}")

    return replace(
        weights,
        place=plain.place if weights.place is plain.place else place,
        carry=plain.carry if weights.carry is plain.carry else carry,
        open=plain.open if weights.open is plain.open else opened,
    )


def _price_of(price: float, name: str, what: str) -> float:
    try:
        amount = float(price)
    except (TypeError, ValueError):
        amount = math.nan
    if not 0 <= amount < math.inf:
        raise WrongObjectiveError(
            f"objective {name!r} asks {price!r} for {what}; a number from 0 up is wanted"
        )
    return amount


def names() -> tuple[str, ...]:
    """All objectives to choose from."""
    return tuple(sorted(_installed()))
