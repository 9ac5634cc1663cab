"""Brings datapaths to what they shall hold, and knows what they hold.

What a datapath was seen to hold is remembered and kept up to date by what it confirms, so a
change costs one barrier and no dump. Whenever that knowledge is in doubt the datapath is
forgotten, and dumped anew by `sync`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from ryu_apps.fabric import Away, Fabric
from ryu_apps.reconcile import Change, Changes, FlowAdd, changes, note
from ryu_apps.rules import Desired, Observed
from ryu_apps.spec import Dpid, VLinkId

Spot = tuple[VLinkId, Dpid]
"""A VLink at a datapath."""


@dataclass(frozen=True, slots=True)
class Part:
    """A VLink's share of a datapath: what shall be there, and what may be there and shan't."""

    desired: Desired
    obsolete: Desired


@dataclass(slots=True)
class Report:
    """What came of carrying parts out.

    Attributes:
        confirmed: where all that is desired is there.
        cleared: where nothing obsolete is left.
        troubles: what a switch refused.
        blocked: switches where others' flows stood in the way when last looked at.
    """

    confirmed: set[Spot] = field(default_factory=set)
    cleared: set[Spot] = field(default_factory=set)
    troubles: dict[Spot, str] = field(default_factory=dict)
    blocked: set[Dpid] = field(default_factory=set)


@dataclass(slots=True)
class _Held:
    """What is known of one datapath; `observed` None: nothing. The lock orders its changes."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    observed: Observed | None = None


class Installer:
    """Changes datapaths through a `Fabric`. Safe to use from several threads."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._held: dict[Dpid, _Held] = {}

    def knows(self, dpid: Dpid) -> bool:
        """Whether the datapath has been dumped and nothing put that in doubt since."""
        return self._at(dpid).observed is not None

    def forget(self, dpid: Dpid) -> None:
        """What is known of the datapath is in doubt."""
        self._at(dpid).observed = None

    def look(self, dpid: Dpid) -> Observed:
        """What the datapath holds right now, asked anew. Raises Away."""
        with self._at(dpid).lock:
            return self._fabric.observe(dpid)

    def sync(self, dpid: Dpid, desired: Callable[[], Desired]) -> dict[Change, str]:
        """Dump the datapath, and change it to what it shall hold and nothing else of ours.

        Args:
            dpid: the datapath.
            desired: asked once the datapath is locked.

        Returns:
            What it refused, with its words.

        Raises:
            Away: it isn't there or doesn't answer.
        """
        held = self._at(dpid)
        with held.lock:
            held.observed = None
            observed = self._fabric.observe(dpid)
            plan = changes(desired(), observed)
            refused = dict.fromkeys(_blocked(plan), _BLOCKED)
            outcome = self._fabric.apply({dpid: plan.all})[dpid] if plan.all else None
            if outcome is not None:
                if outcome.away:
                    raise Away(outcome.away)
                refused.update(outcome.rejected)
            for change in plan.all:
                if change not in refused:
                    note(observed, change)
            held.observed = observed
            return refused

    def carry(self, parts: Mapping[VLinkId, Mapping[Dpid, Part]]) -> Report:
        """Carry out several VLinks' parts, network-wide in step: build, switch over, clear.

        A VLink of which one datapath can't be built isn't switched over, so what it had before
        goes on working.
        """
        dpids = sorted({dpid for shares in parts.values() for dpid in shares})
        with ExitStack() as locks:
            for dpid in dpids:
                locks.enter_context(self._at(dpid).lock)
            return self._carry(parts)

    def _carry(self, parts: Mapping[VLinkId, Mapping[Dpid, Part]]) -> Report:
        report = Report()
        plans: dict[Spot, Changes] = {}
        for vlink, shares in parts.items():
            for dpid, part in shares.items():
                observed = self._at(dpid).observed
                if observed is not None:
                    plan = changes(
                        part.desired,
                        observed,
                        flows=part.obsolete.flows,
                        meters=part.obsolete.meters,
                    )
                    plans[vlink, dpid] = plan
                    if plan.blocked:
                        report.troubles[vlink, dpid] = _BLOCKED
                        report.blocked.add(dpid)
        self._step({spot: plan.build for spot, plan in plans.items()}, report)
        halted = self._halted(parts, report)
        going = {spot: plan for spot, plan in plans.items() if spot[0] not in halted}
        self._step({spot: plan.switch for spot, plan in going.items()}, report)
        halted |= self._halted(parts, report)
        going = {spot: plan for spot, plan in going.items() if spot[0] not in halted}
        self._step({spot: plan.clear for spot, plan in going.items()}, report)
        for spot, plan in plans.items():
            fine = spot not in report.troubles and self.knows(spot[1])
            if fine and (spot in going or not plan.switch):
                report.confirmed.add(spot)
            if fine and (spot in going or not plan.clear):
                report.cleared.add(spot)
        return report

    def _halted(self, parts: Mapping[VLinkId, Mapping[Dpid, Part]], report: Report) -> set[VLinkId]:
        unbuilt = {
            vlink
            for vlink, shares in parts.items()
            for dpid, part in shares.items()
            if part.desired.flows and not self.knows(dpid)
        }
        return unbuilt | {vlink for vlink, _ in report.troubles}

    def _step(self, step: Mapping[Spot, Iterable[Change]], report: Report) -> None:
        """Apply one step at all datapaths at once, and note what came of it."""
        work: dict[Dpid, list[Change]] = {}
        whose: dict[tuple[Dpid, Change], VLinkId] = {}
        for (vlink, dpid), todo in step.items():
            for change in todo:
                work.setdefault(dpid, []).append(change)
                whose[dpid, change] = vlink
        if not work:
            return
        for dpid, outcome in self._fabric.apply(work).items():
            if outcome.away:
                self.forget(dpid)
                continue
            for change, text in outcome.rejected.items():
                report.troubles.setdefault((whose[dpid, change], dpid), text)
            observed = self._at(dpid).observed
            for change in work[dpid]:
                if observed is not None and change not in outcome.rejected:
                    note(observed, change)

    def _at(self, dpid: Dpid) -> _Held:
        return self._held.setdefault(dpid, _Held())


_BLOCKED = "another application's flow stands in the way"


def _blocked(plan: Changes) -> Iterable[Change]:
    return (FlowAdd(rule) for rule in plan.blocked)
