"""From what a datapath shall hold and what it holds to the fewest changes. Pure.

Others' flows are never touched: where one stands in the way, that is said instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ryu_apps.rules import Desired, FlowRule, Key, MeterRule, Observed


@dataclass(frozen=True, slots=True)
class MeterAdd:
    """A meter that isn't there."""

    rule: MeterRule


@dataclass(frozen=True, slots=True)
class MeterModify:
    """A meter with other figures; flows and counters stay."""

    rule: MeterRule


@dataclass(frozen=True, slots=True)
class MeterRemove:
    """A meter that nobody wants; its flows must be gone before, or they go with it."""

    rule: MeterRule


@dataclass(frozen=True, slots=True)
class FlowAdd:
    """A flow that isn't there, or is with another of our cookies."""

    rule: FlowRule


@dataclass(frozen=True, slots=True)
class FlowModify:
    """A flow that does something else; counters stay."""

    rule: FlowRule


@dataclass(frozen=True, slots=True)
class FlowRemove:
    """A flow that nobody wants."""

    rule: FlowRule


Change = MeterAdd | MeterModify | MeterRemove | FlowAdd | FlowModify | FlowRemove


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of one datapath, in three steps to be taken network-wide one after the other.

    Attributes:
        build: what is new stands beside the old.
        switch: traffic moves over to the new.
        clear: the old goes.
        blocked: wanted flows in whose place others' flows stand; not touched.
    """

    build: tuple[Change, ...] = ()
    switch: tuple[Change, ...] = ()
    clear: tuple[Change, ...] = ()
    blocked: tuple[FlowRule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.build or self.switch or self.clear or self.blocked)

    @property
    def all(self) -> tuple[Change, ...]:
        """The three steps in a row."""
        return (*self.build, *self.switch, *self.clear)


def changes(
    desired: Desired,
    observed: Observed,
    *,
    flows: Iterable[Key] | None = None,
    meters: Iterable[int] | None = None,
) -> Changes:
    """The changes that make what is observed as desired.

    Args:
        desired: what shall be there.
        observed: what is there.
        flows: which of the observed flows may be removed if not desired; None: all of ours.
        meters: likewise.
    """
    surplus_flows = observed.flows.keys() if flows is None else set(flows) & observed.flows.keys()
    surplus_meters = (
        observed.meters.keys() if meters is None else set(meters) & observed.meters.keys()
    )
    build: list[Change] = []
    switch: list[Change] = []
    for meter, meter_rule in desired.meters.items():
        if meter not in observed.meters:
            build.append(MeterAdd(meter_rule))
        elif observed.meters[meter] != meter_rule:
            build.append(MeterModify(meter_rule))
    blocked = tuple(rule for key, rule in desired.flows.items() if key in observed.foreign)
    for key, rule in desired.flows.items():
        found = observed.flows.get(key)
        if key in observed.foreign or found == rule:
            continue
        if found is None:
            build.append(FlowAdd(rule))
        elif found.cookie != rule.cookie:
            switch.append(FlowAdd(rule))
        else:
            switch.append(FlowModify(rule))
    clear: list[Change] = [
        FlowRemove(observed.flows[key]) for key in surplus_flows if key not in desired.flows
    ]
    clear += [
        MeterRemove(observed.meters[meter])
        for meter in surplus_meters
        if meter not in desired.meters
    ]
    return Changes(tuple(build), tuple(switch), tuple(clear), blocked)


def note(observed: Observed, change: Change) -> None:
    """Bring `observed` up to date with a change that the datapath confirmed."""
    match change:
        case MeterAdd(rule) | MeterModify(rule):
            observed.meters[rule.meter] = rule
        case MeterRemove(rule):
            observed.meters.pop(rule.meter, None)
        case FlowAdd(flow) | FlowModify(flow):
            observed.flows[flow.key] = flow
        case FlowRemove(flow):
            observed.flows.pop(flow.key, None)
