"""What a datapath holds against what it shall hold, in words. Pure."""

from __future__ import annotations

from ryu_apps.reconcile import (
    Change,
    FlowAdd,
    FlowModify,
    FlowRemove,
    MeterAdd,
    MeterModify,
    MeterRemove,
    changes,
)
from ryu_apps.rules import Desired, Match, Observed
from ryu_apps.spec import Dpid


def differences(
    dpid: Dpid, desired: Desired, observed: Observed, cookie: int | None = None
) -> list[str]:
    """One sentence for each difference; none: all is as it shall be.

    Args:
        dpid: the datapath, to be named.
        desired: what it shall hold.
        observed: what it holds.
        cookie: whose flows alone count as too many; None: all of ours, and meters.
    """
    if cookie is None:
        plan = changes(desired, observed)
    else:
        own = [key for key, rule in observed.flows.items() if rule.cookie == cookie]
        plan = changes(desired, observed, flows=own, meters=())
    found = [f"switch {dpid}: {_words(change)}" for change in plan.all]
    found += [
        f"switch {dpid}: another application's flow stands where {_match(rule.match)} should"
        for rule in plan.blocked
    ]
    return found


def _words(change: Change) -> str:
    match change:
        case FlowAdd(rule):
            return f"the flow for {_match(rule.match)} is missing"
        case FlowModify(rule):
            return f"the flow for {_match(rule.match)} does something else"
        case FlowRemove(rule):
            return f"a flow for {_match(rule.match)} is left over"
        case MeterAdd(meter):
            return f"meter {meter.meter} is missing"
        case MeterModify(meter):
            return f"meter {meter.meter} hasn't {meter.rate} kbit/s"
        case MeterRemove(meter):
            return f"meter {meter.meter} is left over"


def _match(match: Match) -> str:
    return ", ".join(f"{field}={value}" for field, value in match)
