"""What a role takes on at all, before it looks for a mapping. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cloudnet_sdn.model.settings import Quota
from mip.instance.capacity import protection_of
from mip.problem.statement import Code, Reason
from rdl.graph import Graph


def objections(request: Graph, quota: Quota) -> list[Reason]:
    """Why `request` is refused whatever is free; empty if it isn't.

    Args:
        request: as it was asked; stubs, which stand for others' parts, don't count.
        quota: how large it may be.
    """
    return [*_large(request, quota), *_protected(request)]


def _large(request: Graph, quota: Quota) -> Iterator[Reason]:
    vnodes = sum(1 for e in request.nodes() if not e.is_stub)
    vlinks = sum(1 for e in request.links() if not e.is_stub)
    sizes = (("VNodes", vnodes, quota.vnodes), ("VLinks", vlinks, quota.vlinks))
    for what, count, most in sizes:
        if most and count > most:
            text = f"a CloudNet may have {most} {what} here, this has {count}"
            yield Reason(request.name, Code.QUOTA, text)


def _protected(request: Graph) -> Iterator[Reason]:
    """The mapping component finds backup paths, but no shell switches over to them."""
    for vlink in request.links():
        asked = protection_of(vlink)
        if not vlink.is_stub and asked != "none":
            text = f"protection {asked} is not offered by this provider yet"
            yield Reason(vlink.id, Code.POLICY, text)
