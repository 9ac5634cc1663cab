"""What the rounds of an offer have shown: who takes what no more, and how that is told. Pure.

A broker's sums promise more than its providers can keep: they turn down what lies badly inside.
Such a "no" rules that part out there for the next round, and nothing else. One that is away or
over a quota takes nothing new at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cloudnet_sdn.ports import Refused
from cloudnet_sdn.roles.effects.runner import Outcome
from cloudnet_sdn.roles.effects.steps import refusals
from cloudnet_sdn.roles.mapping.component import Nogoods
from cloudnet_sdn.roles.offers.stages import Stages
from cloudnet_sdn.roles.reserving.reservation import Place
from cloudnet_sdn.store.tags import Reservation
from cloudnet_sdn.store.tasks import Entry
from mip.problem.statement import Code, Reason
from rdl.graph import Graph

_SINGLE = frozenset({Code.TYPE, Code.FEATURE, Code.UNKNOWN_TARGET})
"""What is wrong with one VNode, whatever comes with it."""

_NAMED = 5
"""The VNodes that a line of the history names at most."""


@dataclass(frozen=True)
class TurnedDown:
    """A part that a provider has said no to.

    Attributes:
        provider: who.
        vnodes: all of the part.
        named: those of them that the reasons speak of, each set by itself a cause.
        reasons: as the provider gave them.
    """

    provider: str
    vnodes: frozenset[str]
    named: tuple[frozenset[str], ...]
    reasons: tuple[Reason, ...]


@dataclass
class Learned:
    """What earlier rounds of an offer have shown.

    Attributes:
        shunned: tags that a provider has in use.
        unavailable: substrate elements that take nothing new: their shells are away, or providers
            let us have no more.
        turned_down: parts that providers have said no to; of what is mended, also those that are
            broken and aren't mended where they are.
        aside: what the caller should know although it worked.
        last: what the last round came to, in words, until it is told.
        before: by VNode the host of the last round.
        took: how long the stages took.
    """

    shunned: set[Place] = field(default_factory=set)
    unavailable: set[str] = field(default_factory=set)
    turned_down: list[TurnedDown] = field(default_factory=list)
    aside: list[Reason] = field(default_factory=list)
    last: str = ""
    before: Mapping[str, str] = field(default_factory=dict)
    took: Stages = field(default_factory=Stages)

    @property
    def nogoods(self) -> tuple[Nogoods, ...]:
        """What the next round must not do, as the reasons suggest, and as is certain.

        A provider may name fewer than are in each other's way: where nothing else is left, only
        the very same part is ruled out.
        """
        sharp = ((some, t.provider) for t in self.turned_down for some in t.named)
        whole = ((t.vnodes, t.provider) for t in self.turned_down)
        return tuple(dict.fromkeys((tuple(dict.fromkeys(sharp)), tuple(dict.fromkeys(whole)))))

    def lost(self, vnode: str, host: str) -> bool:
        """Whether a VNode is a cause of what was turned down by what has it."""
        here = (t for t in self.turned_down if t.provider == host)
        return any(vnode in some for t in here for some in t.named)

    def reasons(self) -> list[Reason]:
        """All that has been said no to, should nothing else be found either."""
        said = (r for t in self.turned_down for r in t.reasons)
        return list(dict.fromkeys((*self.aside, *said)))

    # -- at a broker

    def from_providers(self, outcome: Outcome, tags: Sequence[Reservation], request: Graph) -> None:
        """Learn from what providers answered.

        Args:
            outcome: of a round that isn't whole.
            tags: what it took on transits.
            request: whose VNodes the parts have.

        Raises:
            Refused: another round would end the same way.
        """
        before = self._size()
        said: list[str] = []
        for entry in outcome.entries:
            reasons = tuple(refusals(entry))
            if reasons:
                said.append(self._refused(entry, reasons, tags, request))
        for target in sorted(outcome.away):
            self._left_aside(target, Reason(target, Code.PEER_AWAY, f"{target} can't be reached"))
            said.append(f"{target} can't be reached")
        self.last = "; ".join(said)
        if self._size() == before:
            raise Refused(list(dict.fromkeys((*self.reasons(), *outcome.reasons))))

    def _size(self) -> int:
        return len(self.shunned) + len(self.unavailable) + len(self.turned_down)

    def _refused(
        self,
        entry: Entry,
        reasons: tuple[Reason, ...],
        tags: Sequence[Reservation],
        request: Graph,
    ) -> str:
        """Learn from one provider's "no"; what to tell of it."""
        target = entry.task.target
        nothing = [r for r in reasons if r.element == target]
        part = frozenset(v for v in entry.task.elements if _is_vnode(request, v))
        if nothing:
            for reason in nothing:
                self._left_aside(target, reason)
            return nothing[0].text
        if all(r.code is Code.VLAN_TAKEN for r in reasons):
            self._shun(reasons, tags)
            return f"{target} has tags in use that were chosen"
        if not part:
            self._left_aside(target, *reasons)
            return f"{target} turned down VLinks that pass through it"
        found = TurnedDown(target, part, _causes(reasons, part, request), reasons)
        if found not in self.turned_down:
            self.turned_down.append(found)
        codes = ", ".join(dict.fromkeys(r.code.value for r in reasons))
        return f"{target} turned down {_listed(part)} ({codes}: {reasons[0].text})"

    def _shun(self, reasons: Iterable[Reason], tags: Iterable[Reservation]) -> None:
        vlinks = {reason.element for reason in reasons}
        self.shunned |= {(r.place, r.tag) for r in tags if r.vlink in vlinks}

    def _left_aside(self, target: str, *reasons: Reason) -> None:
        self.unavailable.add(target)
        self.aside += [r for r in reasons if r not in self.aside]

    # -- at a provider

    def from_shells(
        self, outcome: Outcome, tags: Sequence[Reservation], known: Collection[str]
    ) -> None:
        """Learn from what shells answered. Raises as `from_providers`."""
        if outcome.reasons:
            before = self._size()
            if all(r.code is Code.VLAN_TAKEN for r in outcome.reasons):
                self._shun(outcome.reasons, tags)
            if self._size() == before:
                raise Refused(list(dict.fromkeys(outcome.reasons)))
            self.last = "a tag that was chosen is in use"
            return
        away = {t for t in outcome.away if t in known}
        waiting = {v for e in outcome.entries if e.task.target in away for v in e.task.elements[:1]}
        text = "a part of the substrate is away"
        reasons = [Reason(v, Code.PEER_AWAY, text) for v in sorted(waiting)]
        if not away or away <= self.unavailable:
            raise Refused(reasons)
        self.unavailable |= away
        self.aside = reasons
        self.last = text


