"""Our values as OpenFlow 1.3 messages and back. The only place that knows Ryu's message classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ryu.ofproto import ofproto_v1_3 as ofp
from ryu.ofproto import ofproto_v1_3_parser as parser

from ryu_apps.reconcile import (
    Change,
    FlowAdd,
    FlowModify,
    FlowRemove,
    MeterAdd,
    MeterModify,
    MeterRemove,
)
from ryu_apps.rules import (
    Action,
    FlowRule,
    Key,
    Match,
    MeterRule,
    Other,
    Output,
    PopVlan,
    PushVlan,
    SetVlan,
)
from ryu_apps.topology import Port

_FLOW_COMMANDS = {
    FlowAdd: ofp.OFPFC_ADD,
    FlowModify: ofp.OFPFC_MODIFY_STRICT,
    FlowRemove: ofp.OFPFC_DELETE_STRICT,
}
_METER_COMMANDS = {
    MeterAdd: ofp.OFPMC_ADD,
    MeterModify: ofp.OFPMC_MODIFY,
    MeterRemove: ofp.OFPMC_DELETE,
}
_METER_FLAGS = ofp.OFPMF_KBPS | ofp.OFPMF_BURST
_TPID = 0x8100


def message(datapath: Any, change: Change) -> Any:
    """The FlowMod or MeterMod of a change."""
    match change:
        case MeterAdd(meter) | MeterModify(meter) | MeterRemove(meter):
            bands = [parser.OFPMeterBandDrop(rate=meter.rate, burst_size=meter.burst)]
            gone = isinstance(change, MeterRemove)
            return parser.OFPMeterMod(
                datapath,
                command=_METER_COMMANDS[type(change)],
                flags=_METER_FLAGS,
                meter_id=meter.meter,
                bands=[] if gone else bands,
            )
        case FlowAdd(rule) | FlowModify(rule) | FlowRemove(rule):
            gone = isinstance(change, FlowRemove)
            return parser.OFPFlowMod(
                datapath,
                cookie=rule.cookie,
                # Only a flow with this very cookie: between the look and now another
                # application may have put its own in the place.
                cookie_mask=0 if isinstance(change, FlowAdd) else 0xFFFFFFFFFFFFFFFF,
                table_id=0,
                command=_FLOW_COMMANDS[type(change)],
                priority=rule.priority,
                buffer_id=ofp.OFP_NO_BUFFER,
                out_port=ofp.OFPP_ANY,
                out_group=ofp.OFPG_ANY,
                flags=ofp.OFPFF_SEND_FLOW_REM,
                match=parser.OFPMatch(**dict(rule.match)),
                instructions=[] if gone else list(_instructions(rule)),
            )


def flow_key(priority: int, match: Any) -> Key:
    """The identity of a flow in a message of a switch."""
    fields: Match = tuple(sorted((str(field), value) for field, value in match.items()))
    return Key(priority, fields)


def flow_rule(stat: Any) -> FlowRule:
    """A flow of a multipart reply; what we never write in it becomes `Other`."""
    key = flow_key(stat.priority, stat.match)
    meter, actions = 0, list[Action]()
    for instruction in stat.instructions:
        if isinstance(instruction, parser.OFPInstructionMeter):
            meter = instruction.meter_id
        elif instruction.type == ofp.OFPIT_APPLY_ACTIONS:
            actions += [_action(action) for action in instruction.actions]
        else:
            actions.append(Other(str(instruction)))
    if stat.idle_timeout or stat.hard_timeout:
        actions.append(Other("a timeout"))
    return FlowRule(stat.cookie, key.priority, key.match, tuple(actions), meter)


def meter_rule(stat: Any) -> MeterRule:
    """A meter of a multipart reply. One that we'd never write gets a rate that isn't ours."""
    if stat.flags & ~ofp.OFPMF_STATS != _METER_FLAGS or len(stat.bands) != 1:
        return MeterRule(stat.meter_id, -1, -1)
    (band,) = stat.bands
    if band.type != ofp.OFPMBT_DROP:
        return MeterRule(stat.meter_id, -1, -1)
    return MeterRule(stat.meter_id, band.rate, band.burst_size)


def port(description: Any) -> Port | None:
    """A port as its switch describes it; None for reserved ones, the switch's own among them."""
    if not 1 <= description.port_no <= ofp.OFPP_MAX:
        return None
    down = description.config & ofp.OFPPC_PORT_DOWN or description.state & ofp.OFPPS_LINK_DOWN
    name = description.name.split(b"\0")[0].decode(errors="replace")
    return Port(description.port_no, name, not down, description.curr_speed * 1e3)


def ports(descriptions: Iterable[Any]) -> list[Port]:
    """All that aren't reserved."""
    return [found for one in descriptions if (found := port(one)) is not None]


def packet_out(datapath: Any, number: int, data: bytes) -> Any:
    """The message that has `data` sent out of a port."""
    return parser.OFPPacketOut(
        datapath,
        buffer_id=ofp.OFP_NO_BUFFER,
        in_port=ofp.OFPP_CONTROLLER,
        actions=[parser.OFPActionOutput(number)],
        data=data,
    )


def error_text(error: Any) -> str:
    """What an error message says, in the specification's words."""
    if error.type == ofp.OFPET_EXPERIMENTER:
        return "an error of its maker's own"
    kind = str(ofp.ofp_error_type_to_str(error.type)).split("(")[0]
    code = str(ofp.ofp_error_code_to_str(error.type, error.code)).split("(")[0]
    return f"it refused: {code} ({kind})"


def _instructions(rule: FlowRule) -> Iterable[Any]:
    if rule.meter:
        yield parser.OFPInstructionMeter(rule.meter, ofp.OFPIT_METER)
    actions = [_written(action) for action in rule.actions]
    yield parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions)


def _written(action: Action) -> Any:
    match action:
        case PushVlan():
            return parser.OFPActionPushVlan(_TPID)
        case PopVlan():
            return parser.OFPActionPopVlan()
        case SetVlan(vlan):
            return parser.OFPActionSetField(vlan_vid=ofp.OFPVID_PRESENT | vlan)
        case Output(number):
            return parser.OFPActionOutput(number, ofp.OFPCML_NO_BUFFER)
        case Other(text):
            raise ValueError(f"not ours to write: {text}")


def _action(action: Any) -> Action:
    match action:
        case parser.OFPActionPushVlan() if action.ethertype == _TPID:
            return PushVlan()
        case parser.OFPActionPopVlan():
            return PopVlan()
        case parser.OFPActionSetField() if action.key == "vlan_vid":
            return SetVlan(action.value & ~ofp.OFPVID_PRESENT)
        case parser.OFPActionOutput():
            return Output(action.port)
        case _:
            return Other(str(action))
