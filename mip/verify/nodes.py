"""Every VNode on one host that is there, available, and fits by type and features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mip.verify.check import Check
from rdl.compare.match import element_fits
from rdl.graph import Element


@dataclass(frozen=True)
class NodeCheck(Check):
    """VNodes and their hosts."""

    def faults(self) -> Iterator[str]:
        """VNodes without a host, and hosts that don't do."""
        wanted = {e.id for e in self.ol.nodes() if not e.is_stub}
        yield from (f"{v} is not placed" for v in sorted(wanted - self.result.nodes.keys()))
        yield from (f"{v} is no VNode" for v in sorted(self.result.nodes.keys() - wanted))
        for vnode, host in self.result.nodes.items():
            if vnode not in wanted:
                continue
            if host not in self.ul.elements:
                yield f"{vnode} is on {host}, which isn't there"
                continue
            yield from self._node(self.ol.elements[vnode], self.ul.elements[host])
        for vnodes, host in self.problem.nogoods:
            if vnodes and all(self.result.nodes.get(v) == host for v in vnodes):
                yield f"{', '.join(sorted(vnodes))} should not all be on {host}"

    def _node(self, vnode: Element, host: Element) -> Iterator[str]:
        kept = self.problem.keep.get(vnode.id)
        if kept is not None and kept != host.id:
            yield f"{vnode.id} should stay on {kept}"
        if host.id in self.problem.unavailable and kept != host.id:
            yield f"{vnode.id} is on {host.id}, which is not available"
        for miss in element_fits(vnode, host):
            implied = miss.name == "provider" and "provider" not in host.features
            if not (implied and self._demands_met(vnode, "provider", self.ul.name)):
                yield miss.text
