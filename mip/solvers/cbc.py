"""CBC, the solver that comes with PuLP; a process of its own, its log read for bounds."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mip.clock import Clock
from mip.errors import SolverError
from mip.solvers.linear import (
    INFINITY,
    Ending,
    Limits,
    LinearModel,
    Outcome,
    Progress,
    without_columns,
)

_BOUND = re.compile(r"(?:Lower bound:|best possible|Continuous objective value is)\s+(\S+)")
_BEST = re.compile(r"(?:Objective value:|Integer solution of)\s+(\S+)")
_POLL_S = 0.2
_AGAIN_S = 0.05

_GRACE_S, _GRACE_SHARE = 0.2, 0.05
"""How long after its time limit CBC is ended: it looks at its clock between nodes alone."""

_NO_TWOMIR = "twoMirCuts off"
"""CBC's two-step MIR cuts can be wrong at rows with two bounds, which its preprocessing makes
(coin-or/Cbc, issue 562): the optimum was cut off, or all solutions were."""

_BUILD_S, _WRITE_S = 2e-6, 2e-6
"""What PuLP takes for each coefficient: to have the program, and to write it to a file."""


@dataclass(frozen=True)
class Cbc:
    """CBC through PuLP: the solver that every installation has.

    Attributes:
        presolve: whether the program is made smaller first.
    """

    presolve: bool = True

    def solve(
        self,
        model: LinearModel,
        limits: Limits,
        start: Sequence[float] | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Solve in a subprocess. See `mip.solvers.linear.Solver`."""
        import pulp

        if not model.cost:
            return without_columns(model)
        clock = Clock(limits.seconds)
        size = model.coefficients()
        left = clock.left()
        if left is not None and left < size * (_BUILD_S + _WRITE_S):
            return Outcome(Ending.UNKNOWN)
        problem, columns = _problem(pulp, model, start)
        left = clock.left()
        if left is not None and left < size * _WRITE_S:
            return Outcome(Ending.UNKNOWN)
        with tempfile.TemporaryDirectory(prefix="cloudnet-cbc-") as folder:
            log = Path(folder) / "log"
            log.touch()
            # No `threads`: CBC has one by itself. `-threads 1` starts its threaded mode, which is
            # slow on small programs and now and then sleeps until the time limit.
            command = pulp.COIN_CMD(
                path=pulp.PULP_CBC_CMD.pulp_cbc_path,
                msg=False,
                timeLimit=None if left is None else max(0.01, left - size * _WRITE_S),
                gapRel=limits.gap,
                timeMode="elapsed",
                warmStart=start is not None,
                options=self._options(limits),
                logPath=str(log),
            )
            command.tmpDir = folder
            watch = _Watch(log, model.constant, progress)
            began = time.monotonic()
            deadline = _Deadline(folder, clock.left())
            try:
                with watch, deadline:
                    problem.solve(command)
            except pulp.PulpSolverError as error:
                if deadline.struck:
                    bound = _last(_BOUND, log)
                    return Outcome(
                        Ending.UNKNOWN, None, None if bound is None else bound + model.constant
                    )
                raise SolverError(f"CBC failed: {_tail(log)}") from error
            return _outcome(
                pulp=pulp,
                problem=problem,
                columns=columns,
                log=log,
                model=model,
                limits=limits,
                seconds=time.monotonic() - began,
            )

    def _options(self, limits: Limits) -> list[str]:
        options = [f"randomCbcSeed {limits.seed + 1}", f"randomSeed {limits.seed + 1}", _NO_TWOMIR]
        return options if self.presolve else [*options, "presolve off", "preprocess off"]


