"""Objectives in whole units, so that no difference between two mappings is below a tolerance.

Solvers stop within about 1e-6 of an optimum. A VLink of 1 bit/s beside a host's price of 0.3 costs
less than that; in units of the greatest number that divides all terms it costs 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mip.instance.instance import Instance, Kind
from mip.objectives import Weights
from mip.problem.amounts import exact, scale_of
from mip.solvers.linear import Progress

_LARGEST = 10**12
"""Terms of up to that many units are told apart: what doubles and solvers' tolerances take."""

_TERMS = 2_000
"""So many different terms are looked at for a common unit."""

_DIGITS = 12
"""Terms are taken for what they say in so many digits: three tenths, not its binary neighbour."""


@dataclass(frozen=True)
class Scale:
    """What an objective is multiplied with for solving; `whole` says that terms are whole then."""

    factor: float
    whole: bool

    def weights(self, weights: Weights) -> Weights:
        """The objective in these units; what is left at its default stays, and is known by that."""
        if self.factor == 1.0:
            return replace(weights, whole=self.whole)
        plain = Weights()

        def times(price: Callable[..., float]) -> Callable[..., float]:
            return lambda *elements: self._units(price(*elements))

        return replace(
            weights,
            place=plain.place if weights.place is plain.place else times(weights.place),
            carry=plain.carry if weights.carry is plain.carry else times(weights.carry),
            open=plain.open if weights.open is plain.open else times(weights.open),
            constant=weights.constant * self.factor,
            whole=self.whole,
        )

    def progress(self, told: Progress | None) -> Progress | None:
        """`told` in the objective's own units."""
        if told is None or self.factor == 1.0:
            return told
        return lambda value, bound: told(self.value(value), self.value(bound))

    def value(self, units: float | None) -> float | None:
        """A value in the objective's own units."""
        return None if units is None else units / self.factor

    def _units(self, price: float) -> float:
        units = price * self.factor
        return float(round(units)) if self.whole else units


def scale_for(instance: Instance, weights: Weights) -> Scale:
    """The units in which an objective is solved; its own where a peak is among its terms.

    Model: (R6).
    """
    terms = {t for t in _terms(instance, weights) if t}
    if weights.peak or not terms:
        return Scale(1.0, whole=False)
    if all(t.is_integer() for t in terms):
        return Scale(1.0, whole=max(terms) <= _LARGEST)
    if len(terms) <= _TERMS:
        said = {exact(float(f"{t:.{_DIGITS}g}")) for t in terms}
        factor = scale_of(said)
        if max(said) * factor <= _LARGEST:
            return Scale(float(factor), whole=True)
    return Scale(max(1.0, min(1 / min(terms), _LARGEST / max(terms))), whole=False)


def _terms(instance: Instance, weights: Weights) -> Iterator[float]:
    """What single decisions cost."""
    request, network = instance.problem.request, instance.network
    elements = network.substrate.elements
    plain = Weights()
    for point in instance.points:
        if point.kind is Kind.VNODE:
            vnode = request.elements[point.id]
            hosts = [network.element(v) for v in point.candidates]
            if weights.place is not plain.place:
                yield from {float(weights.place(vnode, host)) for host in hosts}
            if weights.open is not plain.open:
                yield from {float(weights.open(host)) for host in hosts}
    if weights.carry is plain.carry:
        return
    links = dict.fromkeys(e.link for e in network.edges if e.link is not None)
    carriers = [elements[e] for e in (*links, *network.ids)]
    for vlink in instance.vlinks:
        wanted = request.elements[vlink.id]
        some = carriers[:1] if weights.level else carriers
        yield from {float(weights.carry(wanted, element)) for element in some}
