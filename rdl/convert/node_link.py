"""Node-link JSON, as networkx and topohub write it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rdl.convert.account import Account, Fields
from rdl.convert.graphml import is_numbered
from rdl.convert.quantities import number, rate
from rdl.convert.topology import (
    Converted,
    ConvertError,
    Line,
    Options,
    Place,
    distance_km,
    substrate,
)

_SAME = 0.01  # distances that differ by less than this part are the same distance


def graph(text: str, name: str, options: Options) -> Converted:
    """A node-link graph: `name` and `pos` (longitude, latitude) of nodes, `dist` (km) of edges.

    `bandwidth` or `capacity` of an edge is in bit/s, or has its unit; without either, a label
    that reads as a rate is one.

    Raises:
        ConvertError: it is none.
    """
    account = Account()
    try:
        top = Fields(_mapping(json.loads(text, object_pairs_hook=_object), "the document").items())
        nodes = [_place(_mapping(n, "a node"), account) for n in _list(top.take("nodes"), "nodes")]
        key = "edges" if "edges" in top else "links"
        near = {place.key: place for place in nodes}
        edges = [_mapping(e, "an edge") for e in _list(top.take(key), "edges")]
        joints = [_line(edge, near, account) for edge in edges]
        about = Fields(_mapping(top.take("graph") or {}, "graph").items())
        title = _text(about, "name")
        if top.take("directed"):
            account.lose("graph", "", "direction of its links", "directed")
        top.take("multigraph")
        about.lose_rest(account, "graph", "", "key")
        top.lose_rest(account, "graph", "", "key")
    except KeyError as exc:
        raise ConvertError(f"JSON, but no node-link graph: {exc} is missing") from exc
    except (ValueError, RecursionError) as exc:
        raise ConvertError(f"JSON, but no node-link graph: {str(exc)[:80]}") from exc
    return substrate(title or name, nodes, joints, options, account)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object none of whose keys is there twice: of two values one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:40]!r} is there twice")
    return found


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} is no object")  # noqa: TRY004 - of the file, not of a caller
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"it has no list of {what}")  # noqa: TRY004 - likewise
    return value


def _place(node: Mapping[str, Any], account: Account) -> Place:
    fields = Fields(node.items())
    key = _key(node, "id")
    fields.take("id")
    label = _text(fields, "name") or _text(fields, "label")
    if label and label != key and not is_numbered(key):
        account.lose("node", label, "id", key)
    longitude, latitude = _position(fields)
    fields.lose_rest(account, "node", label or key, "key")
    return Place(key, label, longitude, latitude)


def _key(values: Mapping[str, Any], name: str) -> str:
    """What identifies a node: text or a number, or whatever JSON has, in its one spelling."""
    value = values[name]
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _text(fields: Fields, name: str) -> str:
    value = fields.take(name)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    fields.put_back(name, value)
    return ""


def _position(fields: Fields) -> tuple[float | None, float | None]:
    """Longitude and latitude from `pos`; what is no pair of numbers is left in the fields."""
    pos = fields.take("pos")
    if isinstance(pos, list) and len(pos) == 2:
        longitude, latitude = (_number(p) for p in pos)
        if longitude is not None and latitude is not None:
            return longitude, latitude
    fields.put_back("pos", pos)
    return None, None


def _line(edge: Mapping[str, Any], near: Mapping[str, Place], account: Account) -> Line:
    fields = Fields(edge.items())
    ends = _key(edge, "source"), _key(edge, "target")
    where = "--".join(near[key].label or key if key in near else key for key in ends)
    fields.take("source")
    fields.take("target")
    if isinstance(edge.get("key"), int):
        fields.take("key")  # networkx numbers parallel edges by it
    bandwidth = _bandwidth(fields)
    km = _distance(fields, [near[key] for key in ends if key in near])
    label = _text(fields, "label") or _text(fields, "name")
    bandwidth = rate(label) if bandwidth is None else bandwidth
    fields.lose_rest(account, "link", where, "key")
    return Line(ends, label, bandwidth, km)


def _bandwidth(fields: Fields) -> float | None:
    for name in ("bandwidth", "capacity"):
        value = fields.take(name)
        found = rate(value) if isinstance(value, str) else None
        found = _number(value) if found is None else found
        if found is not None:
            return found
        fields.put_back(name, value)
    return None


def _distance(fields: Fields, places: list[Place]) -> float | None:
    """The distance in km; none where it was computed from coordinates that are no place."""
    value = fields.take("dist")
    km = _number(value)
    if km is not None and len(places) == 2 and any(p.is_off_earth for p in places):
        computed = distance_km(*places)
        if computed is not None and abs(computed - km) <= _SAME * max(computed, km):
            km = None
    if km is None:
        fields.put_back("dist", value)
    return km


def _number(value: object) -> float | None:
    return None if isinstance(value, bool | None) else number(str(value))