def tried(before: Mapping[str, str], now: Mapping[str, str], *, names: bool) -> str:
    """What the next round does otherwise, in the caller's words.

    Args:
        before: by VNode, the host of the round before.
        now: of this round.
        names: whether the caller may read hosts' names: a broker's are providers.
    """
    moved = [v for v, host in now.items() if before.get(v, host) != host]
    if not moved:
        return "tried again at the same places"
    if not names:
        return f"{_listed(moved)} tried elsewhere"
    by_host: dict[str, list[str]] = {}
    for vnode in moved:
        by_host.setdefault(now[vnode], []).append(vnode)
    parts = (f"{_listed(vnodes)} at {host}" for host, vnodes in sorted(by_host.items()))
    return f"{', '.join(parts)} tried next"


def _causes(
    reasons: Iterable[Reason], part: frozenset[str], request: Graph
) -> tuple[frozenset[str], ...]:
    """The sets of VNodes that reasons speak of: VLinks by their ends; the whole part at worst."""
    single: dict[frozenset[str], None] = {}
    joint: set[str] = set()
    for reason in reasons:
        near = {reason.element}
        if reason.element in request.elements and request.elements[reason.element].is_link:
            near = set(request.neighbours(reason.element))
        if reason.code in _SINGLE and reason.element in part:
            single[frozenset(near)] = None
        else:
            joint |= near & part
    if joint and not single:
        return (frozenset(joint),)
    return tuple(single) or (part,)


def _is_vnode(request: Graph, element: str) -> bool:
    found = request.elements.get(element)
    return found is not None and found.is_node and not found.is_stub


def _listed(vnodes: Collection[str]) -> str:
    names = sorted(vnodes)
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
