"""The controller's XML-RPC methods: who may call, and what they are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from cloudnet_sdn.wire.faults import BadRequest, CloudnetError, Forbidden
from cloudnet_sdn.wire.identity import LOCAL, Caller
from cloudnet_sdn.wire.rpc import Method, Service
from ryu_apps.spec import VLinkSpec, parse_id, parse_spec
from ryu_apps.vlinks import VLinks

_MOST_ELEMENTS = 2_000_000
"""Of XML in a call: `vlinks.put_many` of 10,000 VLinks has a hundred each."""

_PUT = (
    "Makes the VLink be as `spec` says, new or changed, and answers once every switch has "
    "confirmed, as vlinks.get does. spec: {ends: [{dpid, port, vlan}, ...], bandwidth, "
    "protection, path, backup}; dpid 16 hex digits, port a number or a name, vlan 0 for "
    "untagged, bandwidth in bit/s (0: none reserved), path a list of dpids or of "
    "[dpid, out_port, vlan], or empty: the controller chooses."
)
_GET = (
    "How the VLink is: {id, state: up|degraded|failed|pending, reason, path: [dpid], "
    "tags: [[dpid, port, vlan]], bandwidth, since}."
)


def service_of(vlinks: VLinks, callers: Collection[Caller]) -> Service:
    """The XML-RPC service over `vlinks`; `callers` may call, and whoever came over loopback."""
    allowed = frozenset(callers) | {LOCAL}

    def put(name: str, spec: Any) -> Any:
        vlink = parse_id(name)
        return vlinks.put_many({vlink: parse_spec(spec)})[vlink]

    def put_many(specs: dict[str, Any]) -> Any:
        return vlinks.put_many({parse_id(name): _spec(name, raw) for name, raw in specs.items()})

    def delete(name: str) -> Any:
        vlink = parse_id(name)
        return vlinks.delete_many([vlink])[vlink]

    def validate(name: str) -> Any:
        return vlinks.validate(parse_id(name) if name else None)

    table: tuple[tuple[str, Callable[..., Any], tuple[str, ...], str], ...] = (
        ("vlinks.put", put, ("struct", "string", "struct"), _PUT),
        (
            "vlinks.put_many",
            put_many,
            ("struct", "struct"),
            (
                "vlinks.put for many at once, {id: spec}; answers {id: as vlinks.get}. A fault "
                "means that nothing was done."
            ),
        ),
        ("vlinks.get", lambda name: vlinks.get(parse_id(name)), ("struct", "string"), _GET),
        (
            "vlinks.get_many",
            lambda names: vlinks.get_many([parse_id(name) for name in names]),
            ("struct", "array"),
            "vlinks.get for many at once, {id: as vlinks.get}; what isn't there isn't in it.",
        ),
        (
            "vlinks.list",
            vlinks.ids,
            ("array",),
            "The ids of all VLinks, those still being removed included.",
        ),
        (
            "vlinks.delete",
            delete,
            ("struct", "string"),
            (
                "Leaves nothing of the VLink; what isn't there succeeds. Answers as vlinks.get "
                "with the state `gone`, or `pending` while a switch is away that may hold some."
            ),
        ),
        (
            "vlinks.delete_many",
            lambda names: vlinks.delete_many([parse_id(name) for name in names]),
            ("struct", "array"),
            "vlinks.delete for many at once; answers {id: as vlinks.delete}.",
        ),
        (
            "vlinks.validate",
            validate,
            ("struct", "string"),
            (
                "Compares what is wanted, installed and observed right now, '' for all VLinks: "
                "{ok, differences: [text]}."
            ),
        ),
        (
            "topology.get",
            vlinks.topology,
            ("struct",),
            (
                "The network as discovered: {switches: [{dpid, ports: [{port, name, up}]}], "
                "links: [{a: [dpid, port], b: [dpid, port], up, capacity}]}, capacity in bit/s."
            ),
        ),
    )
    return Service(
        [
            Method(name, _guarded(call, allowed), signature, text)
            for name, call, signature, text in table
        ],
        most=_MOST_ELEMENTS,
    )


def _guarded(call: Callable[..., Any], allowed: Collection[Caller]) -> Callable[..., Any]:
    def guarded(caller: Caller | None, *args: Any) -> Any:
        if caller not in allowed:
            raise Forbidden("this controller isn't yours to command")
        return call(*args)

    return guarded


def _spec(name: str, raw: Any) -> VLinkSpec:
    try:
        return parse_spec(raw)
    except CloudnetError as exc:
        raise BadRequest(f"{name}: {exc.text}") from exc
