"""The problem as callers state it and the answer they get: graphs in, values out; no solver.

Knows `rdl` alone. `statement` has the types, which are exported here; `plan` and `state` are how
they look in files; `amounts` is exact arithmetic.
"""

from mip.problem.statement import (
    Code,
    Embedded,
    Objective,
    Options,
    Problem,
    Reason,
    Result,
    Status,
    Weights,
)

__all__ = [
    "Code",
    "Embedded",
    "Objective",
    "Options",
    "Problem",
    "Reason",
    "Result",
    "Status",
    "Weights",
]
