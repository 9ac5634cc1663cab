"""An independent check of mappings: every one passes it before it is returned.

It reads the contract's sentences against the graphs themselves and shares no code with the
solvers, their compiled instance or their accounts of capacity, so that a fault in one isn't
repeated here. Amounts are compared exactly.
"""

from __future__ import annotations

from itertools import chain

from mip.problem.statement import Problem, Result
from mip.verify.capacities import CapacityCheck
from mip.verify.constraints import ConstraintCheck
from mip.verify.links import LinkCheck
from mip.verify.nodes import NodeCheck

CHECKS = (NodeCheck, LinkCheck, ConstraintCheck, CapacityCheck)


def verify(problem: Problem, result: Result) -> tuple[str, ...]:
    """What is wrong with the mapping in `result`; empty where nothing is.

    Args:
        problem: what was asked.
        result: nodes, links, backups and chosen of a mapping.
    """
    faults = (check(problem, result).faults() for check in CHECKS)
    return tuple(dict.fromkeys(chain.from_iterable(faults)))