def _problem(pulp: Any, model: LinearModel, start: Sequence[float] | None) -> tuple[Any, list[Any]]:
    problem = pulp.LpProblem("embedding", pulp.LpMinimize)
    columns = [
        problem.add_variable(
            f"x{i}", low, None if up == INFINITY else up, cat="Integer" if whole else "Continuous"
        )
        for i, (low, up, whole) in enumerate(
            zip(model.lower, model.upper, model.integer, strict=True)
        )
    ]
    problem += pulp.LpAffineExpression({columns[i]: c for i, c in enumerate(model.cost) if c})
    for row in model.rows:
        terms = pulp.LpAffineExpression(
            {columns[c]: a for c, a in zip(row.columns, row.coefficients, strict=True)}
        )
        if row.low == row.high:
            problem += terms == row.low
            continue
        if row.high < INFINITY:
            problem += terms <= row.high
        if row.low > -INFINITY:
            problem += terms >= row.low
    if start is not None:
        for column, value in zip(columns, start, strict=True):
            column.setInitialValue(value)
    return problem, columns


def _outcome(
    *,
    pulp: Any,
    problem: Any,
    columns: Sequence[Any],
    log: Path,
    model: LinearModel,
    limits: Limits,
    seconds: float,
) -> Outcome:
    found = problem.sol_status
    if problem.status == pulp.LpStatusInfeasible:  # `sol_status` misses "Integer infeasible"
        late = limits.seconds is not None and seconds >= limits.seconds
        return Outcome(Ending.UNKNOWN if late else Ending.INFEASIBLE)  # stopped is no proof
    bound = _last(_BOUND, log)
    bound = None if bound is None else bound + model.constant
    if found == pulp.LpSolutionNoSolutionFound:
        return Outcome(Ending.UNKNOWN, None, bound)
    values = [float(c.varValue or 0.0) for c in columns]
    value = model.constant + sum(c * v for c, v in zip(model.cost, values, strict=True))
    if found == pulp.LpSolutionOptimal:
        return Outcome(Ending.OPTIMAL, values, value if not limits.gap else min(bound or 0, value))
    return Outcome(Ending.FEASIBLE, values, bound)


def _last(pattern: re.Pattern[str], log: Path) -> float | None:
    found = pattern.findall(log.read_text(errors="replace"))
    numbers = [n for n in (_number(f) for f in found) if n is not None]
    return numbers[-1] if numbers else None


def _number(text: str) -> float | None:
    try:
        value = float(text.rstrip(","))
    except ValueError:
        return None
    return value if abs(value) < 1e40 else None


def _tail(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-3:])


class _Deadline:
    """Ends the solver that works in a folder some time after its limit, until left.

    PuLP doesn't say which process is CBC's: it is the child with a file of that folder as argument.
    """

    def __init__(self, folder: str, seconds: float | None) -> None:
        self._folder = folder.encode()
        self.struck = False
        self._grace = None if seconds is None else seconds + max(_GRACE_S, _GRACE_SHARE * seconds)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        if self._grace is not None:
            self._thread.start()

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        if self._grace is not None:
            self._thread.join()

    def _run(self) -> None:
        wait = self._grace
        while not self._done.wait(wait):  # it may be started only after its time
            self._strike()
            wait = _AGAIN_S

    def _strike(self) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ProcessLookupError):
                status = (process / "stat").read_text().rpartition(")")[2].split()
                child = int(status[1]) == os.getpid()
                if child and self._folder in (process / "cmdline").read_bytes():
                    self.struck = True
                    os.kill(int(process.name), signal.SIGKILL)


class _Watch:
    """Reads the growing log and reports what it says, until left."""

    def __init__(self, log: Path, constant: float, progress: Progress | None) -> None:
        self._log = log
        self._constant = constant
        self._progress = progress
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        if self._progress is not None:
            self._thread.start()

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        if self._progress is not None:
            self._thread.join()

    def _run(self) -> None:
        told: tuple[float | None, float | None] = (None, None)
        while not self._done.wait(_POLL_S):
            now = (self._read(_BEST), self._read(_BOUND))
            if now != told and self._progress is not None:
                self._progress(*now)
                told = now

    def _read(self, pattern: re.Pattern[str]) -> float | None:
        value = _last(pattern, self._log)
        return None if value is None else value + self._constant
