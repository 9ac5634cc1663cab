"""Sets of points as numbers, bit i for point i, and the cheapest ways to part them.

Dynamic programming over all pairs of a set and a part of it: 3^n of them for n points.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from mip.bounds.metric import Floats, Ints


class Subsets:
    """All sets of `count` points."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.numbers: Ints = np.arange(1 << count)

    def summed(self, values: Floats) -> Floats:
        """For each subset (the last axis) the sum over its points.

        Args:
            values: of each point, along the last axis.
        """
        sums = np.zeros((*values.shape[:-1], 1))
        for i in range(self.count):
            sums = np.concatenate([sums, sums + values[..., i, None]], axis=-1)
        return sums

    def members(self, subset: int) -> tuple[int, ...]:
        """The points of a subset."""
        return tuple(i for i in range(self.count) if subset >> i & 1)

    def parted(self, gains: Floats) -> tuple[Floats, Ints]:
        """The cheapest way to part each subset, where parts may be alike.

        Args:
            gains: what each subset adds as a part.

        Returns:
            The costs, and for each subset the part with its lowest point.
        """
        best = np.full(len(gains), np.inf)
        best[0] = 0.0
        first = np.zeros(len(gains), dtype=np.int64)
        for subset in range(1, len(gains)):
            lowest = subset & -subset
            parts = self._parts[subset ^ lowest] | lowest
            sums = gains[parts] + best[subset ^ parts]
            k = int(sums.argmin())
            best[subset], first[subset] = sums[k], parts[k]
        return best, first

    def packed(self, before: Floats, gains: Floats) -> Floats:
        """The cheapest way to part each subset with one holder more, which takes one part or none.

        Args:
            before: for each subset the cheapest way with the holders before.
            gains: what each subset adds as the part of the new holder; 0 for the empty one.
        """
        parts, rests, starts = self._pairs
        able = np.isfinite(gains)[parts]
        left = np.concatenate([[0], np.cumsum(np.add.reduceat(able, starts, dtype=np.int64))[:-1]])
        sums = before[rests[able]] + gains[parts[able]]
        return np.minimum.reduceat(sums, left)

    def given(self, tables: Sequence[Floats], gains: Floats, subset: int = -1) -> list[int]:
        """What each holder takes in a cheapest way to part a subset, by default of all points.

        Args:
            tables: from `packed`, with none, one, two … of the holders; the last is finite there.
            gains: of each holder, as handed to `packed`.
            subset: what is parted.
        """
        left = subset & int(self.numbers[-1])
        out = []
        for before, adds in zip(tables[-2::-1], gains[::-1], strict=True):
            parts = self._parts[left]
            out.append(int(parts[(before[left ^ parts] + adds[parts]).argmin()]))
            left &= ~out[-1]
        return out[::-1]

    @property
    def nothing(self) -> Floats:
        """The cheapest way to part each subset among no holders: there is one for the empty one."""
        return np.where(self.numbers == 0, 0.0, np.inf)

    @cached_property
    def _parts(self) -> Sequence[Ints]:
        """For each subset its parts, the empty one first."""
        out: list[Ints] = [np.zeros(1, dtype=np.int64)]
        for subset in range(1, len(self.numbers)):
            lowest = subset & -subset
            rest = out[subset ^ lowest]
            out.append(np.concatenate([rest, rest | lowest]))
        return out

    @cached_property
    def _pairs(self) -> tuple[Ints, Ints, Ints]:
        """All parts of all subsets in turn, what they leave, and where each subset's begin."""
        sizes = np.asarray([len(parts) for parts in self._parts])
        parts = np.concatenate(self._parts)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        return parts, np.repeat(self.numbers, sizes) ^ parts, starts
