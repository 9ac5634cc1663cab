"""What is left while routes are taken one by one, whatever single element fails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from mip.instance.capacity import Key, key_of
from mip.instance.instance import Instance
from mip.problem.amounts import Exact


class Room:
    """The capacities of an instance with a placement, and routes that come and go.

    Model: (6), (18).
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._embedded: dict[Key, Mapping[str, Exact]] = {}
        self._left: dict[Key, Exact] = {}
        self._failing: dict[Key, dict[str, Exact]] = {}

    def clear(self, places: Mapping[int, int]) -> None:
        """Nothing is taken but what points take where they are."""
        self._left.clear()
        self._failing.clear()
        for index, vertex in places.items():
            host = self._instance.network.element(vertex)
            for resource, amount in self._instance.points[index].demand.items():
                key = key_of(host, resource)
                self._left[key] = self.without_failure(key) - amount

    def without_failure(self, key: Key) -> Exact:
        """What is left while nothing fails."""
        left = self._left.get(key)
        if left is None:
            stock = self._instance.stock
            left = stock.capacity.get(key, 0) - stock.use.fixed.get(key, 0)
            self._left[key] = left
        return left

    def free(self, key: Key) -> Exact:
        """What is left whatever fails: for what is always there."""
        return self.without_failure(key) - max(self._scenarios(key).values(), default=0)

    def beside(self, key: Key, hit: Collection[str]) -> Exact:
        """What is left while one of the elements `hit` is down: for a backup against that."""
        needed = self._scenarios(key)
        return self.without_failure(key) - max((needed.get(e, 0) for e in hit), default=0)

    def take(
        self, fixed: Mapping[Key, Exact], shared: Mapping[Key, Exact], hit: Collection[str]
    ) -> bool:
        """Take `fixed` always and `shared` while one of `hit` is down; whether there was room.

        If there wasn't, nothing is taken.
        """
        self._change(fixed, shared, hit, 1)
        if all(self.free(key) >= 0 for key in (*fixed, *shared)):
            return True
        self._change(fixed, shared, hit, -1)
        return False

    def give_back(self, fixed: Mapping[Key, Exact]) -> None:
        """What was always taken isn't any more."""
        self._change(fixed, {}, (), -1)

    def _change(
        self,
        fixed: Mapping[Key, Exact],
        shared: Mapping[Key, Exact],
        hit: Collection[str],
        sign: int,
    ) -> None:
        for key, amount in fixed.items():
            self._left[key] = self.without_failure(key) - sign * amount
        for key, amount in shared.items():
            if key not in self._failing:
                self._failing[key] = defaultdict(int, self._scenarios(key))
            for element in hit:
                self._failing[key][element] += sign * amount

    def _scenarios(self, key: Key) -> Mapping[str, Exact]:
        """Failing element to what backups need then."""
        now = self._failing.get(key)
        if now is not None:
            return now
        if key not in self._embedded:
            self._embedded[key] = self._instance.use.scenarios(key)
        return self._embedded[key]
