"""The language as a JSON Schema (2020-12), derived from the tables that the loader checks by.

For editors (completion, a first check while typing) and for other programs. It sees what a schema
can see: keys, kinds, forms. What speaks of the graph as a whole (ids that exist, interfaces used
twice) only the loader sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rdl import vocabulary as v
from rdl.graph import ConstraintKind, Layer
from rdl.types import TRANSIT
from rdl.units import UNITS, Quantity
from rdl.vocabulary import Kind

Schema = dict[str, Any]

_NUMBER = r"(0|[1-9][0-9]*)(\.[0-9]+)?"
_OCTET = r"(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_V4 = rf"({_OCTET}\.){{3}}{_OCTET}/(3[0-2]|[12]?[0-9])"
_V6 = r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*/[0-9]{1,3}"
_MAC = r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$"
_PLAIN: Schema = {"type": ["string", "number", "boolean", "null"]}


def schema() -> Schema:
    """The schema of every RDL document."""
    defs: Schema = {
        "id": _text(v.ID_PATTERN),
        "name": _text(v.NAME_PATTERN),
        "interfaceId": _text(v.INTERFACE_PATTERN),
        "type": {**_text(v.TYPE_PATTERN), "examples": list(v.STANDARD_TYPES)},
        "graphName": _text(v.GRAPH_PATTERN),
        "provenance": _text(v.PROVENANCE_PATTERN),
        "ids": _list(_ref("id"), least=0),
        "bound": {"anyOf": [{"type": "number"}, _with_unit(Quantity.BYTES, *UNITS)]},
        "address": {"type": "string", "pattern": f"^({_V4}|{_V6})$"},
        **{_amount_name(q): _amount(q) for q in Quantity if q is not Quantity.TIME},
        **{_one_name(kind): _one(kind) for kind in Kind},
        "constraint": _constraint(),
        "placement": _placement(),
    }
    for offers in (False, True):
        defs |= _sided(offers)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:cloudnet:rdl:1",
        "title": "RDL 1: the resource description language of federated CloudNets",
        "type": "object",
        "required": ["rdl", "graph"],
        "properties": {"layer": {"enum": [str(layer) for layer in Layer], "default": "overlay"}},
        "allOf": [_if_layer(layer, _document(layer)) for layer in Layer],
        "$defs": defs,
    }


# -- documents


def _if_layer(layer: Layer, then: Schema) -> Schema:
    said: Schema = {"properties": {"layer": {"const": str(layer)}}}
    if layer is not Layer.OVERLAY:
        said["required"] = ["layer"]
    return {"if": said, "then": then}


def _document(layer: Layer) -> Schema:
    side = _side(offers=layer is Layer.UNDERLAY)
    known: Schema = {
        "rdl": {"const": v.VERSION, "type": "integer"},
        "graph": _ref("graphName"),
        "layer": {"type": "string"},
        "underlay": _ref("graphName"),
        "mapping": _map(_ref("placement"), _ref("id")),
        "elements": _list(_ref(f"element{side}"), least=0),
        "nodes": _map({"anyOf": [_ref(f"node{side}"), {"type": "null"}]}, _ref("id")),
        "links": _map(_ref(f"link{side}"), _ref("id")),
        "connections": _list(_list(_ref("interfaceId"), least=2, most=2), least=0),
        "constraints": _list(_ref("constraint"), least=0),
    }
    out = _closed({key: known[key] for key in v.TOP_KEYS[layer]})
    if layer is Layer.MAPPING:
        out["required"] = ["underlay", "mapping"]
    return out


# -- elements


def _side(*, offers: bool) -> str:
    return "Offer" if offers else "Demand"


def _sided(offers: bool) -> Schema:
    """The definitions that differ between a request and a substrate."""
    side = _side(offers=offers)
    out: Schema = {_feature_name(kind, side): _feature(kind, offers=offers) for kind in Kind}
    properties: Schema = {
        "id": _ref("id"),
        "type": _ref("type"),
        "resources": _ref("resources"),
        "features": _ref(f"features{side}"),
        "interfaces": _list(_ref(f"interface{side}"), least=0),
        "chosen": _map(_ref("provenance"), _ref("name")),
        "ends": _list({"anyOf": [_ref("id"), _ref("interfaceId")]}, least=2, unique=True),
        "addresses": _list(_ref("address"), least=0),
    }
    out[f"transitTag{side}"] = _transit_tag(offers=offers)
    element = _closed({key: properties[key] for key in v.ELEMENT_KEYS}, required=["id"])
    out["resources"] = _resources()
    out[f"features{side}"] = _features(side, interface=False)
    out[f"interfaceFeatures{side}"] = _features(side, interface=True)
    out[f"interface{side}"] = {"anyOf": [_ref("interfaceId"), _interface(side)]}
    out[f"element{side}"] = {**element, **_tagged(side, inside="features")}
    out[f"node{side}"] = _shorthand(properties, v.NODE_KEYS, side, "/node/")
    out[f"link{side}"] = {
        **_shorthand(properties, v.LINK_KEYS, side, "/link/"),
        **_tagged(side, inside=None),
    }
    return out


def _shorthand(properties: Schema, keys: Iterable[str], side: str, prefix: str) -> Schema:
    """A node or link of the shorthand: resources and features by their own names."""
    own = {key: properties[key] for key in keys}
    own["type"] = {"allOf": [_ref("type"), {"pattern": f"^{prefix}"}]}
    guessed = {name: _ref(_amount_name(rule.quantity)) for name, rule in v.RESOURCES.items()}
    features = {
        name: {**_ref(_feature_name(rule.kind, side)), "description": rule.text}
        for name, rule in v.FEATURES.items()
        if not rule.interface_only
    }
    never = dict.fromkeys(("id", "name", "ends", "addresses", "address", "mac"), False)
    return {
        "type": "object",
        "properties": {**never, **features, **guessed, **own},
        "propertyNames": _ref("name"),
        "additionalProperties": _ref(_feature_name(Kind.ANY, side)),
    }


def _interface(side: str) -> Schema:
    known = {
        "id": _ref("interfaceId"),
        "features": _ref(f"interfaceFeatures{side}"),
        "resources": _ref("resources"),
    }
    return _closed({key: known[key] for key in v.INTERFACE_KEYS}, required=["id"])


def _tagged(side: str, *, inside: str | None) -> Schema:
    """The rule on the tags of transit links."""
    is_transit = {"properties": {"type": {"pattern": f"^{TRANSIT}(/|$)"}}, "required": ["type"]}
    tag: Schema = {"properties": {"vlan": _ref(f"transitTag{side}")}}
    return {"if": is_transit, "then": {"properties": {inside: tag}} if inside else tag}


def _resources() -> Schema:
    return {
        "type": "object",
        "properties": {
            name: {**_ref(_amount_name(rule.quantity)), "description": rule.text}
            for name, rule in v.RESOURCES.items()
        },
        "propertyNames": _ref("name"),
        "additionalProperties": _ref(_amount_name(Quantity.NUMBER)),
    }


def _features(side: str, *, interface: bool) -> Schema:
    known: Schema = {}
    for name, rule in v.FEATURES.items():
        fits = interface or not rule.interface_only
        value = _ref(_feature_name(rule.kind, side))
        known[name] = {**value, "description": rule.text} if fits else False
    return {
        "type": "object",
        "properties": known,
        "propertyNames": _ref("name"),
        "additionalProperties": _ref(_feature_name(Kind.ANY, side)),
    }


# -- amounts


def _amount_name(quantity: Quantity) -> str:
    return f"amount{quantity.name.title()}"


def _amount(quantity: Quantity) -> Schema:
    number: Schema = {"type": "number", "minimum": 0}
    if quantity is Quantity.COUNT:
        number = {"type": "integer", "minimum": 0}
    plain: Schema = {"anyOf": [number]}
    if UNITS[quantity]:
        plain["anyOf"].append(_with_unit(quantity))
    pooled = _closed({"amount": plain, "pool": _ref("name")}, required=["amount"])
    return {"anyOf": [*plain["anyOf"], pooled]}


def _with_unit(*quantities: Quantity) -> Schema:
    units = dict.fromkeys(unit for quantity in quantities for unit in UNITS[quantity])
    return _text(f"{_NUMBER}({'|'.join(map(re.escape, units))})")


# -- features


def _one_name(kind: Kind) -> str:
    return f"one{kind.name.title()}"


def _feature_name(kind: Kind, side: str) -> str:
    return f"feature{kind.name.title()}{side}"


def _one(kind: Kind) -> Schema:
    """One value of a feature of that kind."""
    ones: dict[Kind, Schema] = {
        Kind.ANY: _PLAIN,
        Kind.WORD: {"type": "string", "minLength": 1},
        Kind.TIME: {"anyOf": [{"type": "number", "minimum": 0}, _with_unit(Quantity.TIME)]},
        Kind.PRICE: {"type": "number", "minimum": 0},
        Kind.TAG: {"type": "integer", "minimum": 0, "maximum": 4095},
        Kind.TYPES: _ref("type"),
        Kind.PROTECTION: {"enum": list(v.PROTECTIONS)},
        Kind.ENDPOINT: _ref("interfaceId"),
        Kind.ADDRESS: _ref("address"),
        Kind.MAC: {"type": "string", "pattern": _MAC},
    }
    return ones[kind]


def _feature(kind: Kind, *, offers: bool) -> Schema:
    """A feature of that kind: one value and, where the kind takes them, lists and bounds."""
    if kind in (Kind.PROTECTION, Kind.ENDPOINT, Kind.ADDRESS, Kind.MAC):
        return _ref(_one_name(kind))
    bound = _ref("bound") if kind is Kind.ANY else _ref(_one_name(kind))
    return _forms(_ref(_one_name(kind)), bound, kind, offers=offers)


def _forms(one: Schema, bound: Schema, kind: Kind, *, offers: bool) -> Schema:
    several = _list(one)
    forms = [one, several]
    if kind not in (Kind.WORD, Kind.TYPES):
        forms.append({**_closed({"min": bound, "max": bound}), "minProperties": 1})
    if not offers:
        forms.append(_closed({"not": several}, required=["not"]))
    return {"anyOf": forms}


def _transit_tag(*, offers: bool) -> Schema:
    tag = {"type": "integer", "minimum": v.VLAN_MIN, "maximum": v.VLAN_MAX}
    return _forms(tag, tag, Kind.TAG, offers=offers)


# -- constraints and mappings


def _constraint() -> Schema:
    return {"oneOf": [_constraint_of(kind) for kind in ConstraintKind]}


def _constraint_of(kind: ConstraintKind) -> Schema:
    rule = v.CONSTRAINTS[kind]
    known: Schema = {"id": _ref("id"), "elsewhere": {"type": "integer", "minimum": 1}}
    known |= {key: _ref("name") for key in rule.optional}
    if rule.value == "feature":
        known[str(kind)] = _ref("name")
    elif rule.value == "targets":
        known[str(kind)] = _list({"anyOf": [_ref("id"), _ref("type")]})
    known[rule.members] = {**_list(_ref("id")), "uniqueItems": True}
    required = list(dict.fromkeys([str(kind), rule.members]))
    out = _closed(known, required=required)
    if rule.least > 1:
        out["if"] = {"not": {"required": ["elsewhere"]}}
        out["then"] = {"properties": {rule.members: {"minItems": rule.least}}}
    return out


def _placement() -> Schema:
    segment = _closed(
        {
            "on": _ref("id"),
            "vlan": _ref(_one_name(Kind.TAG)),
            "interface": _ref("interfaceId"),
            "bandwidth": {"anyOf": [{"type": "number", "minimum": 0}, _with_unit(Quantity.RATE)]},
        },
        required=["on"],
    )
    known = {"on": _ref("ids"), "segments": _list(segment, least=0), "backup": _ref("ids")}
    return _closed(known, required=["on"])


# -- pieces


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^({pattern})$".replace("(?:", "(")}


def _list(
    items: Schema, *, least: int = 1, most: int | None = None, unique: bool = False
) -> Schema:
    out: Schema = {"type": "array", "items": items}
    if least:
        out["minItems"] = least
    if most is not None:
        out["maxItems"] = most
    if unique:
        out["uniqueItems"] = True
    return out


def _map(values: Schema, names: Schema) -> Schema:
    return {"type": "object", "propertyNames": names, "additionalProperties": values}


def _closed(properties: Schema, *, required: list[str] | None = None) -> Schema:
    out: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        out["required"] = required
    return out
