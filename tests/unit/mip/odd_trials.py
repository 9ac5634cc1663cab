"""What the product answers for an odd instance, against what the oracle says."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

from oracle import OBJECTIVES, Best, Oracle
from oracle_check import close, faults

from mip.mapping import map_request
from mip.problem.statement import Options, Problem, Result, Status

METHODS = ("auto", "exact", "fast")
SOLVERS = ("cbc", "highs")
SECONDS = 20.0
"""The time limit of a trial: for what is this small, running into it is a fault."""

CLOSE = frozenset({"INEXACT", "TIE"})
"""Not the optimum, or not the cheapest of equals, by less than 1e-9 of it: where the digits that a
solver's doubles tell apart end. Counted, and no fault."""

COMBINATIONS = tuple(
    Options(objective=o, method=m, solver=s, time_limit=SECONDS, explain=False)
    for o, m, s in product(OBJECTIVES, METHODS, SOLVERS)
)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    what: str
    text: str
    options: Options

    @property
    def wrong(self) -> bool:
        """Whether it is a fault, not just close to one."""
        return self.what not in CLOSE

    @property
    def line(self) -> str:
        o = self.options
        return f"{self.what} {o.objective} {o.method} {o.solver}: {self.text}"


@dataclass
class Trial:
    """One problem, all that there is to know about it, and how long the slowest answer took."""

    problem: Problem
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.oracle = Oracle(self.problem)
        self.best = self.oracle.best()

    def findings(self, options: Options) -> list[Finding]:
        """What is wrong with the product's answer."""
        begun = time.monotonic()
        try:
            result = map_request(self.problem, options)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            return [Finding("CRASH", text, options)]
        finally:
            self.seconds = max(self.seconds, time.monotonic() - begun)
        return [Finding(w, t, options) for w, t in self._judged(result, options)]

    def _judged(self, result: Result, options: Options) -> Iterator[tuple[str, str]]:
        best = self.best.get(options.objective)
        if result.status is Status.TIMEOUT:
            yield "TIMEOUT", f"right is {told(best)}"
        elif result.status is Status.INFEASIBLE:
            if best is not None:
                yield "FALSE INFEASIBLE", f"right is {told(best)}; reasons {result.reasons}"
            elif options.explain:
                yield from self._reasons(result)
        else:
            yield from self._mapping(result, best, options)
        if best is not None and result.bound is not None:
            yield from self._bound(result.bound, best)

    def _bound(self, bound: float, best: Best) -> Iterator[tuple[str, str]]:
        if not math.isfinite(bound):
            yield "NO BOUND", f"{bound!r}, right is {told(best)}"
        elif Fraction(bound) > best.value and not close(bound, best.value):
            yield "BOUND TOO HIGH", f"{bound!r}, right is {told(best)}"

    def _reasons(self, result: Result) -> Iterator[tuple[str, str]]:
        known = self.problem.request.elements
        if not any(r.element in known for r in result.reasons):
            yield "NO REASON", f"{result.reasons}"

    def _mapping(
        self, result: Result, best: Best | None, options: Options
    ) -> Iterator[tuple[str, str]]:
        got = f"got {dict(result.nodes)} {dict(result.links)} {dict(result.backups)}"
        wrong, mapped = faults(self.oracle, result)
        if wrong:
            yield "WRONG MAPPING", f"{'; '.join(wrong)}; {got} {dict(result.chosen)}"
        if best is None:
            yield "FALSE FEASIBLE", got
        if mapped is None or best is None or wrong:
            return
        true = self.oracle.value(mapped, options.objective)
        if result.value is None or not close(result.value, true):
            yield "WRONG VALUE", f"{result.value!r} is {number(true)}; {got}"
        if result.status is Status.OPTIMAL and true != best.value:
            what = "INEXACT" if close(float(true), best.value) else "FALSE OPTIMAL"
            yield what, f"{number(true)}, right is {told(best)}; {got}"
        elif result.status is Status.FEASIBLE and options.method != "fast":
            yield "NOT PROVEN", f"{number(true)}, right is {told(best)}"
        elif result.status is Status.OPTIMAL and self.oracle.cost(mapped) != best.cost:
            what = "DEARER" if not close(float(self.oracle.cost(mapped)), best.cost) else "TIE"
            yield what, f"costs {number(self.oracle.cost(mapped))}, {number(best.cost)} would do"


def number(value: Fraction) -> str:
    """Digits where there are few, else a fraction."""
    text = repr(float(value))
    return text if Fraction(text) == value else f"{value}"


def told(best: Best | None) -> str:
    """An optimum in one line."""
    if best is None:
        return "infeasible"
    mapping = best.mapping
    working = {v: r.on for v, r in mapping.working.items()}
    backup = {v: r.on for v, r in mapping.backup.items()}
    return f"{number(best.value)} {dict(mapping.nodes)} {working} {backup}"


@dataclass
class Tally:
    """How it went, by kind."""

    instances: Counter[str] = field(default_factory=Counter)
    feasible: Counter[str] = field(default_factory=Counter)
    solved: Counter[str] = field(default_factory=Counter)
    close: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)

    def count(self, kind: str, trial: Trial, solved: int, found: Iterable[Finding]) -> None:
        listed = list(found)
        self.instances[kind] += 1
        self.feasible[kind] += bool(trial.best)
        self.solved[kind] += solved
        self.close[kind] += any(not f.wrong for f in listed)
        self.wrong[kind] += any(f.wrong for f in listed)
        self.found.update({f.what for f in listed})
        self.slowest[kind] = max(self.slowest.get(kind, 0.0), trial.seconds)

    def table(self) -> str:
        """A line for each kind, and what was found how often."""
        columns = (self.instances, self.feasible, self.solved, self.close, self.wrong)
        names = ("instances", "feasible", "solved", "close", "wrong", "slowest")
        lines = [_line("kind", names)]
        lines += [
            _line(kind, (*(c[kind] for c in columns), f"{self.slowest[kind]:.2f} s"))
            for kind in self.instances
        ]
        lines.append(_line("all", (c.total() for c in columns)))
        return "\n".join([*lines, *(f"{what}: {n}" for what, n in self.found.most_common())])


def _line(name: str, cells: Iterable[object]) -> str:
    return f"{name:12}" + "".join(f"{cell:>10}" for cell in cells)
