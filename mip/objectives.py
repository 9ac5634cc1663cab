"""Objectives: small plugins that say what a mapping costs.

An objective hands out `Weights`; every solver here, the fast one and the exact ones, works from
those alone. A third party adds one under the entry-point group `cloudnet_sdn.objectives`: a class
with a `name` and a method `weights(problem)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from mip.errors import UnknownObjectiveError
from mip.instance.capacity import used
from mip.instance.features import number
from mip.problem.amounts import MBPS, PIECE
from mip.problem.statement import Problem
from rdl.graph import Element

GROUP = "cloudnet_sdn.objectives"


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
    all else, so that nobody has to ask about each.
    """

    place: Callable[[Element, Element], float] = _nothing
    carry: Callable[[Element, Element], float] = _nothing
    open: Callable[[Element], float] = _no_host
    peak: float = 0.0
    constant: float = 0.0
    level: bool = False

    @property
    def additive(self) -> bool:
        """Whether the value is a plain sum over VNodes and VLinks."""
        return not self.peak and self.open is _no_host


class Objective(Protocol):
    """One objective."""

    name: str

    def weights(self, problem: Problem) -> Weights:
        """What each decision costs in `problem`."""


class Cost:
    """The price of the hosts plus the bandwidth that paths take (contract, "Objectives").

    sum_l b_l * |{substrate links on l's working path}|
    + sum_i (price(h_i) + sum_X price.X(h_i) * d_i(X)),
    b_l in Mbit/s, memory and storage in GiB, h_i the host of VNode i.
    """

    name = "cost"

    def weights(self, problem: Problem) -> Weights:  # noqa: ARG002 (the same for every problem)
        """Prices of hosts and links crossed."""
        return Weights(place=_price, carry=_mbps, level=True)


class Balance:
    """The highest utilisation in the whole substrate: max_k (used_k + new_k) / capacity_k."""

    name = "balance"

    def weights(self, problem: Problem) -> Weights:  # noqa: ARG002 (the same for every problem)
        """The peak alone."""
        return Weights(peak=1.0)


class Compact:
    """How many hosts carry at least one VNode: |U| + |{h_i} - U|, U those in use already."""

    name = "compact"

    def weights(self, problem: Problem) -> Weights:
        """One for each host newly in use."""
        busy = used(problem.substrate, problem.embedded).hosts
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


def objective(name: str) -> Objective:
    """The objective registered under `name`.

    Raises:
        UnknownObjectiveError: there is none; the message lists what there is.
    """
    known = _installed()
    if name not in known:
        raise UnknownObjectiveError(name, tuple(sorted(known)))
    return known[name]()


def names() -> tuple[str, ...]:
    """All objectives to choose from."""
    return tuple(sorted(_installed()))
