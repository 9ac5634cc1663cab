"""Where a request may ask to be, as the mapping component is to read it. Pure.

Callers may name what they are shown: a PIP shows itself as one element, a VNP itself and, as
values of `provider`, its PIPs. And VNodes stand on what runs VNodes, whatever else of the substrate
their type would fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from cloudnet_sdn.ports import Refused
from mip.problem.statement import Code, Reason
from rdl.compare.match import hosts
from rdl.graph import Constraint, ConstraintKind, Element, Graph

_EVERYTHING = "/node/generic"


def placeable(
    request: Graph, substrate: Graph, *, role: str, runs: Callable[[Element], bool]
) -> Graph:
    """The request with constraints that say what it means here.

    Args:
        request: as it was asked.
        substrate: the role's own.
        role: the role's name, which stands for all of its substrate.
        runs: whether a substrate element runs VNodes.

    Raises:
        Refused: nothing that runs VNodes takes the type of one of them.
    """
    meant = [m for c in request.constraints if (m := _meant(c, role)) is not None]
    return replace(request, constraints=(*meant, *_grounded(request, substrate, runs)))


def _meant(constraint: Constraint, role: str) -> Constraint | None:
    """The constraint without the role's own name; None where it then says nothing."""
    if role not in constraint.targets:
        return constraint
    if constraint.kind is ConstraintKind.ON:
        return None
    return replace(constraint, targets=(_EVERYTHING,))


def _grounded(
    request: Graph, substrate: Graph, runs: Callable[[Element], bool]
) -> Iterator[Constraint]:
    """Keep VNodes whose type fits switches or bridges as well on what runs VNodes."""
    elements = [e for e in substrate.nodes() if not e.is_stub]
    running = {e.id for e in elements if runs(e)}
    refused = []
    for vnode in request.nodes():
        if vnode.is_stub:
            continue
        fitting = {e.id: e.type for e in elements if hosts(e, vnode.type)}
        if not fitting.keys() - running:
            continue
        types = tuple(sorted({t for e, t in fitting.items() if e in running}))
        if not types:
            text = f"nothing here takes a {vnode.type}"
            refused.append(Reason(vnode.id, Code.TYPE, text))
        yield Constraint(ConstraintKind.ON, (vnode.id,), targets=types)
    if refused:
        raise Refused(refused)
