"""One question for all who have it at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Asks a question for many: each gets an answer, or error, that was sought after it asked."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._asked = 0
        self._answered = 0
        self._answer: Callable[[], T] = ask

    def get(self) -> T:
        """The answer. Raises what the question raises."""
        with self._counting:
            self._asked = mine = self._asked + 1
        with self._turn:
            if self._answered < mine:
                with self._counting:
                    newest = self._asked
                self._answer = self._sought()
                self._answered = newest
            answer = self._answer
        return answer()

    def _sought(self) -> Callable[[], T]:
        try:
            found = self._ask()
        except Exception as exc:
            return _raising(exc)
        return lambda: found


def _raising(error: Exception) -> Callable[[], NoReturn]:
    def again() -> NoReturn:
        raise error

    return again
