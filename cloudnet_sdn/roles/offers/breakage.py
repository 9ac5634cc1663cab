"""What a mending has to do without from its first round on: where things broke for good. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cloudnet_sdn.roles.effects.steps import said
from cloudnet_sdn.roles.mapping.standing import Standing
from cloudnet_sdn.roles.offers.learning import Learned, TurnedDown
from cloudnet_sdn.store.tasks import Entry
from mip.problem.statement import Code, Reason
from rdl.graph import Graph

Broken = Mapping[int, Mapping[str, str]]
"""By task, its elements that its provider sees broken and doesn't mend, with what it says."""


def lessons(
    entries: Sequence[Entry], standing: Standing, broken: Broken, transits: Collection[str]
) -> Learned:
    """What is known before anything is tried.

    Args:
        entries: the tasks of the generation to be mended.
        standing: that generation.
        broken: what providers see.
        transits: a broker's transit links.
    """
    there, learned = standing.hosts(), Learned()
    cut = _between(broken)
    for vlink in cut & standing.mapping.mapping.keys():
        learned.unavailable |= set(transits).intersection(standing.mapping.mapping[vlink].on)
    for entry in entries:
        target = entry.task.target
        part = frozenset(v for v in entry.task.elements if there.get(v) == target)
        if part and entry.vain:
            learned.turned_down.append(TurnedDown(target, part, (part,), tuple(said(entry))))
        mine = {e: text for e, text in broken.get(entry.id, {}).items() if e not in cut}
        if found := _unmended(target, part, mine, standing.overlay):
            learned.turned_down.append(found)
    return learned


def _between(broken: Broken) -> set[str]:
    """The VLinks that more than one provider sees broken: what joins the providers is."""
    every = [e for elements in broken.values() for e in elements]
    return {e for e in every if every.count(e) > 1}


def _unmended(
    target: str, part: frozenset[str], broken: Mapping[str, str], overlay: Graph
) -> TurnedDown | None:
    """A part as if its provider had turned it down for what is broken: VLinks by their ends."""
    known = (e for e in broken if e in overlay.elements)
    near = {e: part & {e, *overlay.neighbours(e)} for e in known}
    causes = dict.fromkeys(some for some in near.values() if some)
    # A VLink is broken with its VNode: what isn't a cause by itself needn't move.
    named = tuple(some for some in causes if not any(less < some for less in causes))
    text = f"{target} doesn't carry it any more"
    reasons = [Reason(e, Code.CAPACITY, f"{text}: {broken[e]}") for e, some in near.items() if some]
    return TurnedDown(target, part, named, tuple(reasons)) if named else None
