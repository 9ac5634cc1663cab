"""What every part of the check reads: the request's demands, and where its VLinks end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from mip.problem.statement import Problem, Result
from rdl.compare.match import satisfies
from rdl.graph import Element, Graph, Scalar


def exact(value: float | Fraction) -> Fraction:
    """A number as it is written."""
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


@dataclass(frozen=True)
class Check(ABC):
    """One part of the check of a mapping.

    Attributes:
        problem: what was asked.
        result: nodes, links, backups and chosen of a mapping.
    """

    problem: Problem
    result: Result

    @property
    def ul(self) -> Graph:
        """The substrate."""
        return self.problem.substrate

    @property
    def ol(self) -> Graph:
        """The request."""
        return self.problem.request

    @abstractmethod
    def faults(self) -> Iterator[str]:
        """What is wrong, in words."""

    def _demands_met(self, element: Element, feature: str, value: Scalar) -> bool:
        demand = element.features.get(feature)
        return demand is None or satisfies(value, demand)

    def _protection(self, vlink: Element) -> str:
        asked = vlink.features.get("protection", "none")
        listed = asked if isinstance(asked, tuple) else (asked,)
        return next((p for p in ("none", "link", "node") if p in listed), "none")

    def _fixed(self, stub: Element) -> str | None:
        point = self.problem.anchors.get(stub.id) or stub.features.get("endpoint")
        return None if point is None else str(point)

    def _ends(self, vlink: Element) -> tuple[list[str], list[str], int]:
        """Hosts, fixed ends (elements), and how many ends lie wherever another VLink does."""
        placed: list[str] = []
        fixed: list[str] = []
        loose = 0
        for near in dict.fromkeys(self.ol.neighbours(vlink.id)):
            element = self.ol.elements[near]
            if element.is_node and not element.is_stub:
                placed.append(self.result.nodes.get(near, "?"))
            elif element.is_link and element.is_stub:
                fixed.append(str(self._fixed(element)).partition(".")[0])
            elif element.is_link:
                loose += 1
        return placed, fixed, loose
