"""Columns of the program, and sums of them."""

from __future__ import annotations

from dataclasses import dataclass, field

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
