"""What goes wrong in embedding other than a request that doesn't fit.

MappingError
├── UnknownObjectiveError   no objective of that name
├── WrongObjectiveError     an objective with prices that can't be
├── UnknownMethodError      no such method or solver
├── SolverError             a solver broke down
│   └── OutOfMemoryError    it took more memory than it may
├── NoTurnError             no worker was free within the time limit
├── WrongMappingError       the verifier turned a mapping down: our fault
├── SendingError            what can't be handed to a process of its own
└── StateError              a state directory can't be read, or isn't whole
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_FAULTS = 100
"""The faults of a state directory that are told at most."""


class MappingError(Exception):
    """Root of this package's errors."""


class UnknownObjectiveError(MappingError):
    """No objective of that name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no objective {name!r}; there are {', '.join(known)}")
        self.name = name
        self.known = known

    def __reduce__(self) -> tuple[type[UnknownObjectiveError], tuple[str, tuple[str, ...]]]:
        return type(self), (self.name, self.known)


class WrongObjectiveError(MappingError):
    """Something else than an objective, or one whose prices aren't numbers from 0 up."""


class UnknownMethodError(MappingError):
    """No method or solver of that name."""


class SolverError(MappingError):
    """A solver broke down."""


class OutOfMemoryError(SolverError):
    """A solve was ended because it took more memory than it may, the solver's process included."""


class NoTurnError(MappingError):
    """No worker was free within the time limit."""


class WrongMappingError(MappingError):
    """The verifier turned down a mapping that a solver returned."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults

    def __reduce__(self) -> tuple[type[WrongMappingError], tuple[tuple[str, ...]]]:
        return type(self), (self.faults,)


class SendingError(MappingError):
    """A problem, an objective or an answer that can't be handed from process to process."""


class StateError(MappingError):
    """A state directory can't be read, or isn't whole on its substrate.

    Attributes:
        faults: everything that is wrong, each with its file.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        more = len(self.faults) - MAX_FAULTS
        lines = [*self.faults[:MAX_FAULTS], *([f"... and {more} more"] if more > 0 else [])]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type[StateError], tuple[tuple[str, ...]]]:
        return type(self), (self.faults,)
